//! What a resource asks for, from its resolved properties. Pure but for the files that are packed.

mod code;
mod function;
mod identity;
mod properties;

use super::kind::Kind;
use super::source::Source;
use super::template::{Place, Resource};
use properties::{Properties, numbers};
use serde_json::{Map, Value, json};

pub(super) use code::Code;
pub(super) use function::FunctionWish;
pub(super) use identity::{ManagedPolicyWish, RoleWish};

/// The longest name of a function, and of a role. Source: Lambda and IAM API references.
const NAME_MAX: usize = 64;

/// A resource to be made.
#[derive(Debug)]
pub(super) enum Wish {
    Function(Box<FunctionWish>),
    Layer(LayerWish),
    LayerPermission {
        layer: String,
        statement: Value,
    },
    /// `body` is what `PublishVersion` takes.
    Version {
        function: String,
        body: Value,
        provisioned: Option<u64>,
    },
    /// `body` is what `UpdateAlias` takes.
    Alias {
        function: String,
        name: String,
        body: Value,
        provisioned: Option<u64>,
    },
    Url {
        function: String,
        qualifier: Option<String>,
        config: Value,
    },
    Permission {
        function: String,
        statement: Value,
    },
    EventInvoke {
        function: String,
        qualifier: String,
        config: Value,
    },
    Role(RoleWish),
    InlinePolicy {
        name: String,
        document: Value,
        roles: Vec<String>,
    },
    ManagedPolicy(ManagedPolicyWish),
    LogGroup {
        name: String,
        says_retention: bool,
    },
    Needless,
}

#[derive(Debug)]
pub(super) struct LayerWish {
    pub name: String,
    pub code: Code,
    /// The rest of `PublishLayerVersion`.
    pub fields: Map<String, Value>,
}

impl Wish {
    /// Reads a resource of the template in `source`.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(super) fn of(resource: &Resource, properties: &Value, place: &Place, source: &Source) -> Result<Self, String> {
        let (name, read) = (resource.name.as_str(), Properties(properties));
        Ok(match resource.kind {
            Kind::SamFunction => Self::Function(function::of(name, read, place, source)?.into()),
            Kind::Function => {
                let as_sam = function::as_sam(properties)?;
                Self::Function(function::of(name, Properties(&as_sam), place, source)?.into())
            }
            Kind::SamLayer => {
                let content = read.get("ContentUri").ok_or("the property ContentUri is missing")?;
                Self::Layer(layer(name.to_owned(), content, read, source)?)
            }
            Kind::Layer => {
                let content = read.get("Content").ok_or("the property Content is missing")?;
                Self::Layer(layer(format!("{}-{name}", place.stack), &code::as_sam(content), read, source)?)
            }
            Kind::LayerPermission => {
                let layer = read.must("LayerVersionArn")?;
                Self::LayerPermission { layer, statement: statement(read, name, place, &["LayerVersionArn"])? }
            }
            Kind::Version => Self::Version {
                function: read.must("FunctionName")?,
                body: read.only(&["CodeSha256", "Description"]),
                provisioned: provisioned(read)?,
            },
            Kind::Alias => alias(read)?,
            Kind::Url => Self::Url {
                function: read.must("TargetFunctionArn")?,
                qualifier: read.text("Qualifier"),
                config: url_config(properties)?,
            },
            Kind::Permission => {
                let function = read.must("FunctionName")?;
                Self::Permission { function, statement: statement(read, name, place, &["FunctionName"])? }
            }
            Kind::EventInvoke => Self::EventInvoke {
                function: read.must("FunctionName")?,
                qualifier: read.must("Qualifier")?,
                config: numbers(&read.only(&["MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"])),
            },
            Kind::Role => Self::Role(identity::role(name, read, place)?),
            Kind::InlinePolicy => Self::InlinePolicy {
                name: read.must("PolicyName")?,
                document: read.document("PolicyDocument")?,
                roles: read.texts("Roles"),
            },
            Kind::ManagedPolicy => Self::ManagedPolicy(identity::managed_policy(name, read, place)?),
            Kind::LogGroup => Self::LogGroup {
                name: read.text("LogGroupName").unwrap_or_else(|| format!("{}-{name}", place.stack)),
                says_retention: read.get("RetentionInDays").is_some(),
            },
            Kind::Needless => Self::Needless,
        })
    }
}

/// The name of what says none: stable, so that deploying again finds it.
fn named(own: Option<String>, logical: &str, place: &Place) -> String {
    own.filter(|name| !name.is_empty()).unwrap_or_else(|| {
        let whole = format!("{}-{logical}", place.stack);
        if whole.len() <= NAME_MAX { whole } else { shortened(&whole) }
    })
}

/// A resource's tags, and those of its stack that it does not say otherwise.
fn tags(read: Properties<'_>, place: &Place) -> Map<String, Value> {
    let mut tags: Map<String, Value> =
        place.tags.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
    tags.extend(read.map_of_texts("Tags"));
    tags
}

/// The beginning, and enough of a digest that no two are alike.
fn shortened(whole: &str) -> String {
    use sha2::{Digest, Sha256};
    const DIGITS: usize = 12;
    let digest: String = Sha256::digest(whole).iter().map(|byte| format!("{byte:02x}")).collect();
    let begin: String = whole.chars().filter(char::is_ascii).take(NAME_MAX - DIGITS - 1).collect();
    format!("{begin}-{}", &digest[..DIGITS])
}

fn layer(name: String, content: &Value, read: Properties<'_>, source: &Source) -> Result<LayerWish, String> {
    let fields = read.only(&["Description", "CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"]);
    let fields = fields.as_object().cloned().unwrap_or_default();
    Ok(LayerWish { name: read.text("LayerName").unwrap_or(name), code: code::package(content, source)?, fields })
}

/// A statement of a resource's policy: one for each resource of the template, so that deploying again replaces it.
fn statement(read: Properties<'_>, logical: &str, place: &Place, of: &[&str]) -> Result<Value, String> {
    let mut statement = read.0.as_object().cloned().unwrap_or_default();
    statement.retain(|key, _| !of.contains(&key.as_str()));
    for needed in ["Action", "Principal"] {
        read.must(needed)?;
    }
    statement.insert("StatementId".into(), format!("{}-{logical}", place.stack).into());
    Ok(Value::Object(statement))
}

fn alias(read: Properties<'_>) -> Result<Wish, String> {
    let mut weights = Map::new();
    let routed = read.get("RoutingConfig").and_then(|config| config.get("AdditionalVersionWeights"));
    for one in routed.and_then(Value::as_array).into_iter().flatten() {
        let part = Properties(one);
        let weight = part.must("FunctionWeight")?;
        let weight: f64 = weight.parse().map_err(|_| format!("FunctionWeight must be a number, not {weight}"))?;
        weights.insert(part.must("FunctionVersion")?, weight.into());
    }
    Ok(Wish::Alias {
        function: read.must("FunctionName")?,
        name: read.must("Name")?,
        body: json!({
            "FunctionVersion": read.must("FunctionVersion")?,
            "Description": read.text("Description").unwrap_or_default(),
            "RoutingConfig": {"AdditionalVersionWeights": weights},
        }),
        provisioned: provisioned(read)?,
    })
}

fn provisioned(read: Properties<'_>) -> Result<Option<u64>, String> {
    let config = read.get("ProvisionedConcurrencyConfig");
    config.map_or(Ok(None), |config| Properties(config).number("ProvisionedConcurrentExecutions"))
}

fn url_config(properties: &Value) -> Result<Value, String> {
    let config = Properties(properties).only(&["AuthType", "Cors", "InvokeMode"]);
    if config.get("AuthType").is_some() { Ok(numbers(&config)) } else { Err("a URL needs an AuthType".to_owned()) }
}

#[cfg(test)]
mod tests;
