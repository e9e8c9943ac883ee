//! How much of the Lambda API is served: every operation, every field of its requests and replies, what is missing
//! and which tests stand behind it. `cargo xtask conformance` prints it; a test holds it to the types that requests
//! are read with, and another one to the service model of boto3.

mod attached;
mod durable;
mod functions;
mod layers;
mod scaling;

use crate::Operation;

/// Operations that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// What they are about, as a heading.
    pub title: &'static str,
    /// The operations, in the order in which one would use them.
    pub operations: &'static [Served],
}

/// One operation, as far as it is served.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Which.
    pub operation: Operation,
    /// The fields of its request, wherever in it they stand, apart by spaces.
    takes: &'static str,
    /// The fields of its reply.
    answers: &'static str,
    gaps: Gaps,
    /// The tests behind it, each as `FILE::FUNCTION` below `conformance/python/tests`. Never none for what is served.
    pub tests: &'static [&'static str],
}

/// What is missing of an operation.
#[derive(Clone, Copy, Debug)]
enum Gaps {
    /// Nothing.
    None,
    /// Fields, in groups that operations share.
    Some(&'static [&'static [Gap]]),
    /// Everything, with the reason: it answers 501.
    All(&'static str),
}

/// A field that is not wholly served, and why.
#[derive(Clone, Copy, Debug)]
struct Gap {
    field: &'static str,
    support: Support,
}

impl Gap {
    const fn partly(field: &'static str, why: &'static str) -> Self {
        Self { field, support: Support::Partly(why) }
    }

    const fn not(field: &'static str, why: &'static str) -> Self {
        Self { field, support: Support::Not(why) }
    }
}

/// How far something is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As on Lambda.
    Full,
    /// In part: which.
    Partly(&'static str),
    /// Not at all: what it belongs to. A request with it is refused, a reply never has it.
    Not(&'static str),
}

/// A field of a request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, as it is sent.
    pub name: &'static str,
    /// How far it is served.
    pub support: Support,
}

impl Served {
    /// How far the operation is served: partly, if a field of its request is not.
    #[must_use]
    pub fn support(&self) -> Support {
        match self.gaps {
            Gaps::All(why) => Support::Not(why),
            Gaps::None | Gaps::Some(_) => {
                let lacks = self.request().any(|field| field.support != Support::Full);
                if lacks { Support::Partly("see its fields") } else { Support::Full }
            }
        }
    }

    /// The fields of its request.
    pub fn request(&self) -> impl Iterator<Item = Field> + '_ {
        self.fields(self.takes)
    }

    /// The fields of its reply.
    pub fn reply(&self) -> impl Iterator<Item = Field> + '_ {
        self.fields(self.answers)
    }

    fn fields(&self, names: &'static str) -> impl Iterator<Item = Field> + '_ {
        names.split_ascii_whitespace().map(|name| Field { name, support: self.field(name) })
    }

    fn field(&self, name: &str) -> Support {
        match self.gaps {
            Gaps::None => Support::Full,
            Gaps::All(why) => Support::Not(why),
            Gaps::Some(groups) => {
                let gap = groups.iter().copied().flatten().find(|gap| gap.field == name);
                gap.map_or(Support::Full, |gap| gap.support)
            }
        }
    }
}

/// The whole API, in families.
pub const COMPATIBILITY: [Family; 5] =
    [functions::FAMILY, scaling::FAMILY, attached::FAMILY, layers::FAMILY, durable::FAMILY];

/// A function's configuration.
const CONFIGURATION: &str = "FunctionName FunctionArn Runtime Role Handler CodeSize Description Timeout MemorySize LastModified \
     CodeSha256 Version VpcConfig DeadLetterConfig Environment KMSKeyArn TracingConfig MasterArn RevisionId \
     Layers State StateReason StateReasonCode LastUpdateStatus LastUpdateStatusReason \
     LastUpdateStatusReasonCode FileSystemConfigs SigningProfileVersionArn SigningJobArn PackageType \
     ImageConfigResponse Architectures EphemeralStorage SnapStart RuntimeVersionConfig LoggingConfig \
     TenancyConfig CapacityProviderConfig ConfigSha256 DurableConfig RuntimeConfig AcceleratorConfig";

/// An event source mapping.
const MAPPING: &str = "UUID StartingPosition StartingPositionTimestamp BatchSize MaximumBatchingWindowInSeconds \
     ParallelizationFactor EventSourceArn FilterCriteria FilterCriteriaError KMSKeyArn MetricsConfig \
     LoggingConfig ScalingConfig FunctionArn LastModified LastProcessingResult State StateTransitionReason \
     DestinationConfig Topics Queues SourceAccessConfigurations SelfManagedEventSource \
     MaximumRecordAgeInSeconds BisectBatchOnFunctionError MaximumRetryAttempts TumblingWindowInSeconds \
     FunctionResponseTypes AmazonManagedKafkaEventSourceConfig SelfManagedKafkaEventSourceConfig \
     DocumentDBEventSourceConfig EventSourceMappingArn ProvisionedPollerConfig";

/// A layer version.
const LAYER: &str = "Content LayerArn LayerVersionArn Description CreatedDate Version CompatibleArchitectures \
     CompatibleRuntimes LicenseInfo";

/// An alias.
const ALIAS: &str = "AliasArn Name FunctionVersion Description RoutingConfig RevisionId";

/// An event invoke configuration.
const EVENT_INVOKE: &str = "LastModified FunctionArn MaximumRetryAttempts MaximumEventAgeInSeconds DestinationConfig";

/// The configuration of a URL.
const URL: &str = "FunctionUrl FunctionArn AuthType Cors CreationTime LastModifiedTime InvokeMode";

/// What a function's settings lack.
const SETTINGS_GAPS: &[Gap] = &[
    Gap::partly("VpcConfig", "kept, versioned and shown; it changes nothing about how the function runs"),
    Gap::partly("DeadLetterConfig", "kept and shown; what would be sent there is kept on the disk"),
    Gap::partly("KMSKeyArn", "kept and shown; nothing is encrypted by it"),
    Gap::partly("TracingConfig", "kept and shown; trace headers are passed on, no segment is sent"),
    Gap::partly("FileSystemConfigs", "kept and shown; nothing is mounted"),
    Gap::partly("SnapStart", "for Python; a version that cannot have a snapshot says why, and starts without"),
    Gap::not("CapacityProviderConfig", "managed instances"),
    Gap::not("DurableConfig", "durable executions"),
    Gap::not("RuntimeConfig", "managed instances"),
    Gap::not("AcceleratorConfig", "managed instances"),
];

/// What a function's configuration lacks.
const REPLY_GAPS: &[Gap] = &[
    Gap::not("MasterArn", "only for Lambda@Edge"),
    Gap::not("SigningProfileVersionArn", "signatures cannot be verified"),
    Gap::not("SigningJobArn", "signatures cannot be verified"),
    Gap::partly("ImageConfigResponse", "without Error: what was set is always at hand"),
    Gap::not("CapacityProviderConfig", "managed instances"),
    Gap::not("ConfigSha256", "managed instances"),
    Gap::not("DurableConfig", "durable executions"),
    Gap::not("RuntimeConfig", "managed instances"),
    Gap::not("AcceleratorConfig", "managed instances"),
];

/// What lacks where code is sent.
const CODE_GAPS: &[Gap] = &[
    Gap::partly("S3ObjectStorageMode", "a referenced object is read again only when its unpacked code is gone here"),
    Gap::partly("ImageUri", "repositories that the operator has named, ECR's or any other"),
    Gap::partly("SourceKMSKeyArn", "kept and shown; nothing is encrypted by it"),
];

#[cfg(test)]
mod tests;
