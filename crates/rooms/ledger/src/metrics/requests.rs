//! Requests at the HTTP door, by operation and class of status.

use super::{Desk, Unsound};
use prometheus::{IntCounter, IntCounterVec};
use std::sync::OnceLock;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

pub(super) struct Requests(IntCounterVec);

impl Requests {
    pub fn new(desk: &Desk) -> Result<Self, Unsound> {
        let help = "Answered HTTP requests by operation and class of status.";
        desk.counters("lacewing_http_requests_total", help, &["operation", "status"]).map(Self)
    }

    pub fn of(&self, operation: &'static str) -> OperationRequests {
        OperationRequests { operation, family: self.0.clone(), classes: Default::default() }
    }
}

/// The counters of one operation; a series begins with its first request.
pub struct OperationRequests {
    operation: &'static str,
    family: IntCounterVec,
    classes: [OnceLock<IntCounter>; CLASSES.len()],
}

impl OperationRequests {
    /// Counts one answer.
    pub fn count(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        let make = || self.family.with_label_values(&[self.operation, CLASSES[class]]);
        self.classes[class].get_or_init(make).inc();
    }
}
