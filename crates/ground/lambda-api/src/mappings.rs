//! Event source mappings: requests, what each kind of source takes and defaults to, and replies.

use crate::event_invoke::DESTINATION_PATTERN;
use crate::policies::ARN_PATTERN;
use crate::{ApiError, DestinationConfig, ErrorCode, Violations};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `CreateEventSourceMapping` and `UpdateEventSourceMapping`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct MappingRequest {
    pub function_name: Option<String>,
    pub event_source_arn: Option<String>,
    pub enabled: Option<bool>,
    pub tags: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    pub settings: MappingSettings,
}

/// How a source is read; replies show it as it was sent, with defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct MappingSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_criteria: Option<FilterCriteria>,
    #[serde(rename = "KMSKeyArn", skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling_config: Option<MappingScaling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_batching_window_in_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelization_factor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_position: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_position_timestamp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_config: Option<DestinationConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_record_age_in_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bisect_batch_on_function_error: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_retry_attempts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tumbling_window_in_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_access_configurations: Option<Vec<SourceAccess>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_managed_event_source: Option<SelfManagedSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_response_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amazon_managed_kafka_event_source_config: Option<KafkaConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_managed_kafka_event_source_config: Option<KafkaConfig>,
    #[serde(rename = "DocumentDBEventSourceConfig", skip_serializing_if = "Option::is_none")]
    pub document_db_event_source_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_poller_config: Option<Pollers>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct FilterCriteria {
    pub filters: Vec<Filter>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct MappingScaling {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_concurrency: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct SourceAccess {
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(rename = "URI", skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct SelfManagedSource {
    pub endpoints: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct KafkaConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_group_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_registry_config: Option<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct Pollers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_pollers: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_pollers: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poller_group_name: Option<String>,
}

/// What kind of source feeds a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// SQS; `fifo` keeps order.
    Sqs {
        /// The queue's name ends in `.fifo`.
        fifo: bool,
    },
    /// Kinesis Data Streams.
    Kinesis,
    /// DynamoDB Streams.
    DynamoDb,
    /// Amazon MSK.
    ManagedKafka,
    /// A Kafka cluster of the user's.
    OwnKafka,
    /// Amazon MQ.
    Mq,
    /// DocumentDB.
    DocumentDb,
}

impl SourceKind {
    /// The kind of a request's source.
    ///
    /// # Errors
    /// `InvalidParameterValueException`, in AWS's words, for no source and for one that is none.
    pub fn of(source_arn: Option<&str>, settings: &MappingSettings) -> Result<Self, ApiError> {
        if settings.self_managed_event_source.is_some() {
            if settings.source_access_configurations.is_none() {
                return Err(refused("Required 'sourceAccessConfigurations' parameter is missing."));
            }
            return Ok(Self::OwnKafka);
        }
        let arn = source_arn.unwrap_or_default();
        match arn.split(':').nth(2) {
            Some("sqs") => Ok(Self::Sqs { fifo: arn.ends_with(".fifo") }),
            Some("kinesis") => Ok(Self::Kinesis),
            Some("dynamodb") => Ok(Self::DynamoDb),
            Some("kafka") => Ok(Self::ManagedKafka),
            Some("mq") => Ok(Self::Mq),
            Some("rds") => Ok(Self::DocumentDb),
            _ => Err(refused("Unrecognized event source.")),
        }
    }

    /// True for what is read in order from a position.
    fn is_stream(self) -> bool {
        matches!(self, Self::Kinesis | Self::DynamoDb)
    }

    /// Why a mapping is in its state: recorded in two spellings.
    #[must_use]
    pub fn reason(self) -> &'static str {
        if self.is_stream() { "User action" } else { "USER_INITIATED" }
    }

    /// What is said of the last batch, before there was one.
    #[must_use]
    pub fn result(self) -> Option<&'static str> {
        self.is_stream().then_some("No records processed")
    }

    /// The refusal of a second mapping from the same source to the same function.
    #[must_use]
    pub fn duplicate(self, source_arn: &str, function: &str, uuid: &str) -> String {
        let start = match self {
            Self::Sqs { .. } => {
                format!(
                    "An event source mapping with SQS arn (\" {source_arn} \") and function (\" {function} \") already exists."
                )
            }
            _ => format!(
                "The event source arn (\" {source_arn} \") and function (\" {function} \") provided mapping already exists."
            ),
        };
        format!("{start} Please update or delete the existing mapping with UUID {uuid}")
    }
}

impl MappingRequest {
    /// Notes what the model refuses.
    pub fn check(&self, violations: &mut Violations) {
        if let Some(arn) = &self.event_source_arn {
            violations.matches(arn, "eventSourceArn", ARN_PATTERN);
        }
        let settings = &self.settings;
        for (number, path, min, max) in [
            (settings.batch_size, "batchSize", 1, 10_000),
            (settings.maximum_batching_window_in_seconds, "maximumBatchingWindowInSeconds", 0, 300),
            (settings.parallelization_factor, "parallelizationFactor", 1, 10),
            (settings.maximum_record_age_in_seconds, "maximumRecordAgeInSeconds", -1, 604_800),
            (settings.maximum_retry_attempts, "maximumRetryAttempts", -1, 10_000),
            (settings.tumbling_window_in_seconds, "tumblingWindowInSeconds", 0, 900),
            (
                settings.scaling_config.as_ref().and_then(|scaling| scaling.maximum_concurrency),
                "scalingConfig.maximumConcurrency",
                2,
                1_000,
            ),
            (
                settings.provisioned_poller_config.as_ref().and_then(|pollers| pollers.minimum_pollers),
                "provisionedPollerConfig.minimumPollers",
                1,
                200,
            ),
            (
                settings.provisioned_poller_config.as_ref().and_then(|pollers| pollers.maximum_pollers),
                "provisionedPollerConfig.maximumPollers",
                1,
                10_000,
            ),
        ] {
            if let Some(number) = number {
                violations.range(number, path, min, max);
            }
        }
        if let Some(word) = &settings.starting_position {
            violations.one_of(word, "startingPosition", &["LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"]);
        }
        for word in settings.function_response_types.iter().flatten() {
            violations.one_of(word, "functionResponseTypes", &["ReportBatchItemFailures"]);
        }
        let destination = settings.destination_config.as_ref().and_then(DestinationConfig::failure);
        if let Some(arn) = destination {
            violations.matches(arn, "destinationConfig.onFailure.destination", DESTINATION_PATTERN);
        }
        if let Some(filters) = &settings.filter_criteria {
            for pattern in filters.filters.iter().filter_map(|filter| filter.pattern.as_deref()) {
                violations.length(pattern, "filterCriteria.filters.1.member.pattern", 0, 4_096);
            }
        }
    }
}

impl MappingSettings {
    /// Refuses what does not go with the kind of source; `self` is what will be in force.
    ///
    /// # Errors
    /// `InvalidParameterValueException`, in AWS's words.
    pub fn check_for(&self, kind: SourceKind, source_arn: &str) -> Result<(), ApiError> {
        if self.destination_config.as_ref().is_some_and(|config| config.on_success.is_some()) {
            return Err(refused("Unsupported DestinationConfig parameter for given event source mapping type."));
        }
        if kind.is_stream() {
            match self.starting_position.as_deref() {
                None => {
                    // Recorded with a full stop, unlike every other violation of the model.
                    return Err(refused(
                        "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: \
                         Member must not be null.",
                    ));
                }
                Some("AT_TIMESTAMP") if kind == SourceKind::DynamoDb => {
                    return Err(refused(&format!("Unsupported starting position for arn type: {source_arn}")));
                }
                Some(_) => {}
            }
        }
        if let SourceKind::Sqs { fifo } = kind {
            let batch = self.batch_size.unwrap_or(10);
            if fifo && batch > 10 {
                return Err(refused("Batch size for a FIFO queue cannot be greater than 10."));
            }
            if batch > 10 && self.maximum_batching_window_in_seconds.unwrap_or_default() == 0 {
                return Err(refused(
                    "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
                ));
            }
        }
        let filters = self.filter_criteria.iter().flat_map(|criteria| &criteria.filters);
        if filters.map(|filter| filter.pattern.as_deref().unwrap_or_default()).any(|pattern| !is_filter(pattern)) {
            return Err(refused("Invalid filter pattern definition."));
        }
        Ok(())
    }

    /// These settings, with the defaults of the kind for what was not given. `group` names a new consumer.
    #[must_use]
    pub fn with_defaults(mut self, kind: SourceKind, group: impl FnOnce() -> String) -> Self {
        fn fill<T>(place: &mut Option<T>, value: T) {
            place.get_or_insert(value);
        }
        fill(&mut self.batch_size, if matches!(kind, SourceKind::Sqs { .. }) { 10 } else { 100 });
        if kind.is_stream() {
            fill(&mut self.bisect_batch_on_function_error, false);
            fill(
                &mut self.destination_config,
                DestinationConfig { on_success: None, on_failure: Some(Default::default()) },
            );
            fill(&mut self.maximum_record_age_in_seconds, -1);
            fill(&mut self.maximum_retry_attempts, -1);
            fill(&mut self.parallelization_factor, 1);
            fill(&mut self.tumbling_window_in_seconds, 0);
        }
        if kind.is_stream() || matches!(kind, SourceKind::Sqs { .. }) {
            fill(&mut self.maximum_batching_window_in_seconds, 0);
            fill(&mut self.function_response_types, Vec::new());
        }
        let kafka = match kind {
            SourceKind::ManagedKafka => Some(&mut self.amazon_managed_kafka_event_source_config),
            SourceKind::OwnKafka => Some(&mut self.self_managed_kafka_event_source_config),
            _ => None,
        };
        if let Some(kafka) = kafka {
            kafka.get_or_insert_default().consumer_group_id.get_or_insert_with(group);
        }
        // No filters are none at all.
        self.filter_criteria = self.filter_criteria.filter(|criteria| !criteria.filters.is_empty());
        self
    }

    /// These settings, and those of `newer` where it has any. What only a creation can set stays.
    #[must_use]
    pub fn updated(self, newer: Self) -> Self {
        Self {
            batch_size: newer.batch_size.or(self.batch_size),
            filter_criteria: newer.filter_criteria.or(self.filter_criteria),
            kms_key_arn: newer.kms_key_arn.or(self.kms_key_arn),
            metrics_config: newer.metrics_config.or(self.metrics_config),
            logging_config: newer.logging_config.or(self.logging_config),
            scaling_config: newer.scaling_config.or(self.scaling_config),
            maximum_batching_window_in_seconds: newer
                .maximum_batching_window_in_seconds
                .or(self.maximum_batching_window_in_seconds),
            parallelization_factor: newer.parallelization_factor.or(self.parallelization_factor),
            destination_config: newer.destination_config.or(self.destination_config),
            maximum_record_age_in_seconds: newer.maximum_record_age_in_seconds.or(self.maximum_record_age_in_seconds),
            bisect_batch_on_function_error: newer
                .bisect_batch_on_function_error
                .or(self.bisect_batch_on_function_error),
            maximum_retry_attempts: newer.maximum_retry_attempts.or(self.maximum_retry_attempts),
            tumbling_window_in_seconds: newer.tumbling_window_in_seconds.or(self.tumbling_window_in_seconds),
            source_access_configurations: newer.source_access_configurations.or(self.source_access_configurations),
            function_response_types: newer.function_response_types.or(self.function_response_types),
            provisioned_poller_config: newer.provisioned_poller_config.or(self.provisioned_poller_config),
            ..self
        }
    }
}

/// An event pattern is an object of lists and objects. Source: EventBridge, "Event patterns".
fn is_filter(text: &str) -> bool {
    fn is_pattern(value: &Value) -> bool {
        value.as_object().is_some_and(|fields| fields.values().all(|value| value.is_array() || is_pattern(value)))
    }
    serde_json::from_str(text).is_ok_and(|value: Value| is_pattern(&value))
}

fn refused(text: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, text)
}

/// An event source mapping.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct MappingReply {
    #[serde(rename = "UUID")]
    pub uuid: String,
    pub event_source_mapping_arn: String,
    pub function_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_source_arn: Option<String>,
    pub state: &'static str,
    pub state_transition_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_processing_result: Option<&'static str>,
    /// Seconds since the epoch, with fractions.
    pub last_modified: f64,
    #[serde(flatten)]
    pub settings: Value,
}

/// `ListEventSourceMappings`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ListMappingsReply {
    pub event_source_mappings: Vec<MappingReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s";

    fn made(arn: Option<&str>, json: &str) -> Result<String, String> {
        let request: MappingRequest = crate::parse(json.as_bytes()).unwrap();
        let kind = SourceKind::of(arn, &request.settings).map_err(|error| error.message)?;
        let settings = request.settings.with_defaults(kind, || "group".to_owned());
        settings.check_for(kind, arn.unwrap_or_default()).map_err(|error| error.message)?;
        Ok(serde_json::to_string(&settings).unwrap())
    }

    #[test]
    fn each_kind_of_source_has_its_defaults() {
        insta::assert_snapshot!(made(Some(QUEUE), r#"{"FilterCriteria":{"Filters":[]}}"#).unwrap(), @r#"{"BatchSize":10,"MaximumBatchingWindowInSeconds":0,"FunctionResponseTypes":[]}"#);
        insta::assert_snapshot!(made(Some(TABLE), r#"{"StartingPosition":"LATEST","BatchSize":1}"#).unwrap(), @r#"{"BatchSize":1,"MaximumBatchingWindowInSeconds":0,"ParallelizationFactor":1,"StartingPosition":"LATEST","DestinationConfig":{"OnFailure":{}},"MaximumRecordAgeInSeconds":-1,"BisectBatchOnFunctionError":false,"MaximumRetryAttempts":-1,"TumblingWindowInSeconds":0,"FunctionResponseTypes":[]}"#);
        let own = r#"{"SelfManagedEventSource":{"Endpoints":{"KAFKA_BOOTSTRAP_SERVERS":["k:9092"]}},"SourceAccessConfigurations":[],"Topics":["t"]}"#;
        assert!(
            made(None, own).unwrap().contains(r#""SelfManagedKafkaEventSourceConfig":{"ConsumerGroupId":"group"}"#)
        );
    }

    #[test]
    fn what_does_not_go_with_a_source_is_refused_in_aws_words() {
        let mut shown = String::new();
        for (arn, json) in [
            (None, "{}"),
            (Some("arn:aws:s3:::b"), "{}"),
            (None, r#"{"SelfManagedEventSource":{"Endpoints":{}}}"#),
            (Some(QUEUE), r#"{"BatchSize":11}"#),
            (
                Some("arn:aws:sqs:us-east-1:000000000000:q.fifo"),
                r#"{"BatchSize":11,"MaximumBatchingWindowInSeconds":1}"#,
            ),
            (Some(QUEUE), r#"{"DestinationConfig":{"OnSuccess":{"Destination":"arn:aws:sqs:us-east-1:0:x"}}}"#),
            (Some(QUEUE), r#"{"FilterCriteria":{"Filters":[{"Pattern":"[]"}]}}"#),
            (Some(TABLE), "{}"),
            (Some(TABLE), r#"{"StartingPosition":"AT_TIMESTAMP"}"#),
        ] {
            shown += &format!("{}\n", made(arn, json).unwrap_err());
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn filters_are_objects_of_lists() {
        assert!(is_filter(r#"{"body":{"kind":["a"]}}"#) && is_filter("{}"));
        for bad in ["", "[]", "1", r#"{"a":1}"#, r#"{"a":{"b":"c"}}"#] {
            assert!(!is_filter(bad), "{bad}");
        }
    }
}
