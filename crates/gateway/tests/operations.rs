//! Operations as a client meets them: whole replies, through the same way as a sandbox's requests.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{House, ROLE, create_body, function, root, signed};

const FUNCTIONS: &str = "/2015-03-31/functions";

/// Method, target, headers and body.
type Ask<'a> = (&'a str, String, &'a [(&'a str, &'a str)], &'a str);

/// What changes from run to run, made still.
fn still(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        for key in ["RevisionId", "LastModified", "CodeSha256", "CodeSize"] {
            if fields.contains_key(key) {
                fields.insert(key.to_owned(), json!("..."));
            }
        }
    }
    value
}

#[tokio::test]
async fn a_function_lives_through_create_get_update_and_delete() {
    let house = House::new().await;
    let created = house.ask("POST", FUNCTIONS, &[], create_body("f", r#","Tags":{"a":"b"}"#).as_bytes()).await;
    assert_eq!(created.status, 201, "{}", created.shown());
    insta::assert_json_snapshot!("created", still(created.json()));
    let active = house.settled("f").await;
    insta::assert_json_snapshot!("active", still(active.clone()));
    assert_ne!(active["RevisionId"], created.json()["RevisionId"]);

    let got = house.ask("GET", &format!("{FUNCTIONS}/f%3A%24LATEST"), &[], b"").await.json();
    assert_eq!(got["Configuration"]["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
    assert_eq!((&got["Tags"]["a"], &got["Code"]["RepositoryType"]), (&json!("b"), &json!("S3")));

    let change = json!({"Timeout": 9, "Environment": {"Variables": {"KEY": "v"}}, "RevisionId": active["RevisionId"]});
    let path = format!("{FUNCTIONS}/f/configuration");
    let updated = house.ask("PUT", &path, &[], change.to_string().as_bytes()).await;
    assert_eq!(updated.status, 200, "{}", updated.shown());
    insta::assert_json_snapshot!("updating", still(updated.json()));
    house.settled("f").await;
    let stale = house.ask("PUT", &path, &[], change.to_string().as_bytes()).await;
    assert_eq!(stale.status, 412, "{}", stale.shown());

    let listed = house.ask("GET", FUNCTIONS, &[], b"").await.json();
    insta::assert_json_snapshot!("listed", still(listed["Functions"][0].clone()));
    assert_eq!(house.ask("DELETE", &format!("{FUNCTIONS}/f"), &[], b"").await.status, 204);
    assert_eq!(house.ask("GET", &format!("{FUNCTIONS}/f"), &[], b"").await.status, 404);
}

#[tokio::test]
async fn code_location_downloads_the_package() {
    let house = House::new().await;
    house.create("f", "").await;
    let got = house.ask("GET", &format!("{FUNCTIONS}/f"), &[], b"").await.json();
    let location = got["Code"]["Location"].as_str().unwrap();
    let target = location.strip_prefix("http://127.0.0.1:9000").unwrap();
    let mut request = signed(&root(), "lambda", "GET", target, &[], b"");
    request.headers.retain(|(name, _)| name == "host");
    let package = house.send(request.clone()).await;
    assert_eq!((package.status, package.header("content-type")), (200, Some("application/zip")));
    assert_eq!(package.body, support::zip());
    request.target = target.replace("/f/", "/g/");
    assert_eq!(house.send(request).await.status, 403);
}

#[tokio::test]
async fn lists_are_paged_by_markers() {
    let house = House::new().await;
    for name in ["b", "a", "c"] {
        house.create(name, "").await;
    }
    let mut names = Vec::new();
    let mut target = format!("{FUNCTIONS}/?MaxItems=2");
    loop {
        let page = house.ask("GET", &target, &[], b"").await.json();
        let functions = page["Functions"].as_array().unwrap();
        names.extend(functions.iter().map(|f| f["FunctionName"].as_str().unwrap().to_owned()));
        let Some(marker) = page["NextMarker"].as_str() else { break };
        target = format!("{FUNCTIONS}/?MaxItems=2&Marker={}", marker.replace('=', "%3D"));
    }
    assert_eq!(names, ["a", "b", "c"]);
    let all = house.ask("GET", &format!("{FUNCTIONS}?FunctionVersion=ALL"), &[], b"").await.json();
    assert!(all["Functions"][0]["FunctionArn"].as_str().unwrap().ends_with(":a:$LATEST"));
}

#[tokio::test]
async fn an_invocation_answers_as_aws_does() {
    let house = House::new().await;
    house.create("f", "").await;
    let invoke = format!("{FUNCTIONS}/f/invocations");
    let got = house.ask("POST", &invoke, &[("x-amz-log-type", "Tail")], br#"{"a":1}"#).await;
    assert_eq!((got.status, got.body.as_ref()), (200, br#"{"a":1}"#.as_slice()));
    assert_eq!(got.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(got.header("x-amzn-remapped-content-length"), Some("0"));
    assert_eq!(got.header("x-amz-function-error"), None);
    assert!(got.header("x-amzn-trace-id").unwrap().starts_with("Root=1-"));
    assert!(got.header("x-amz-log-result").is_some());
    assert_eq!(got.header("x-amzn-requestid").unwrap().len(), 36);

    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";
    let empty = house.ask("POST", &format!("{FUNCTIONS}/{arn}/invocations?Qualifier=%24LATEST"), &[], b"").await;
    assert_eq!((empty.status, empty.body.as_ref()), (200, b"{}".as_slice()));
    let dry = house.ask("POST", &invoke, &[("x-amz-invocation-type", "DryRun")], b"").await;
    assert_eq!((dry.status, dry.body.len()), (204, 0));
    let context = [("x-amz-client-context", "eyJjdXN0b20iOnt9fQ==")];
    assert_eq!(house.ask("POST", &invoke, &context, b"1").await.status, 200);
}

#[tokio::test]
async fn refusals_have_aws_shapes() {
    let house = House::new().await;
    house.create("f", "").await;
    let long = "x".repeat(65);
    let create = create_body("f", "");
    let role =
        json!({"FunctionName": "g", "Role": ROLE, "Runtime": "ruby3.4", "Handler": "h", "Code": {"ZipFile": "eA=="}});
    let not_zip = role.to_string().replace("ruby3.4", "python3.13");
    let role = role.to_string();
    let wrong = [("x-amz-invocation-type", "Later"), ("x-amz-log-type", "Head")];
    let context = [("x-amz-client-context", "!")];
    let tenant = [("x-amz-tenant-id", "t")];
    let foreign = "arn%3Aaws%3Alambda%3Aus-east-1%3A999999999999%3Afunction%3Af";
    let abroad = "arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Af";
    let asks: Vec<Ask<'_>> = vec![
        ("POST", FUNCTIONS.into(), &[], &create),
        ("POST", FUNCTIONS.into(), &[], &role),
        ("POST", FUNCTIONS.into(), &[], &not_zip),
        ("POST", FUNCTIONS.into(), &[], "{"),
        ("GET", format!("{FUNCTIONS}/none"), &[], ""),
        ("GET", format!("{FUNCTIONS}/{long}"), &[], ""),
        ("GET", format!("{FUNCTIONS}/f?Qualifier=1"), &[], ""),
        ("GET", format!("{FUNCTIONS}/f?Qualifier=%24latest"), &[], ""),
        ("GET", format!("{FUNCTIONS}/f%3A1?Qualifier=2"), &[], ""),
        ("GET", format!("{FUNCTIONS}/f?Qualifier=a%20b"), &[], ""),
        ("GET", format!("{FUNCTIONS}/a%20b"), &[], ""),
        ("GET", format!("{FUNCTIONS}/{foreign}"), &[], ""),
        ("GET", format!("{FUNCTIONS}/{abroad}"), &[], ""),
        ("GET", format!("{FUNCTIONS}?MaxItems=10001&FunctionVersion=SOME"), &[], ""),
        ("GET", format!("{FUNCTIONS}?Marker=%3F"), &[], ""),
        ("PUT", format!("{FUNCTIONS}/f%3A1/code"), &[], "{}"),
        ("PUT", format!("{FUNCTIONS}/f/code"), &[], "{}"),
        ("PUT", format!("{FUNCTIONS}/f/configuration"), &[], r#"{"Timeout":"5"}"#),
        ("DELETE", format!("{FUNCTIONS}/f?Qualifier=%24LATEST"), &[], ""),
        ("DELETE", format!("{FUNCTIONS}/none"), &[], ""),
        ("POST", format!("{FUNCTIONS}/none/invocations"), &[], ""),
        ("POST", format!("{FUNCTIONS}/none%3A7/invocations"), &[], ""),
        ("POST", format!("{FUNCTIONS}/f/invocations"), &[], "{x}"),
        ("POST", format!("{FUNCTIONS}/f/invocations"), &wrong, "{}"),
        ("POST", format!("{FUNCTIONS}/f/invocations"), &context, "{}"),
        ("POST", format!("{FUNCTIONS}/f/invocations"), &tenant, "{}"),
        ("GET", format!("{FUNCTIONS}/f/policy"), &[], ""),
        ("GET", "/2025-12-01/functions/f/durable-executions".into(), &[], ""),
        ("PATCH", FUNCTIONS.into(), &[], ""),
        ("GET", "/2015-03-31/nothing".into(), &[], ""),
        ("GET", "/_lacewing/nothing".into(), &[], ""),
        ("GET", "/_lacewing/cost?card=none".into(), &[], ""),
        ("GET", "/_lacewing/cost?from=today".into(), &[], ""),
    ];
    let mut shown = String::new();
    for (method, target, headers, body) in asks {
        let got = house.ask(method, &target, headers, body.as_bytes()).await;
        shown += &format!("{method} {target}\n  {}\n", got.shown()).replace(&long, "x{65}");
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn who_may_not_ask_is_told_so() {
    let house = House::new().await;
    house.create("f", "").await;
    let session = house.access.open_session(
        &"000000000000".parse().unwrap(),
        &"us-east-1".parse().unwrap(),
        &ROLE.parse().unwrap(),
        &"f".parse().unwrap(),
    );
    let keys = function(&session.credentials);
    let invoke = format!("{FUNCTIONS}/f/invocations");
    assert_eq!(house.ask_as(&keys, "lambda", "POST", &invoke, &[], b"{}").await.status, 200);
    let mut shown = String::new();
    let mut note = |why: &str, got: support::Got| shown += &format!("{why}\n  {}\n", got.shown());
    note("a role deletes", house.ask_as(&keys, "lambda", "DELETE", &format!("{FUNCTIONS}/f"), &[], b"").await);
    note("a role asks for the bill", house.ask_as(&keys, "lambda", "GET", "/_lacewing/cost", &[], b"").await);
    let mut unsigned = signed(&root(), "lambda", "GET", FUNCTIONS, &[], b"");
    unsigned.headers.retain(|(name, _)| name == "host");
    note("unsigned", house.send(unsigned).await);
    let stranger = aws_credential_types::Credentials::new("other", "x", None, None, "test");
    note("unknown key", house.ask_as(&stranger, "lambda", "GET", FUNCTIONS, &[], b"").await);
    note("another service's signature", house.ask_as(&root(), "logs", "GET", FUNCTIONS, &[], b"").await);
    let logs = [("x-amz-target", "Logs_20140328.GetLogEvents")];
    note("another service's signature", house.ask_as(&root(), "lambda", "POST", "/", &logs, b"{}").await);
    drop(session);
    note("an ended function", house.ask_as(&keys, "lambda", "POST", &invoke, &[], b"{}").await);
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn logs_are_read_as_from_cloudwatch() {
    let house = House::new().await;
    house.create("f", "").await;
    house.ask("POST", &format!("{FUNCTIONS}/f/invocations"), &[], b"{}").await;
    house.ledger.flush();
    let ask = async |operation: &str, body: Value| {
        let target = format!("Logs_20140328.{operation}");
        let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.1")];
        house.ask_as(&root(), "logs", "POST", "/", &headers, body.to_string().as_bytes()).await
    };
    let group = "/aws/lambda/f";
    let groups = ask("DescribeLogGroups", json!({"logGroupNamePrefix": "/aws"})).await.json();
    assert_eq!(groups["logGroups"][0]["logGroupName"], group);
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*";
    assert_eq!(groups["logGroups"][0]["arn"], arn);
    let streams = ask("DescribeLogStreams", json!({"logGroupIdentifier": arn})).await.json();
    let stream = streams["logStreams"][0]["logStreamName"].clone();
    let events = ask("GetLogEvents", json!({"logGroupName": group, "logStreamName": stream})).await.json();
    assert!(events["events"][0]["message"].is_string() && events["nextForwardToken"].is_string(), "{events}");
    let found = ask("FilterLogEvents", json!({"logGroupName": group, "filterPattern": "REPORT"})).await.json();
    assert!(found["events"][0]["message"].as_str().unwrap().starts_with("REPORT"), "{found}");

    let mut shown = String::new();
    for (operation, body) in [
        ("GetLogEvents", json!({"logGroupName": group})),
        ("GetLogEvents", json!({"logGroupName": "/none", "logStreamName": "x"})),
        ("FilterLogEvents", json!({})),
        ("DescribeLogStreams", json!({"logGroupName": group, "orderBy": "Size", "limit": 0})),
        ("PutLogEvents", json!({})),
    ] {
        shown += &format!("{operation}\n  {}\n", ask(operation, body).await.shown());
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn the_house_tells_of_itself() {
    let house = House::new().await;
    house.create("f", "").await;
    house.ask("POST", &format!("{FUNCTIONS}/f/invocations"), &[], b"{}").await;
    let bill = house.ask("GET", "/_lacewing/cost?function=f", &[], b"").await.json();
    assert_eq!(bill["requests"], 1, "{bill}");
    let doctor = house.ask("GET", "/_lacewing/doctor", &[], b"").await.json();
    assert_eq!(doctor["account"], "000000000000");
    let settings = house.ask("GET", "/2016-08-19/account-settings/", &[], b"").await.json();
    assert_eq!(settings["AccountUsage"]["FunctionCount"], 1);
}

#[tokio::test]
async fn an_environment_is_shown_if_one_was_given_even_an_empty_one() {
    let house = House::new().await;
    assert_eq!(house.create("none", "").await["Environment"], Value::Null);
    let empty = house.create("empty", r#","Environment":{"Variables":{}}"#).await;
    assert_eq!(empty["Environment"], json!({"Variables": {}}));
}
