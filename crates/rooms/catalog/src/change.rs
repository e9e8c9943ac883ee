//! What callers may ask of the catalog, and what a change makes of a configuration.

use bytes::Bytes;
use lacewing_model::{
    Architecture, Egress, EphemeralMib, FileSystem, FunctionConfig, FunctionName, Handler, ImageSettings, LogFormat,
    LogLevel, LoggingConfig, MemoryMib, ObjectCode, RevisionId, RoleArn, Runtime, SnapStart, Timeout, TracingMode,
    VpcConfig,
};
use std::collections::BTreeMap;

/// The code of a function, as its caller gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// A package.
    Zip(Bytes),
    /// A package that stays where it was read from.
    Object(Bytes, ObjectCode),
    /// The name of an image.
    Image(String),
}

impl Code {
    /// Of which kind it is.
    #[must_use]
    pub fn kind(&self) -> CodeKind {
        match self {
            Self::Zip(_) | Self::Object(..) => CodeKind::Zip,
            Self::Image(_) => CodeKind::Image,
        }
    }
}

/// What a change of code brings, before it is fetched or looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CodeKind {
    Nothing,
    Zip,
    Image,
}

/// A function to be made.
#[derive(Clone, Debug)]
pub struct NewFunction {
    /// Its name.
    pub name: FunctionName,
    /// Its whole configuration, defaults filled in.
    pub config: FunctionConfig,
    /// Its code: the kind of it stays for ever.
    pub code: Code,
    /// What is set in the place of what the image says, if it is one.
    pub image: ImageSettings,
    /// The ARNs of its layers' versions, in their order.
    pub layers: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Also publish version 1, and show that.
    pub publish: bool,
    /// The ARN of its code signing configuration.
    pub code_signing: Option<String>,
}

/// New code for a function.
#[derive(Clone, Debug)]
pub struct CodeChange {
    /// The new code, of the kind that the function has.
    pub code: Code,
    /// The key that AWS would encrypt the package with: it goes with the code.
    pub source_kms_key: Option<String>,
    /// What it is built for; unchanged if `None`.
    pub architecture: Option<Architecture>,
    /// Check everything, change nothing.
    pub dry_run: bool,
    /// Change only if the function still has this revision.
    pub revision: Option<RevisionId>,
    /// Also publish a version, and show that.
    pub publish: bool,
}

/// What a version is published under.
#[derive(Clone, Debug, Default)]
pub struct Publication {
    /// Publish only if this is the hash of the code of `$LATEST`, as the caller wrote it.
    pub code_sha256: Option<String>,
    /// Publish only if `$LATEST` still has this revision.
    pub revision: Option<RevisionId>,
    /// The version's own description, in the place of the function's.
    pub description: Option<String>,
}

/// New configuration for a function: what is `None` stays.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct ConfigChange {
    pub runtime: Option<Runtime>,
    pub handler: Option<Handler>,
    pub role: Option<RoleArn>,
    pub description: Option<String>,
    pub timeout: Option<Timeout>,
    pub memory: Option<MemoryMib>,
    pub ephemeral: Option<EphemeralMib>,
    /// The whole new set: variables are replaced, not merged.
    pub environment: Option<BTreeMap<String, String>>,
    pub logging: Option<LoggingChange>,
    pub tracing: Option<TracingMode>,
    pub egress: Option<Egress>,
    /// The ARNs of all layer versions, in their order; the catalog finds out what lies behind them.
    pub layers: Option<Vec<String>>,
    pub snap_start: Option<SnapStart>,
    /// `Some(None)` takes it away.
    pub dead_letter: Option<Option<String>>,
    /// `Some(None)` takes it away.
    pub kms_key: Option<Option<String>>,
    /// Empty lists take the function out of its network.
    pub vpc: Option<VpcConfig>,
    pub file_systems: Option<Vec<FileSystem>>,
    /// What is set in the place of what the image says; one that says nothing takes that away.
    pub image: Option<ImageSettings>,
    /// Change only if the function still has this revision.
    pub revision: Option<RevisionId>,
}

/// New logging settings: what is `None` stays.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct LoggingChange {
    pub format: Option<LogFormat>,
    pub application_level: Option<LogLevel>,
    pub system_level: Option<LogLevel>,
    pub group: Option<String>,
}

impl ConfigChange {
    /// `config` with this change made.
    #[must_use]
    pub fn apply(self, mut config: FunctionConfig) -> FunctionConfig {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut config.runtime, self.runtime);
        set(&mut config.handler, self.handler);
        set(&mut config.role, self.role);
        set(&mut config.description, self.description);
        set(&mut config.timeout, self.timeout);
        set(&mut config.memory, self.memory);
        set(&mut config.ephemeral, self.ephemeral);
        config.environment = self.environment.or(config.environment);
        set(&mut config.tracing, self.tracing);
        set(&mut config.egress, self.egress);
        set(&mut config.snap_start, self.snap_start);
        set(&mut config.dead_letter, self.dead_letter);
        set(&mut config.kms_key, self.kms_key);
        set(&mut config.file_systems, self.file_systems);
        if let (Some(image), Some(overrides)) = (&mut config.image, self.image) {
            image.overrides = Some(overrides).filter(|overrides| !overrides.is_empty());
        }
        // Whoever never stood in a network is not taken out of one.
        let leaves = self.vpc.as_ref().is_some_and(|vpc| vpc.subnets.is_empty() && vpc.security_groups.is_empty());
        if !(leaves && config.vpc.is_none()) {
            config.vpc = self.vpc.or(config.vpc);
        }
        if let Some(change) = self.logging {
            config.logging = change.apply(config.logging);
        }
        config
    }
}

impl LoggingChange {
    /// `logging` with this change made. JSON has both levels, `INFO` if unsaid; text has none.
    /// Source: recorded AWS replies.
    #[must_use]
    pub fn apply(self, logging: LoggingConfig) -> LoggingConfig {
        let format = self.format.unwrap_or(logging.format);
        let level = |new: Option<LogLevel>, old: Option<LogLevel>| match format {
            LogFormat::Text => None,
            LogFormat::Json => Some(new.or(old).unwrap_or(LogLevel::Info)),
        };
        LoggingConfig {
            format,
            application_level: level(self.application_level, logging.application_level),
            system_level: level(self.system_level, logging.system_level),
            group: self.group.unwrap_or(logging.group),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_logs_have_both_levels_and_text_logs_none() {
        use LogFormat::{Json, Text};
        use LogLevel::{Debug, Info, Warn};
        let change = |format, application_level| LoggingChange { format, application_level, ..Default::default() };
        for (why, from, change, want) in [
            ("json fills both", (Text, None, None), change(Some(Json), None), (Json, Some(Info), Some(Info))),
            (
                "a given level wins",
                (Text, None, None),
                change(Some(Json), Some(Debug)),
                (Json, Some(Debug), Some(Info)),
            ),
            (
                "a former level stays",
                (Json, Some(Warn), Some(Warn)),
                change(None, None),
                (Json, Some(Warn), Some(Warn)),
            ),
            ("text drops them", (Json, Some(Warn), Some(Warn)), change(Some(Text), None), (Text, None, None)),
        ] {
            let (format, application_level, system_level) = from;
            let got =
                change.apply(LoggingConfig { format, application_level, system_level, group: "/aws/lambda/f".into() });
            assert_eq!((got.format, got.application_level, got.system_level), want, "{why}");
        }
    }
}
