//! Durable executions: none yet.

use super::{Family, Gaps, Served};
use crate::Operation;

pub(super) const FAMILY: Family = Family {
    title: "Durable executions",
    operations: &[
        Served {
            operation: Operation::CheckpointDurableExecution,
            takes: "DurableExecutionArn CheckpointToken Updates ClientToken",
            answers: "CheckpointToken NewExecutionState",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::DeleteDurableExecution,
            takes: "DurableExecutionArn",
            answers: "DeletionRequestTimestamp",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::GetDurableExecution,
            takes: "DurableExecutionArn IncludeExecutionData",
            answers: "DurableExecutionArn DurableExecutionName FunctionArn InputPayload Result Error StartTimestamp Status \
                EndTimestamp Version TraceHeader ExecutionDataIncluded DurableConfig PauseDetails \
                ExpectedExecutionTimeoutTimestamp",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::GetDurableExecutionHistory,
            takes: "DurableExecutionArn IncludeExecutionData MaxItems Marker ReverseOrder",
            answers: "Events NextMarker",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::GetDurableExecutionState,
            takes: "DurableExecutionArn CheckpointToken Marker MaxItems",
            answers: "Operations NextMarker",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::ListDurableExecutionsByFunction,
            takes: "FunctionName Qualifier DurableExecutionName Statuses StartedAfter StartedBefore ReverseOrder Marker \
                MaxItems",
            answers: "DurableExecutions NextMarker",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::PauseDurableExecution,
            takes: "DurableExecutionArn ClientToken Reason ExecutionTimeoutPaused",
            answers: "",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::ResumeDurableExecution,
            takes: "DurableExecutionArn ClientToken Reason",
            answers: "",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::SendDurableExecutionCallbackFailure,
            takes: "CallbackId Error",
            answers: "",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::SendDurableExecutionCallbackHeartbeat,
            takes: "CallbackId",
            answers: "",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::SendDurableExecutionCallbackSuccess,
            takes: "CallbackId Result",
            answers: "",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
        Served {
            operation: Operation::StopDurableExecution,
            takes: "DurableExecutionArn Error",
            answers: "StopTimestamp",
            gaps: Gaps::All("durable executions"),
            tests: &[],
        },
    ],
};
