//! The environment that Lambda promises to a function.

use crate::Credentials;
use lacewing_model::{Language, LogFormat, SandboxId, Timestamp, Version};
use std::collections::BTreeMap;

mod web;

/// Variables that a user may not set. Source: Lambda documentation, "Defined runtime environment variables".
const RESERVED: [&str; 24] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// What the platform sets unless an image says otherwise.
const AT_FIRST: [(&str, &str); 8] = [
    ("LAMBDA_TASK_ROOT", "/var/task"),
    ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
    ("PWD", "/var/task"),
    ("TZ", ":UTC"),
    ("LANG", "en_US.UTF-8"),
    ("SHLVL", "0"),
    ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
    (
        "LD_LIBRARY_PATH",
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    ),
];

/// Those of `keys` that a user may not set, in the order given.
pub fn reserved_keys<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    keys.filter(|key| RESERVED.contains(key)).collect()
}

/// Everything a function finds in its environment but `AWS_LAMBDA_RUNTIME_API` and the endpoint of the
/// platform's API, which only the driver knows. The user's own variables come last and win where they may.
/// Source: Lambda documentation, "Defined runtime environment variables".
#[must_use]
pub fn lambda_environment(
    version: &Version,
    sandbox: SandboxId,
    now: Timestamp,
    credentials: &Credentials,
) -> Vec<(String, String)> {
    let config = &version.config;
    let mut all: Vec<(String, String)> = Vec::with_capacity(40 + config.environment.as_ref().map_or(0, BTreeMap::len));
    for (key, value) in AT_FIRST {
        all.push((key.to_owned(), value.to_owned()));
    }
    match &config.image {
        // An image's own variables come before the platform's, so that they cannot stand for those.
        Some(image) => {
            let own = image.environment.iter().filter(|(key, _)| !is_platforms(key));
            replace(&mut all, own.map(|(key, value)| (key.as_str(), value.as_str())));
            replace(&mut all, std::iter::once(("PWD", image.working_directory())));
        }
        None => all.push(("_HANDLER".to_owned(), config.handler.to_string())),
    }
    let mut set = |key: &str, value: String| replace(&mut all, std::iter::once((key, value.as_str())));
    set("AWS_REGION", version.region.to_string());
    set("AWS_DEFAULT_REGION", version.region.to_string());
    set("AWS_LAMBDA_FUNCTION_NAME", version.name.to_string());
    set("AWS_LAMBDA_FUNCTION_VERSION", version.number.to_string());
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", config.memory.get().to_string());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into());
    set("AWS_LAMBDA_LOG_GROUP_NAME", config.logging.group.clone());
    set("AWS_LAMBDA_LOG_STREAM_NAME", log_stream_name(version, sandbox, now));
    // Text is what a runtime takes absence for: AWS names the format only where it is JSON.
    if config.logging.format == LogFormat::Json {
        set("AWS_LAMBDA_LOG_FORMAT", "JSON".into());
    }
    if let Some(level) = config.logging.application_level {
        set("AWS_LAMBDA_LOG_LEVEL", level.as_str().into());
    }
    set("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone());
    set("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.clone());
    set("AWS_SESSION_TOKEN", credentials.session_token.clone());
    set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".into());
    // As on Lambda, the host of the Runtime API; nobody listens, and segments are datagrams that nobody waits for.
    set("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000".into());
    set("_AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1".into());
    set("_AWS_XRAY_DAEMON_PORT", "2000".into());
    match config.runtime.language() {
        Language::Python(_) => {
            set("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", config.runtime));
            set("PYTHONPATH", "/var/runtime".into());
        }
        Language::Node(major) => {
            set("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", config.runtime));
            let modules = "/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task";
            set("NODE_PATH", format!("/opt/nodejs/node{major}/node_modules:{modules}"));
        }
        Language::Image => set("AWS_EXECUTION_ENV", "AWS_Lambda_Image".into()),
        Language::Provided => {}
        Language::Foreign => set("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", config.runtime)),
    }
    if config.web().is_some() {
        web::adapt(&mut all);
    }
    replace(&mut all, config.environment.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())));
    if let Some(web) = config.web() {
        web::tell(&web, &mut all);
    }
    all
}

/// True for what only the platform may say. The places of code and runtime are an image's own affair.
fn is_platforms(key: &str) -> bool {
    RESERVED.contains(&key) && !matches!(key, "_HANDLER" | "LAMBDA_TASK_ROOT" | "LAMBDA_RUNTIME_DIR")
}

/// Puts each of `variables` in the place of what is called so, or behind all others.
fn replace<'a>(all: &mut Vec<(String, String)>, variables: impl Iterator<Item = (&'a str, &'a str)>) {
    for (key, value) in variables {
        match all.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => value.clone_into(known),
            None => all.push((key.to_owned(), value.to_owned())),
        }
    }
}

/// `YYYY/MM/DD/[VERSION]SANDBOX`, the day in UTC. Source: CloudWatch log streams of Lambda functions.
#[must_use]
pub fn log_stream_name(version: &Version, sandbox: SandboxId, now: Timestamp) -> String {
    format!("{}/[{}]{sandbox}", now.civil().strftime("%Y/%m/%d"), version.number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use lacewing_model::{
        FunctionConfig, Handler, ImageCode, ImageSettings, LoggingConfig, RevisionId, Runtime, VersionNumber,
    };
    use std::sync::Arc;

    fn version(format: LogFormat, environment: Option<BTreeMap<String, String>>) -> Version {
        Version {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            name: "f".parse().unwrap(),
            number: VersionNumber::Latest,
            config: Arc::new(FunctionConfig {
                environment,
                logging: LoggingConfig { format, application_level: None, system_level: None, group: "g".into() },
                ..FunctionConfig::new(
                    &"f".parse().unwrap(),
                    "python3.13".parse().unwrap(),
                    "app.handler".parse().unwrap(),
                    "arn:aws:iam::000000000000:role/r".parse().unwrap(),
                )
            }),
            code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
            code_bytes: 1,
            revision: RevisionId::random(),
            generation: RevisionId::random(),
            last_modified: Timestamp(0),
        }
    }

    fn environment_of(version: &Version) -> BTreeMap<String, String> {
        let credentials = Credentials {
            access_key_id: "id".into(),
            secret_access_key: "secret".into(),
            session_token: "token".into(),
        };
        lambda_environment(version, SandboxId::random(), Timestamp(0), &credentials).into_iter().collect()
    }

    #[test]
    fn the_log_format_is_named_only_where_it_is_json() {
        let text = environment_of(&version(LogFormat::Text, None));
        assert_eq!(text.get("AWS_LAMBDA_LOG_FORMAT"), None);
        let json = environment_of(&version(LogFormat::Json, None));
        assert_eq!(json["AWS_LAMBDA_LOG_FORMAT"], "JSON");
    }

    #[test]
    fn the_users_variables_win_where_they_may() {
        let own = BTreeMap::from([("LANG".to_owned(), "C".to_owned()), ("MINE".to_owned(), "here".to_owned())]);
        let all = environment_of(&version(LogFormat::Text, Some(own)));
        assert_eq!((all["LANG"].as_str(), all["MINE"].as_str(), all["TZ"].as_str()), ("C", "here", ":UTC"));
    }

    #[test]
    fn an_images_variables_stand_between_the_platforms_usual_ones_and_its_own() {
        let mut version = version(LogFormat::Text, Some(BTreeMap::from([("MINE".to_owned(), "user".to_owned())])));
        let said = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let environment = vec![
            said("PATH", "/image/bin"),
            said("LAMBDA_TASK_ROOT", "/app"),
            said("MINE", "image"),
            said("AWS_REGION", "elsewhere"),
            said("AWS_SESSION_TOKEN", "forged"),
        ];
        let own = ImageSettings { working_directory: Some("/app".into()), ..ImageSettings::default() };
        let (uri, resolved_uri) = ("r/i:t".to_owned(), "r/i@sha256:0".to_owned());
        let config = Arc::make_mut(&mut version.config);
        (config.runtime, config.handler) = (Runtime::of_image(), Handler::of_image());
        config.image = Some(ImageCode { uri, resolved_uri, own, environment, overrides: None });
        let all = environment_of(&version);
        for (key, value) in [
            ("PATH", "/image/bin"),
            ("LAMBDA_TASK_ROOT", "/app"),
            ("PWD", "/app"),
            ("MINE", "user"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_Image"),
        ] {
            assert_eq!(all[key], value, "{key}");
        }
        assert!(!all.contains_key("_HANDLER"));
    }

    #[test]
    fn reserved_names_are_found_in_order() {
        let given = ["A", "AWS_REGION", "PATH", "_HANDLER"];
        assert_eq!(reserved_keys(given.into_iter()), ["AWS_REGION", "_HANDLER"]);
    }
}
