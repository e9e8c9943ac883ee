//! What is attached to functions, as a client meets it: tags, policies, event invoke configurations, URLs, settings.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{House, conversation};

const FUNCTIONS: &str = "/2015-03-31/functions";
const ARN: &str = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";

#[tokio::test]
async fn tags_are_set_listed_and_removed() {
    let house = House::new().await;
    house.create("f", r#","Tags":{"a":"b"}"#).await;
    let tags = format!("/2017-03-31/tags/{ARN}");
    let many: serde_json::Map<_, _> = (0..51).map(|n| (format!("key-{n}"), json!("v"))).collect();
    let shown = conversation(
        &house,
        &[
            ("GET", &tags, Value::Null),
            ("POST", &tags, json!({"Tags": {"a": "c", "d": "e"}})),
            ("GET", &tags, Value::Null),
            ("DELETE", &format!("{tags}?tagKeys=a&tagKeys=none"), Value::Null),
            ("GET", &tags, Value::Null),
            ("POST", &tags, json!({"Tags": {}})),
            ("POST", &tags, json!({})),
            ("POST", &tags, json!({"Tags": many})),
            ("POST", &tags, json!({"Tags": {"lacewing:egress": "some"}})),
            ("DELETE", &tags, Value::Null),
            ("GET", &format!("{tags}%3A1"), Value::Null),
            ("GET", &format!("{tags}none"), Value::Null),
            ("GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afoobar%3Af", Value::Null),
        ],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_tag_that_takes_the_network_away_makes_a_new_generation() {
    let house = House::new().await;
    let before = house.create("f", "").await;
    let tags = format!("/2017-03-31/tags/{ARN}");
    let plain = json!({"Tags": {"a": "b"}}).to_string();
    assert_eq!(house.ask("POST", &tags, &[], plain.as_bytes()).await.status, 204);
    let tagged = house.settled("f").await;
    assert_ne!(tagged["RevisionId"], before["RevisionId"]);
    assert_eq!(tagged["LastModified"], before["LastModified"]);
    let closed = json!({"Tags": {"lacewing:egress": "none"}}).to_string();
    assert_eq!(house.ask("POST", &tags, &[], closed.as_bytes()).await.status, 204);
    let after = house.settled("f").await;
    assert_eq!(after["LastUpdateStatus"], "Successful");
    assert_ne!(after["LastModified"], before["LastModified"]);
}

#[tokio::test]
async fn a_policy_holds_statements_until_the_last_is_removed() {
    let house = House::new().await;
    house.create("f", "").await;
    let policy = format!("{FUNCTIONS}/f/policy");
    let statement = |sid: &str, principal: &str| json!({"StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": principal});
    let mut sourced = statement("s3", "s3.amazonaws.com");
    sourced["SourceArn"] = json!("arn:aws:s3:::bucket");
    let mut stale = statement("new", "*");
    stale["RevisionId"] = json!("6f5902ac-2373-4d7f-8d7c-6d1f2f8ad9b1");
    let shown = conversation(
        &house,
        &[
            ("GET", &policy, Value::Null),
            ("DELETE", &format!("{policy}/s3"), Value::Null),
            ("POST", &policy, sourced.clone()),
            ("POST", &policy, sourced.clone()),
            ("POST", &policy, statement("all", "123456789012")),
            ("POST", &policy, stale),
            ("POST", &policy, statement("bad", "invalid.nonaws.com")),
            ("POST", &policy, statement("example.com", "*")),
            ("POST", &policy, json!({})),
            ("POST", &format!("{policy}?Qualifier=%24LATEST"), sourced.clone()),
            ("POST", &format!("{policy}?Qualifier=42"), sourced.clone()),
            ("POST", &format!("{policy}?Qualifier=none"), sourced.clone()),
            ("POST", &format!("{FUNCTIONS}/none/policy"), sourced),
            ("GET", &policy, Value::Null),
            ("DELETE", &format!("{policy}/none"), Value::Null),
            ("DELETE", &format!("{policy}/s3?RevisionId=old"), Value::Null),
            ("DELETE", &format!("{policy}/s3"), Value::Null),
            ("DELETE", &format!("{policy}/all"), Value::Null),
            ("GET", &policy, Value::Null),
            ("DELETE", &format!("{FUNCTIONS}/none/policy/s3"), Value::Null),
        ],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_whole_policy_takes_the_place_of_statements() {
    let house = House::new().await;
    house.create("f", "").await;
    let (whole, by_statement) = (format!("/2026-07-09/resource-policy/{ARN}"), format!("{FUNCTIONS}/f/policy"));
    let statement = r#"{"Sid":"own","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#;
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let shown = conversation(
        &house,
        &[
            ("GET", &whole, Value::Null),
            ("DELETE", &whole, Value::Null),
            ("PUT", &whole, json!({"Policy": document})),
            ("GET", &by_statement, Value::Null),
            ("PUT", &whole, json!({"Policy": "{}"})),
            ("PUT", &whole, json!({})),
            ("PUT", &whole, json!({"Policy": document, "RevisionId": "6f5902ac-2373-4d7f-8d7c-6d1f2f8ad9b1"})),
            ("DELETE", &whole, Value::Null),
            ("GET", &by_statement, Value::Null),
            ("GET", "/2026-07-09/resource-policy/f", Value::Null),
        ],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn event_invoke_configs_are_put_merged_and_deleted() {
    let house = House::new().await;
    house.create("f", "").await;
    house.create("g", "").await;
    let config = "/2019-09-25/functions/f/event-invoke-config";
    let to = |arn: &str| json!({"DestinationConfig": {"OnFailure": {"Destination": arn}}});
    let shown = conversation(
        &house,
        &[
            ("GET", config, Value::Null),
            ("POST", config, json!({"MaximumRetryAttempts": 1})),
            ("PUT", config, json!({})),
            ("PUT", config, json!({"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 59})),
            ("PUT", config, json!({"MaximumRetryAttempts": 0})),
            ("POST", config, json!({"MaximumEventAgeInSeconds": 60})),
            ("POST", config, to("arn:aws:sqs:us-east-1:000000000000:q")),
            ("POST", config, to("arn:aws:lambda:us-east-1:000000000000:function:g")),
            ("POST", config, to("arn:aws:lambda:us-east-1:000000000000:function:f")),
            ("POST", config, to("arn:aws:lambda:us-east-1:000000000000:function:none")),
            ("POST", config, to("arn:aws:iam::000000000000:role/r")),
            ("POST", config, to("none")),
            ("GET", &format!("{config}?Qualifier=%24LATEST"), Value::Null),
            ("GET", &format!("{config}/list"), Value::Null),
            ("PUT", config, json!({"MaximumEventAgeInSeconds": 120})),
            ("DELETE", config, Value::Null),
            ("DELETE", config, Value::Null),
            ("PUT", "/2019-09-25/functions/none/event-invoke-config", json!({"MaximumRetryAttempts": 0})),
            ("DELETE", "/2019-09-25/functions/none/event-invoke-config", Value::Null),
            ("GET", "/2019-09-25/functions/none/event-invoke-config/list", Value::Null),
        ],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_url_is_made_changed_and_deleted() {
    let house = House::new().await;
    house.create("f", "").await;
    let url = "/2021-10-31/functions/f/url";
    let cors = json!({"AllowOrigins": ["https://example.com"], "MaxAge": 60, "AllowCredentials": true});
    let shown = conversation(
        &house,
        &[
            ("GET", url, Value::Null),
            ("PUT", url, json!({"AuthType": "AWS_IAM"})),
            ("POST", url, json!({})),
            ("POST", url, json!({"AuthType": "SOME", "InvokeMode": "FAST", "Cors": {"MaxAge": 86_401, "AllowMethods": ["OPTIONSS"]}})),
            ("POST", url, json!({"AuthType": "NONE"})),
            ("POST", url, json!({"AuthType": "NONE"})),
            ("PUT", url, json!({"AuthType": "AWS_IAM", "Cors": cors})),
            ("PUT", url, json!({"InvokeMode": "RESPONSE_STREAM"})),
            ("GET", url, Value::Null),
            ("GET", "/2021-10-31/functions/f/urls", Value::Null),
            ("POST", &format!("{url}?Qualifier=1"), json!({"AuthType": "NONE"})),
            ("POST", &format!("{url}?Qualifier=%24LATEST"), json!({"AuthType": "NONE"})),
            ("POST", &format!("{url}?Qualifier=none"), json!({"AuthType": "NONE"})),
            ("DELETE", url, Value::Null),
            ("DELETE", url, Value::Null),
            ("POST", "/2021-10-31/functions/none/url", json!({"AuthType": "NONE"})),
            ("GET", "/2021-10-31/functions/none/urls", Value::Null),
        ],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn settings_have_defaults_and_keep_what_is_put() {
    let house = House::new().await;
    house.create("f", "").await;
    let recursion = "/2024-08-31/functions/f/recursion-config";
    let management = "/2021-07-20/functions/f/runtime-management-config";
    let scaling = "/2025-11-30/functions/f/function-scaling-config";
    let build = format!("arn:aws:lambda:us-east-1::runtime:{}", "a".repeat(64));
    let shown = conversation(
        &house,
        &[
            ("GET", recursion, Value::Null),
            ("PUT", recursion, json!({"RecursiveLoop": "Allow"})),
            ("GET", recursion, Value::Null),
            ("PUT", recursion, json!({"RecursiveLoop": "InvalidValue"})),
            ("PUT", recursion, json!({})),
            ("PUT", "/2024-08-31/functions/none/recursion-config", json!({"RecursiveLoop": "Allow"})),
            ("GET", "/2024-08-31/functions/none/recursion-config", Value::Null),
            ("GET", management, Value::Null),
            ("PUT", management, json!({"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": build})),
            ("GET", management, Value::Null),
            ("PUT", management, json!({"UpdateRuntimeOn": "Manual"})),
            ("PUT", management, json!({"UpdateRuntimeOn": "Never", "RuntimeVersionArn": "x"})),
            ("GET", scaling, Value::Null),
            ("GET", &format!("{scaling}?Qualifier=live"), Value::Null),
            ("GET", &format!("{scaling}?Qualifier=1"), Value::Null),
        ],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn what_is_attached_goes_with_its_function() {
    let house = House::new().await;
    house.create("f", "").await;
    let url = "/2021-10-31/functions/f/url";
    let body = json!({"AuthType": "NONE"}).to_string();
    assert_eq!(house.ask("POST", url, &[], body.as_bytes()).await.status, 201);
    assert_eq!(house.ask("DELETE", &format!("{FUNCTIONS}/f"), &[], b"").await.status, 204);
    house.create("f", "").await;
    assert_eq!(house.ask("GET", url, &[], b"").await.status, 404);
}

#[tokio::test]
async fn urls_of_a_function_and_its_aliases_are_listed_in_pages() {
    let house = House::new().await;
    house.create("f", "").await;
    let asks = [
        (format!("{FUNCTIONS}/f/versions"), json!({})),
        (format!("{FUNCTIONS}/f/aliases"), json!({"Name": "live", "FunctionVersion": "1"})),
        ("/2021-10-31/functions/f/url?Qualifier=live".to_owned(), json!({"AuthType": "NONE"})),
        ("/2021-10-31/functions/f/url".to_owned(), json!({"AuthType": "NONE"})),
    ];
    for (target, body) in asks {
        assert_eq!(house.ask("POST", &target, &[], body.to_string().as_bytes()).await.status, 201, "{target}");
    }
    let mut arns = Vec::new();
    let mut target = "/2021-10-31/functions/f/urls?MaxItems=1".to_owned();
    loop {
        let page = house.ask("GET", &target, &[], b"").await.json();
        arns.push(page["FunctionUrlConfigs"][0]["FunctionArn"].as_str().unwrap().to_owned());
        let Some(marker) = page["NextMarker"].as_str() else { break };
        target = format!("/2021-10-31/functions/f/urls?MaxItems=1&Marker={}", marker.replace('=', "%3D"));
    }
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    assert_eq!(arns, [arn.to_owned(), format!("{arn}:live")]);
}

#[tokio::test]
async fn each_qualifier_has_its_own_and_it_goes_with_it() {
    let house = House::new().await;
    let rights = |sid: &str| json!({"StatementId": sid, "Action": "lambda:*", "Principal": "*"}).to_string();
    house.create("f", "").await;
    let version = house.ask("POST", &format!("{FUNCTIONS}/f/versions"), &[], b"{}").await.json();
    let alias = json!({"Name": "live", "FunctionVersion": "1"}).to_string();
    house.ask("POST", &format!("{FUNCTIONS}/f/aliases"), &[], alias.as_bytes()).await;
    let policy = |qualifier: &str| format!("{FUNCTIONS}/f/policy{qualifier}");
    for (sid, qualifier) in [("a", ""), ("b", "?Qualifier=1"), ("c", "?Qualifier=live")] {
        let got = house.ask("POST", &policy(qualifier), &[], rights(sid).as_bytes()).await;
        assert_eq!(got.status, 201, "{}", got.shown());
        let document = house.ask("GET", &policy(qualifier), &[], b"").await.json();
        assert!(document["Policy"].as_str().unwrap().contains(&format!("\"Sid\":\"{sid}\"")), "{document}");
    }
    // A policy's revision is that of what it belongs to, which has changed with it.
    let shown = house.ask("GET", &format!("{FUNCTIONS}/f?Qualifier=1"), &[], b"").await.json();
    let own = house.ask("GET", &policy("?Qualifier=1"), &[], b"").await.json();
    assert_eq!(shown["Configuration"]["RevisionId"], own["RevisionId"]);
    assert_ne!(version["RevisionId"], own["RevisionId"]);

    assert_eq!(house.ask("DELETE", &format!("{FUNCTIONS}/f/aliases/live"), &[], b"").await.status, 204);
    house.ask("POST", &format!("{FUNCTIONS}/f/aliases"), &[], alias.as_bytes()).await;
    assert_eq!(house.ask("GET", &policy("?Qualifier=live"), &[], b"").await.status, 404);
    assert_eq!(house.ask("GET", &policy("?Qualifier=1"), &[], b"").await.status, 200);
}
