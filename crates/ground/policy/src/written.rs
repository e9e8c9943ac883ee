//! Documents as they are written: JSON, before anything in it means something.
//!
//! Nothing is passed over. Elements that are not known are refused, and what stands twice is refused or holds twice:
//! a condition that got lost would let more in than was meant.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;

/// A whole document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Document {
    pub(crate) version: Option<String>,
    #[allow(dead_code)] // May be there, and means nothing to anyone.
    id: Option<Value>,
    #[serde(default)]
    pub(crate) statement: Statements,
}

/// A statement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Written {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Option<String>,
    pub(crate) principal: Option<WrittenPrincipal>,
    pub(crate) not_principal: Option<WrittenPrincipal>,
    pub(crate) action: Option<Value>,
    pub(crate) not_action: Option<Value>,
    pub(crate) resource: Option<Value>,
    pub(crate) not_resource: Option<Value>,
    #[serde(default)]
    pub(crate) condition: Pairs<Pairs<Value>>,
}

/// A statement, or a list of them.
#[derive(Default)]
pub(crate) struct Statements(pub(crate) Vec<Written>);

impl<'de> Deserialize<'de> for Statements {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Statements;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a statement, or a list of statements")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Statements, A::Error> {
                Ok(Statements(vec![Written::deserialize(MapAccessDeserializer::new(map))?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Statements, A::Error> {
                let mut statements = Vec::new();
                while let Some(statement) = list.next_element()? {
                    statements.push(statement);
                }
                Ok(Statements(statements))
            }
        }
        from.deserialize_any(OneOrMany)
    }
}

/// A word, or a map of kinds to names.
pub(crate) enum WrittenPrincipal {
    Word(String),
    Kinds(Pairs<Value>),
}

impl<'de> Deserialize<'de> for WrittenPrincipal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct WordOrKinds;

        impl<'de> Visitor<'de> for WordOrKinds {
            type Value = WrittenPrincipal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"*\", or a map such as {\"AWS\": \"123456789012\"}")
            }

            fn visit_str<E>(self, word: &str) -> Result<WrittenPrincipal, E> {
                Ok(WrittenPrincipal::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenPrincipal, A::Error> {
                Pairs::deserialize(MapAccessDeserializer::new(map)).map(WrittenPrincipal::Kinds)
            }
        }
        from.deserialize_any(WordOrKinds)
    }
}

/// A map that keeps what stands in it twice.
pub(crate) struct Pairs<V>(pub(crate) Vec<(String, V)>);

impl<V> Default for Pairs<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Each<V> {
            type Value = Pairs<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Each(PhantomData))
    }
}
