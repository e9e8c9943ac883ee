//! Resource policies: who else may call.

use lacewing_model::RevisionId;
use serde::{Deserialize, Serialize};

/// The policy of a function, a version or an alias. Never empty: the last statement takes it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// `Version` of the document.
    pub version: String,
    /// `Id` of the document.
    pub id: Option<String>,
    /// The statements, in the order in which they were added.
    pub statements: Vec<Statement>,
    /// Changes with every change of the policy; callers may name it.
    pub revision: String,
}

/// One statement, as its JSON was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Its `Sid`, by which it is found again.
    pub sid: Option<String>,
    /// The whole statement.
    pub json: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: "2012-10-17".to_owned(),
            id: Some("default".to_owned()),
            statements: Vec::new(),
            revision: RevisionId::random().to_string(),
        }
    }
}

impl Policy {
    /// The policy document, as JSON.
    #[must_use]
    pub fn document(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let id = self.id.as_ref().map(|id| format!("\"Id\":{},", quoted(id))).unwrap_or_default();
        let statements: Vec<&str> = self.statements.iter().map(|statement| statement.json.as_str()).collect();
        format!("{{\"Version\":{},{id}\"Statement\":[{}]}}", quoted(&self.version), statements.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_holds_the_statements_as_they_were_recorded() {
        let json = r#"{"Sid":"a","Effect":"Allow","Principal":"*"}"#.to_owned();
        let statement = Statement { sid: Some("a".into()), json: json.clone() };
        let policy = Policy { statements: vec![statement.clone(), statement], ..Policy::default() };
        let want = format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{json},{json}]}}"#);
        assert_eq!(policy.document(), want);
    }
}
