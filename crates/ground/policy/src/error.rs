//! Why a document is no policy.

use std::fmt;

/// A refusal of a document: AWS's sentence where there is one, and the place. Shown to the caller, under the
/// name `MalformedPolicyDocument`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) String);

impl Malformed {
    /// A breach of the grammar, for which AWS has one sentence; the place and the remedy are ours.
    pub(crate) fn syntax(why: impl fmt::Display) -> Self {
        Self(format!("Syntax errors in policy. {why}"))
    }

    /// Adds which statement it was, counted from 1.
    pub(crate) fn within(self, statement: usize) -> Self {
        Self(format!("{} (statement {statement})", self.0))
    }
}
