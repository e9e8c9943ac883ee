//! Replies of our own endpoints, `/_lacewing/...`: for the command line and whoever else signs a request.
//! Money is decimal text, exact.

use serde::{Deserialize, Serialize};

/// `GET /_lacewing/cost`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostReply {
    /// Who pays.
    pub account: String,
    /// RFC 3339, included.
    pub from: String,
    /// RFC 3339, not included.
    pub to: String,
    /// The rate card's name.
    pub card: String,
    /// The day its prices were published.
    pub published: String,
    /// ISO 4217.
    pub currency: String,
    /// By region, function, architecture, meter and slice.
    pub lines: Vec<CostLine>,
    /// The sum of the lines.
    pub total: String,
    /// Invocations counted.
    pub requests: u64,
    /// Billed milliseconds.
    pub billed_ms: u64,
}

/// One function's use of one meter at one price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CostLine {
    pub region: String,
    pub function: String,
    pub architecture: String,
    pub meter: String,
    pub unit: String,
    /// `free` or `tier-N`.
    pub slice: String,
    pub quantity: String,
    pub unit_price: String,
    pub cost: String,
}

/// `GET /_lacewing/doctor`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReply {
    /// This server's version.
    pub version: String,
    /// The account of its root keys.
    pub account: String,
    /// The sandbox driver's name.
    pub driver: String,
    /// True when no wall is weaker than designed.
    pub full: bool,
    /// Each wall.
    pub walls: Vec<WallReply>,
    /// The interpreters found.
    pub interpreters: Vec<InterpreterReply>,
}

/// One wall of the sandboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallReply {
    /// For example `memory limit`.
    pub name: String,
    /// `full`, `weaker` or `missing`.
    pub strength: String,
    /// What is in force, or what is missing and the command that mends it.
    pub detail: String,
}

/// An interpreter on the server's machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct InterpreterReply {
    pub language: String,
    pub version: String,
    pub path: String,
}
