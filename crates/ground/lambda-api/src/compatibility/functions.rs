//! Functions, versions, aliases and calls.

use super::{ALIAS, CODE_GAPS, CONFIGURATION, Family, Gap, Gaps, REPLY_GAPS, SETTINGS_GAPS, Served};
use crate::Operation;

pub(super) const FAMILY: Family = Family {
    title: "Functions, versions, aliases and calls",
    operations: &[
        Served {
            operation: Operation::CreateFunction,
            takes: "FunctionName Runtime Role Handler Code Description Timeout MemorySize Publish PublishTo VpcConfig \
                PackageType DeadLetterConfig Environment KMSKeyArn TracingConfig Tags Layers FileSystemConfigs \
                CodeSigningConfigArn ImageConfig Architectures EphemeralStorage SnapStart LoggingConfig \
                TenancyConfig CapacityProviderConfig DurableConfig RuntimeConfig AcceleratorConfig",
            answers: CONFIGURATION,
            gaps: Gaps::Some(&[
                &[
                    Gap::partly(
                        "Code",
                        "zip packages, sent along, copied from S3 or left there, and images; SourceKMSKeyArn is kept and shown",
                    ),
                    Gap::not("PublishTo", "managed instances"),
                    Gap::partly(
                        "CodeSigningConfigArn",
                        "no signature is verified: Enforce lets no code in, Warn logs it",
                    ),
                ],
                SETTINGS_GAPS,
                REPLY_GAPS,
            ]),
            tests: &[
                "test_functions.py::test_create_answers_pending_with_every_default",
                "test_tenants.py::test_the_mode_is_shown_kept_and_for_good",
                "test_images.py::test_an_image_is_made_called_updated_and_deleted",
                "test_images.py::test_what_cannot_be_is_refused_in_awss_words",
                "test_functions.py::test_what_is_given_is_given_back",
                "test_functions.py::test_what_cannot_be_is_refused_in_aws_words",
                "test_settings.py::test_they_are_shown_as_they_were_given",
                "test_code_in_s3.py::test_a_function_is_made_and_changed_from_objects",
                "test_code_in_s3.py::test_code_that_stays_in_its_bucket_is_fetched_again_when_it_is_gone_here",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::GetFunction,
            takes: "FunctionName Qualifier",
            answers: "Configuration Code Tags TagsError Concurrency",
            gaps: Gaps::None,
            tests: &[
                "test_images.py::test_an_image_is_made_called_updated_and_deleted",
                "test_functions.py::test_every_form_of_a_name_finds_the_function",
                "test_functions.py::test_location_really_downloads_the_package",
            ],
        },
        Served {
            operation: Operation::GetFunctionConfiguration,
            takes: "FunctionName Qualifier",
            answers: CONFIGURATION,
            gaps: Gaps::Some(&[REPLY_GAPS]),
            tests: &[
                "test_functions.py::test_qualifier_in_the_query_shows_in_the_arn",
                "test_functions.py::test_names_that_are_not_there",
            ],
        },
        Served {
            operation: Operation::ListFunctions,
            takes: "MasterRegion FunctionVersion Marker MaxItems",
            answers: "NextMarker Functions",
            gaps: Gaps::Some(&[&[Gap::not("MasterRegion", "only for Lambda@Edge")]]),
            tests: &[
                "test_functions.py::test_list_pages_through_every_function_once",
                "test_functions.py::test_list_answers_at_most_fifty_and_refuses_a_marker_of_its_own",
            ],
        },
        Served {
            operation: Operation::UpdateFunctionCode,
            takes: "FunctionName ZipFile S3Bucket S3Key S3ObjectVersion S3ObjectStorageMode ImageUri Architectures \
                Publish PublishTo DryRun RevisionId SourceKMSKeyArn",
            answers: CONFIGURATION,
            gaps: Gaps::Some(&[&[Gap::not("PublishTo", "managed instances")], REPLY_GAPS, CODE_GAPS]),
            tests: &[
                "test_images.py::test_a_tag_is_what_it_was_when_the_code_was_set",
                "test_functions.py::test_update_of_code_changes_hash_revision_and_answer",
                "test_functions.py::test_dry_run_of_an_update_changes_nothing",
                "test_code_in_s3.py::test_a_function_is_made_and_changed_from_objects",
                "test_code_in_s3.py::test_code_that_stays_in_its_bucket_is_fetched_again_when_it_is_gone_here",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::UpdateFunctionConfiguration,
            takes: "FunctionName Role Handler Description Timeout MemorySize VpcConfig Environment Runtime \
                DeadLetterConfig KMSKeyArn TracingConfig RevisionId Layers FileSystemConfigs ImageConfig \
                EphemeralStorage SnapStart LoggingConfig CapacityProviderConfig DurableConfig RuntimeConfig \
                AcceleratorConfig",
            answers: CONFIGURATION,
            gaps: Gaps::Some(&[SETTINGS_GAPS, REPLY_GAPS]),
            tests: &[
                "test_images.py::test_image_config_stands_in_the_place_of_the_images_own",
                "test_functions.py::test_update_of_configuration_keeps_what_is_not_named",
                "test_functions.py::test_a_stale_revision_is_refused",
                "test_settings.py::test_they_are_taken_away_by_what_is_empty",
            ],
        },
        Served {
            operation: Operation::DeleteFunction,
            takes: "FunctionName Qualifier",
            answers: "StatusCode",
            gaps: Gaps::Some(&[&[Gap::not(
                "StatusCode",
                "nothing comes back: a delete is done when it is answered, with 204",
            )]]),
            tests: &[
                "test_functions.py::test_a_deleted_function_is_gone_and_its_name_free",
                "test_functions.py::test_latest_alone_cannot_be_deleted",
                "test_aliases.py::test_a_version_that_an_alias_leads_to_is_kept",
            ],
        },
        Served {
            operation: Operation::PublishVersion,
            takes: "FunctionName CodeSha256 Description RevisionId PublishTo",
            answers: CONFIGURATION,
            gaps: Gaps::Some(&[&[Gap::not("PublishTo", "managed instances")], REPLY_GAPS]),
            tests: &[
                "test_versions.py::test_each_version_runs_what_it_froze_in_sandboxes_of_its_own",
                "test_versions.py::test_publishing_keeps_to_its_conditions",
                "test_versions.py::test_numbers_are_never_given_again",
            ],
        },
        Served {
            operation: Operation::ListVersionsByFunction,
            takes: "FunctionName Marker MaxItems",
            answers: "NextMarker Versions",
            gaps: Gaps::None,
            tests: &["test_versions.py::test_versions_are_listed_latest_first_in_pages"],
        },
        Served {
            operation: Operation::CreateAlias,
            takes: "FunctionName Name FunctionVersion Description RoutingConfig",
            answers: ALIAS,
            gaps: Gaps::None,
            tests: &[
                "test_aliases.py::test_an_alias_is_made_read_moved_and_deleted",
                "test_aliases.py::test_weights_really_share_calls_out",
            ],
        },
        Served {
            operation: Operation::GetAlias,
            takes: "FunctionName Name",
            answers: ALIAS,
            gaps: Gaps::None,
            tests: &["test_aliases.py::test_an_alias_is_made_read_moved_and_deleted"],
        },
        Served {
            operation: Operation::ListAliases,
            takes: "FunctionName FunctionVersion Marker MaxItems",
            answers: "NextMarker Aliases",
            gaps: Gaps::None,
            tests: &["test_aliases.py::test_aliases_are_listed_in_pages_and_by_version"],
        },
        Served {
            operation: Operation::UpdateAlias,
            takes: "FunctionName Name FunctionVersion Description RoutingConfig RevisionId",
            answers: ALIAS,
            gaps: Gaps::None,
            tests: &[
                "test_aliases.py::test_moving_an_alias_under_load_loses_no_call",
                "test_aliases.py::test_a_stale_revision_changes_nothing",
            ],
        },
        Served {
            operation: Operation::DeleteAlias,
            takes: "FunctionName Name",
            answers: "",
            gaps: Gaps::None,
            tests: &["test_aliases.py::test_an_alias_is_made_read_moved_and_deleted"],
        },
        Served {
            operation: Operation::Invoke,
            takes: "FunctionName InvocationType LogType ClientContext DurableExecutionName Payload Qualifier TenantId",
            answers: "StatusCode FunctionError LogResult Payload ExecutedVersion DurableExecutionArn",
            gaps: Gaps::Some(&[&[
                Gap::not("DurableExecutionName", "durable executions"),
                Gap::not("DurableExecutionArn", "durable executions"),
            ]]),
            tests: &[
                "test_invoke.py::test_any_json_goes_in_and_comes_out",
                "test_tenants.py::test_nothing_is_left_for_another_tenant",
                "test_tenants.py::test_a_call_without_its_tenant_is_refused_in_awss_words",
                "test_invoke.py::test_dry_run_checks_and_runs_nothing",
                "test_events.py::test_an_event_is_run_under_the_id_that_the_caller_was_told",
                "test_events.py::test_events_survive_kills_and_each_runs_at_least_once",
                "test_invoke.py::test_tail_holds_the_last_four_kilobytes",
                "test_invoke.py::test_client_context_reaches_the_function",
                "test_aliases.py::test_calls_through_an_alias_run_its_version_and_show_the_alias",
            ],
        },
        Served {
            operation: Operation::InvokeWithResponseStream,
            takes: "FunctionName LogType ClientContext Qualifier Payload TenantId InvocationType",
            answers: "StatusCode ExecutedVersion EventStream ResponseStreamContentType",
            gaps: Gaps::None,
            tests: &[
                "test_tenants.py::test_streams_are_the_tenants_own",
                "test_streaming.py::test_the_first_bytes_come_while_the_function_still_runs",
                "test_streaming.py::test_a_failure_is_told_at_the_end",
            ],
        },
        Served {
            operation: Operation::InvokeAsync,
            takes: "FunctionName InvokeArgs",
            answers: "Status",
            gaps: Gaps::None,
            tests: &["test_events.py::test_the_older_operation_says_the_same"],
        },
    ],
};
