//! The shapes of the AWS Lambda API (and the part of CloudWatch Logs that goes with it), as data: operations,
//! requests, replies, errors and the exact words that clients match.
//!
//! No I/O and no choice is made here. Source throughout: the public service model and recorded replies.

mod aliases;
mod capacity;
mod code_signing;
mod compatibility;
mod concurrency;
mod configuration;
mod cost;
mod error;
mod event_invoke;
mod functions;
mod keys;
mod layers;
mod logs;
mod mappings;
mod operations;
mod policies;
mod query;
mod reference;
mod runtime_settings;
mod runtimes;
mod tags;
mod time;
mod urls;
mod violations;
mod why;
mod xml;

pub use aliases::{AliasReply, AliasRequest, ListAliasesReply, RoutingConfig};
pub use capacity::{
    CapacityProviderReply, CapacityProviderRequest, CapacityProviderSettings, InstanceRequirements,
    ListCapacityProvidersReply, PropagateTags, ProviderLogging, ProviderPermissions, ProviderScaling,
    ProviderTelemetry, ProviderVpcConfig, ScalingPolicy, check_capacity_provider,
};
pub use code_signing::{
    AllowedPublishers, CodeSigningPolicies, CodeSigningReply, CodeSigningRequest, FunctionCodeSigningRequest,
    ListCodeSigningReply, ListSignedFunctionsReply, check_code_signing_arn,
};
pub use compatibility::{COMPATIBILITY, Family, Field, Served, Support};
pub use concurrency::{
    ConcurrencyReply, ListProvisionedReply, ProvisionedReply, PutConcurrencyRequest, PutProvisionedRequest,
};
pub use configuration::{
    CodeError, CodeLocation, EnvironmentReply, EphemeralStorageReply, FunctionConfigurationReply, GetFunctionReply,
    ImageConfigReply, LayerReply, ListFunctionsReply, ListVersionsReply, LoggingReply, ResolvedS3Object,
    RuntimeVersionReply, SnapStartReply, TagsError, TracingReply, VpcReply,
};
pub use cost::{CostLine, CostReply, DoctorReply, InterpreterReply, WallReply};
pub use error::{ApiError, ErrorCode, Fault, Protocol};
pub use event_invoke::{Destination, DestinationConfig, EventInvokeReply, EventInvokeRequest, ListEventInvokeReply};
pub use functions::{
    Base64Text, CreateFunctionRequest, DeadLetterConfig, Environment, EphemeralStorage, FileSystemConfig, FunctionCode,
    FunctionSettings, ImageConfig, LoggingSettings, PublishVersionRequest, SnapStart, TenancyConfig, TracingSettings,
    UpdateFunctionCodeRequest, Variables, VpcSettings, parse,
};
pub use keys::{CreateKeyRequest, KeyReply, KeysReply};
pub use layers::{
    LayerContentReply, LayerItem, LayerReference, LayerVersionItem, LayerVersionReply, ListLayerVersionsReply,
    ListLayersReply, PublishLayerVersionRequest, check_layer_arns,
};
pub use logs::{
    DescribeLogGroupsReply, DescribeLogGroupsRequest, DescribeLogStreamsReply, DescribeLogStreamsRequest,
    FilterLogEventsReply, FilterLogEventsRequest, FilteredEvent, GetLogEventsReply, GetLogEventsRequest, LogGroup,
    LogGroupRequest, LogStream, LogsOperation, OutputEvent, group_name,
};
pub use mappings::{
    Filter, FilterCriteria, KafkaConfig, ListMappingsReply, MappingReply, MappingRequest, MappingScaling,
    MappingSettings, Pollers, SelfManagedSource, SourceAccess, SourceKind,
};
pub use operations::{Operation, Route};
pub use policies::{
    AddLayerVersionPermissionRequest, AddPermissionReply, AddPermissionRequest, POLICY_ARN_PATTERN, PolicyArnLike,
    PolicyBool, PolicyCondition, PolicyDocument, PolicyPrincipal, PolicyReply, PolicyStatement, PolicyStringEquals,
    PutResourcePolicyRequest,
};
pub use query::Query;
pub use reference::{FUNCTION_NAME_PATTERN, FunctionReference, QUALIFIER_PATTERN, ReferenceError, ReferenceForm};
pub use runtime_settings::{
    FunctionScalingReply, FunctionScalingRequest, RUNTIME_VERSION_PATTERN, RecursionRequest, RuntimeManagementReply,
    RuntimeManagementRequest, ScalingBounds,
};
pub use runtimes::{check_layer_runtimes, check_listed_runtime, runtime_refusal, runtime_version_arn};
pub use tags::{TagResourceRequest, TaggedResource};
pub use time::{function_time, url_time};
pub use urls::{ALIAS_QUALIFIER_PATTERN, CorsSettings, ListUrlConfigsReply, UrlConfigReply, UrlConfigRequest};
pub use violations::Violations;
pub use why::{WhyDecision, WhyFunctionReply, WhyPhases, WhyRequestReply, WhyStart};
pub use xml::Xml;
