//! What a node is started with: the command line's and the file's settings, typed.

use crate::{ImagesConfig, Scaling};
use lacewing_catalog::{Keys, ObjectOptions};
use lacewing_model::{AccountId, Region};
use serde::Deserialize;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// Everything that decides how a node runs.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Where the one port listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where all state lives.
    pub data_dir: PathBuf,
    /// The account that root keys belong to.
    pub account: AccountId,
    /// The region that is shown where a request names none.
    pub region: Region,
    /// True: a request signed for another region is refused.
    pub strict_region: bool,
    /// Fixed root keys as `(id, secret)`; with none, the data dir's own key is used, made at the first start.
    pub root_keys: Vec<(String, String)>,
    /// Certificate chain and private key, PEM files: with them the port takes encrypted connections too.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// How much isolation the host must grant.
    pub require_isolation: RequireIsolation,
    /// Settings of the configuration file.
    pub config: Config,
    /// How to start the spawner: this executable with its hidden subcommand.
    pub spawner: Vec<OsString>,
}

/// `[aws]`: where the services of AWS are that the platform has not itself. What the environment says in the variables
/// of AWS's own tools counts more.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Aws {
    /// What stands in for all of them, such as `http://127.0.0.1:4566`; default AWS itself. `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// Where code in S3 lies, if elsewhere. `AWS_ENDPOINT_URL_S3`.
    pub endpoint_url_s3: Option<String>,
    /// Functions find them at `endpoint_url` too, also where that is on this machine's loopback; default true.
    pub for_functions: bool,
    /// `AWS_ACCESS_KEY_ID`. Without, requests to an endpoint are signed with the first fixed root key, since whoever sets up
    /// services side by side gives them the same keys; else they are anonymous.
    pub access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<String>,
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            endpoint_url: None,
            endpoint_url_s3: None,
            for_functions: true,
            access_key_id: None,
            secret_access_key: None,
        }
    }
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Aws {
    /// Where functions find what the platform has not.
    pub(crate) fn services(&self, listen: SocketAddr) -> Option<String> {
        self.everything(listen).filter(|_| self.for_functions)
    }

    /// What stands in for all of AWS, unless that is this server: its operator's shell often names it so.
    fn everything(&self, listen: SocketAddr) -> Option<String> {
        let named = variable("AWS_ENDPOINT_URL").or_else(|| self.endpoint_url.clone())?;
        let port = format!(":{}", listen.port());
        let ours = [format!("http://{listen}"), format!("http://localhost{port}"), format!("http://127.0.0.1{port}")];
        (!ours.contains(&named.trim_end_matches('/').to_owned())).then_some(named)
    }

    /// What objects are fetched with.
    pub(crate) fn objects(&self, listen: SocketAddr, root_keys: &[(String, String)]) -> ObjectOptions {
        let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| self.endpoint_url_s3.clone());
        let endpoint = endpoint.or_else(|| self.everything(listen));
        let named = |id, secret, session_token| Some(Keys { id, secret, session_token });
        let keys = match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => named(id, secret, variable("AWS_SESSION_TOKEN")),
            _ => self
                .access_key_id
                .clone()
                .zip(self.secret_access_key.clone())
                .and_then(|(id, secret)| named(id, secret, None)),
        };
        let shared = || root_keys.first().filter(|_| endpoint.is_some()).cloned();
        let keys = keys.or_else(|| shared().and_then(|(id, secret)| named(id, secret, None)));
        ObjectOptions { endpoint, keys }
    }
}

/// Whether a host with weaker walls will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequireIsolation {
    /// Serve with what the host grants, and say what is weaker.
    #[default]
    Any,
    /// Refuse to start with less than everything.
    Full,
}

/// The configuration file (TOML). Unknown keys are errors.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How calls are admitted and sandboxes kept.
    pub scaling: Scaling,
    /// Which interpreters may be used.
    pub runtimes: Runtimes,
    /// How functions' lines are written and kept.
    pub logs: Logs,
    /// Services of AWS, or what stands in for them.
    pub aws: Aws,
    /// Where functions that are images come from.
    pub images: ImagesConfig,
    /// Who may read the node's figures.
    pub metrics: Metrics,
    /// Who may do what.
    pub access: AccessConfig,
    /// How function URLs look.
    pub urls: Urls,
    /// How answers are streamed.
    pub streaming: Streaming,
    /// How large things may be.
    pub limits: LimitsConfig,
}

/// `[limits]`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Which set of limits holds; default `strict`.
    pub mode: LimitsMode,
}

/// `mode` of `[limits]`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LimitsMode {
    /// Lambda's, to the byte.
    #[default]
    Strict,
    /// Wider: events and answers of 32 MiB, packages of 200 MiB and 2 GiB unpacked, 32 KiB of environment, 60 seconds for INIT.
    Relaxed,
}

/// `[urls]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Urls {
    /// The domain below which URLs are shown, as in `https://ID.lambda-url.REGION.DOMAIN/`; default `localhost`, which
    /// every machine resolves to itself. Requests to any domain are served.
    pub domain: UrlDomain,
    /// Serve URLs also at `/_lacewing/urls/ID/` of any host, for clients that can name no other host; default false: there,
    /// all functions share one origin, and a browser shows each the cookies of the others.
    pub by_path: bool,
}

impl Default for Urls {
    fn default() -> Self {
        Self { domain: UrlDomain("localhost".to_owned()), by_path: false }
    }
}

/// A domain: labels of letters, digits and hyphens.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct UrlDomain(String);

impl UrlDomain {
    /// The domain's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UrlDomain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let label = |label: &str| {
            let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            inside && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
        };
        if text.len() <= 200 && text.split('.').all(label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!(
                "{text} is no domain; write it like functions.example.org, without scheme, port or dot at its end"
            ))
        }
    }
}

/// `[streaming]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Streaming {
    /// Bytes a second of one streamed answer once its first 6 MiB are through, as AWS has 2,097,152; default: as many as
    /// the caller takes.
    pub bytes_per_second: Option<NonZero<u64>>,
}

/// `[runtimes]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Runtimes {
    /// Serve a runtime whose exact version is absent by the nearest of its language; default true.
    pub nearest: bool,
    /// Prefixes to look in, besides the usual ones, such as `/opt/python3.13`.
    pub paths: Vec<PathBuf>,
}

impl Default for Runtimes {
    fn default() -> Self {
        Self { nearest: true, paths: Vec::new() }
    }
}

/// `[logs]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Logs {
    /// Add how a start went to the REPORT line of the call that waited for it; default false, because
    /// AWS's line has no such field.
    pub start_phases: bool,
}

/// `[metrics]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// The bearer token that opens `/_lacewing/metrics`: 16 characters or more; default the one in the data dir's
    /// file `metrics-token`, made at the first start.
    pub token: Option<MetricsToken>,
}

/// A token that is long enough not to be guessed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct MetricsToken(String);

/// Fewer characters can be guessed.
const TOKEN_CHARACTERS_MIN: usize = 16;

impl MetricsToken {
    /// The token's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MetricsToken {
    type Error = String;

    fn try_from(token: String) -> Result<Self, String> {
        let fits = token.len() >= TOKEN_CHARACTERS_MIN && token.bytes().all(|byte| byte.is_ascii_graphic());
        let hint = || format!("a metrics token has {TOKEN_CHARACTERS_MIN} characters or more, and no blanks");
        fits.then_some(Self(token)).ok_or_else(hint)
    }
}

/// `[access]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// Functions of a role that nobody has made may call nothing, and none can be made of one that is not there or
    /// that Lambda may not assume; default false: such a function may call functions, read about them and read logs.
    pub strict_roles: bool,
}

impl Config {
    /// Reads `path`.
    ///
    /// # Errors
    /// A sentence that names the file, the place in it and what is wrong.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// Where state lives when nobody says: `/var/lib/lacewing` as root, else `$XDG_DATA_HOME/lacewing`.
#[must_use]
pub fn default_data_dir(is_root: bool) -> PathBuf {
    if is_root {
        return PathBuf::from("/var/lib/lacewing");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(|| PathBuf::from(".")).join("lacewing")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_config_with_an_unknown_key_is_refused() {
        assert!(toml::from_str::<Config>("[scaling]\nkeep = 3").is_err());
        let config: Config = toml::from_str("[scaling]\nkeep_alive_seconds = 3\ncpu = \"quota\"").unwrap();
        assert_eq!(config.scaling.keep_alive_seconds, Some(3));
        assert_eq!(config.scaling.cpu, crate::Cpu::Quota);
        assert!(config.runtimes.nearest);
        assert!(toml::from_str::<Config>("[metrics]\ntoken = \"short\"").is_err());
    }
}
