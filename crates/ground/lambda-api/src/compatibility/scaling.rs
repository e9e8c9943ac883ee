//! Concurrency, and the settings of how a function runs.

use super::{Family, Gap, Gaps, Served};
use crate::Operation;

pub(super) const FAMILY: Family = Family {
    title: "Concurrency and settings of how a function runs",
    operations: &[
        Served {
            operation: Operation::PutFunctionConcurrency,
            takes: "FunctionName ReservedConcurrentExecutions",
            answers: "ReservedConcurrentExecutions",
            gaps: Gaps::None,
            tests: &[
                "test_concurrency.py::test_reserved_concurrency_is_put_shown_and_taken_away",
                "test_sharing.py::test_reserved_concurrency_is_a_cap_and_zero_switches_off",
            ],
        },
        Served {
            operation: Operation::GetFunctionConcurrency,
            takes: "FunctionName",
            answers: "ReservedConcurrentExecutions",
            gaps: Gaps::None,
            tests: &["test_concurrency.py::test_reserved_concurrency_is_put_shown_and_taken_away"],
        },
        Served {
            operation: Operation::DeleteFunctionConcurrency,
            takes: "FunctionName",
            answers: "",
            gaps: Gaps::None,
            tests: &["test_concurrency.py::test_reserved_concurrency_is_put_shown_and_taken_away"],
        },
        Served {
            operation: Operation::PutProvisionedConcurrencyConfig,
            takes: "FunctionName Qualifier ProvisionedConcurrentExecutions",
            answers: "RequestedProvisionedConcurrentExecutions AllocatedProvisionedConcurrentExecutions \
                AvailableProvisionedConcurrentExecutions Status StatusReason LastModified",
            gaps: Gaps::None,
            tests: &[
                "test_concurrency.py::test_provisioned_sandboxes_stand_ready_and_move_with_their_alias",
                "test_sharing.py::test_provisioned_concurrency_whose_init_fails_says_so",
            ],
        },
        Served {
            operation: Operation::GetProvisionedConcurrencyConfig,
            takes: "FunctionName Qualifier",
            answers: "RequestedProvisionedConcurrentExecutions AvailableProvisionedConcurrentExecutions \
                AllocatedProvisionedConcurrentExecutions Status StatusReason LastModified",
            gaps: Gaps::None,
            tests: &["test_concurrency.py::test_provisioned_concurrency_is_kept_to_one_name"],
        },
        Served {
            operation: Operation::ListProvisionedConcurrencyConfigs,
            takes: "FunctionName Marker MaxItems",
            answers: "ProvisionedConcurrencyConfigs NextMarker",
            gaps: Gaps::None,
            tests: &["test_concurrency.py::test_provisioned_concurrency_is_kept_to_one_name"],
        },
        Served {
            operation: Operation::DeleteProvisionedConcurrencyConfig,
            takes: "FunctionName Qualifier",
            answers: "",
            gaps: Gaps::None,
            tests: &["test_concurrency.py::test_provisioned_concurrency_is_kept_to_one_name"],
        },
        Served {
            operation: Operation::GetAccountSettings,
            takes: "",
            answers: "AccountLimit AccountUsage",
            gaps: Gaps::None,
            tests: &[
                "test_versions.py::test_versions_go_with_their_function_and_count_in_the_account",
                "test_concurrency.py::test_a_hundred_stay_unreserved",
            ],
        },
        Served {
            operation: Operation::PutFunctionRecursionConfig,
            takes: "FunctionName RecursiveLoop",
            answers: "RecursiveLoop",
            gaps: Gaps::None,
            tests: &[
                "test_attached.py::test_settings_have_defaults_and_are_kept",
                "test_recursion.py::test_a_function_that_allows_it_goes_on",
            ],
        },
        Served {
            operation: Operation::GetFunctionRecursionConfig,
            takes: "FunctionName",
            answers: "RecursiveLoop",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_settings_have_defaults_and_are_kept"],
        },
        Served {
            operation: Operation::PutRuntimeManagementConfig,
            takes: "FunctionName Qualifier UpdateRuntimeOn RuntimeVersionArn",
            answers: "UpdateRuntimeOn FunctionArn RuntimeVersionArn",
            gaps: Gaps::Some(&[&[
                Gap::partly("UpdateRuntimeOn", "kept and shown; a function runs on what the host has"),
                Gap::partly("RuntimeVersionArn", "kept and shown; a function runs on what the host has"),
            ]]),
            tests: &["test_attached.py::test_settings_have_defaults_and_are_kept"],
        },
        Served {
            operation: Operation::GetRuntimeManagementConfig,
            takes: "FunctionName Qualifier",
            answers: "UpdateRuntimeOn FunctionArn RuntimeVersionArn",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_settings_have_defaults_and_are_kept"],
        },
        Served {
            operation: Operation::PutFunctionScalingConfig,
            takes: "FunctionName Qualifier FunctionScalingConfig",
            answers: "FunctionState",
            gaps: Gaps::Some(&[&[Gap::partly(
                "FunctionScalingConfig",
                "kept and shown; there are no managed instances",
            )]]),
            tests: &["test_attached.py::test_settings_have_defaults_and_are_kept"],
        },
        Served {
            operation: Operation::GetFunctionScalingConfig,
            takes: "FunctionName Qualifier",
            answers: "FunctionArn AppliedFunctionScalingConfig RequestedFunctionScalingConfig",
            gaps: Gaps::None,
            tests: &["test_attached.py::test_settings_have_defaults_and_are_kept"],
        },
        Served {
            operation: Operation::CreateCapacityProvider,
            takes: "CapacityProviderName VpcConfig PermissionsConfig InstanceRequirements CapacityProviderScalingConfig \
                KmsKeyArn Tags PropagateTags TelemetryConfig",
            answers: "CapacityProvider",
            gaps: Gaps::Some(&[&[
                Gap::partly("VpcConfig", "kept and shown; no machine is bought"),
                Gap::partly("PermissionsConfig", "kept and shown; no machine is bought"),
                Gap::partly("InstanceRequirements", "kept and shown; no machine is bought"),
                Gap::partly("CapacityProviderScalingConfig", "kept and shown; no machine is bought"),
            ]]),
            tests: &["test_records.py::test_a_capacity_provider_is_made_updated_and_deleted"],
        },
        Served {
            operation: Operation::UpdateCapacityProvider,
            takes: "CapacityProviderName CapacityProviderScalingConfig PropagateTags TelemetryConfig",
            answers: "CapacityProvider",
            gaps: Gaps::Some(&[&[Gap::partly(
                "CapacityProviderScalingConfig",
                "kept and shown; no machine is bought",
            )]]),
            tests: &["test_records.py::test_a_capacity_provider_is_made_updated_and_deleted"],
        },
        Served {
            operation: Operation::GetCapacityProvider,
            takes: "CapacityProviderName",
            answers: "CapacityProvider",
            gaps: Gaps::None,
            tests: &["test_records.py::test_a_capacity_provider_is_made_updated_and_deleted"],
        },
        Served {
            operation: Operation::DeleteCapacityProvider,
            takes: "CapacityProviderName",
            answers: "CapacityProvider",
            gaps: Gaps::None,
            tests: &["test_records.py::test_a_capacity_provider_is_made_updated_and_deleted"],
        },
        Served {
            operation: Operation::ListCapacityProviders,
            takes: "State Marker MaxItems",
            answers: "CapacityProviders NextMarker",
            gaps: Gaps::None,
            tests: &["test_records.py::test_a_capacity_provider_is_made_updated_and_deleted"],
        },
        Served {
            operation: Operation::ListFunctionVersionsByCapacityProvider,
            takes: "CapacityProviderName Marker MaxItems",
            answers: "CapacityProviderArn FunctionVersions NextMarker",
            gaps: Gaps::None,
            tests: &["test_records.py::test_a_capacity_provider_is_made_updated_and_deleted"],
        },
    ],
};
