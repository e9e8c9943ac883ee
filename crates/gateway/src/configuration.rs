//! A function as replies show it.

use lacewing_catalog::{FunctionView, Snapshot};
use lacewing_lambda_api::{
    CodeError, DeadLetterConfig, EnvironmentReply, EphemeralStorageReply, FileSystemConfig, FunctionConfigurationReply,
    ImageConfig, ImageConfigReply, LayerReply, LoggingReply, ResolvedS3Object, RuntimeVersionReply, SnapStartReply,
    TenancyConfig, TracingReply, VpcReply, function_time, runtime_version_arn,
};
use lacewing_model::{
    ImageSettings, Lifecycle, LogFormat, LogLevel, ObjectCode, Qualifier, SnapStart, Tenancy, TracingMode,
    UpdateStatus, VersionNumber,
};
use sha2::{Digest, Sha256};

/// Which fields a reply has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// All of them.
    Full,
    /// Without states and runtime version: lists.
    Listed,
}

/// Shows `view`; `qualifier` is what the caller wrote, and ends the ARN.
pub(crate) fn of(view: &FunctionView, qualifier: Option<&Qualifier>, detail: Detail) -> FunctionConfigurationReply {
    let (version, config) = (&view.version, &view.version.config);
    let full = detail == Detail::Full;
    let (state, update) = (view.state_reason(), view.update_reason());
    FunctionConfigurationReply {
        function_name: version.name.to_string(),
        function_arn: version.arn_as(qualifier.cloned()).to_string(),
        runtime: config.image.is_none().then(|| config.runtime.to_string()),
        role: config.role.to_string(),
        handler: config.image.is_none().then(|| config.handler.to_string()),
        code_size: version.code_bytes,
        description: config.description.clone(),
        timeout: config.timeout.get(),
        memory_size: config.memory.get(),
        last_modified: function_time(version.last_modified.0),
        code_sha256: version.code_sha256_shown(),
        version: version.number.to_string(),
        environment: config.environment.clone().map(|variables| EnvironmentReply { variables }),
        image_config_response: config.image.as_ref().and_then(|image| image.overrides.clone()).map(|settings| {
            let ImageSettings { entry_point, command, working_directory } = settings;
            ImageConfigReply { image_config: ImageConfig { entry_point, command, working_directory } }
        }),
        layers: config
            .layers
            .iter()
            .map(|layer| LayerReply { arn: layer.arn.clone(), code_size: layer.code_bytes })
            .collect(),
        tracing_config: TracingReply {
            mode: match config.tracing {
                TracingMode::PassThrough => "PassThrough",
                TracingMode::Active => "Active",
            },
        },
        revision_id: version.revision.to_string(),
        package_type: if config.image.is_some() { "Image" } else { "Zip" },
        architectures: [config.architecture.as_str()],
        ephemeral_storage: EphemeralStorageReply { size: config.ephemeral.get() },
        snap_start: SnapStartReply {
            apply_on: match config.snap_start {
                SnapStart::None => "None",
                SnapStart::PublishedVersions => "PublishedVersions",
            },
            optimization_status: if view.snapshot == Snapshot::Taken { "On" } else { "Off" },
        },
        dead_letter_config: config.dead_letter.clone().map(|target| DeadLetterConfig { target_arn: Some(target) }),
        kms_key_arn: config.kms_key.clone(),
        vpc_config: config.vpc.clone().map(|vpc| VpcReply {
            subnet_ids: vpc.subnets,
            security_group_ids: vpc.security_groups,
            vpc_id: String::new(),
            ipv6_allowed_for_dual_stack: vpc.ipv6,
        }),
        file_system_configs: config
            .file_systems
            .iter()
            .map(|one| FileSystemConfig { arn: one.arn.clone(), local_mount_path: one.path.clone() })
            .collect(),
        logging_config: LoggingReply {
            log_format: match config.logging.format {
                LogFormat::Text => "Text",
                LogFormat::Json => "JSON",
            },
            application_log_level: config.logging.application_level.map(LogLevel::as_str),
            system_log_level: config.logging.system_level.map(LogLevel::as_str),
            log_group: config.logging.group.clone(),
        },
        tenancy_config: match config.tenancy {
            Tenancy::Shared => None,
            Tenancy::PerTenant => Some(TenancyConfig { tenant_isolation_mode: Some("PER_TENANT".to_owned()) }),
        },
        state: full.then(|| view.state()),
        state_reason: state.map(|reason| reason.text.to_owned()).or_else(|| refusal(view)).filter(|_| full),
        state_reason_code: state.filter(|_| full).map(|reason| reason.code.to_owned()),
        last_update_status: view.update_status().filter(|_| full),
        last_update_status_reason: update.filter(|_| full).map(|reason| reason.text.to_owned()),
        last_update_status_reason_code: update.filter(|_| full).map(|reason| reason.code.to_owned()),
        runtime_version_config: (full && config.image.is_none()).then(|| RuntimeVersionReply {
            runtime_version_arn: runtime_version_arn(version.region.as_str(), &build_of(config.runtime.id())),
        }),
    }
}

/// An object that code stays in.
pub(crate) fn object(object: &ObjectCode) -> ResolvedS3Object {
    let ObjectCode { bucket, key, version } = object.clone();
    ResolvedS3Object { s3_bucket: bucket, s3_key: key, s3_object_version: version }
}

/// What stands in the way of the newest code, where it is kept elsewhere: in an object store or as an image.
pub(crate) fn code_error(view: &FunctionView) -> Option<CodeError> {
    let config = &view.version.config;
    let reason = match &view.lifecycle {
        Lifecycle::Failed(reason)
        | Lifecycle::Inactive(reason)
        | Lifecycle::Active { update: UpdateStatus::Failed(reason) } => reason,
        Lifecycle::Creating | Lifecycle::Active { .. } => return None,
    };
    let is_elsewhere = config.image.is_some() || config.object.is_some();
    is_elsewhere.then(|| CodeError { error_code: reason.code.clone(), message: reason.message.clone() })
}

/// Why a version that is Active has no snapshot. AWS would not have made it Active.
fn refusal(view: &FunctionView) -> Option<String> {
    match &view.snapshot {
        Snapshot::Refused(reason) => Some(format!("SnapStart is off: {reason}")),
        Snapshot::None | Snapshot::Taken => None,
    }
}

/// Shows what a change answers with: a published version bears its number in its ARN, `$LATEST` bears nothing.
pub(crate) fn changed(view: &FunctionView) -> FunctionConfigurationReply {
    let qualifier = match view.version.number {
        VersionNumber::Latest => None,
        published => Some(published.into()),
    };
    of(view, qualifier.as_ref(), Detail::Full)
}

/// Shows an item of a list of versions, whose ARNs all end in a version.
pub(crate) fn listed(view: &FunctionView) -> FunctionConfigurationReply {
    of(view, Some(&view.version.number.into()), Detail::Listed)
}

/// Stands for the runtime's build: AWS has 64 hex digits there. Ours follow from the runtime's name.
fn build_of(runtime: &str) -> String {
    Sha256::digest(runtime.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
