//! Verification: first what the head alone tells, then the body's hash.

use crate::authorization::Authorization;
use crate::canonical;
use crate::keys::Scope;
use crate::request::{hex, unhex};
use crate::{Access, AccessError, BodyHash, Caller, RequestHead, stamp};
use hmac::Mac;
use lacewing_model::{Region, Timestamp};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How far the caller's clock may be off.
const SKEW_MAX: Duration = Duration::from_secs(300);
/// The services that this server plays; a signature has to be for one of them.
const SERVICES: [&str; 5] = ["lambda", "logs", "iam", "sts", "cloudformation"];
/// Services without a region: clients sign for this one, wherever they mean to be.
const GLOBAL: [&str; 2] = ["iam", "sts"];
const GLOBAL_REGION: &str = "us-east-1";

/// A request whose head holds: the key is known and the time is right. Not verified until
/// [`Claim::verify`] says so.
pub struct Claim<'a> {
    head: RequestHead<'a>,
    signature: Authorization<'a>,
    scope: Arc<Scope>,
    content: Content,
}

/// What the signer says of the body.
enum Content {
    /// Nothing: the body's hash is part of the signature, so only the whole request can be verified.
    Unsaid,
    /// This is its hash; the signature over the head was right.
    Hash([u8; 32]),
    /// It has none; the signature over the head was right.
    None,
}

impl Access {
    /// Verifies a whole request at once.
    ///
    /// # Errors
    /// [`AccessError`], every variant but `Denied`.
    pub fn verify(&self, head: RequestHead<'_>, body: &BodyHash, now: Timestamp) -> Result<Arc<Caller>, AccessError> {
        self.check_head(head, now)?.verify(self, body)
    }

    /// Refuses whatever can be refused without the body. Where the signer sent the body's hash, the
    /// signature itself is verified here already.
    ///
    /// # Errors
    /// [`AccessError`], every variant but `Denied`.
    pub fn check_head<'a>(&self, head: RequestHead<'a>, now: Timestamp) -> Result<Claim<'a>, AccessError> {
        let signature = Authorization::of(&head)?;
        let scope = self.scope_of(&signature, now)?;
        check_time(&signature, now)?;
        check_signed_headers(&head, &signature)?;
        let content = match signature.content.as_deref() {
            None => Content::Unsaid,
            Some(said) => {
                check_signature(&head, &signature, &scope, said.as_bytes())?;
                declared(&head, said)?
            }
        };
        Ok(Claim { head, signature, scope, content }).inspect(|claim| {
            if !matches!(claim.content, Content::Unsaid) {
                self.remember(claim);
            }
        })
    }

    /// The signing key of a scope: kept, or derived anew.
    fn scope_of(&self, signature: &Authorization<'_>, now: Timestamp) -> Result<Arc<Scope>, AccessError> {
        let from_token = || self.key_of_token(&signature.key_id, signature.token.as_deref()?);
        let Some(key) = self.inner.keys.find(&signature.key_id).or_else(from_token) else {
            let ended = self.inner.keys.has_ended(&signature.key_id);
            return Err(if ended { AccessError::TokenExpired } else { AccessError::UnknownKey });
        };
        let token_fits = match (&key.token, &signature.token) {
            (Some(want), Some(got)) => bool::from(want.as_bytes().ct_eq(got.as_bytes())),
            (None, None) => true,
            _ => false,
        };
        if !token_fits {
            return Err(AccessError::UnknownKey);
        }
        if key.expires.is_some_and(|expires| expires <= now) {
            return Err(AccessError::TokenExpired);
        }
        let day = signature.stamp.get(..8).unwrap_or_default();
        let known = key.known_scope(&signature.scope);
        if let Some(scope) = known.filter(|_| signature.scope.starts_with(day)) {
            return Ok(scope);
        }
        let parts: Vec<&str> = signature.scope.split('/').collect();
        let &[date, region, service, terminator] = parts.as_slice() else {
            let text = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.";
            return Err(AccessError::Incomplete(text.to_owned()));
        };
        let wrong = |text: String| Err(AccessError::InvalidSignature(text));
        if terminator != "aws4_request" {
            return wrong(format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'."
            ));
        }
        if date != day {
            return wrong(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' != \
                 '{day}', from '{}'.",
                signature.stamp
            ));
        }
        let Ok(region) = region.parse::<Region>() else {
            return wrong("Credential should be scoped to a valid region.".to_owned());
        };
        let global = GLOBAL.contains(&service) && region.as_str() == GLOBAL_REGION;
        if let Some(only) = self.inner.strict_region.as_ref().filter(|only| **only != region && !global) {
            return wrong(format!(
                "Credential should be scoped to a valid region, not '{region}': this server is '{only}'."
            ));
        }
        let Some(service) = SERVICES.into_iter().find(|known| *known == service) else {
            return wrong(format!("Credential should be scoped to correct service: '{}'.", SERVICES.join("' or '")));
        };
        Ok(Arc::new(key.derive(date, &region, service)))
    }

    fn remember(&self, claim: &Claim<'_>) {
        if let Some(key) = self.inner.keys.find(&claim.signature.key_id)
            && key.known_scope(&claim.signature.scope).is_none()
        {
            key.keep(&claim.signature.scope, &claim.scope);
        }
    }
}

impl Claim<'_> {
    /// Verifies the rest, now that the body has been read.
    ///
    /// # Errors
    /// [`AccessError::InvalidSignature`].
    pub fn verify(&self, access: &Access, body: &BodyHash) -> Result<Arc<Caller>, AccessError> {
        let fits = match &self.content {
            Content::Unsaid => {
                check_signature(&self.head, &self.signature, &self.scope, &body.hex())?;
                access.remember(self);
                true
            }
            Content::Hash(said) => body.is(said),
            Content::None => *body == BodyHash::EMPTY,
        };
        if fits {
            Ok(self.scope.caller.clone())
        } else {
            let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            Err(AccessError::InvalidSignature(text.to_owned()))
        }
    }
}

fn check_time(signature: &Authorization<'_>, now: Timestamp) -> Result<(), AccessError> {
    let (sent, shown) = (signature.time, &signature.stamp);
    let life = signature.expires.map_or(SKEW_MAX, Duration::from_secs);
    if now.since(sent) > life {
        let limit = now.0.saturating_sub(u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
        let span = match signature.expires {
            None => "5 min".to_owned(),
            Some(seconds) if seconds % 60 == 0 => format!("{} min", seconds / 60),
            Some(seconds) => format!("{seconds} sec"),
        };
        return Err(AccessError::InvalidSignature(format!(
            "Signature expired: {shown} is now earlier than {} ({} - {span}.)",
            stamp::format(Timestamp(limit)),
            stamp::format(now)
        )));
    }
    if sent.since(now) > SKEW_MAX {
        return Err(AccessError::InvalidSignature(format!(
            "Signature not yet current: {shown} is still later than {} ({} + 5 min.)",
            stamp::format(now.plus(SKEW_MAX)),
            stamp::format(now)
        )));
    }
    Ok(())
}

/// The host has to be signed, and so has every header that tells the service what to do: whoever carries
/// the request may not add one.
fn check_signed_headers(head: &RequestHead<'_>, signature: &Authorization<'_>) -> Result<(), AccessError> {
    let signs = |name: &str| signature.signed_headers.split(';').any(|signed| signed == name);
    if !signs("host") {
        let text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
        return Err(AccessError::InvalidSignature(text.to_owned()));
    }
    // A content delivery network adds its own id behind the signer's back.
    let added = |name: &&str| name.starts_with("x-amz-") && *name != "x-amz-cf-id" && !signs(name);
    match head.headers.iter().map(|(name, _)| *name).find(added) {
        None => Ok(()),
        Some(name) => Err(AccessError::InvalidSignature(format!(
            "There were headers present in the request which were not signed: {name}"
        ))),
    }
}

/// Recomputes the signature and compares, in constant time.
fn check_signature(
    head: &RequestHead<'_>,
    signature: &Authorization<'_>,
    scope: &Scope,
    payload: &[u8],
) -> Result<(), AccessError> {
    let Some(given) = unhex(&signature.signature) else { return Err(AccessError::mismatch()) };
    let want = sign(head, signature.signed_headers.as_ref(), &signature.stamp, &signature.scope, scope, payload);
    if bool::from(want.ct_eq(&given)) { Ok(()) } else { Err(AccessError::mismatch()) }
}

/// The signature that the holder of the key would make.
pub(crate) fn sign(
    head: &RequestHead<'_>,
    signed_headers: &str,
    stamp: &str,
    scope_name: &str,
    scope: &Scope,
    payload: &[u8],
) -> [u8; 32] {
    let canonical = canonical::request(head, signed_headers, payload);
    let mut mac = scope.signing.clone();
    mac.update(b"AWS4-HMAC-SHA256\n");
    mac.update(stamp.as_bytes());
    mac.update(b"\n");
    mac.update(scope_name.as_bytes());
    mac.update(b"\n");
    mac.update(&hex(&Sha256::digest(&canonical).into()));
    mac.finalize().into_bytes().into()
}

/// Reads what stands in the body hash's place. The signature over it was right.
fn declared(head: &RequestHead<'_>, said: &str) -> Result<Content, AccessError> {
    if let Some(hash) = unhex(said) {
        return Ok(Content::Hash(hash));
    }
    // A request without a body loses nothing by not signing it.
    if said == "UNSIGNED-PAYLOAD" && matches!(head.method, "GET" | "HEAD" | "DELETE") {
        return Ok(Content::None);
    }
    let shown: Cow<'_, str> = said.chars().take(64).collect();
    Err(AccessError::InvalidSignature(format!(
        "x-amz-content-sha256 '{shown}' is not supported: sign the body, and send its SHA-256 in hex or no such header."
    )))
}
