#![allow(clippy::unwrap_used)]

use super::*;
use crate::stack::source::Source;
use std::collections::BTreeMap;

fn wish(kind: Kind, properties: Value) -> Result<Wish, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/app.py"), "def handler(e, c): return 1\n").unwrap();
    let place = Place {
        stack: "shop".into(),
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        tags: BTreeMap::from([("of".to_owned(), "all".to_owned())]),
        ..Place::default()
    };
    let resource = Resource { name: "Hello".into(), kind, properties: Value::Null };
    let source = Source { template: folder.path().join("template.yaml"), ..Source::default() };
    Wish::of(&resource, &properties, &place, &source)
}

fn function(properties: Value) -> FunctionWish {
    match wish(Kind::SamFunction, properties).unwrap() {
        Wish::Function(function) => *function,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_function_is_named_by_its_stack_and_says_every_setting() {
    let made = function(json!({"Runtime": "python3.13", "Handler": "app.handler", "CodeUri": "src/",
        "MemorySize": "256", "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"},
        "Environment": {"Variables": {"N": 1, "B": true}}, "Tags": {"n": 2}}));
    assert_eq!(made.name, "shop-Hello");
    assert_eq!(made.fields["MemorySize"], 256);
    assert_eq!(made.fields["Timeout"], 3);
    assert_eq!(made.tenancy, Some(json!({"TenantIsolationMode": "PER_TENANT"})));
    assert_eq!(made.fields["Environment"], json!({"Variables": {"N": "1", "B": "true"}}));
    assert_eq!(Value::Object(made.tags), json!({"n": "2", "of": "all"}));
    assert!(matches!(made.code, Code::Zip(zip) if zip.starts_with(b"PK")));
}

#[test]
fn code_is_a_folder_an_object_or_text() {
    let with = |more: Value| {
        let mut all = json!({"Runtime": "python3.13", "Handler": "index.handler"});
        all.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        wish(Kind::SamFunction, all)
    };
    let code = |more| match with(more).unwrap() {
        Wish::Function(function) => function.code,
        other => panic!("{other:?}"),
    };
    assert!(matches!(code(json!({"InlineCode": "def handler(e, c): pass"})), Code::Zip(_)));
    let object = json!({"S3Bucket": "b", "S3Key": "k/x.zip"});
    assert!(matches!(code(json!({"CodeUri": "s3://b/k/x.zip"})), Code::Object(found) if found == object));
    assert!(with(json!({"CodeUri": "nowhere/"})).unwrap_err().contains("nowhere"));
    assert!(with(json!({"InlineCode": "x", "Runtime": "provided.al2023"})).is_err());
}

#[test]
fn an_image_has_no_runtime_and_every_setting_of_its_own() {
    let config = json!({"Command": ["app.handler"]});
    let sam = json!({"PackageType": "Image", "ImageUri": "team/app:v1", "ImageConfig": config});
    let plain = json!({"PackageType": "Image", "Code": {"ImageUri": "team/app:v1"}, "ImageConfig": config});
    for (kind, asked) in [(Kind::SamFunction, sam), (Kind::Function, plain)] {
        let Wish::Function(made) = wish(kind, asked).unwrap() else { panic!("no function") };
        assert!(matches!(made.code, Code::Image(uri) if uri == "team/app:v1"));
        assert_eq!((&made.fields["PackageType"], &made.fields["ImageConfig"]), (&json!("Image"), &config));
        assert!(["Runtime", "Handler", "Layers"].iter().all(|name| !made.fields.contains_key(*name)));
    }
    let plain = function(json!({"PackageType": "Image", "ImageUri": "team/app:v1"}));
    assert_eq!(plain.fields["ImageConfig"], json!({}), "what a template no longer says is gone");
}

#[test]
fn code_may_stay_in_its_bucket() {
    let uri = json!({"Bucket": "b", "Key": "k", "Version": "3", "StorageMode": "REFERENCE"});
    let sam = json!({"Runtime": "python3.13", "Handler": "a.b", "CodeUri": uri});
    let object = json!({"S3Bucket": "b", "S3Key": "k", "S3ObjectVersion": "3", "S3ObjectStorageMode": "REFERENCE"});
    let plain = json!({"Runtime": "python3.13", "Handler": "a.b", "Code": object});
    for (kind, asked) in [(Kind::SamFunction, sam), (Kind::Function, plain)] {
        let Wish::Function(made) = wish(kind, asked).unwrap() else { panic!("no function") };
        assert!(matches!(made.code, Code::Object(found) if found == object));
    }
}

#[test]
fn what_a_resource_lacks_is_named() {
    for (kind, properties, part) in [
        (Kind::SamFunction, json!({"Handler": "a.b", "CodeUri": "src"}), "Runtime is missing"),
        (Kind::SamFunction, json!({"Runtime": "python3.13", "CodeUri": "src"}), "Handler is missing"),
        (Kind::SamFunction, json!({"PackageType": "Image"}), "ImageUri is missing"),
        (Kind::SamFunction, json!({"PackageType": "Image", "ImageUri": "a", "Handler": "a.b"}), "Handler is for"),
        (Kind::SamFunction, json!({"PackageType": "Tar"}), "not Tar"),
        (Kind::SamFunction, json!({"Runtime": "python3.13", "Handler": "a.b", "ImageUri": "a"}), "ImageUri is for"),
        (Kind::SamLayer, json!({}), "ContentUri is missing"),
        (Kind::Url, json!({"TargetFunctionArn": "f"}), "AuthType"),
        (Kind::Permission, json!({"FunctionName": "f"}), "Action is missing"),
    ] {
        let said = wish(kind, properties).unwrap_err();
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_plain_function_says_the_same_as_one_of_sam() {
    let sam =
        function(json!({"Runtime": "python3.13", "Handler": "index.handler", "InlineCode": "x", "Tags": {"a": "b"},
        "Tracing": "Active", "DeadLetterQueue": {"Type": "SQS", "TargetArn": "arn:q"}}));
    let plain = wish(
        Kind::Function,
        json!({"Runtime": "python3.13", "Handler": "index.handler", "Code": {"ZipFile": "x"}, "Tags": [{"Key": "a", "Value": "b"}],
            "TracingConfig": {"Mode": "Active"}, "DeadLetterConfig": {"TargetArn": "arn:q"}}),
    );
    let Wish::Function(plain) = plain.unwrap() else { panic!("no function") };
    assert_eq!((&plain.fields, &plain.tags, &plain.name), (&sam.fields, &sam.tags, &sam.name));
    let (Code::Zip(one), Code::Zip(other)) = (plain.code, sam.code) else { panic!("no zip") };
    assert_eq!(one, other);
}

#[test]
fn an_aliass_weights_are_a_map_to_the_api() {
    let asked = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "2", "RoutingConfig":
        {"AdditionalVersionWeights": [{"FunctionVersion": "1", "FunctionWeight": "0.25"}]}});
    let Wish::Alias { body, .. } = wish(Kind::Alias, asked).unwrap() else { panic!("no alias") };
    assert_eq!(body["RoutingConfig"], json!({"AdditionalVersionWeights": {"1": 0.25}}));
}

#[test]
fn a_role_has_policies_of_both_kinds() {
    let document = json!({"Version": "2012-10-17", "Statement": []});
    let asked = json!({"AssumeRolePolicyDocument": document, "ManagedPolicyArns": ["arn:p"], "Path": "/x/",
        "Policies": [{"PolicyName": "n", "PolicyDocument": document.to_string()}], "Tags": [{"Key": "a", "Value": 1}]});
    let Wish::Role(role) = wish(Kind::Role, asked).unwrap() else { panic!("no role") };
    assert_eq!(role.name, "shop-Hello");
    assert_eq!(
        (role.managed.as_slice(), role.inline.as_slice()),
        (["arn:p".to_owned()].as_slice(), [("n".to_owned(), document)].as_slice())
    );
    assert_eq!(role.tags, [("a".to_owned(), "1".to_owned()), ("of".to_owned(), "all".to_owned())]);
}

#[test]
fn long_names_stay_apart() {
    let place = Place { stack: "s".repeat(60), ..Place::default() };
    let (one, other) = (named(None, "FunctionA", &place), named(None, "FunctionB", &place));
    assert!(one != other && one.len() == NAME_MAX && other.len() == NAME_MAX, "{one} {other}");
    assert_eq!(one, named(None, "FunctionA", &place));
}
