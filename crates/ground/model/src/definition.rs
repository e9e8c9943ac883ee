//! What a function version is: its configuration and its code, frozen together.

use crate::{
    AccountId, CodeSha256, EphemeralMib, FunctionArn, FunctionName, Handler, ImageCode, MemoryMib, ObjectCode,
    Qualifier, Region, RevisionId, RoleArn, Runtime, Timeout, Timestamp,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The processor that a package is built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// `x86_64`.
    #[default]
    X86,
    /// `arm64`.
    Arm,
}

impl Architecture {
    /// The API's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        }
    }

    /// The one this machine runs, or `None` where it is neither.
    #[must_use]
    pub fn of_host() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86),
            "aarch64" => Some(Self::Arm),
            _ => None,
        }
    }
}

/// How a function's log lines are written. Source: Lambda API, `LoggingConfig`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// Plain lines.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Levels of log lines, least severe first. Source: Lambda API, `ApplicationLogLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl LogLevel {
    /// The API's word: `TRACE` to `FATAL`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// A function's logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingConfig {
    /// Text or JSON.
    pub format: LogFormat,
    /// Least level of the function's own lines; JSON only.
    pub application_level: Option<LogLevel>,
    /// Least level of the platform's lines; JSON only.
    pub system_level: Option<LogLevel>,
    /// Log group; `/aws/lambda/NAME` if unsaid.
    pub group: String,
}

/// X-Ray tracing as the API shows it; kept as a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum TracingMode {
    #[default]
    PassThrough,
    Active,
}

/// What a function may reach over the network. Set by the tag `lacewing:egress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Egress {
    /// Everything but the host itself, link-local and metadata addresses.
    #[default]
    Internet,
    /// Nothing.
    None,
}

/// A layer version that a function has. It stays the function's when the layer's owner deletes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerUse {
    /// The version's ARN.
    pub arn: String,
    /// Its package's hash.
    pub code_sha256: CodeSha256,
    /// Its package's size in bytes.
    pub code_bytes: u64,
    /// Where its package stays, if that is not here.
    pub object: Option<ObjectCode>,
}

/// Whether published versions start from a snapshot of an environment that ran INIT. Source: Lambda API, `SnapStart`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum SnapStart {
    #[default]
    None,
    PublishedVersions,
}

/// Whether a function's environments serve all calls, or each those of one tenant. Chosen when the function is made,
/// and for good. Source: Lambda API, `TenancyConfig`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tenancy {
    /// An environment serves whatever call comes.
    #[default]
    Shared,
    /// An environment that has served a tenant serves no other.
    PerTenant,
}

/// Where a function would stand in a network of AWS's; kept as a record. Both lists are empty where it was taken
/// out of its network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct VpcConfig {
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    pub ipv6: bool,
}

/// A file system of AWS's; kept as a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct FileSystem {
    pub arn: String,
    /// Where it would be mounted, below `/mnt/`.
    pub path: String,
}

/// What a user sets of a function and a version freezes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct FunctionConfig {
    /// [`Runtime::of_image`] for an image.
    pub runtime: Runtime,
    /// [`Handler::of_image`] for an image.
    pub handler: Handler,
    /// Present where the package is an image and not a zip.
    pub image: Option<ImageCode>,
    /// Present where the package stays in an object store.
    pub object: Option<ObjectCode>,
    /// The key that AWS would encrypt the package with; kept as a record.
    pub source_kms_key: Option<String>,
    pub role: RoleArn,
    pub description: String,
    pub timeout: Timeout,
    pub memory: MemoryMib,
    pub ephemeral: EphemeralMib,
    /// The user's variables; together at most 4 KiB as JSON. `None` where none were ever given: replies show the difference.
    pub environment: Option<BTreeMap<String, String>>,
    pub architecture: Architecture,
    pub logging: LoggingConfig,
    pub tracing: TracingMode,
    pub egress: Egress,
    /// In the order in which they lie on top of each other.
    pub layers: Vec<LayerUse>,
    pub snap_start: SnapStart,
    /// Where events go that failed: the ARN of a queue or topic.
    pub dead_letter: Option<String>,
    /// The key that AWS would encrypt the variables with; kept as a record.
    pub kms_key: Option<String>,
    /// Absent where it never stood in one: replies show the difference.
    pub vpc: Option<VpcConfig>,
    pub file_systems: Vec<FileSystem>,
    pub tenancy: Tenancy,
}

impl FunctionConfig {
    /// A new function's configuration: AWS's defaults for all that is not given.
    #[must_use]
    pub fn new(name: &FunctionName, runtime: Runtime, handler: Handler, role: RoleArn) -> Self {
        Self {
            runtime,
            handler,
            image: None,
            object: None,
            source_kms_key: None,
            role,
            description: String::new(),
            timeout: Timeout::default(),
            memory: MemoryMib::default(),
            ephemeral: EphemeralMib::default(),
            environment: None,
            architecture: Architecture::default(),
            logging: LoggingConfig {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: format!("/aws/lambda/{name}"),
            },
            tracing: TracingMode::default(),
            egress: Egress::default(),
            layers: Vec::new(),
            snap_start: SnapStart::default(),
            dead_letter: None,
            kms_key: None,
            vpc: None,
            file_systems: Vec::new(),
            tenancy: Tenancy::default(),
        }
    }
}

/// `$LATEST` or a published number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionNumber {
    /// `$LATEST`, the one that changes.
    Latest,
    /// Published: from 1, never reused.
    Published(u64),
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Published(number) => number.fmt(f),
        }
    }
}

/// One runnable version. Two with the same `revision` are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Version {
    pub account: AccountId,
    pub region: Region,
    pub name: FunctionName,
    pub number: VersionNumber,
    /// Shared by all versions that froze it.
    pub config: Arc<FunctionConfig>,
    pub code_sha256: CodeSha256,
    /// Size of the package (the zip) in bytes.
    pub code_bytes: u64,
    /// Changes with everything that can be seen of the function, also with its states.
    pub revision: RevisionId,
    /// What its sandboxes are kept by: changes with code or configuration, and is each published version's own,
    /// because a sandbox is told its version.
    pub generation: RevisionId,
    pub last_modified: Timestamp,
}

impl Version {
    /// The code's hash as the API shows it: base64 of a zip's, the digest of an image in hex.
    #[must_use]
    pub fn code_sha256_shown(&self) -> String {
        if self.config.image.is_some() { self.code_sha256.hex() } else { self.code_sha256.to_string() }
    }

    /// The function's ARN without a qualifier.
    #[must_use]
    pub fn arn(&self) -> FunctionArn {
        self.arn_as(None)
    }

    /// The ARN with what the caller wrote behind the name.
    #[must_use]
    pub fn arn_as(&self, qualifier: Option<Qualifier>) -> FunctionArn {
        FunctionArn { region: self.region.clone(), account: self.account.clone(), name: self.name.clone(), qualifier }
    }
}
