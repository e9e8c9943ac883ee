//! Who a verified request comes from.

use lacewing_model::{AccountId, FunctionName, Region, RoleArn};

/// The sender of a request whose signature was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account that the key belongs to.
    pub account: AccountId,
    /// The region of the credential scope: the one that the caller means.
    pub region: Region,
    /// Which key signed.
    pub principal: Principal,
    /// The service of the credential scope: `lambda` or `logs`.
    pub service: &'static str,
}

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A root key: may do everything in its account.
    Root,
    /// A running function under its role.
    Function {
        /// The role.
        role: RoleArn,
        /// The function, as the name of the session.
        function: FunctionName,
    },
    /// Whoever holds a link that this server signed: may follow that link and nothing else.
    Link,
}

impl Caller {
    /// The ARN under which messages name the caller.
    #[must_use]
    pub fn arn(&self) -> String {
        match &self.principal {
            Principal::Root => format!("arn:aws:iam::{}:root", self.account),
            Principal::Function { role, function } => {
                let name = role.as_str().rsplit('/').next().unwrap_or_default();
                format!("arn:aws:sts::{}:assumed-role/{name}/{function}", self.account)
            }
            Principal::Link => format!("arn:aws:sts::{}:federated-user/link", self.account),
        }
    }
}
