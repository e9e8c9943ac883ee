//! Asking a policy.

use crate::{Facts, Who};

/// A request, as policies see it.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// What is asked for, such as `lambda:InvokeFunction`; compared without regard to case.
    pub action: &'a str,
    /// The ARN of what it is asked of, or `*`.
    pub resource: &'a str,
    /// Who asks.
    pub who: Who<'a>,
    /// The condition keys.
    pub facts: &'a dyn Facts,
}

/// What one policy says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: another policy has to allow it.
    Silent,
    /// Yes, unless another policy denies.
    Allow(Reach),
    /// No, whatever other policies say.
    Deny,
}

/// Whom a resource's policy lets in. Ordered: the further one counts.
/// Source: IAM User Guide, "Evaluating policies within a single account", the table of principals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The caller's account: the caller's own policies have to allow it too.
    Account,
    /// The role of a session, or everyone: the caller's boundary and session policy have to allow it too.
    Role,
    /// The caller. Also what a policy without principals says.
    Caller,
}
