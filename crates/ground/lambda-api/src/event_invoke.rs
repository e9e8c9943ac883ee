//! How asynchronous events are retried and where they end: request and reply.

use crate::Violations;
use serde::{Deserialize, Serialize};

pub(crate) const DESTINATION_PATTERN: &str = r"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)";

/// `PutFunctionEventInvokeConfig` and `UpdateFunctionEventInvokeConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct EventInvokeRequest {
    pub maximum_retry_attempts: Option<i64>,
    pub maximum_event_age_in_seconds: Option<i64>,
    pub destination_config: Option<DestinationConfig>,
}

/// Where results go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct DestinationConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_success: Option<Destination>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Destination>,
}

/// One destination: an ARN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct Destination {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
}

impl DestinationConfig {
    /// Notes what the model refuses.
    pub fn check(&self, violations: &mut Violations) {
        for (place, path) in [
            (&self.on_success, "destinationConfig.onSuccess.destination"),
            (&self.on_failure, "destinationConfig.onFailure.destination"),
        ] {
            if let Some(arn) = place.as_ref().and_then(|place| place.destination.as_deref()) {
                violations.length(arn, path, 0, 350);
                violations.matches(arn, path, DESTINATION_PATTERN);
            }
        }
    }

    /// The ARN for successes, if there is one.
    #[must_use]
    pub fn success(&self) -> Option<&str> {
        given(&self.on_success)
    }

    /// The ARN for failures, if there is one.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        given(&self.on_failure)
    }
}

/// An empty text takes a destination away.
fn given(place: &Option<Destination>) -> Option<&str> {
    place.as_ref().and_then(|place| place.destination.as_deref()).filter(|arn| !arn.is_empty())
}

impl EventInvokeRequest {
    /// Notes what the model refuses.
    pub fn check(&self, violations: &mut Violations) {
        if let Some(retries) = self.maximum_retry_attempts {
            violations.range(retries, "maximumRetryAttempts", 0, 2);
        }
        if let Some(seconds) = self.maximum_event_age_in_seconds {
            violations.range(seconds, "maximumEventAgeInSeconds", 60, 21_600);
        }
        if let Some(config) = &self.destination_config {
            config.check(violations);
        }
    }
}

/// A function's event invoke configuration.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct EventInvokeReply {
    /// Seconds since the epoch, with fractions.
    pub last_modified: f64,
    pub function_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_retry_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_event_age_in_seconds: Option<u32>,
    pub destination_config: DestinationConfig,
}

/// `ListFunctionEventInvokeConfigs`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListEventInvokeReply {
    pub function_event_invoke_configs: Vec<EventInvokeReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
