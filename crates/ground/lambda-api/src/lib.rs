//! The shapes of the AWS Lambda API (and the part of CloudWatch Logs that goes with it), as data: operations,
//! requests, replies, errors and the exact words that clients match.
//!
//! No I/O and no choice is made here. Source throughout: the public service model and recorded replies.

mod aliases;
mod concurrency;
mod configuration;
mod cost;
mod error;
mod functions;
mod logs;
mod operations;
mod query;
mod reference;
mod runtimes;
mod time;
mod violations;

pub use aliases::{AliasReply, AliasRequest, ListAliasesReply, RoutingConfig};
pub use concurrency::{
    ConcurrencyReply, ListProvisionedReply, ProvisionedReply, PutConcurrencyRequest, PutProvisionedRequest,
};
pub use configuration::{
    CodeLocation, EnvironmentReply, EphemeralStorageReply, FunctionConfigurationReply, GetFunctionReply,
    ListFunctionsReply, ListVersionsReply, LoggingReply, RuntimeVersionReply, SnapStartReply, TracingReply,
};
pub use cost::{CostLine, CostReply, DoctorReply, InterpreterReply, WallReply};
pub use error::{ApiError, ErrorCode, Fault, Protocol};
pub use functions::{
    Base64Text, CreateFunctionRequest, Environment, EphemeralStorage, FunctionCode, FunctionSettings, LoggingSettings,
    PublishVersionRequest, SnapStart, TracingSettings, UpdateFunctionCodeRequest, Variables, parse,
};
pub use logs::{
    DescribeLogGroupsReply, DescribeLogGroupsRequest, DescribeLogStreamsReply, DescribeLogStreamsRequest,
    FilterLogEventsReply, FilterLogEventsRequest, FilteredEvent, GetLogEventsReply, GetLogEventsRequest, LogGroup,
    LogStream, LogsOperation, OutputEvent, group_name,
};
pub use operations::{Operation, Route};
pub use query::Query;
pub use reference::{FUNCTION_NAME_PATTERN, FunctionReference, QUALIFIER_PATTERN, ReferenceError, ReferenceForm};
pub use runtimes::{runtime_refusal, runtime_version_arn};
pub use time::function_time;
pub use violations::Violations;
