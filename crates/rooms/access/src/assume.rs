//! Sessions of roles that callers asked for: `sts:AssumeRole`.
//!
//! A session is kept nowhere. Its token says whose it is and until when, sealed with the seed, and its secret is
//! derived from its id: so sessions outlive a restart, on any node that has the seed. Only what it may do is looked up
//! at each call, so that a role that changes or goes takes its sessions with it.

use crate::identities::{IdentityError, path_arn, rules, session_name};
use crate::keys::{Key, random_id};
use crate::seed::TOKEN_BYTES_MAX;
use crate::{Access, AccessError, Caller, CallerFacts, DenialReason, Principal};
use lacewing_model::{AccountId, RoleArn, Timestamp};
use lacewing_policy::{Fact, Facts, Kind, Policy, Question, Verdict, tag};
use lacewing_sandbox::Credentials;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A session's shortest and longest life, seconds. Source: STS API, `AssumeRole`.
const SECONDS: std::ops::RangeInclusive<u32> = 900..=43_200;
/// A session's life where none is asked for, seconds.
const SECONDS_DEFAULT: u32 = 3_600;
/// Managed policies that may narrow a session. Source: STS API, `AssumeRole`.
const MANAGED_MAX: usize = 10;
/// A session's longest life where a session asks for it, seconds: chaining must not be a way to live on and on.
/// Source: IAM User Guide, "Role chaining".
const SECONDS_CHAINED: u32 = 3_600;
/// Characters of a session policy. Source: STS API, `AssumeRole`.
const POLICY_CHARACTERS_MAX: usize = 2_048;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct AssumeRole<'a> {
    /// The role's ARN.
    pub role: &'a str,
    /// The name of the session: 2 to 64 of `[A-Za-z0-9+=,.@_-]`.
    pub session: &'a str,
    /// How long it lives: 900 seconds to the role's own limit.
    pub seconds: Option<u32>,
    /// A policy that narrows what the role may do.
    pub policy: Option<&'a str>,
    /// Managed policies that do, by ARN.
    pub managed: &'a [String],
    /// Tags of the session.
    pub tags: &'a BTreeMap<String, String>,
    /// What the role's trust policy may ask for.
    pub external_id: Option<&'a str>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Assumed {
    /// What signs in its name.
    pub credentials: Credentials,
    /// When it ends.
    pub expires: Timestamp,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub arn: String,
    /// `AROA...:SESSION`.
    pub id: String,
}

/// Why a role cannot be assumed.
#[derive(Debug, thiserror::Error)]
pub enum AssumeError {
    /// The role does not trust the caller, or is not there: nobody is told which.
    #[error(transparent)]
    Denied(#[from] AccessError),
    /// A value that is not of its form.
    #[error(transparent)]
    Invalid(#[from] IdentityError),
}

/// What a token says. Short names: it travels with every request.
#[derive(Serialize, Deserialize)]
struct Token {
    /// The access key's id.
    k: String,
    /// The account.
    a: String,
    /// The role's ARN, and its id: a role of the same name that was made later is another one.
    r: String,
    i: String,
    /// The session's name.
    s: String,
    /// Its beginning and its end, milliseconds since 1970.
    #[serde(default)]
    b: u64,
    e: u64,
    /// Its policy, and the ARNs of managed ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    m: Vec<Box<str>>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    t: BTreeMap<String, String>,
}

/// The tags that a session is to get, as the role's trust policy sees them.
struct SessionTags<'a>(&'a BTreeMap<String, String>);

impl Facts for SessionTags<'_> {
    fn fact(&self, key: &str) -> Fact<'_> {
        match key.strip_prefix("aws:requesttag/") {
            Some(wanted) => Fact::maybe(tag(self.0, wanted)),
            None if key == "aws:tagkeys" && !self.0.is_empty() => {
                Fact::Many(self.0.keys().map(|key| key.as_str().into()).collect())
            }
            None => Fact::Absent,
        }
    }
}

impl Access {
    /// Opens a session of a role, if the role trusts the caller and the caller's own policies do not forbid it.
    ///
    /// # Errors
    /// [`AssumeError`].
    pub fn assume_role(
        &self,
        caller: &Caller,
        ask: &AssumeRole<'_>,
        facts: &CallerFacts<'_>,
    ) -> Result<Assumed, AssumeError> {
        session_name(ask.session)?;
        let policy = ask.policy.map(|text| Policy::parse(text, Kind::Identity)).transpose();
        policy.map_err(IdentityError::Malformed)?;
        let seconds = ask.seconds.unwrap_or(SECONDS_DEFAULT);
        if !SECONDS.contains(&seconds) {
            let text = format!("DurationSeconds is {seconds}: it must be {} to {}.", SECONDS.start(), SECONDS.end());
            return Err(IdentityError::Invalid(text).into());
        }
        if ask.policy.is_some_and(|text| text.len() > POLICY_CHARACTERS_MAX) {
            let text = format!("The session policy has more than {POLICY_CHARACTERS_MAX} characters.");
            return Err(IdentityError::Invalid(text).into());
        }
        if ask.managed.len() > MANAGED_MAX {
            let text = format!("A session has at most {MANAGED_MAX} PolicyArns.");
            return Err(IdentityError::Invalid(text).into());
        }
        rules::tags(ask.tags)?;
        let denied_to = |action: &str| AccessError::Denied {
            user: caller.arn(),
            action: action.to_owned(),
            resource: ask.role.to_owned(),
            why: DenialReason::Untold,
        };
        let denied = || denied_to("sts:AssumeRole");
        let arn: RoleArn = ask.role.parse().map_err(|_| denied())?;
        let account: AccountId = arn.account().parse().map_err(|_| denied())?;
        let name = arn.as_str().rsplit('/').next().unwrap_or_default();
        let directory = self.inner.directory.load_full();
        let role = directory.role(&account, name).ok_or_else(denied)?;
        if path_arn(&account, "role", &role.record.path, name) != arn.as_str() {
            return Err(denied().into());
        }
        let more = [("sts:externalid", ask.external_id.unwrap_or_default()), ("sts:rolesessionname", ask.session)];
        let more = if ask.external_id.is_some() { &more[..] } else { &more[1..] };
        let more = (&more, &SessionTags(ask.tags));
        let facts = (&more, facts);
        let trusts = |action: &str| {
            let asked = Question { action, resource: arn.as_str(), who: caller.who(), facts: &facts };
            let own = self.own_policies_say(caller, &asked);
            match role.trust.verdict(&asked) {
                // Named in the trust policy, a caller of the same account needs nothing else; but it may be forbidden.
                Verdict::Allow(reach) if account == caller.account => own.err().is_none_or(|why| why.yields_to(reach)),
                Verdict::Allow(_) => own.is_ok(),
                Verdict::Silent | Verdict::Deny => false,
            }
        };
        if !trusts("sts:AssumeRole") {
            return Err(denied().into());
        }
        if !ask.tags.is_empty() && !trusts("sts:TagSession") {
            return Err(denied_to("sts:TagSession").into());
        }
        if let Some(absent) = ask.managed.iter().find(|policy| directory.managed(&account, policy).is_none()) {
            return Err(
                IdentityError::NotFound(format!("Policy {absent:.256} does not exist or is not attachable.")).into()
            );
        }
        if seconds > role.record.session_seconds_max {
            let text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
            return Err(IdentityError::Invalid(text.to_owned()).into());
        }
        let chained = matches!(caller.principal, Principal::Assumed { .. } | Principal::Function { .. });
        if chained && seconds > SECONDS_CHAINED {
            let text =
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
            return Err(IdentityError::Invalid(text.to_owned()).into());
        }
        let now = facts.1.now;
        let expires = now.plus(Duration::from_secs(seconds.into()));
        let key = random_id("ASIA");
        let token = Token {
            k: key.clone(),
            a: account.to_string(),
            r: arn.to_string(),
            i: role.record.id.clone(),
            s: ask.session.to_owned(),
            b: now.0,
            e: expires.0,
            p: ask.policy.map(str::to_owned),
            m: ask.managed.iter().map(|arn| arn.as_str().into()).collect(),
            t: ask.tags.clone(),
        };
        let token = serde_json::to_vec(&token).unwrap_or_default();
        let session_token = self.inner.seed.seal(&token);
        if session_token.len() > TOKEN_BYTES_MAX {
            let text = "The session's policies and tags are too large together: a token holds them all.";
            return Err(IdentityError::PackedTooLarge(text.to_owned()).into());
        }
        Ok(Assumed {
            arn: format!("arn:aws:sts::{account}:assumed-role/{name}/{}", ask.session),
            id: format!("{}:{}", role.record.id, ask.session),
            expires,
            credentials: Credentials {
                secret_access_key: self.inner.seed.secret_of(&key),
                session_token,
                access_key_id: key,
            },
        })
    }

    /// The key that a sealed token speaks of. Kept for a while: deriving it anew costs several hashes.
    pub(crate) fn key_of_token(&self, id: &str, token: &str) -> Option<Arc<Key>> {
        let said: Token = serde_json::from_slice(&self.inner.seed.unseal(token)?).ok()?;
        if said.k != id {
            return None;
        }
        let policy = said.p.map(|text| Policy::parse(&text, Kind::Identity)).transpose().ok()?;
        let principal = Principal::Assumed {
            role: said.r.parse().ok()?,
            id: said.i.into(),
            session: said.s.into(),
            policy: policy.map(Arc::new),
            managed: said.m.into(),
            tags: Arc::new(said.t),
            since: Timestamp(said.b),
        };
        let secret = self.inner.seed.secret_of(id);
        let key = Key::new(secret.into(), Some(token.into()), said.a.parse().ok()?, principal);
        let key = Arc::new(key.until(Timestamp(said.e)));
        self.inner.keys.keep_session(id.into(), &key);
        Some(key)
    }
}
