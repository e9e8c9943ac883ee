"""Code signing: a configuration decides what code a function takes, and no signature can be verified here."""
import pytest

from harness.calls import call, create, refused, settled
from harness.packages import PYTHON, ROLE, package, python

PROFILES = {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/v"]}
REFUSED = ("Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not "
           "configured to accept. Check the provided signature for ")


def says(word):
    return python(f"def handler(event, context):\n    return {word!r}\n")


def config(lam, policy=None):
    policies = {"CodeSigningPolicies": {"UntrustedArtifactOnDeployment": policy}} if policy else {}
    return lam.create_code_signing_config(AllowedPublishers=PROFILES, **policies)["CodeSigningConfig"]["CodeSigningConfigArn"]


def new(lam, name, **more):
    return lam.create_function(**{"FunctionName": name, "Runtime": PYTHON, "Handler": "app.handler", "Role": ROLE,
                                  "Code": {"ZipFile": says("one")}, **more})


def assert_blocked(answer, signed):
    status, kind, text = answer
    assert (status, kind) == (400, "CodeVerificationFailedException"), answer
    assert text.startswith(REFUSED + signed + ".") and "Warn" in text, text


def test_enforce_lets_no_code_in_and_warn_notes_it(lam, server):
    warn, enforce = config(lam), config(lam, "Enforce")
    assert_blocked(refused(new, lam, "strict", CodeSigningConfigArn=enforce), "strict")
    assert refused(lam.get_function, FunctionName="strict")[0] == 404, "nothing of it was made"
    new(lam, "signed", CodeSigningConfigArn=warn)
    settled(lam, "signed")
    assert call(lam, "signed").value == "one"
    assert any("signed" in line and "cannot be verified" in line for line in server.lines), server.talk
    lam.put_function_code_signing_config(FunctionName="signed", CodeSigningConfigArn=enforce)
    assert call(lam, "signed").value == "one", "what it runs already stays"
    for more in ({}, {"DryRun": True}, {"Publish": True}):
        assert_blocked(refused(lam.update_function_code, FunctionName="signed", ZipFile=says("two"), **more), "signed")
    lam.update_function_configuration(FunctionName="signed", Timeout=9)
    settled(lam, "signed")
    assert lam.publish_version(FunctionName="signed")["Version"] == "1", "a version brings no new code"
    assert call(lam, "signed").value == "one"
    lam.update_code_signing_config(CodeSigningConfigArn=enforce,
                                   CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Warn"})
    lam.update_function_code(FunctionName="signed", ZipFile=says("two"))
    settled(lam, "signed")
    assert call(lam, "signed").value == "two"


def test_layers_are_held_to_it_too(lam):
    enforce = config(lam, "Enforce")
    create(lam, "layered", says("one"))
    def layer():
        zipped = package({"python/x.py": "X = 1\n"})
        return lam.publish_layer_version(LayerName="x", Content={"ZipFile": zipped})["LayerVersionArn"]
    had, more = layer(), layer()
    lam.update_function_configuration(FunctionName="layered", Layers=[had])
    settled(lam, "layered")
    lam.put_function_code_signing_config(FunctionName="layered", CodeSigningConfigArn=enforce)
    assert_blocked(refused(lam.update_function_configuration, FunctionName="layered", Layers=[more]), more)
    lam.update_function_configuration(FunctionName="layered", Layers=[had], Description="the layer was there before")
    settled(lam, "layered")
    lam.update_function_configuration(FunctionName="layered", Layers=[])
    settled(lam, "layered")
    assert_blocked(refused(lam.update_function_configuration, FunctionName="layered", Layers=[had]), had)
    lam.delete_function_code_signing_config(FunctionName="layered")
    lam.update_function_configuration(FunctionName="layered", Layers=[had])
    settled(lam, "layered")


@pytest.mark.parametrize("make", [True, False])
def test_a_configuration_that_is_not_there_is_named(lam, make):
    arn = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"
    if make:
        answer = refused(new, lam, "unsigned", CodeSigningConfigArn=arn)
        assert refused(lam.get_function, FunctionName="unsigned")[0] == 404
    else:
        create(lam, "plain", says("one"))
        answer = refused(lam.put_function_code_signing_config, FunctionName="plain", CodeSigningConfigArn=arn)
    assert answer == (404, "CodeSigningConfigNotFoundException", "The code signing configuration cannot be found. Check that "
                      f"the provided configuration is not deleted: {arn}.")


def test_an_image_has_none(lam):
    answer = refused(lam.create_function, FunctionName="image", Role=ROLE, PackageType="Image",
                     Code={"ImageUri": "team/app:v1"}, CodeSigningConfigArn=config(lam))
    assert answer[:2] == (400, "InvalidParameterValueException") and "packageType Image" in answer[2], answer
