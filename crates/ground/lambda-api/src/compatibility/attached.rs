//! Tags, policies, URLs, event invoke configurations and event source mappings.

use super::{EVENT_INVOKE, Family, Gap, Gaps, MAPPING, Served, URL};
use crate::Operation;

pub(super) const FAMILY: Family = Family {
    title: "What is attached to functions",
    operations: &[
        Served {
            operation: Operation::TagResource,
            takes: "Resource Tags",
            answers: "",
            gaps: Gaps::None,
            tests: &[
                "test_attached.py::test_tags_are_added_replaced_and_removed",
                "test_records.py::test_a_mapping_has_defaults_and_is_changed",
            ],
        },
        Served {
            operation: Operation::UntagResource,
            takes: "Resource TagKeys",
            answers: "",
            gaps: Gaps::None,
            tests: &[
                "test_attached.py::test_tags_are_added_replaced_and_removed",
                "test_records.py::test_a_mapping_has_defaults_and_is_changed",
            ],
        },
        Served {
            operation: Operation::ListTags,
            takes: "Resource",
            answers: "Tags",
            gaps: Gaps::None,
            tests: &[
                "test_attached.py::test_tags_are_added_replaced_and_removed",
                "test_records.py::test_a_mapping_has_defaults_and_is_changed",
            ],
        },
        Served {
            operation: Operation::AddPermission,
            takes: "FunctionName StatementId Action Principal SourceArn FunctionUrlAuthType InvokedViaFunctionUrl \
                SourceAccount EventSourceToken Qualifier RevisionId PrincipalOrgID",
            answers: "Statement",
            gaps: Gaps::None,
            tests: &[
                "test_attached.py::test_a_policy_grows_and_shrinks_by_statements",
                "test_access.py::test_a_functions_policy_lets_other_accounts_in",
            ],
        },
        Served {
            operation: Operation::RemovePermission,
            takes: "FunctionName StatementId Qualifier RevisionId",
            answers: "",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_a_policy_grows_and_shrinks_by_statements"],
        },
        Served {
            operation: Operation::GetPolicy,
            takes: "FunctionName Qualifier",
            answers: "Policy RevisionId",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_a_policy_grows_and_shrinks_by_statements"],
        },
        Served {
            operation: Operation::PutResourcePolicy,
            takes: "ResourceArn Policy RevisionId",
            answers: "Policy RevisionId",
            gaps: Gaps::None,
            tests: &[
                "test_attached.py::test_a_policy_grows_and_shrinks_by_statements",
                "test_access.py::test_a_functions_policy_names_a_user_of_its_own_account",
            ],
        },
        Served {
            operation: Operation::GetResourcePolicy,
            takes: "ResourceArn",
            answers: "Policy RevisionId",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_a_policy_grows_and_shrinks_by_statements"],
        },
        Served {
            operation: Operation::DeleteResourcePolicy,
            takes: "ResourceArn RevisionId",
            answers: "",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_a_policy_grows_and_shrinks_by_statements"],
        },
        Served {
            operation: Operation::CreateFunctionUrlConfig,
            takes: "FunctionName Qualifier AuthType Cors InvokeMode",
            answers: "FunctionUrl FunctionArn AuthType Cors CreationTime InvokeMode",
            gaps: Gaps::None,
            tests: &[
                "test_attached.py::test_a_url_stays_the_same_through_its_changes",
                "test_urls.py::test_an_alias_has_a_url_of_its_own",
                "test_urls.py::test_cors_is_the_platforms_affair",
                "test_urls.py::test_signed_urls_take_signed_requests_only",
            ],
        },
        Served {
            operation: Operation::UpdateFunctionUrlConfig,
            takes: "FunctionName Qualifier AuthType Cors InvokeMode",
            answers: URL,
            gaps: Gaps::None,
            tests: &["test_attached.py::test_a_url_stays_the_same_through_its_changes"],
        },
        Served {
            operation: Operation::GetFunctionUrlConfig,
            takes: "FunctionName Qualifier",
            answers: URL,
            gaps: Gaps::None,
            tests: &["test_attached.py::test_a_url_stays_the_same_through_its_changes"],
        },
        Served {
            operation: Operation::DeleteFunctionUrlConfig,
            takes: "FunctionName Qualifier",
            answers: "",
            gaps: Gaps::None,
            tests: &[
                "test_attached.py::test_a_url_stays_the_same_through_its_changes",
                "test_urls.py::test_a_url_is_gone_with_its_function",
            ],
        },
        Served {
            operation: Operation::ListFunctionUrlConfigs,
            takes: "FunctionName Marker MaxItems",
            answers: "FunctionUrlConfigs NextMarker",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_a_url_stays_the_same_through_its_changes"],
        },
        Served {
            operation: Operation::PutFunctionEventInvokeConfig,
            takes: "FunctionName Qualifier MaximumRetryAttempts MaximumEventAgeInSeconds DestinationConfig",
            answers: EVENT_INVOKE,
            gaps: Gaps::Some(&[&[Gap::partly(
                "DestinationConfig",
                "functions of the same account; what goes to queues, topics, buses and buckets is kept on the disk",
            )]]),
            tests: &["test_attached.py::test_event_invoke_configs_are_put_merged_and_listed"],
        },
        Served {
            operation: Operation::UpdateFunctionEventInvokeConfig,
            takes: "FunctionName Qualifier MaximumRetryAttempts MaximumEventAgeInSeconds DestinationConfig",
            answers: EVENT_INVOKE,
            gaps: Gaps::Some(&[&[Gap::partly(
                "DestinationConfig",
                "functions of the same account; what goes to queues, topics, buses and buckets is kept on the disk",
            )]]),
            tests: &["test_attached.py::test_event_invoke_configs_are_put_merged_and_listed"],
        },
        Served {
            operation: Operation::GetFunctionEventInvokeConfig,
            takes: "FunctionName Qualifier",
            answers: EVENT_INVOKE,
            gaps: Gaps::None,
            tests: &["test_attached.py::test_event_invoke_configs_are_put_merged_and_listed"],
        },
        Served {
            operation: Operation::DeleteFunctionEventInvokeConfig,
            takes: "FunctionName Qualifier",
            answers: "",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_event_invoke_configs_are_put_merged_and_listed"],
        },
        Served {
            operation: Operation::ListFunctionEventInvokeConfigs,
            takes: "FunctionName Marker MaxItems",
            answers: "FunctionEventInvokeConfigs NextMarker",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_event_invoke_configs_are_put_merged_and_listed"],
        },
        Served {
            operation: Operation::CreateEventSourceMapping,
            takes: "EventSourceArn FunctionName Enabled BatchSize FilterCriteria KMSKeyArn MetricsConfig LoggingConfig \
                ScalingConfig MaximumBatchingWindowInSeconds ParallelizationFactor StartingPosition \
                StartingPositionTimestamp DestinationConfig MaximumRecordAgeInSeconds BisectBatchOnFunctionError \
                MaximumRetryAttempts Tags TumblingWindowInSeconds Topics Queues SourceAccessConfigurations \
                SelfManagedEventSource FunctionResponseTypes AmazonManagedKafkaEventSourceConfig \
                SelfManagedKafkaEventSourceConfig DocumentDBEventSourceConfig ProvisionedPollerConfig",
            answers: MAPPING,
            gaps: Gaps::Some(&[&[
                Gap::partly("EventSourceArn", "kept and shown; no source is read yet"),
                Gap::partly("SelfManagedEventSource", "kept and shown; no source is read yet"),
            ]]),
            tests: &["test_records.py::test_a_mapping_has_defaults_and_is_changed"],
        },
        Served {
            operation: Operation::UpdateEventSourceMapping,
            takes: "UUID FunctionName Enabled BatchSize FilterCriteria KMSKeyArn MetricsConfig LoggingConfig \
                ScalingConfig MaximumBatchingWindowInSeconds ParallelizationFactor DestinationConfig \
                MaximumRecordAgeInSeconds BisectBatchOnFunctionError MaximumRetryAttempts TumblingWindowInSeconds \
                SourceAccessConfigurations FunctionResponseTypes AmazonManagedKafkaEventSourceConfig \
                SelfManagedKafkaEventSourceConfig DocumentDBEventSourceConfig ProvisionedPollerConfig",
            answers: MAPPING,
            gaps: Gaps::Some(&[&[Gap::partly("Enabled", "kept and shown; no source is read yet")]]),
            tests: &["test_records.py::test_a_mapping_has_defaults_and_is_changed"],
        },
        Served {
            operation: Operation::GetEventSourceMapping,
            takes: "UUID",
            answers: MAPPING,
            gaps: Gaps::None,
            tests: &["test_records.py::test_a_mapping_has_defaults_and_is_changed"],
        },
        Served {
            operation: Operation::DeleteEventSourceMapping,
            takes: "UUID",
            answers: MAPPING,
            gaps: Gaps::None,
            tests: &["test_records.py::test_a_mapping_has_defaults_and_is_changed"],
        },
        Served {
            operation: Operation::ListEventSourceMappings,
            takes: "EventSourceArn FunctionName Marker MaxItems",
            answers: "NextMarker EventSourceMappings",
            gaps: Gaps::None,
            tests: &["test_records.py::test_a_mapping_has_defaults_and_is_changed"],
        },
    ],
};
