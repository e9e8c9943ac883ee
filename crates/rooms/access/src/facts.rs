//! What policies can ask about a caller: the global condition keys.

use crate::{Access, Caller, Principal};
use lacewing_model::{RoleArn, Timestamp};
use lacewing_policy::{Fact, Facts};
use std::borrow::Cow;
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
            "aws:principalisawsservice" | "aws:securetransport" | "aws:viaawsservice" => Fact::one("false"),
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
    fn tag(&self, key: &str) -> Option<Cow<'static, str>> {
        let directory = self.access.inner.directory.load();
        let account = &self.caller.account;
        let tags = match (&self.caller.principal, self.caller.role()) {
            (Principal::User { name, .. }, _) => &directory.user(account, name)?.record.tags,
            (_, Some(role)) => &directory.role(account, role_name(role))?.record.tags,
            _ => return None,
        };
        tags.get(key).cloned().map(Cow::Owned)
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
            Principal::Function { role, function } => {
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
