//! What every handler is given: who asks, where, and with which words.

use crate::{Gateway, refusals};
use http::HeaderMap;
use http::request::Parts;
use lacewing_access::{Caller, Principal};
use lacewing_catalog::Scope;
use lacewing_lambda_api::{
    ApiError, ErrorCode, FunctionReference, QUALIFIER_PATTERN, Query, ReferenceForm, Violations,
};
use lacewing_model::{FunctionName, Qualifier, Region, Timestamp};
use std::borrow::Cow;
use std::sync::Arc;

/// One verified request.
pub(crate) struct Asked<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query<'a>,
    pub(crate) now: Timestamp,
    /// Host and port as the client wrote them.
    pub(crate) host: &'a str,
}

/// A function that a request names, as far as it can be one.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: FunctionName,
    /// What the caller wrote behind the name or as `?Qualifier`.
    pub(crate) qualifier: Option<Qualifier>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(parts: &'a Parts, caller: &'a Caller, now: Timestamp) -> Self {
        let host = parts.headers.get("host").and_then(|value| value.to_str().ok());
        Self {
            caller,
            headers: &parts.headers,
            query: Query::new(parts.uri.query().unwrap_or_default()),
            now,
            host: host.or_else(|| parts.uri.authority().map(|a| a.as_str())).unwrap_or_default(),
        }
    }

    pub(crate) fn region(&self) -> &'a Region {
        &self.caller.region
    }

    /// Whose functions, and where.
    pub(crate) fn scope(&self) -> Scope {
        Scope { account: self.caller.account.clone(), region: self.caller.region.clone() }
    }

    pub(crate) fn shared_scope(&self) -> Arc<Scope> {
        Arc::new(self.scope())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A value of the query; an empty one counts as none.
    pub(crate) fn query_text(&self, key: &str) -> Option<String> {
        self.query.get(key).filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    /// How the client reaches us: behind a proxy that speaks TLS for us it has to come back through it.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.header("x-forwarded-proto") == Some("https") { "https" } else { "http" }
    }

    /// The ARN of a function of the caller's, whatever its name.
    pub(crate) fn arn(&self, name: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{name}", self.caller.region, self.caller.account)
    }

    /// Reads the function that a path or a body names, and checks that the caller may do `action` to it.
    /// `unqualified` is what a missing function's ARN ends in when the caller gave no qualifier.
    pub(crate) fn target(
        &self,
        gateway: &Gateway,
        text: &str,
        form: ReferenceForm,
        action: &str,
        unqualified: &str,
    ) -> Result<Target, ApiError> {
        let mut violations = Violations::default();
        let reference = FunctionReference::parse(text, form, &mut violations);
        let asked = self.query.get("Qualifier");
        if let Some(qualifier) = asked.as_deref() {
            check_qualifier(qualifier, &mut violations);
        }
        violations.finish()?;
        let (account, region) = (self.caller.account.as_str(), self.caller.region.as_str());
        let (name, qualifier) = reference.check(account, region, asked.as_deref()).map_err(|error| {
            refusals::reference(error, region, |other| {
                let foreign = format!("arn:aws:lambda:{region}:{other}:function:{}", reference.name);
                match gateway.inner.access.allows(self.caller, action, &foreign) {
                    Err(error) => refusals::access(error),
                    Ok(()) => ApiError::new(ErrorCode::AccessDenied, "The account is not yours."),
                }
            })
        })?;
        self.permit(gateway, action, || self.arn(name))?;
        let missing = || {
            let shown: Cow<'_, str> = match qualifier {
                Some(qualifier) => format!("{name}:{qualifier}").into(),
                None => format!("{name}{unqualified}").into(),
            };
            ApiError::new(ErrorCode::ResourceNotFound, format!("Function not found: {}", self.arn(&shown)))
        };
        Ok(Target {
            name: name.parse().map_err(|_| missing())?,
            qualifier: qualifier.map(|text| text.parse().map_err(|_| missing())).transpose()?,
        })
    }

    /// Checks that the caller may do `action` to `resource`. A root key in its own account is not asked twice.
    pub(crate) fn permit(
        &self,
        gateway: &Gateway,
        action: &str,
        resource: impl FnOnce() -> String,
    ) -> Result<(), ApiError> {
        if self.caller.principal == Principal::Root {
            return Ok(());
        }
        gateway.inner.access.allows(self.caller, action, &resource()).map_err(refusals::access)
    }
}

fn check_qualifier(qualifier: &str, violations: &mut Violations) {
    violations.length(qualifier, "qualifier", 1, 128);
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'$');
    if qualifier != "$LATEST.PUBLISHED" && !qualifier.bytes().all(fits) {
        violations.pattern(qualifier, "qualifier", QUALIFIER_PATTERN);
    }
}
