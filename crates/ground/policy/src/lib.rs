//! IAM's policy language: documents are read and compiled once, then asked about one request after the other.
//!
//! ```text
//! JSON ─► Policy::parse (limits, AWS's refusals) ─► Policy ─► verdict(Question) ─► Silent | Allow | Deny
//!                                                                   │
//!                                    action, resource, who ─────────┤
//!                                    Facts: the condition keys, looked up only where a condition names them
//! ```
//!
//! Pure: no I/O, no clock. How verdicts of several policies are weighed together is the affair of `access`.
//! Source throughout: IAM User Guide, "IAM JSON policy reference".

mod arn;
mod condition;
mod document;
mod error;
mod facts;
mod pattern;
mod principal;
mod statement;
mod verdict;
mod written;

pub use arn::{ARN_BYTES_MAX, is_arn_sized};
pub use document::{DOCUMENT_BYTES_MAX, Kind, Policy};
pub use error::Malformed;
pub use facts::{Fact, Facts, tag};
pub use principal::Who;
pub use verdict::{Question, Reach, Verdict};
