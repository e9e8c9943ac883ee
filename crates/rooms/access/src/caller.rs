//! Who a verified request comes from.

use lacewing_model::{AccountId, FunctionName, Region, RoleArn, Timestamp};
use lacewing_policy::{Policy, Who};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The sender of a request whose signature was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account that the key belongs to.
    pub account: AccountId,
    /// The region of the credential scope: the one that the caller means.
    pub region: Region,
    /// Which key signed.
    pub principal: Principal,
    /// The service of the credential scope, such as `lambda`.
    pub service: &'static str,
    /// The ARN under which messages and policies name the caller.
    arn: Box<str>,
}

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A root key: may do everything in its account.
    Root,
    /// A user.
    User {
        /// Its name.
        name: Box<str>,
        /// `AIDA...`.
        id: Box<str>,
        /// Its ARN, with its path.
        arn: Box<str>,
    },
    /// A running function under its role.
    Function {
        /// The role.
        role: RoleArn,
        /// The function, as the name of the session.
        function: FunctionName,
        /// Where the function is: what it asks of another region comes from here all the same.
        home: Region,
    },
    /// A session of a role that someone assumed.
    Assumed {
        /// The role.
        role: RoleArn,
        /// `AROA...`: a role of the same name that was made later is another one.
        id: Box<str>,
        /// The session's name.
        session: Box<str>,
        /// What narrows it.
        policy: Option<Arc<Policy>>,
        /// Managed policies that narrow it, by ARN: looked up at each call, as the role's own are.
        managed: Arc<[Box<str>]>,
        /// Tags that whoever assumed the role gave it; they go before the role's.
        tags: Arc<BTreeMap<String, String>>,
        /// When it began.
        since: Timestamp,
    },
    /// Whoever holds a link that this server signed: may follow that link and nothing else.
    Link,
}

impl Caller {
    /// A caller.
    #[must_use]
    pub fn new(account: AccountId, region: Region, principal: Principal, service: &'static str) -> Self {
        let session = |role: &RoleArn, name: &str| {
            let role = role.as_str().rsplit('/').next().unwrap_or_default();
            format!("arn:aws:sts::{account}:assumed-role/{role}/{name}")
        };
        let arn = match &principal {
            Principal::Root => format!("arn:aws:iam::{account}:root"),
            Principal::User { arn, .. } => arn.to_string(),
            Principal::Function { role, function, .. } => match function.as_str() {
                // As recorded: a session's name has at least two letters.
                one if one.len() == 1 => session(role, &format!("{one}@lambda_function")),
                name => session(role, name),
            },
            Principal::Assumed { role, session: name, .. } => session(role, name),
            Principal::Link => format!("arn:aws:sts::{account}:federated-user/link"),
        };
        Self { account, region, principal, service, arn: arn.into() }
    }

    /// The ARN under which messages name the caller.
    #[must_use]
    pub fn arn(&self) -> String {
        self.arn.to_string()
    }

    /// The role whose session this is. A function may be given any ARN where roles are not strict: one of another
    /// account makes nobody of its session.
    #[must_use]
    pub fn role(&self) -> Option<&RoleArn> {
        match &self.principal {
            Principal::Function { role, .. } | Principal::Assumed { role, .. } => {
                Some(role).filter(|role| role.account() == self.account.as_str())
            }
            Principal::Root | Principal::User { .. } | Principal::Link => None,
        }
    }

    /// The caller as policies of resources see it.
    #[must_use]
    pub fn who(&self) -> Who<'_> {
        match self.principal {
            Principal::Link => Who::Anyone,
            _ => {
                Who::Account { account: self.account.as_str(), arn: &self.arn, role: self.role().map(RoleArn::as_str) }
            }
        }
    }
}
