"""Code signing configurations, capacity providers and event source mappings, as records."""
import concurrent.futures

import pytest

from harness.calls import client, refused
from harness.packages import ROLE, python
from harness.server import ACCOUNT, REGION

HELLO = python("def handler(event, context):\n    return 'hello'\n")
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"


@pytest.fixture
def name(deploy):
    return deploy(HELLO)


def test_a_code_signing_config_is_given_to_a_function(lam, name):
    profiles = {"SigningProfileVersionArns": [f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/p"]}
    made = lam.create_code_signing_config(AllowedPublishers=profiles, Description="d")["CodeSigningConfig"]
    assert made["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    arn = made["CodeSigningConfigArn"]
    lam.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
    assert lam.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == arn
    assert lam.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"][0].endswith(name)
    assert refused(lam.delete_code_signing_config, CodeSigningConfigArn=arn)[0] == 409
    made_with = f"{name}-signed"
    lam.create_function(FunctionName=made_with, Runtime="python3.13", Handler="app.handler", Role=ROLE, Code={"ZipFile": HELLO},
                        CodeSigningConfigArn=arn)
    assert lam.get_function_code_signing_config(FunctionName=made_with)["CodeSigningConfigArn"] == arn
    lam.delete_function(FunctionName=made_with)
    lam.delete_function_code_signing_config(FunctionName=name)
    assert "CodeSigningConfigArn" not in lam.get_function_code_signing_config(FunctionName=name)
    lam.delete_code_signing_config(CodeSigningConfigArn=arn)
    missing = f"The Lambda code signing configuration {arn} can not be found."
    assert refused(lam.get_code_signing_config, CodeSigningConfigArn=arn) == (404, "ResourceNotFoundException", missing)


def test_a_capacity_provider_is_made_updated_and_deleted(lam):
    lam.create_capacity_provider(
        CapacityProviderName="machines", VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r"}, Tags={"a": "b"})
    lam.update_capacity_provider(CapacityProviderName="machines", CapacityProviderScalingConfig={"MaxVCpuCount": 8})
    found = lam.get_capacity_provider(CapacityProviderName="machines")["CapacityProvider"]
    assert (found["State"], found["CapacityProviderScalingConfig"]) == ("Active", {"MaxVCpuCount": 8})
    assert lam.list_tags(Resource=found["CapacityProviderArn"])["Tags"] == {"a": "b"}
    lam.delete_capacity_provider(CapacityProviderName="machines")
    assert refused(lam.get_capacity_provider, CapacityProviderName="machines")[0] == 404


def test_of_two_equal_mappings_made_at_once_one_is_refused(server, name):
    def make(_):
        try:
            return client(server).create_event_source_mapping(FunctionName=name, EventSourceArn=QUEUE + "-race")["UUID"]
        except client(server).exceptions.ResourceConflictException:
            return None
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert len([uuid for uuid in threads.map(make, range(8)) if uuid]) == 1


def test_a_mapping_has_defaults_and_is_changed(lam, name):
    made = lam.create_event_source_mapping(FunctionName=name, EventSourceArn=QUEUE)
    assert {key: made.get(key) for key in ("BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes",
                                           "State", "StateTransitionReason", "LastProcessingResult")} == {
        "BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": [], "State": "Creating",
        "StateTransitionReason": "USER_INITIATED", "LastProcessingResult": None}
    uuid = made["UUID"]
    assert lam.get_event_source_mapping(UUID=uuid)["State"] == "Enabled"
    again = refused(lam.create_event_source_mapping, FunctionName=name, EventSourceArn=QUEUE)
    assert again == (409, "ResourceConflictException",
                     f'An event source mapping with SQS arn (" {QUEUE} ") and function (" {name} ") already exists. '
                     f"Please update or delete the existing mapping with UUID {uuid}")
    assert lam.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    lam.tag_resource(Resource=made["EventSourceMappingArn"], Tags={"a": "b"})
    assert lam.list_tags(Resource=made["EventSourceMappingArn"])["Tags"] == {"a": "b"}
    lam.delete_function(FunctionName=name)
    listed = lam.get_paginator("list_event_source_mappings").paginate(EventSourceArn=QUEUE).build_full_result()
    assert [mapping["State"] for mapping in listed["EventSourceMappings"]] == ["Disabled"]
    assert lam.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    assert refused(lam.get_event_source_mapping, UUID=uuid)[0] == 404
