//! Who asks, and the `Principal` element of resource and trust policies.

use crate::written::WrittenPrincipal;
use crate::{Malformed, Reach};

/// Who makes a request, as a resource's policy sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who<'a> {
    /// Someone of an account.
    Account {
        /// The account: 12 digits.
        account: &'a str,
        /// The caller's ARN, a session's for a role: `arn:aws:sts::...:assumed-role/NAME/SESSION`.
        arn: &'a str,
        /// The role of a session.
        role: Option<&'a str>,
    },
    /// A service, such as `events.amazonaws.com`.
    Service(&'a str),
    /// Nobody that is known: an unsigned request.
    Anyone,
}

/// `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principals {
    named: Box<[Named]>,
    negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Everyone,
    /// All of an account, as far as their own policies let them.
    Account(Box<str>),
    /// A user, a role or a session.
    Arn(Box<str>),
    Service(Box<str>),
    /// Of another kind than callers of this platform are: never matches.
    Foreign,
}

impl Principals {
    pub(crate) fn new(element: &WrittenPrincipal, negated: bool) -> Result<Self, Malformed> {
        let mut named = Vec::new();
        match element {
            WrittenPrincipal::Word(word) if word == "*" => named.push(Named::Everyone),
            WrittenPrincipal::Kinds(kinds) if !kinds.0.is_empty() => {
                for (kind, values) in &kinds.0 {
                    for text in crate::statement::texts(values, "Principal")? {
                        named.push(Named::new(kind, text)?);
                    }
                }
            }
            _ => return Err(Malformed::syntax("Principal is \"*\", or a map such as {\"AWS\": \"123456789012\"}.")),
        }
        Ok(Self { named: named.into(), negated })
    }

    /// How far a statement for these principals reaches `who`; `None` where it is not meant for them.
    pub(crate) fn reach(&self, who: Who<'_>) -> Option<Reach> {
        let reach = self.named.iter().filter_map(|named| named.reach(who)).max();
        match (self.negated, reach) {
            (false, reach) => reach,
            (true, None) => Some(Reach::Caller),
            (true, Some(_)) => None,
        }
    }
}

impl Named {
    fn new(kind: &str, text: &str) -> Result<Self, Malformed> {
        let invalid = || {
            let shown: String = text.chars().take(256).collect();
            Malformed(format!("Invalid principal in policy: \"{kind}\":\"{shown}\""))
        };
        match kind {
            "AWS" if text == "*" => Ok(Self::Everyone),
            "AWS" if is_account(text) => Ok(Self::Account(text.into())),
            "AWS" => {
                let parts: Vec<&str> = text.splitn(6, ':').collect();
                match parts.as_slice() {
                    ["arn", partition, "iam", "", account, "root"]
                        if partition.starts_with("aws") && is_account(account) =>
                    {
                        Ok(Self::Account((*account).into()))
                    }
                    ["arn", partition, "iam" | "sts", "", account, name]
                        if partition.starts_with("aws") && is_account(account) && !name.contains(['*', '?']) =>
                    {
                        Ok(Self::Arn(text.into()))
                    }
                    // The id of a user or role, as AWS writes it once its bearer is deleted: nobody has it.
                    [id] if id.len() >= 16 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) => {
                        Ok(Self::Foreign)
                    }
                    _ => Err(invalid()),
                }
            }
            "Service" if text == "*" || text.contains('.') => Ok(Self::Service(text.into())),
            "Federated" | "CanonicalUser" => Ok(Self::Foreign),
            _ => Err(invalid()),
        }
    }

    fn reach(&self, who: Who<'_>) -> Option<Reach> {
        match (self, who) {
            (Self::Everyone, Who::Account { .. }) => Some(Reach::Role),
            (Self::Everyone, Who::Service(_) | Who::Anyone) => Some(Reach::Caller),
            (Self::Account(wanted), Who::Account { account, arn, .. }) if **wanted == *account => {
                // The root user is the account.
                Some(if arn.ends_with(":root") { Reach::Caller } else { Reach::Account })
            }
            (Self::Arn(wanted), Who::Account { arn, role, .. }) => {
                if **wanted == *arn {
                    Some(Reach::Caller)
                } else {
                    (role == Some(&**wanted)).then_some(Reach::Role)
                }
            }
            (Self::Service(wanted), Who::Service(name)) => {
                (**wanted == *name || &**wanted == "*").then_some(Reach::Caller)
            }
            _ => None,
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn principals(element: &Value, negated: bool) -> Result<Principals, Malformed> {
        Principals::new(&serde_json::from_value(element.clone()).map_err(Malformed::syntax)?, negated)
    }

    const USER: Who<'_> =
        Who::Account { account: "111111111111", arn: "arn:aws:iam::111111111111:user/ann", role: None };
    const SESSION: Who<'_> = Who::Account {
        account: "111111111111",
        arn: "arn:aws:sts::111111111111:assumed-role/r/s",
        role: Some("arn:aws:iam::111111111111:role/x/r"),
    };
    const ROOT: Who<'_> = Who::Account { account: "111111111111", arn: "arn:aws:iam::111111111111:root", role: None };

    #[test]
    fn principals_reach_those_they_name() {
        for (element, who, want) in [
            (json!("*"), Who::Anyone, Some(Reach::Caller)),
            (json!({"AWS": "*"}), USER, Some(Reach::Role)),
            (json!({"AWS": "111111111111"}), USER, Some(Reach::Account)),
            (json!({"AWS": "111111111111"}), ROOT, Some(Reach::Caller)),
            (json!({"AWS": ["arn:aws:iam::111111111111:root"]}), SESSION, Some(Reach::Account)),
            (json!({"AWS": "arn:aws:iam::111111111111:user/ann"}), USER, Some(Reach::Caller)),
            (json!({"AWS": ["111111111111", "arn:aws:iam::111111111111:user/ann"]}), USER, Some(Reach::Caller)),
            (json!({"AWS": "arn:aws:iam::111111111111:role/x/r"}), SESSION, Some(Reach::Role)),
            (json!({"AWS": "arn:aws:sts::111111111111:assumed-role/r/s"}), SESSION, Some(Reach::Caller)),
            (json!({"AWS": "222222222222"}), USER, None),
            (json!({"AWS": "111111111111"}), Who::Anyone, None),
            (json!({"Service": "lambda.amazonaws.com"}), Who::Service("lambda.amazonaws.com"), Some(Reach::Caller)),
            (json!({"Service": "lambda.amazonaws.com"}), USER, None),
            (json!({"Federated": "accounts.google.com"}), USER, None),
            (json!({"AWS": "AIDAJQABLZS4A3QDU576Q"}), USER, None),
        ] {
            assert_eq!(principals(&element, false).unwrap().reach(who), want, "{element} {who:?}");
        }
        let others = principals(&json!({"AWS": "arn:aws:iam::111111111111:user/ann"}), true).unwrap();
        assert_eq!((others.reach(USER), others.reach(SESSION)), (None, Some(Reach::Caller)));
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for element in [
            json!({"AWS": "12345"}),
            json!({"AWS": "arn:aws:iam::111111111111:user/*"}),
            json!({"AWS": "arn:aws:s3:::bucket"}),
            json!({"Service": "lambda"}),
            json!({"Nobody": "x"}),
        ] {
            let refused = principals(&element, false).unwrap_err().to_string();
            assert!(refused.starts_with("Invalid principal in policy: "), "{refused}");
        }
        for element in [json!("ann"), json!({}), json!([]), json!({"AWS": 1})] {
            assert!(principals(&element, false).is_err(), "{element}");
        }
    }
}
