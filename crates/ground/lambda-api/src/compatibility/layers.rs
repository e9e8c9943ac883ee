//! Layers and code signing.

use super::{Family, Gap, Gaps, LAYER, Served};
use crate::Operation;

pub(super) const FAMILY: Family = Family {
    title: "Layers and code signing",
    operations: &[
        Served {
            operation: Operation::PublishLayerVersion,
            takes: "LayerName Description Content CompatibleArchitectures CompatibleRuntimes LicenseInfo",
            answers: LAYER,
            gaps: Gaps::None,
            tests: &[
                "test_layers.py::test_a_python_layers_module_is_imported",
                "test_layers.py::test_a_node_layers_module_is_required",
                "test_layers.py::test_the_later_layer_is_seen_and_the_rest_is_merged",
                "test_code_in_s3.py::test_a_layer_stays_in_its_bucket_too",
            ],
        },
        Served {
            operation: Operation::GetLayerVersion,
            takes: "LayerName VersionNumber",
            answers: LAYER,
            gaps: Gaps::None,
            tests: &[
                "test_layers.py::test_lists_and_refusals",
                "test_layers.py::test_a_layer_of_another_account_is_had_by_its_policy",
            ],
        },
        Served {
            operation: Operation::GetLayerVersionByArn,
            takes: "Arn",
            answers: LAYER,
            gaps: Gaps::None,
            tests: &["test_layers.py::test_a_layer_of_another_account_is_had_by_its_policy"],
        },
        Served {
            operation: Operation::DeleteLayerVersion,
            takes: "LayerName VersionNumber",
            answers: "",
            gaps: Gaps::None,
            tests: &["test_layers.py::test_layers_survive_a_kill_even_deleted_ones"],
        },
        Served {
            operation: Operation::ListLayers,
            takes: "CompatibleArchitecture CompatibleRuntime Marker MaxItems",
            answers: "NextMarker Layers",
            gaps: Gaps::None,
            tests: &["test_layers.py::test_lists_and_refusals"],
        },
        Served {
            operation: Operation::ListLayerVersions,
            takes: "CompatibleArchitecture CompatibleRuntime LayerName Marker MaxItems",
            answers: "NextMarker LayerVersions",
            gaps: Gaps::None,
            tests: &["test_layers.py::test_lists_and_refusals"],
        },
        Served {
            operation: Operation::AddLayerVersionPermission,
            takes: "LayerName VersionNumber StatementId Action Principal OrganizationId RevisionId",
            answers: "Statement RevisionId",
            gaps: Gaps::None,
            tests: &["test_layers.py::test_a_layer_of_another_account_is_had_by_its_policy"],
        },
        Served {
            operation: Operation::RemoveLayerVersionPermission,
            takes: "LayerName VersionNumber StatementId RevisionId",
            answers: "",
            gaps: Gaps::None,
            tests: &["test_layers.py::test_a_layer_of_another_account_is_had_by_its_policy"],
        },
        Served {
            operation: Operation::GetLayerVersionPolicy,
            takes: "LayerName VersionNumber",
            answers: "Policy RevisionId",
            gaps: Gaps::None,
            tests: &["test_layers.py::test_a_layer_of_another_account_is_had_by_its_policy"],
        },
        Served {
            operation: Operation::CreateCodeSigningConfig,
            takes: "Description AllowedPublishers CodeSigningPolicies Tags",
            answers: "CodeSigningConfig",
            gaps: Gaps::Some(&[&[
                Gap::partly("AllowedPublishers", "kept and shown; no signature can be verified"),
                Gap::partly("CodeSigningPolicies", "no signature is verified: Enforce lets no code in, Warn logs it"),
            ]]),
            tests: &[
                "test_records.py::test_a_code_signing_config_is_given_to_a_function",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::UpdateCodeSigningConfig,
            takes: "CodeSigningConfigArn Description AllowedPublishers CodeSigningPolicies",
            answers: "CodeSigningConfig",
            gaps: Gaps::Some(&[&[
                Gap::partly("AllowedPublishers", "kept and shown; no signature can be verified"),
                Gap::partly("CodeSigningPolicies", "no signature is verified: Enforce lets no code in, Warn logs it"),
            ]]),
            tests: &[
                "test_records.py::test_a_code_signing_config_is_given_to_a_function",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::GetCodeSigningConfig,
            takes: "CodeSigningConfigArn",
            answers: "CodeSigningConfig",
            gaps: Gaps::None,
            tests: &[
                "test_records.py::test_a_code_signing_config_is_given_to_a_function",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::DeleteCodeSigningConfig,
            takes: "CodeSigningConfigArn",
            answers: "",
            gaps: Gaps::None,
            tests: &[
                "test_records.py::test_a_code_signing_config_is_given_to_a_function",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::ListCodeSigningConfigs,
            takes: "Marker MaxItems",
            answers: "NextMarker CodeSigningConfigs",
            gaps: Gaps::None,
            tests: &[
                "test_records.py::test_a_code_signing_config_is_given_to_a_function",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::ListFunctionsByCodeSigningConfig,
            takes: "CodeSigningConfigArn Marker MaxItems",
            answers: "NextMarker FunctionArns",
            gaps: Gaps::None,
            tests: &[
                "test_records.py::test_a_code_signing_config_is_given_to_a_function",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::PutFunctionCodeSigningConfig,
            takes: "CodeSigningConfigArn FunctionName",
            answers: "CodeSigningConfigArn FunctionName",
            gaps: Gaps::None,
            tests: &[
                "test_records.py::test_a_code_signing_config_is_given_to_a_function",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::GetFunctionCodeSigningConfig,
            takes: "FunctionName",
            answers: "CodeSigningConfigArn FunctionName",
            gaps: Gaps::None,
            tests: &[
                "test_records.py::test_a_code_signing_config_is_given_to_a_function",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
        Served {
            operation: Operation::DeleteFunctionCodeSigningConfig,
            takes: "FunctionName",
            answers: "",
            gaps: Gaps::None,
            tests: &[
                "test_records.py::test_a_code_signing_config_is_given_to_a_function",
                "test_code_signing.py::test_enforce_lets_no_code_in_and_warn_notes_it",
            ],
        },
    ],
};
