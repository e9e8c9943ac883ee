//! Resource policies: requests, the statements that they make, and replies.

use crate::{ApiError, ErrorCode, Violations};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub(crate) const SID_PATTERN: &str = "([a-zA-Z0-9-_]+)";
pub(crate) const ACTION_PATTERN: &str = "(lambda:[*]|lambda:[a-zA-Z]+|[*])";
pub(crate) const PRINCIPAL_PATTERN: &str = r"[^\s]+";
const ORGANIZATION_PATTERN: &str = "o-[a-z0-9]{10,32}";
const LAYER_ACTION: &str = "lambda:GetLayerVersion";
pub(crate) const LAYER_PRINCIPAL_PATTERN: &str = r"\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root";
pub(crate) const ARN_PATTERN: &str =
    r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)";
/// The model's pattern for what `PutResourcePolicy` and its like are asked about.
pub const POLICY_ARN_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_])+)?|runtime/[a-zA-Z0-9-_./]+)";
const PRINCIPAL_REFUSAL: &str = "The provided principal was invalid. Please check the principal and try again.";

/// `AddPermission`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct AddPermissionRequest {
    pub statement_id: Option<String>,
    pub action: Option<String>,
    pub principal: Option<String>,
    pub source_arn: Option<String>,
    pub function_url_auth_type: Option<String>,
    pub invoked_via_function_url: Option<bool>,
    pub source_account: Option<String>,
    pub event_source_token: Option<String>,
    pub revision_id: Option<String>,
    #[serde(rename = "PrincipalOrgID")]
    pub principal_org_id: Option<String>,
}

/// `AddLayerVersionPermission`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct AddLayerVersionPermissionRequest {
    pub statement_id: Option<String>,
    pub action: Option<String>,
    pub principal: Option<String>,
    pub organization_id: Option<String>,
}

/// `PutResourcePolicy`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct PutResourcePolicyRequest {
    pub policy: Option<String>,
    pub revision_id: Option<String>,
}

/// A statement of a resource policy; its fields are written in the order of recorded replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct PolicyStatement {
    pub sid: String,
    pub effect: &'static str,
    pub principal: PolicyPrincipal,
    pub action: String,
    pub resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<PolicyCondition>,
}

/// Whom a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum PolicyPrincipal {
    /// An AWS service, by its host name.
    Service(String),
    /// An account, a user or a role, by its ARN.
    #[serde(rename = "AWS")]
    Aws(String),
    /// Everybody: `"*"`.
    #[serde(untagged)]
    Everybody(&'static str),
}

/// When a statement holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct PolicyCondition {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string_equals: Option<PolicyStringEquals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bool: Option<PolicyBool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn_like: Option<PolicyArnLike>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct PolicyStringEquals {
    #[serde(rename = "AWS:SourceAccount", skip_serializing_if = "Option::is_none")]
    pub source_account: Option<String>,
    #[serde(rename = "lambda:FunctionUrlAuthType", skip_serializing_if = "Option::is_none")]
    pub url_auth_type: Option<String>,
    #[serde(rename = "aws:PrincipalOrgID", skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    #[serde(rename = "lambda:EventSourceToken", skip_serializing_if = "Option::is_none")]
    pub event_source_token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct PolicyBool {
    #[serde(rename = "lambda:InvokedViaFunctionUrl")]
    pub via_url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct PolicyArnLike {
    #[serde(rename = "AWS:SourceArn")]
    pub source_arn: String,
}

impl AddPermissionRequest {
    /// Notes what the model refuses.
    pub fn check(&self, violations: &mut Violations) {
        check_statement(&self.statement_id, violations);
        check_word(&self.action, "action", ACTION_PATTERN, violations);
        check_word(&self.principal, "principal", PRINCIPAL_PATTERN, violations);
        if let Some(arn) = &self.source_arn {
            violations.matches(arn, "sourceArn", ARN_PATTERN);
        }
        if let Some(account) = &self.source_account {
            violations.length(account, "sourceAccount", 0, 12);
            violations.matches(account, "sourceAccount", r"\d{12}");
        }
        if let Some(kind) = &self.function_url_auth_type {
            violations.one_of(kind, "functionUrlAuthType", &["NONE", "AWS_IAM"]);
        }
        if let Some(token) = &self.event_source_token {
            violations.length(token, "eventSourceToken", 0, 256);
            violations.matches(token, "eventSourceToken", r"[a-zA-Z0-9._\-]+");
        }
        if let Some(id) = &self.principal_org_id {
            violations.length(id, "principalOrgID", 12, 34);
            violations.matches(id, "principalOrgID", ORGANIZATION_PATTERN);
        }
    }

    /// The statement that it adds to the policy of `resource`.
    ///
    /// # Errors
    /// `InvalidParameterValueException` for a principal that nobody can be.
    pub fn statement(&self, resource: String) -> Result<PolicyStatement, ApiError> {
        let principal = principal(self.principal.as_deref().unwrap_or_default())?;
        let equals = PolicyStringEquals {
            source_account: self.source_account.clone(),
            url_auth_type: self.function_url_auth_type.clone(),
            organization: self.principal_org_id.clone(),
            event_source_token: self.event_source_token.clone(),
        };
        let condition = PolicyCondition {
            string_equals: (equals != PolicyStringEquals::default()).then_some(equals),
            bool: self.invoked_via_function_url.map(|via| PolicyBool { via_url: via.to_string() }),
            arn_like: self.source_arn.clone().map(|source_arn| PolicyArnLike { source_arn }),
        };
        Ok(PolicyStatement {
            sid: self.statement_id.clone().unwrap_or_default(),
            effect: "Allow",
            principal,
            action: self.action.clone().unwrap_or_default(),
            resource,
            condition: (condition != PolicyCondition::default()).then_some(condition),
        })
    }
}

impl AddLayerVersionPermissionRequest {
    /// Notes what the model refuses.
    pub fn check(&self, violations: &mut Violations) {
        check_statement(&self.statement_id, violations);
        check_word(&self.action, "action", LAYER_ACTION, violations);
        check_word(&self.principal, "principal", LAYER_PRINCIPAL_PATTERN, violations);
        if let Some(id) = &self.organization_id {
            violations.matches(id, "organizationId", ORGANIZATION_PATTERN);
        }
    }

    /// The statement that it adds to the policy of `resource`.
    ///
    /// # Errors
    /// `InvalidParameterValueException` for a principal that nobody can be.
    pub fn statement(&self, resource: String) -> Result<PolicyStatement, ApiError> {
        let equals = PolicyStringEquals { organization: self.organization_id.clone(), ..Default::default() };
        let condition = PolicyCondition { string_equals: Some(equals), ..Default::default() };
        Ok(PolicyStatement {
            sid: self.statement_id.clone().unwrap_or_default(),
            effect: "Allow",
            principal: principal(self.principal.as_deref().unwrap_or_default())?,
            action: self.action.clone().unwrap_or_default(),
            resource,
            condition: self.organization_id.is_some().then_some(condition),
        })
    }
}

fn check_statement(sid: &Option<String>, violations: &mut Violations) {
    if let Some(sid) = sid {
        violations.length(sid, "statementId", 1, 100);
    }
    check_word(sid, "statementId", SID_PATTERN, violations);
}

fn check_word(word: &Option<String>, path: &str, pattern: &str, violations: &mut Violations) {
    match word {
        None => violations.null(path),
        Some(word) => violations.matches(word, path, pattern),
    }
}

/// `*`, an account, an ARN or a service's host.
fn principal(text: &str) -> Result<PolicyPrincipal, ApiError> {
    if text == "*" {
        return Ok(PolicyPrincipal::Everybody("*"));
    }
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(PolicyPrincipal::Aws(format!("arn:aws:iam::{text}:root")));
    }
    if text.starts_with("arn:") && text.split(':').count() >= 6 {
        return Ok(PolicyPrincipal::Aws(text.to_owned()));
    }
    let is_service = text.ends_with(".amazonaws.com") || text.ends_with(".amazon.com");
    if is_service {
        return Ok(PolicyPrincipal::Service(text.to_owned()));
    }
    Err(ApiError::new(ErrorCode::InvalidParameterValue, PRINCIPAL_REFUSAL))
}

/// A policy document as a caller sends it whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDocument {
    /// `Version`.
    pub version: String,
    /// `Id`.
    pub id: Option<String>,
    /// Each statement: its `Sid` and its JSON, as it was written.
    pub statements: Vec<(Option<String>, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parts<'a> {
    version: Option<String>,
    id: Option<String>,
    #[serde(borrow)]
    statement: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatementHead {
    sid: Option<String>,
    effect: String,
}

impl PolicyDocument {
    /// Reads a document; what its statements say is judged where they are applied.
    ///
    /// # Errors
    /// `InvalidParameterValueException` for what is no policy document.
    pub fn read(text: &str) -> Result<Self, ApiError> {
        let refused = |what: String| {
            ApiError::new(ErrorCode::InvalidParameterValue, format!("The policy document is not valid: {what}"))
        };
        let parts: Parts<'_> = serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        let list = parts.statement.get();
        let raw: Vec<&RawValue> = match list.starts_with('[') {
            true => serde_json::from_str(list).map_err(|error| refused(error.to_string()))?,
            false => vec![parts.statement],
        };
        let read = |raw: &&RawValue| {
            let head: StatementHead = serde_json::from_str(raw.get()).map_err(|error| refused(error.to_string()))?;
            if !matches!(head.effect.as_str(), "Allow" | "Deny") {
                return Err(refused("Effect must be Allow or Deny.".to_owned()));
            }
            Ok((head.sid, raw.get().to_owned()))
        };
        let statements: Vec<_> = raw.iter().map(read).collect::<Result<_, ApiError>>()?;
        if statements.is_empty() {
            return Err(refused("it has no statement.".to_owned()));
        }
        let version = parts.version.unwrap_or_else(|| "2008-10-17".to_owned());
        Ok(Self { version, id: parts.id, statements })
    }
}

/// `AddPermission`'s reply: the statement as JSON in a string. Layers' has the policy's revision too.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct AddPermissionReply {
    pub statement: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_id: Option<String>,
}

/// `GetPolicy`, `GetLayerVersionPolicy`, `PutResourcePolicy` and `GetResourcePolicy`: the document in a string.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct PolicyReply {
    pub policy: String,
    pub revision_id: String,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn statement(fields: &str) -> String {
        let request: AddPermissionRequest = crate::parse(fields.as_bytes()).unwrap();
        let statement = request.statement("arn:aws:lambda:us-east-1:000000000000:function:f".into());
        statement.map_or_else(|error| error.message, |statement| serde_json::to_string(&statement).unwrap())
    }

    #[test]
    fn statements_are_written_as_recorded() {
        insta::assert_snapshot!(statement(r#"{"StatementId":"s3","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com","SourceArn":"arn:aws:s3:::b"}"#), @r#"{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}"#);
        insta::assert_snapshot!(statement(r#"{"StatementId":"u","Action":"lambda:InvokeFunctionUrl","Principal":"*","FunctionUrlAuthType":"NONE","SourceAccount":"111111111111","PrincipalOrgID":"o-1234567890","InvokedViaFunctionUrl":true}"#), @r#"{"Sid":"u","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunctionUrl","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Condition":{"StringEquals":{"AWS:SourceAccount":"111111111111","lambda:FunctionUrlAuthType":"NONE","aws:PrincipalOrgID":"o-1234567890"},"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}}"#);
        insta::assert_snapshot!(statement(r#"{"StatementId":"a","Action":"lambda:*","Principal":"111111111111"}"#), @r#"{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"lambda:*","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f"}"#);
        assert_eq!(statement(r#"{"Principal":"invalid.nonaws.com"}"#), PRINCIPAL_REFUSAL);
    }

    #[test]
    fn a_document_is_taken_apart_and_its_statements_stay_as_they_were_written() {
        let one = r#"{"Sid": "a", "Effect": "Deny", "Principal": "*"}"#;
        let document = PolicyDocument::read(&format!(r#"{{"Version":"2012-10-17","Statement":[{one}]}}"#)).unwrap();
        assert_eq!(document.statements, [(Some("a".to_owned()), one.to_owned())]);
        assert_eq!(PolicyDocument::read(&format!(r#"{{"Statement":{one}}}"#)).unwrap().statements.len(), 1);
        for bad in ["", "{}", r#"{"Statement":[]}"#, r#"{"Statement":[{"Effect":"Maybe"}]}"#, r#"{"Statement":[1]}"#] {
            assert!(PolicyDocument::read(bad).is_err(), "{bad}");
        }
    }
}
