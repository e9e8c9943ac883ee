//! A function's settings, from what was sent to what the catalog takes: every value checked once, here.

use lacewing_catalog::{ConfigChange, LoggingChange};
use lacewing_lambda_api::{
    ApiError, ErrorCode, FunctionSettings, ImageConfig, LoggingSettings, Variables, Violations, check_layer_arns,
    runtime_refusal,
};
use lacewing_model::{
    Architecture, EphemeralMib, FileSystem, Handler, ImageSettings, Limits, LogFormat, LogLevel, MemoryMib, RevisionId,
    RoleArn, Runtime, SnapStart, Timeout, TracingMode, VpcConfig, WebSettings,
};
use lacewing_sandbox::reserved_keys;
use serde_json::Value;

const ROLE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
const VARIABLE_PATTERN: &str = "[a-zA-Z]([a-zA-Z0-9_])+";
pub(crate) const ARN_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()";
const MOUNT_PATTERN: &str = r"^/mnt/[a-zA-Z0-9-_.]+$";
const LOG_GROUP_PATTERN: &str = r"[\.\-_/#A-Za-z0-9]+";

/// Notes in `violations` whatever the model refuses.
pub(crate) fn check_model(settings: &FunctionSettings, violations: &mut Violations) {
    if let Some(role) = settings.role.as_deref().filter(|role| role.parse::<RoleArn>().is_err()) {
        violations.pattern(role, "role", ROLE_PATTERN);
    }
    if let Some(handler) = settings.handler.as_deref() {
        violations.length(handler, "handler", 0, 128);
        if handler.is_empty() || handler.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            violations.pattern(handler, "handler", r"[^\s]+");
        }
    }
    if let Some(description) = settings.description.as_deref() {
        violations.length(description, "description", 0, 256);
    }
    if let Some(seconds) = settings.timeout {
        violations.range(seconds, "timeout", 1, 900);
    }
    if let Some(mib) = settings.memory_size {
        violations.range(mib, "memorySize", 128, 10_240);
    }
    if let Some(storage) = &settings.ephemeral_storage {
        match storage.size {
            None => violations.null("ephemeralStorage.size"),
            Some(mib) => violations.range(mib, "ephemeralStorage.size", 512, 10_240),
        }
    }
    if let Some(variables) = settings.environment.as_ref().and_then(|environment| environment.variables.as_ref())
        && variables.0.iter().any(|(key, _)| !is_variable(key))
    {
        let rule = format!(
            "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: {VARIABLE_PATTERN}]"
        );
        violations.add_members(None, "environment.variables", rule);
    }
    if let Some(mode) = settings.tracing_config.as_ref().and_then(|tracing| tracing.mode.as_deref()) {
        violations.one_of(mode, "tracingConfig.mode", &["Active", "PassThrough"]);
    }
    check_arns(settings, violations);
    if let Some(image) = &settings.image_config {
        check_image(image, violations);
    }
    if let Some(apply_on) = settings.snap_start.as_ref().and_then(|snap_start| snap_start.apply_on.as_deref()) {
        violations.one_of(apply_on, "snapStart.applyOn", &["PublishedVersions", "None"]);
    }
    if let Some(logging) = &settings.logging_config {
        check_logging(logging, violations);
    }
    if let Some(layers) = &settings.layers {
        check_layer_arns(layers, violations);
    }
}

fn check_arns(settings: &FunctionSettings, violations: &mut Violations) {
    let dead_letter = settings.dead_letter_config.as_ref().and_then(|config| config.target_arn.as_deref());
    if let Some(target) = dead_letter.filter(|target| !is_arn_or_empty(target)) {
        violations.pattern(target, "deadLetterConfig.targetArn", ARN_PATTERN);
    }
    if let Some(key) = settings.kms_key_arn.as_deref().filter(|key| !is_arn_or_empty(key)) {
        violations.pattern(key, "kMSKeyArn", ARN_PATTERN);
    }
    if let Some(vpc) = &settings.vpc_config {
        for (list, path, max) in
            [(&vpc.subnet_ids, "vpcConfig.subnetIds", 16), (&vpc.security_group_ids, "vpcConfig.securityGroupIds", 5)]
        {
            if let Some(list) = list.as_ref().filter(|list| list.len() > max) {
                let shown = format!("[{}]", list.join(", "));
                violations.add(shown, path, format_args!("have length less than or equal to {max}"));
            }
        }
    }
    let systems = settings.file_system_configs.as_deref().unwrap_or_default();
    if systems.len() > 1 {
        violations.add("[...]", "fileSystemConfigs", "have length less than or equal to 1");
    }
    for (number, system) in (1..).zip(systems) {
        if !is_mount_path(&system.local_mount_path) {
            let path = format!("fileSystemConfigs.{number}.member.localMountPath");
            violations.pattern(&system.local_mount_path, &path, MOUNT_PATTERN);
        }
    }
}

fn check_image(image: &ImageConfig, violations: &mut Violations) {
    for (list, path) in [(&image.entry_point, "imageConfig.entryPoint"), (&image.command, "imageConfig.command")] {
        if list.as_ref().is_some_and(|list| list.len() > 1_500) {
            violations.add("[...]", path, "have length less than or equal to 1500");
        }
    }
    if let Some(directory) = image.working_directory.as_deref() {
        violations.length(directory, "imageConfig.workingDirectory", 0, 1_000);
    }
}

/// `arn:PARTITION:SERVICE:...`, or nothing: that takes the former value away.
pub(crate) fn is_arn_or_empty(text: &str) -> bool {
    let mut parts = text.splitn(4, ':');
    let word = |part: Option<&str>, more: fn(u8) -> bool| {
        part.is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || more(b)))
    };
    text.is_empty()
        || (parts.next() == Some("arn")
            && word(parts.next(), |b| b == b'-')
            && word(parts.next(), |b| b.is_ascii_digit() || matches!(b, b'-' | b'.'))
            && parts.next().is_some())
}

fn is_mount_path(path: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    path.len() <= 160 && path.strip_prefix("/mnt/").is_some_and(|name| !name.is_empty() && name.bytes().all(fits))
}

fn check_logging(logging: &LoggingSettings, violations: &mut Violations) {
    if let Some(format) = logging.log_format.as_deref() {
        violations.one_of(format, "loggingConfig.logFormat", &["JSON", "Text"]);
    }
    if let Some(level) = logging.application_log_level.as_deref() {
        let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
        violations.one_of(level, "loggingConfig.applicationLogLevel", &levels);
    }
    if let Some(level) = logging.system_log_level.as_deref() {
        violations.one_of(level, "loggingConfig.systemLogLevel", &["DEBUG", "INFO", "WARN"]);
    }
    if let Some(group) = logging.log_group.as_deref() {
        violations.length(group, "loggingConfig.logGroup", 1, 512);
        if !group.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/' | b'#')) {
            violations.pattern(group, "loggingConfig.logGroup", LOG_GROUP_PATTERN);
        }
    }
}

/// Notes what is wrong with `Architectures`; the one that was meant.
pub(crate) fn architecture(given: Option<&[String]>, violations: &mut Violations) -> Option<Architecture> {
    let list = given?;
    let shown = format!("[{}]", list.join(", "));
    match list {
        [one] if one == "x86_64" => return Some(Architecture::X86),
        [one] if one == "arm64" => return Some(Architecture::Arm),
        [_] => violations.add_members(
            Some(&shown),
            "architectures",
            "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
        ),
        [] => violations.add(shown, "architectures", "have length greater than or equal to 1"),
        _ => violations.add(shown, "architectures", "have length less than or equal to 1"),
    }
    None
}

/// The change that `settings` ask for; the model's constraints hold already.
///
/// # Errors
/// Values that the service refuses, and features that are not there yet.
pub(crate) fn change(settings: FunctionSettings, limits: &Limits) -> Result<ConfigChange, ApiError> {
    refuse_unserved(&settings)?;
    let runtime = settings.runtime.as_deref().map(runtime).transpose()?;
    let environment = settings.environment.and_then(|environment| environment.variables);
    if let Some(variables) = &environment {
        check_variables(variables, limits)?;
    }
    let image = settings.image_config.map(image_settings).transpose()?;
    let size = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let revision = settings.revision_id.as_deref().map(revision).transpose()?;
    Ok(ConfigChange {
        runtime,
        handler: settings.handler.and_then(|handler| handler.parse::<Handler>().ok()),
        role: settings.role.and_then(|role| role.parse().ok()),
        description: settings.description,
        timeout: size(settings.timeout).and_then(|seconds| Timeout::new(seconds).ok()),
        memory: size(settings.memory_size).and_then(|mib| MemoryMib::new(mib).ok()),
        ephemeral: size(settings.ephemeral_storage.and_then(|storage| storage.size))
            .and_then(|mib| EphemeralMib::new(mib).ok()),
        environment: environment.map(|variables| variables.0.into_iter().collect()),
        logging: settings.logging_config.map(logging).transpose()?,
        tracing: settings.tracing_config.and_then(|tracing| tracing.mode).map(|mode| match mode.as_str() {
            "Active" => TracingMode::Active,
            _ => TracingMode::PassThrough,
        }),
        egress: None,
        layers: settings.layers,
        snap_start: settings.snap_start.and_then(|snap_start| snap_start.apply_on).map(|apply_on| {
            match apply_on.as_str() {
                "PublishedVersions" => SnapStart::PublishedVersions,
                _ => SnapStart::None,
            }
        }),
        dead_letter: settings.dead_letter_config.map(|config| config.target_arn.filter(|target| !target.is_empty())),
        kms_key: settings.kms_key_arn.map(|key| Some(key).filter(|key| !key.is_empty())),
        vpc: settings.vpc_config.map(|vpc| VpcConfig {
            subnets: vpc.subnet_ids.unwrap_or_default(),
            security_groups: vpc.security_group_ids.unwrap_or_default(),
            ipv6: vpc.ipv6_allowed_for_dual_stack.unwrap_or_default(),
        }),
        file_systems: settings.file_system_configs.map(|systems| {
            systems.into_iter().map(|one| FileSystem { arn: one.arn, path: one.local_mount_path }).collect()
        }),
        image,
        revision,
    })
}

/// Lists and texts that are empty say nothing.
fn image_settings(config: ImageConfig) -> Result<ImageSettings, ApiError> {
    let ImageConfig { entry_point, command, working_directory } = config;
    let texts = entry_point.iter().chain(&command).flatten().chain(&working_directory);
    if texts.into_iter().any(|text| text.contains('\0')) {
        let text = "ImageConfig holds a NUL character: leave it out.";
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, text));
    }
    let said = |list: Option<Vec<String>>| list.filter(|list| !list.is_empty());
    Ok(ImageSettings {
        entry_point: said(entry_point),
        command: said(command),
        working_directory: working_directory.filter(|path| !path.is_empty()),
    })
}

/// A revision id that is no UUID is nobody's newest.
pub(crate) fn revision(text: &str) -> Result<RevisionId, ApiError> {
    text.parse().map_err(|_| {
        ApiError::new(
            ErrorCode::PreconditionFailed,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
             retrieve the latest Revision Id",
        )
    })
}

fn runtime(text: &str) -> Result<Runtime, ApiError> {
    text.parse().map_err(|_| ApiError::new(ErrorCode::InvalidParameterValue, runtime_refusal(text, &Runtime::SERVED)))
}

fn logging(settings: LoggingSettings) -> Result<LoggingChange, ApiError> {
    let format = settings.log_format.map(|format| if format == "JSON" { LogFormat::Json } else { LogFormat::Text });
    let levels = settings.application_log_level.is_some() || settings.system_log_level.is_some();
    if levels && format == Some(LogFormat::Text) {
        let text = "Log levels are for the log format JSON only: set LogFormat to JSON, or leave the levels out.";
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, text));
    }
    let level = |text: String| match text.as_str() {
        "TRACE" => LogLevel::Trace,
        "DEBUG" => LogLevel::Debug,
        "WARN" => LogLevel::Warn,
        "ERROR" => LogLevel::Error,
        "FATAL" => LogLevel::Fatal,
        _ => LogLevel::Info,
    };
    Ok(LoggingChange {
        format,
        application_level: settings.application_log_level.map(level),
        system_level: settings.system_log_level.map(level),
        group: settings.log_group,
    })
}

fn check_variables(variables: &Variables, limits: &Limits) -> Result<(), ApiError> {
    let refused = |text: String| Err(ApiError::new(ErrorCode::InvalidParameterValue, text));
    let start = "Lambda was unable to configure your environment variables because the environment variables you have \
                 provided";
    let reserved = reserved_keys(variables.0.iter().map(|(key, _)| key.as_str()));
    if !reserved.is_empty() {
        return refused(format!(
            "{start} contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        ));
    }
    let web = variables.0.iter().cloned().collect();
    if let Err(wrong) = WebSettings::read(Some(&web)) {
        return refused(format!("{wrong}. It says how the server of a web function is run."));
    }
    if let Some(key) = variables.0.iter().find_map(|(key, value)| value.contains('\0').then_some(key)) {
        return refused(format!("{start} contains a NUL character in the value of {key}. Leave it out, or encode it."));
    }
    let measured = serde_json::to_string(variables).unwrap_or_default();
    if measured.len() > limits.environment_bytes_max {
        let limit = limits.environment_bytes_max / 1_024;
        return refused(format!("{start} exceeded the {limit}KB limit. String measured: {measured}"));
    }
    Ok(())
}

/// Whatever would change how the function runs and is not there is refused like any other value that cannot be taken,
/// never ignored.
fn refuse_unserved(settings: &FunctionSettings) -> Result<(), ApiError> {
    if settings.durable_config.as_ref().is_some_and(says_something) {
        let text = "DurableConfig is for durable executions, which this server does not have: leave it out.";
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, text));
    }
    let managed = [
        ("CapacityProviderConfig", &settings.capacity_provider_config),
        ("RuntimeConfig", &settings.runtime_config),
        ("AcceleratorConfig", &settings.accelerator_config),
    ];
    match managed.iter().find(|(_, value)| value.as_ref().is_some_and(says_something)) {
        Some((name, _)) => Err(managed_instances(name)),
        None => Ok(()),
    }
}

/// The refusal of what functions on machines of one's own at AWS have.
pub(crate) fn managed_instances(name: &str) -> ApiError {
    let text = format!(
        "{name} is for Lambda Managed Instances, which this server does not have: every function runs on the server's \
         own machine. Leave it out."
    );
    ApiError::new(ErrorCode::InvalidParameterValue, text)
}

/// False for what clients send to mean nothing: null, empty text, empty lists, and objects of these.
pub(crate) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => fields.values().any(says_something),
    }
}

fn is_variable(key: &str) -> bool {
    let mut bytes = key.bytes();
    key.len() >= 2
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ConfigChange, String> {
        let settings: FunctionSettings = lacewing_lambda_api::parse(json.as_bytes()).unwrap();
        let mut violations = Violations::default();
        check_model(&settings, &mut violations);
        let result = violations.finish().and_then(|()| change(settings, &Limits::default()));
        result.map_err(|error| format!("{} {}", error.code.name(), error.message))
    }

    #[test]
    fn settings_are_refused_in_aws_words() {
        let mut shown = String::new();
        let big = "x".repeat(4_096);
        for json in [
            r#"{"Timeout":0,"MemorySize":127,"EphemeralStorage":{"Size":511}}"#,
            r#"{"Timeout":901,"MemorySize":10241,"EphemeralStorage":{}}"#,
            r#"{"Role":"r","Handler":"a b","TracingConfig":{"Mode":"On"}}"#,
            r#"{"Environment":{"Variables":{"1A":"x"}}}"#,
            r#"{"Environment":{"Variables":{"AWS_REGION":"x","OTHER":"y","_HANDLER":"z"}}}"#,
            r#"{"Environment":{"Variables":{"AWS_REGION":"x","OTHER":"y","LAMBDA_TASK_ROOT":"z"}}}"#,
            r#"{"Environment":{"Variables":{"NUL_IN_IT":"a\u0000b"}}}"#,
            r#"{"Handler":"a\u0000b"}"#,
            r#"{"Runtime":"cobol"}"#,
            r#"{"Runtime":"python2.7"}"#,
            r#"{"LoggingConfig":{"LogFormat":"xml","ApplicationLogLevel":"LOUD","SystemLogLevel":"TRACE","LogGroup":"a b"}}"#,
            r#"{"LoggingConfig":{"LogFormat":"Text","SystemLogLevel":"WARN"}}"#,
            r#"{"SnapStart":{"ApplyOn":"Always"}}"#,
            r#"{"Layers":["arn:aws:lambda:us-east-1:1:layer:x:1"]}"#,
            r#"{"KMSKeyArn":"key","DeadLetterConfig":{"TargetArn":"queue"}}"#,
            r#"{"VpcConfig":{"SecurityGroupIds":["a","b","c","d","e","f"]}}"#,
            r#"{"FileSystemConfigs":[{"Arn":"a","LocalMountPath":"/data"}]}"#,
            r#"{"RevisionId":"old"}"#,
            &format!(r#"{{"Environment":{{"Variables":{{"BIG":"{big}"}}}}}}"#),
        ] {
            let text = read(json).unwrap_err();
            shown += &format!("{}\n", text.replace(&big, "x..."));
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn variables_that_are_too_large_are_shown_as_they_were_sent() {
        let big = "x".repeat(4_096);
        let variables = format!(r#"{{"SMALL":"ok","LARGE":"{big}"}}"#);
        let text = read(&format!(r#"{{"Environment":{{"Variables":{variables}}}}}"#)).unwrap_err();
        assert!(text.ends_with(&format!("exceeded the 4KB limit. String measured: {variables}")), "{text}");
    }

    #[test]
    fn settings_that_mean_nothing_are_taken() {
        let change = read(
            r#"{"VpcConfig":{"SubnetIds":[],"SecurityGroupIds":[]},"Layers":[],"KMSKeyArn":"","DeadLetterConfig":{"TargetArn":""},
                "SnapStart":{"ApplyOn":"None"},"ImageConfig":null,"Timeout":9,"Environment":{"Variables":{}}}"#,
        )
        .unwrap();
        assert_eq!(change.timeout.unwrap().get(), 9);
        assert_eq!(change.environment, Some(Default::default()));
    }

    #[test]
    fn one_architecture_is_named() {
        let text = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            let mut violations = Violations::default();
            let found = architecture(Some(&given), &mut violations);
            violations.text().unwrap_or_else(|| format!("{found:?}"))
        };
        assert_eq!(text(&["arm64"]), "Some(Arm)");
        assert!(text(&["arm64", "x86_64"]).ends_with("'[arm64, x86_64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"));
        assert!(text(&["riscv"]).contains("enum value set: [x86_64, arm64]"));
    }
}
