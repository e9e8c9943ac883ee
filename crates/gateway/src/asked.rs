//! What every handler is given: who asks, where, and with which words.

use crate::tls::Encrypted;
use crate::{Gateway, refusals};
use http::HeaderMap;
use http::request::Parts;
use lacewing_access::{Caller, CallerFacts, Facts, Principal, Wish};
use lacewing_catalog::Scope;
use lacewing_lambda_api::{
    ApiError, ErrorCode, FunctionReference, QUALIFIER_PATTERN, Query, ReferenceForm, Violations,
};
use lacewing_model::{FunctionName, Qualifier, Region, Timestamp};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::OnceLock;

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
    /// By TLS, between the client and this server.
    encrypted: bool,
    /// The operation that the body named, where the head could not.
    named: &'a OnceLock<Box<str>>,
}

/// Where a connection comes from, as the server tells the handlers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A function that a request names, as far as it can be one.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Whose it is: not always the caller's.
    pub(crate) scope: Scope,
    pub(crate) name: FunctionName,
    /// What the caller wrote behind the name or as `?Qualifier`.
    pub(crate) qualifier: Option<Qualifier>,
}

/// A function as a request names it: of its form, but perhaps of no function that can be.
pub(crate) struct Named<'a> {
    /// The account, where it is not the caller's.
    pub(crate) foreign: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) qualifier: Option<String>,
}

impl Named<'_> {
    /// The function, if there can be one.
    pub(crate) fn target(&self, scope: &Scope) -> Option<Target> {
        let qualifier = self.qualifier.as_ref().map(|text| text.parse()).transpose().ok()?;
        Some(Target { scope: scope.clone(), name: self.name.parse().ok()?, qualifier })
    }

    /// Name and qualifier, as an ARN ends.
    pub(crate) fn shown(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.name),
            None => self.name.to_owned(),
        }
    }
}

impl Target {
    /// The ARN with the qualifier as the caller wrote it.
    pub(crate) fn arn(&self) -> String {
        self.scope.arn(&self.name, self.qualifier.as_ref()).to_string()
    }
}

impl<'a> Asked<'a> {
    pub(crate) fn new(parts: &'a Parts, caller: &'a Caller, now: Timestamp, named: &'a OnceLock<Box<str>>) -> Self {
        let host = parts.headers.get("host").and_then(|value| value.to_str().ok());
        Self {
            caller,
            headers: &parts.headers,
            query: Query::new(parts.uri.query().unwrap_or_default()),
            raw_query: parts.uri.query().unwrap_or_default(),
            now,
            host: host.or_else(|| parts.uri.authority().map(|a| a.as_str())).unwrap_or_default(),
            source: parts.extensions.get::<Peer>().map(|peer| peer.0),
            encrypted: parts.extensions.get::<Encrypted>().is_some(),
            named,
        }
    }

    /// Says which operation is asked for, to be counted so.
    pub(crate) fn count_as(&self, operation: &str) {
        let _ = self.named.set(operation.into());
    }

    pub(crate) fn region(&self) -> &'a Region {
        &self.caller.region
    }

    /// Whose functions, and where.
    pub(crate) fn scope(&self) -> Scope {
        Scope { account: self.caller.account.clone(), region: self.caller.region.clone() }
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
        if self.encrypted || self.header("x-forwarded-proto") == Some("https") { "https" } else { "http" }
    }

    /// The ARN of a function of the caller's, whatever its name.
    pub(crate) fn arn(&self, name: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{name}", self.caller.region, self.caller.account)
    }

    /// Whose functions `named` is one of, and where.
    pub(crate) fn scope_of(&self, named: &Named<'_>) -> Result<Scope, ApiError> {
        let mut scope = self.scope();
        if let Some(other) = named.foreign {
            scope.account = other.parse().map_err(|_| ApiError::new(ErrorCode::AccessDenied, "No such account."))?;
        }
        Ok(scope)
    }

    /// Reads the function that a path or a body names, of whatever account.
    pub(crate) fn named<'t>(&self, text: &'t str, form: ReferenceForm) -> Result<Named<'t>, ApiError> {
        let mut violations = Violations::default();
        let reference = FunctionReference::parse(text, form, &mut violations);
        let asked = self.query.get("Qualifier");
        if let Some(qualifier) = asked.as_deref() {
            check_qualifier(qualifier, &mut violations);
        }
        violations.finish()?;
        let (account, region) = (self.caller.account.as_str(), self.caller.region.as_str());
        let owner = reference.account.unwrap_or(account);
        let (_, qualifier) =
            reference.check(owner, region, asked.as_deref()).map_err(|error| refusals::reference(error, region))?;
        Ok(Named {
            foreign: reference.account.filter(|other| *other != account),
            name: reference.name,
            qualifier: qualifier.map(str::to_owned),
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
        self.permit_told(gateway, action, &resource(), &())
    }

    /// The same for everyone, root keys too, where conditions may ask for `more` than every request has.
    pub(crate) fn permit_told(
        &self,
        gateway: &Gateway,
        action: &str,
        resource: &str,
        more: &dyn Facts,
    ) -> Result<(), ApiError> {
        let wish = Wish { action, resource, policy: None, about: &() };
        let access = &gateway.inner.access;
        access.allows(&wish, &self.facts(gateway), more).map_err(refusals::access)
    }

    /// What conditions may ask about every request.
    pub(crate) fn facts<'b>(&'b self, gateway: &'b Gateway) -> CallerFacts<'b> {
        let agent = self.header("user-agent");
        let (now, source, encrypted) = (self.now, self.source, self.encrypted);
        CallerFacts { access: &gateway.inner.access, caller: self.caller, now, source, encrypted, agent }
    }
}

fn check_qualifier(qualifier: &str, violations: &mut Violations) {
    violations.length(qualifier, "qualifier", 1, 128);
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'$');
    if qualifier != "$LATEST.PUBLISHED" && !qualifier.bytes().all(fits) {
        violations.pattern(qualifier, "qualifier", QUALIFIER_PATTERN);
    }
}
