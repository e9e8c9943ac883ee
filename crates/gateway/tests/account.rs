//! What an account has beside functions: layers, code signing, capacity providers, event source mappings.
#![allow(clippy::unwrap_used)]

mod support;

use base64::Engine as _;
use serde_json::{Value, json};
use support::{House, conversation, root, signed, zip};

const FUNCTIONS: &str = "/2015-03-31/functions";
const LAYERS: &str = "/2018-10-31/layers";
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";
const ARN: &str = "arn:aws:lambda:us-east-1:000000000000";

/// Ids are random: the `index`th of `shown` that begins like `start`, of `length`.
fn fixed(shown: &str, start: &str, length: usize, name: &str) -> String {
    let at = shown.find(start).unwrap();
    shown.replace(&shown[at..at + length], name)
}

fn package() -> String {
    base64::engine::general_purpose::STANDARD.encode(zip())
}

#[tokio::test]
async fn layer_versions_are_published_listed_and_deleted() {
    let house = House::new().await;
    let (one, content) = (format!("{LAYERS}/one/versions"), json!({"ZipFile": package()}));
    let given = json!({"Content": content, "Description": "d", "CompatibleRuntimes": ["python3.12"],
        "CompatibleArchitectures": ["x86_64"], "LicenseInfo": "MIT"});
    let bad = json!({"Content": content, "CompatibleRuntimes": ["cobol"], "CompatibleArchitectures": ["riscv"]});
    let by_arn = |arn: &str| format!("{LAYERS}?find=LayerVersion&Arn={}", arn.replace(':', "%3A"));
    let shown = conversation(
        &house,
        &[
            ("POST", &one, given.clone()),
            ("POST", &one, json!({"Content": content})),
            ("POST", &format!("{LAYERS}/two/versions"), given),
            ("POST", &one, bad),
            ("POST", &one, json!({})),
            ("POST", &one, json!({"Content": {"ZipFile": "eA=="}})),
            ("POST", &format!("{LAYERS}/a%20b/versions"), json!({"Content": content})),
            ("GET", LAYERS, Value::Null),
            ("GET", &format!("{LAYERS}?CompatibleRuntime=python3.12&MaxItems=1"), Value::Null),
            ("GET", &format!("{LAYERS}?CompatibleRuntime=cobol&CompatibleArchitecture=riscv"), Value::Null),
            ("GET", &one, Value::Null),
            ("GET", &format!("{one}?MaxItems=1"), Value::Null),
            ("GET", &format!("{LAYERS}/none/versions"), Value::Null),
            ("GET", &by_arn(&format!("{ARN}:layer:one:2")), Value::Null),
            ("GET", &by_arn(&format!("{ARN}:layer:one")), Value::Null),
            ("GET", &by_arn(&format!("{ARN}:layer:one:9")), Value::Null),
            ("GET", &format!("{one}/0"), Value::Null),
            ("DELETE", &format!("{one}/-1"), Value::Null),
            ("DELETE", &format!("{one}/2"), Value::Null),
            ("DELETE", &format!("{one}/2"), Value::Null),
            ("GET", &format!("{one}/2"), Value::Null),
            ("POST", &one, json!({"Content": content})),
        ],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_layer_version_has_a_policy_of_its_own() {
    let house = House::new().await;
    let body = json!({"Content": {"ZipFile": package()}}).to_string();
    assert_eq!(house.ask("POST", &format!("{LAYERS}/l/versions"), &[], body.as_bytes()).await.status, 201);
    let policy = format!("{LAYERS}/l/versions/1/policy");
    let add = |sid: &str| json!({"StatementId": sid, "Action": "lambda:GetLayerVersion", "Principal": "*"});
    let stale = "6f5902ac-2373-4d7f-8d7c-6d1f2f8ad9b1";
    let shown = conversation(
        &house,
        &[
            ("GET", &policy, Value::Null),
            ("POST", &policy, add("a")),
            ("POST", &policy, add("a")),
            ("POST", &policy, json!({"StatementId": "b", "Action": "*", "Principal": "s3.amazonaws.com"})),
            ("POST", &format!("{policy}?RevisionId={stale}"), add("b")),
            ("POST", &format!("{LAYERS}/l/versions/2/policy"), add("a")),
            ("GET", &policy, Value::Null),
            ("DELETE", &format!("{policy}/none"), Value::Null),
            ("DELETE", &format!("{policy}/a?RevisionId={stale}"), Value::Null),
            ("DELETE", &format!("{policy}/a"), Value::Null),
            ("GET", &policy, Value::Null),
            ("GET", &format!("{LAYERS}/none/versions/1/policy"), Value::Null),
        ],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn functions_show_their_layers_and_keep_those_that_were_deleted() {
    let house = House::new().await;
    for (layer, times) in [("a", 2), ("b", 1), ("c", 1), ("d", 1), ("e", 1), ("f", 1)] {
        for _ in 0..times {
            let body = json!({"Content": {"ZipFile": package()}}).to_string();
            house.ask("POST", &format!("{LAYERS}/{layer}/versions"), &[], body.as_bytes()).await;
        }
    }
    let layer = |name: &str, number: u8| format!("{ARN}:layer:{name}:{number}");
    let made = house.create("fn", &format!(r#","Layers":["{}","{}"]"#, layer("a", 1), layer("b", 1))).await;
    assert_eq!(made["Layers"][0]["Arn"], layer("a", 1));
    assert_eq!(made["Layers"][1]["CodeSize"], zip().len());
    assert_eq!(house.ask("DELETE", &format!("{LAYERS}/a/versions/1"), &[], b"").await.status, 204);
    let config = format!("{FUNCTIONS}/fn/configuration");
    let change = json!({"Description": "keeps its layers"}).to_string();
    assert_eq!(house.ask("PUT", &config, &[], change.as_bytes()).await.json()["Layers"], made["Layers"]);
    assert_eq!(house.settled("fn").await["LastUpdateStatus"], "Successful");
    let six = ["a", "b", "c", "d", "e", "f"].map(|name| layer(name, 1));
    let abroad = layer("b", 1).replace("us-east-1", "eu-west-1");
    let foreign = layer("b", 1).replace("000000000000", "111111111111");
    let mut shown = String::new();
    for layers in [
        json!([layer("a", 1)]),
        json!([layer("a", 2), layer("a", 1)]),
        json!(six),
        json!([abroad]),
        json!([foreign]),
        json!([layer("none", 1)]),
        json!(["not-an-arn"]),
        json!([layer("a", 2)]),
        json!([]),
    ] {
        let got = house.ask("PUT", &config, &[], json!({"Layers": layers}).to_string().as_bytes()).await;
        match got.status {
            200 => shown += &format!("200 {}\n", got.json()["Layers"]),
            _ => shown += &format!("{}\n", got.shown()),
        }
        house.settled("fn").await;
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn the_location_of_a_layer_downloads_its_package() {
    let house = House::new().await;
    let body = json!({"Content": {"ZipFile": package()}}).to_string();
    let made = house.ask("POST", &format!("{LAYERS}/l/versions"), &[], body.as_bytes()).await.json();
    let location = made["Content"]["Location"].as_str().unwrap();
    let target = location.strip_prefix("http://127.0.0.1:9000").unwrap();
    let mut request = signed(&root(), "lambda", "GET", target, &[], b"");
    request.headers.retain(|(name, _)| name == "host");
    assert_eq!(house.send(request.clone()).await.body, zip());
    request.target = target.replace("/l/", "/m/");
    assert_eq!(house.send(request).await.status, 403);
    let settings = house.ask("GET", "/2016-08-19/account-settings/", &[], b"").await.json();
    assert_eq!(settings["AccountUsage"]["TotalCodeSize"], zip().len());
}

#[tokio::test]
async fn code_signing_configs_are_kept_and_given_to_functions() {
    let house = House::new().await;
    house.create("f", "").await;
    let configs = "/2020-04-22/code-signing-configs";
    let publishers =
        json!({"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p"]});
    let new = json!({"AllowedPublishers": publishers, "Description": "d",
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Enforce"}});
    let made = house.ask("POST", configs, &[], new.to_string().as_bytes()).await.json();
    let arn = made["CodeSigningConfig"]["CodeSigningConfigArn"].as_str().unwrap().to_owned();
    let path = format!("{configs}/{}", arn.replace(':', "%3A"));
    let gone = format!("{ARN}:code-signing-config:csc-00000000000000000");
    let gone_path = format!("{configs}/{}", gone.replace(':', "%3A"));
    let of_function = "/2020-06-30/functions/f/code-signing-config";
    let tags = format!("/2017-03-31/tags/{}", arn.replace(':', "%3A"));
    let shown = conversation(
        &house,
        &[
            ("POST", configs, json!({})),
            ("POST", configs, json!({"AllowedPublishers": {"SigningProfileVersionArns": []}})),
            ("PUT", &path, json!({"CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Warn"}})),
            ("PUT", &path, json!({"CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Maybe"}})),
            ("GET", &path, Value::Null),
            ("GET", configs, Value::Null),
            ("GET", &gone_path, Value::Null),
            ("GET", of_function, Value::Null),
            ("PUT", of_function, json!({"CodeSigningConfigArn": gone})),
            ("PUT", of_function, json!({"CodeSigningConfigArn": arn})),
            ("GET", of_function, Value::Null),
            ("GET", &format!("{path}/functions"), Value::Null),
            ("DELETE", &path, Value::Null),
            ("DELETE", of_function, Value::Null),
            ("POST", &tags, json!({"Tags": {"a": "b"}})),
            ("GET", &tags, Value::Null),
            ("DELETE", &path, Value::Null),
            ("DELETE", &path, Value::Null),
            ("GET", &tags, Value::Null),
        ],
    )
    .await;
    insta::assert_snapshot!(fixed(&shown, &arn[arn.len() - 21..], 21, "csc-..."));
}

#[tokio::test]
async fn capacity_providers_are_kept_as_records() {
    let house = House::new().await;
    let providers = "/2025-11-30/capacity-providers";
    let new = json!({"CapacityProviderName": "p", "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []},
        "PermissionsConfig": {"CapacityProviderOperatorRoleArn": "arn:aws:iam::000000000000:role/r"}});
    let one = format!("{providers}/p");
    let shown = conversation(
        &house,
        &[
            ("POST", providers, new.clone()),
            ("POST", providers, new),
            ("POST", providers, json!({"CapacityProviderName": "a b", "VpcConfig": {"SubnetIds": ["s"]}})),
            ("PUT", &one, json!({"CapacityProviderScalingConfig": {"MaxVCpuCount": 8, "ScalingMode": "Auto"}})),
            ("PUT", &one, json!({"CapacityProviderScalingConfig": {"MaxVCpuCount": 1}})),
            ("GET", &one, Value::Null),
            ("GET", &format!("{providers}?State=Active"), Value::Null),
            ("GET", &format!("{one}/function-versions"), Value::Null),
            ("DELETE", &one, Value::Null),
            ("DELETE", &one, Value::Null),
        ],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn event_source_mappings_are_kept_as_records() {
    let house = House::new().await;
    house.create("f", "").await;
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    let new = json!({"FunctionName": "f", "EventSourceArn": queue, "Tags": {"a": "b"}});
    let made = house.ask("POST", MAPPINGS, &[], new.to_string().as_bytes()).await;
    assert_eq!(made.status, 202, "{}", made.shown());
    let uuid = made.json()["UUID"].as_str().unwrap().to_owned();
    let one = format!("{MAPPINGS}/{uuid}");
    let tags = format!("/2017-03-31/tags/{}", format!("{ARN}:event-source-mapping:{uuid}").replace(':', "%3A"));
    let none = format!("{MAPPINGS}/6f5902ac-2373-4d7f-8d7c-6d1f2f8ad9b1");
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let shown = conversation(
        &house,
        &[
            ("GET", &one, Value::Null),
            ("POST", MAPPINGS, new),
            ("POST", MAPPINGS, json!({"FunctionName": "none"})),
            ("POST", MAPPINGS, json!({"FunctionName": "none", "EventSourceArn": queue})),
            ("POST", MAPPINGS, json!({"FunctionName": "f", "EventSourceArn": stream})),
            ("POST", MAPPINGS, json!({"EventSourceArn": "queue", "BatchSize": 0, "StartingPosition": "SOON"})),
            ("PUT", &one, json!({"BatchSize": 11})),
            ("PUT", &one, json!({"BatchSize": 11, "MaximumBatchingWindowInSeconds": 1})),
            ("PUT", &one, json!({"Enabled": false})),
            ("GET", &one, Value::Null),
            ("GET", &format!("{MAPPINGS}?FunctionName=f"), Value::Null),
            ("GET", &format!("{MAPPINGS}?FunctionName=other"), Value::Null),
            ("GET", &tags, Value::Null),
            ("DELETE", &format!("{FUNCTIONS}/f"), Value::Null),
            ("DELETE", &one, Value::Null),
            ("GET", &one, Value::Null),
            ("DELETE", &none, Value::Null),
            ("PUT", &none, json!({"Enabled": false})),
        ],
    )
    .await;
    insta::assert_snapshot!(shown.replace(&uuid, "UUID"));
}
