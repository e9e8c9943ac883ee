//! Requests counted by operation: one row of counters for each, made once, so that counting is one addition.

use crate::aim::Aim;
use crate::{iam, stacks, sts};
use lacewing_lambda_api::{LogsOperation, Operation};
use lacewing_ledger::{Metrics, OperationRequests};

/// Our own endpoints, by the first part of their path.
const HOUSE: [&str; 7] = ["health", "metrics", "cost", "doctor", "keys", "why", "packages"];

pub(crate) struct Traffic {
    lambda: Vec<OperationRequests>,
    logs: Vec<OperationRequests>,
    house: Vec<OperationRequests>,
    /// Operations of IAM and STS, by name.
    query: Vec<(&'static str, OperationRequests)>,
    /// Requests to function URLs.
    url: OperationRequests,
    /// Whatever is none of these: names that strangers make up get no series.
    other: OperationRequests,
}

impl Traffic {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            lambda: Operation::ALL.iter().map(|operation| metrics.operation(operation.name())).collect(),
            logs: LogsOperation::ALL.iter().map(|operation| metrics.operation(operation.name())).collect(),
            house: HOUSE.iter().map(|name| metrics.operation(name)).collect(),
            query: iam::names()
                .chain(sts::NAMES)
                .chain(stacks::NAMES)
                .map(|name| (name, metrics.operation(name)))
                .collect(),
            url: metrics.operation("function-url"),
            other: metrics.operation("other"),
        }
    }

    /// Counts one answer of a function URL.
    pub(crate) fn count_url(&self, status: u16) {
        self.url.count(status);
    }

    /// Counts one answer.
    /// `named` is the operation that the body named, where the head does not.
    pub(crate) fn count(&self, aim: &Aim<'_>, named: Option<&str>, status: u16) {
        let row = match aim {
            Aim::Lambda(route) => self.lambda.get(route.operation as usize),
            Aim::Logs(operation) => self.logs.get(*operation as usize),
            Aim::House(path) => {
                let first = path.split('/').next().unwrap_or_default();
                HOUSE.iter().position(|name| *name == first).and_then(|at| self.house.get(at))
            }
            Aim::Query => {
                let named = named.unwrap_or_default();
                self.query.iter().find(|(name, _)| *name == named).map(|(_, row)| row)
            }
            Aim::UnknownTarget(_) | Aim::Nowhere => None,
        };
        row.unwrap_or(&self.other).count(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_where_their_operations_are_looked_for() {
        assert!(Operation::ALL.iter().enumerate().all(|(at, operation)| *operation as usize == at));
        assert!(LogsOperation::ALL.iter().enumerate().all(|(at, operation)| *operation as usize == at));
    }
}
