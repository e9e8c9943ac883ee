//! What policies can ask about a caller: the global condition keys.

use crate::{Access, Caller, Principal};
use lacewing_model::{RoleArn, Timestamp};
use lacewing_policy::{Fact, Facts, tag};
use std::net::IpAddr;

/// The condition keys of a request that every action has.
/// Source: IAM User Guide, "AWS global condition context keys".
#[derive(Clone, Copy)]
pub struct CallerFacts<'a> {
    /// The room, which knows tags.
    pub access: &'a Access,
    /// Who asks.
    pub caller: &'a Caller,
    /// When.
    pub now: Timestamp,
    /// From where; `None` from inside a sandbox.
    pub source: Option<IpAddr>,
    /// True where the client spoke TLS with this server itself: what a proxy says of its client proves nothing.
    pub encrypted: bool,
    /// The client's `User-Agent`, as it likes to be known.
    pub agent: Option<&'a str>,
}

impl Facts for CallerFacts<'_> {
    fn fact(&self, key: &str) -> Fact<'_> {
        let caller = self.caller;
        match key {
            "aws:principalaccount" => Fact::one(caller.account.as_str()),
            // A session is known by its role here.
            "aws:principalarn" => match caller.role() {
                Some(role) => Fact::one(role.as_str()),
                None => Fact::one(caller.arn()),
            },
            "aws:principaltype" => Fact::maybe(match caller.principal {
                Principal::Root => Some("Account"),
                Principal::User { .. } => Some("User"),
                Principal::Function { .. } | Principal::Assumed { .. } => Some("AssumedRole"),
                Principal::Link => None,
            }),
            "aws:userid" => Fact::one(caller.user_id(self.access)),
            "aws:username" => Fact::maybe(match &caller.principal {
                Principal::User { name, .. } => Some(&**name),
                _ => None,
            }),
            "aws:principalisawsservice" | "aws:viaawsservice" => Fact::one("false"),
            "aws:securetransport" => Fact::one(if self.encrypted { "true" } else { "false" }),
            "aws:useragent" => Fact::maybe(self.agent),
            // Only what a session does has one: `aws:TokenIssueTime` ends the sessions of a role that went before.
            "aws:tokenissuetime" => Fact::maybe(match caller.principal {
                Principal::Assumed { since, .. } => Some(rfc3339(since)),
                _ => None,
            }),
            // There is no second factor here; a key that never had one is not asked.
            "aws:multifactorauthpresent" => Fact::maybe(match caller.principal {
                Principal::Assumed { .. } | Principal::Function { .. } => Some("false"),
                _ => None,
            }),
            "lambda:sourcefunctionarn" => Fact::maybe(match &caller.principal {
                Principal::Function { function, home, .. } => {
                    Some(format!("arn:aws:lambda:{home}:{}:function:{function}", caller.account))
                }
                _ => None,
            }),
            "aws:requestedregion" => Fact::one(caller.region.as_str()),
            "aws:currenttime" => Fact::one(rfc3339(self.now)),
            "aws:epochtime" => Fact::one((self.now.0 / 1_000).to_string()),
            "aws:sourceip" => Fact::maybe(self.source.map(|address| address.to_canonical().to_string())),
            _ => match key.strip_prefix("aws:principaltag/") {
                Some(tag) => Fact::maybe(self.tag(tag)),
                None => Fact::Absent,
            },
        }
    }
}

impl CallerFacts<'_> {
    /// A tag of the user or the role.
    fn tag(&self, key: &str) -> Option<String> {
        if let Principal::Assumed { tags, .. } = &self.caller.principal
            && let Some(value) = tag(&**tags, key)
        {
            return Some(value.to_owned());
        }
        let directory = self.access.inner.directory.load();
        let account = &self.caller.account;
        let tags = match (&self.caller.principal, self.caller.role()) {
            (Principal::User { name, .. }, _) => &directory.user(account, name)?.record.tags,
            (_, Some(role)) => &directory.role(account, role_name(role))?.record.tags,
            _ => return None,
        };
        tag(tags, key).map(str::to_owned)
    }
}

impl Caller {
    /// What `GetCallerIdentity` calls the user's id: the account for a root key, `AROA...:SESSION` for a session.
    #[must_use]
    pub fn user_id(&self, access: &Access) -> String {
        match &self.principal {
            Principal::Root | Principal::Link => self.account.to_string(),
            Principal::User { id, .. } => id.to_string(),
            Principal::Assumed { id, session, .. } => format!("{id}:{session}"),
            Principal::Function { role, function, .. } => {
                let directory = access.inner.directory.load();
                let record = directory.role(&self.account, role_name(role)).map(|role| role.record.id.clone());
                format!("{}:{function}", record.unwrap_or_else(|| "AROA".to_owned()))
            }
        }
    }
}

/// A role's name: what stands behind its path.
pub(crate) fn role_name(role: &RoleArn) -> &str {
    role.as_str().rsplit('/').next().unwrap_or_default()
}

fn rfc3339(time: Timestamp) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).map(|stamp| stamp.to_string()).unwrap_or_default()
}
