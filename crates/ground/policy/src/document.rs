//! Whole documents.

use crate::statement::Statement;
use crate::written::Document;
use crate::{Malformed, Question, Verdict};
use std::collections::HashSet;

/// The longest text that is looked at, bytes. What may be stored is less: the rooms that store policies have
/// their own limits. Source: IAM API, `policyDocumentType`.
pub const DOCUMENT_BYTES_MAX: usize = 131_072;

/// What a policy is attached to decides which elements it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user, a role, or a session: no principals, but resources.
    Identity,
    /// A resource, such as a function: principals; without a resource it means what it is attached to.
    Resource,
    /// A role that may be assumed: principals, no resources.
    Trust,
}

/// A policy, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    statements: Box<[Statement]>,
}

// The numbers in conditions are finite, so that each equals itself.
impl Eq for Policy {}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong and where, in AWS's words where it has some.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Malformed> {
        if text.len() > DOCUMENT_BYTES_MAX {
            return Err(Malformed::syntax(format!("The document is longer than {DOCUMENT_BYTES_MAX} bytes.")));
        }
        let document: Document = serde_json::from_str(text).map_err(Malformed::syntax)?;
        let variables = match document.version.as_deref() {
            Some("2012-10-17") => true,
            // The version before variables; also what a document without a version is of.
            Some("2008-10-17") | None => false,
            Some(_) => return Err(Malformed("The policy must contain a valid version string".to_owned())),
        };
        let written = document.statement.0;
        if written.is_empty() {
            return Err(Malformed::syntax("Statement is a statement, or a list of at least one."));
        }
        let mut sids = HashSet::new();
        let mut statements = Vec::with_capacity(written.len());
        for (number, written) in (1..).zip(&written) {
            let sid = written.sid.as_deref().filter(|sid| !sid.is_empty());
            if sid.is_some_and(|sid| !sids.insert(sid)) {
                return Err(Malformed("Statement IDs (SID) in a single policy must be unique.".to_owned()));
            }
            statements.push(Statement::new(written, kind, variables).map_err(|error| error.within(number))?);
        }
        Ok(Self { statements: statements.into() })
    }

    /// What the policy says to a question. A statement that denies wins over all that allow.
    #[must_use]
    pub fn verdict(&self, asked: &Question<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in &self.statements {
            match (statement.verdict(asked), verdict) {
                (Verdict::Deny, _) => return Verdict::Deny,
                (Verdict::Allow(reach), Verdict::Allow(before)) => verdict = Verdict::Allow(reach.max(before)),
                (allow @ Verdict::Allow(_), _) => verdict = allow,
                (Verdict::Silent, _) => {}
            }
        }
        verdict
    }
}
