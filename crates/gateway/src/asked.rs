//! What every handler is given: who asks, where, and with which words.

use crate::{Gateway, refusals};
use http::HeaderMap;
use http::request::Parts;
use lacewing_access::{Caller, CallerFacts, Fact, Facts, Principal, Wish};
use lacewing_catalog::Scope;
use lacewing_lambda_api::{
    ApiError, ErrorCode, FunctionReference, QUALIFIER_PATTERN, Query, ReferenceForm, Violations,
};
use lacewing_model::{FunctionName, Qualifier, Region, Timestamp};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// One verified request.
pub(crate) struct Asked<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query<'a>,
    /// The same as sent.
    pub(crate) raw_query: &'a str,
    pub(crate) now: Timestamp,
    /// Host and port as the client wrote them.
    pub(crate) host: &'a str,
    /// Where the request comes from; `None` from inside a sandbox.
    pub(crate) source: Option<IpAddr>,
}

/// Where a connection comes from, as the server tells the handlers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

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
            raw_query: parts.uri.query().unwrap_or_default(),
            now,
            host: host.or_else(|| parts.uri.authority().map(|a| a.as_str())).unwrap_or_default(),
            source: parts.extensions.get::<Peer>().map(|peer| peer.0),
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
                match self.permit_also(gateway, action, &foreign, &()) {
                    Err(error) => error,
                    Ok(()) => ApiError::new(ErrorCode::AccessDenied, "The account is not yours."),
                }
            })
        })?;
        if self.caller.principal != Principal::Root {
            let resource =
                qualifier.map_or_else(|| self.arn(name), |qualifier| self.arn(&format!("{name}:{qualifier}")));
            self.permit_also(gateway, action, &resource, &FunctionFacts { gateway, scope: self.scope(), name })?;
        }
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
        self.permit_also(gateway, action, &resource(), &())
    }

    /// The same for everyone, root keys too, where conditions may ask for `more` than every request has.
    pub(crate) fn permit_also(
        &self,
        gateway: &Gateway,
        action: &str,
        resource: &str,
        more: &dyn Facts,
    ) -> Result<(), ApiError> {
        let wish = Wish { action, resource, policy: None };
        let access = &gateway.inner.access;
        access.allows(&wish, &self.facts(gateway), more).map_err(refusals::access)
    }

    /// What conditions may ask about every request.
    pub(crate) fn facts<'b>(&'b self, gateway: &'b Gateway) -> CallerFacts<'b> {
        CallerFacts { access: &gateway.inner.access, caller: self.caller, now: self.now, source: self.source }
    }
}

/// What conditions may ask about a function: looked up where one does.
struct FunctionFacts<'a> {
    gateway: &'a Gateway,
    scope: Scope,
    name: &'a str,
}

impl Facts for FunctionFacts<'_> {
    fn fact(&self, key: &str) -> Fact<'_> {
        let Some(tag) = key.strip_prefix("aws:resourcetag/") else { return Fact::Absent };
        let name = self.name.parse::<FunctionName>().ok();
        let view = name.and_then(|name| self.gateway.inner.catalog.get(&self.scope, &name, None).ok());
        Fact::maybe(view.and_then(|view| view.tags.get(tag).cloned()))
    }
}

fn check_qualifier(qualifier: &str, violations: &mut Violations) {
    violations.length(qualifier, "qualifier", 1, 128);
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'$');
    if qualifier != "$LATEST.PUBLISHED" && !qualifier.bytes().all(fits) {
        violations.pattern(qualifier, "qualifier", QUALIFIER_PATTERN);
    }
}
