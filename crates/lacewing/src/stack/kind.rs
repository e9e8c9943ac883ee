//! The kinds of resources that can be made here, and what each may say of itself.

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `AWS::Serverless::Function`: a function and what SAM makes around it.
    SamFunction,
    /// `AWS::Serverless::LayerVersion`.
    SamLayer,
    Function,
    Layer,
    LayerPermission,
    Version,
    Alias,
    Url,
    Permission,
    /// `AWS::Lambda::EventInvokeConfig`.
    EventInvoke,
    Role,
    /// `AWS::IAM::Policy`: an inline policy of roles.
    InlinePolicy,
    ManagedPolicy,
    /// `AWS::Logs::LogGroup`: there as soon as a function writes.
    LogGroup,
    /// What changes nothing here, such as the bucket that packages would go through.
    Needless,
}

/// Source: AWS SAM specification, `AWS::Serverless::Function`.
const SAM_FUNCTION: &[&str] = &[
    "FunctionName",
    "Handler",
    "Runtime",
    "CodeUri",
    "InlineCode",
    "PackageType",
    "ImageUri",
    "ImageConfig",
    "Description",
    "MemorySize",
    "Timeout",
    "Role",
    "Policies",
    "PermissionsBoundary",
    "Environment",
    "Layers",
    "Architectures",
    "EphemeralStorage",
    "Tracing",
    "Tags",
    "VpcConfig",
    "KmsKeyArn",
    "DeadLetterQueue",
    "FileSystemConfigs",
    "LoggingConfig",
    "SnapStart",
    "TenancyConfig",
    "ReservedConcurrentExecutions",
    "AutoPublishAlias",
    "ProvisionedConcurrencyConfig",
    "FunctionUrlConfig",
    "RuntimeManagementConfig",
    "RecursiveLoop",
];
const SAM_LAYER: &[&str] = &[
    "LayerName",
    "Description",
    "ContentUri",
    "CompatibleRuntimes",
    "CompatibleArchitectures",
    "LicenseInfo",
    "RetentionPolicy",
];
/// Source: AWS CloudFormation Template Reference, "AWS Lambda", also for those that follow.
const FUNCTION: &[&str] = &[
    "FunctionName",
    "Handler",
    "Runtime",
    "Code",
    "PackageType",
    "ImageConfig",
    "Description",
    "MemorySize",
    "Timeout",
    "Role",
    "Environment",
    "Layers",
    "Architectures",
    "EphemeralStorage",
    "TracingConfig",
    "Tags",
    "VpcConfig",
    "KmsKeyArn",
    "DeadLetterConfig",
    "FileSystemConfigs",
    "LoggingConfig",
    "SnapStart",
    "TenancyConfig",
    "ReservedConcurrentExecutions",
    "RuntimeManagementConfig",
    "RecursiveLoop",
];
const LAYER: &[&str] =
    &["LayerName", "Description", "Content", "CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"];
const LAYER_PERMISSION: &[&str] = &["LayerVersionArn", "Action", "Principal", "OrganizationId"];
const VERSION: &[&str] = &["FunctionName", "CodeSha256", "Description", "ProvisionedConcurrencyConfig"];
const ALIAS: &[&str] =
    &["FunctionName", "FunctionVersion", "Name", "Description", "RoutingConfig", "ProvisionedConcurrencyConfig"];
const URL: &[&str] = &["TargetFunctionArn", "Qualifier", "AuthType", "Cors", "InvokeMode"];
const PERMISSION: &[&str] = &[
    "FunctionName",
    "Action",
    "Principal",
    "SourceArn",
    "SourceAccount",
    "EventSourceToken",
    "FunctionUrlAuthType",
    "InvokedViaFunctionUrl",
    "PrincipalOrgID",
];
const EVENT_INVOKE: &[&str] =
    &["FunctionName", "Qualifier", "MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"];
/// Source: AWS CloudFormation Template Reference, "AWS IAM", also for those that follow.
const ROLE: &[&str] = &[
    "RoleName",
    "Path",
    "Description",
    "AssumeRolePolicyDocument",
    "ManagedPolicyArns",
    "Policies",
    "PermissionsBoundary",
    "MaxSessionDuration",
    "Tags",
];
const INLINE_POLICY: &[&str] = &["PolicyName", "PolicyDocument", "Roles"];
const MANAGED_POLICY: &[&str] = &["ManagedPolicyName", "Path", "Description", "PolicyDocument", "Roles"];
const LOG_GROUP: &[&str] = &["LogGroupName", "RetentionInDays", "Tags", "LogGroupClass"];

impl Kind {
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "AWS::Serverless::Function" => Self::SamFunction,
            "AWS::Serverless::LayerVersion" => Self::SamLayer,
            "AWS::Lambda::Function" => Self::Function,
            "AWS::Lambda::LayerVersion" => Self::Layer,
            "AWS::Lambda::LayerVersionPermission" => Self::LayerPermission,
            "AWS::Lambda::Version" => Self::Version,
            "AWS::Lambda::Alias" => Self::Alias,
            "AWS::Lambda::Url" => Self::Url,
            "AWS::Lambda::Permission" => Self::Permission,
            "AWS::Lambda::EventInvokeConfig" => Self::EventInvoke,
            "AWS::IAM::Role" => Self::Role,
            "AWS::IAM::Policy" => Self::InlinePolicy,
            "AWS::IAM::ManagedPolicy" => Self::ManagedPolicy,
            "AWS::Logs::LogGroup" => Self::LogGroup,
            // What the CDK counts its users by.
            "AWS::CDK::Metadata" => Self::Needless,
            _ => return None,
        })
    }

    /// What it may say; `None` where that makes no difference.
    pub(super) fn properties(self) -> Option<&'static [&'static str]> {
        Some(match self {
            Self::SamFunction => SAM_FUNCTION,
            Self::SamLayer => SAM_LAYER,
            Self::Function => FUNCTION,
            Self::Layer => LAYER,
            Self::LayerPermission => LAYER_PERMISSION,
            Self::Version => VERSION,
            Self::Alias => ALIAS,
            Self::Url => URL,
            Self::Permission => PERMISSION,
            Self::EventInvoke => EVENT_INVOKE,
            Self::Role => ROLE,
            Self::InlinePolicy => INLINE_POLICY,
            Self::ManagedPolicy => MANAGED_POLICY,
            Self::LogGroup => LOG_GROUP,
            Self::Needless => return None,
        })
    }

    /// The section of `Globals` that holds for it.
    pub(super) fn globals(self) -> Option<&'static str> {
        match self {
            Self::SamFunction => Some("Function"),
            Self::SamLayer => Some("LayerVersion"),
            _ => None,
        }
    }

    /// What it is called in a report.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::SamFunction | Self::Function => "function",
            Self::SamLayer | Self::Layer => "layer",
            Self::LayerPermission => "layer permission",
            Self::Version => "version",
            Self::Alias => "alias",
            Self::Url => "url",
            Self::Permission => "permission",
            Self::EventInvoke => "event invoke config",
            Self::Role => "role",
            Self::InlinePolicy => "policy",
            Self::ManagedPolicy => "managed policy",
            Self::LogGroup => "log group",
            Self::Needless => "",
        }
    }
}
