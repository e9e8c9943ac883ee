//! What who may do with IAM: an operation looks at what it is for, whatever else a form says.
#![allow(clippy::unwrap_used)]

mod support;

use aws_credential_types::Credentials;
use lacewing_model::Timestamp;
use serde_json::{Value, json};
use support::{ACCOUNT, Got, House, root};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

async fn ask(house: &House, keys: &Credentials, action: &str, words: &[(&str, &str)]) -> Got {
    let words = words.iter().map(|(key, value)| format!("&{key}={}", encoded(value))).collect::<String>();
    let form = format!("Action={action}&Version=2010-05-08{words}");
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    house.ask_as(keys, "iam", "POST", "/", &kind, form.as_bytes()).await
}

async fn make(house: &House, action: &str, words: &[(&str, &str)]) {
    let got = ask(house, &root(), action, words).await;
    assert_eq!(got.status, 200, "{}", got.shown());
}

/// A key of the user `delegate`, who may do what `policy` says.
fn delegate(house: &House, policy: &Value) -> Credentials {
    let account = ACCOUNT.parse().unwrap();
    let issued = house.access.issue_key(&account, Some("delegate"), Some(&policy.to_string()), Timestamp(0));
    let (key, secret) = issued.unwrap();
    Credentials::new(key.id, secret, None, None, "test")
}

fn allow(action: &[&str], resource: &str, condition: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition}]})
}

#[tokio::test]
async fn a_boundary_is_that_of_the_role_and_not_what_a_request_says() {
    let house = House::new().await;
    let account = format!("arn:aws:iam::{ACCOUNT}");
    let bound = format!("{account}:policy/bound");
    make(
        &house,
        "CreatePolicy",
        &[("PolicyName", "bound"), ("PolicyDocument", &allow(&["s3:*"], "*", json!({})).to_string())],
    )
    .await;
    make(&house, "CreateRole", &[("RoleName", "free"), ("AssumeRolePolicyDocument", TRUST)]).await;
    let only_bounded = json!({"StringEquals": {"iam:PermissionsBoundary": bound}});
    let keys =
        delegate(&house, &allow(&["iam:CreateRole", "iam:AttachRolePolicy", "iam:PutRolePolicy"], "*", only_bounded));
    let role = [("RoleName", "mine"), ("AssumeRolePolicyDocument", TRUST)];
    assert_eq!(ask(&house, &keys, "CreateRole", &role).await.status, 403);
    let bounded = [role[0], role[1], ("PermissionsBoundary", &bound)];
    assert_eq!(ask(&house, &keys, "CreateRole", &bounded).await.status, 200);
    let attach = |role: &'static str| [("RoleName", role), ("PolicyArn", ADMIN), ("PermissionsBoundary", &bound)];
    assert_eq!(ask(&house, &keys, "AttachRolePolicy", &attach("free")).await.status, 403);
    assert_eq!(ask(&house, &keys, "AttachRolePolicy", &attach("mine")[..2]).await.status, 200);
}

#[tokio::test]
async fn an_operation_on_users_does_not_reach_roles() {
    let house = House::new().await;
    make(&house, "CreateRole", &[("RoleName", "admin"), ("AssumeRolePolicyDocument", TRUST)]).await;
    let own = format!("arn:aws:iam::{ACCOUNT}:user/delegate");
    let keys = delegate(&house, &allow(&["iam:PutUserPolicy"], &own, json!({})));
    let document = allow(&["lambda:*"], "*", json!({})).to_string();
    let words =
        [("UserName", "delegate"), ("RoleName", "admin"), ("PolicyName", "p"), ("PolicyDocument", document.as_str())];
    assert_eq!(ask(&house, &keys, "PutUserPolicy", &words).await.status, 200);
    let account = ACCOUNT.parse().unwrap();
    let of_role = house.access.grants(&account, lacewing_access::Holder::Role("admin")).unwrap();
    assert!(of_role.inline.is_empty(), "the role got what was for the user");
    assert!(house.access.grants(&account, lacewing_access::Holder::User("delegate")).unwrap().inline.contains_key("p"));
}

#[tokio::test]
async fn a_new_policy_is_authorized_by_its_own_name() {
    let house = House::new().await;
    let allowed = format!("arn:aws:iam::{ACCOUNT}:policy/team/*");
    let keys = delegate(&house, &allow(&["iam:CreatePolicy"], &allowed, json!({})));
    let document = allow(&["*"], "*", json!({})).to_string();
    let other = format!("arn:aws:iam::{ACCOUNT}:policy/team/x");
    let words = [("PolicyName", "elsewhere"), ("PolicyDocument", document.as_str()), ("PolicyArn", other.as_str())];
    assert_eq!(ask(&house, &keys, "CreatePolicy", &words).await.status, 403);
    let words = [("PolicyName", "x"), ("PolicyDocument", document.as_str()), ("Path", "/team/")];
    assert_eq!(ask(&house, &keys, "CreatePolicy", &words).await.status, 200);
}

#[tokio::test]
async fn tags_of_identities_can_be_asked_for() {
    let house = House::new().await;
    let tags = |team: &'static str| [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", team)];
    for team in ["red", "blue"] {
        let [key, value] = tags(team);
        make(&house, "CreateRole", &[("RoleName", team), ("AssumeRolePolicyDocument", TRUST), key, value]).await;
    }
    let keys = delegate(
        &house,
        &json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iam:GetRole", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/Team": "red"}}},
            {"Effect": "Allow", "Action": "iam:DeleteRole", "Resource": "*", "Condition": {"StringEquals": {"iam:ResourceTag/team": "red"}}},
            {"Effect": "Allow", "Action": ["iam:CreateRole", "iam:TagRole"], "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/team": "red"}}},
            {"Effect": "Allow", "Action": "iam:UntagRole", "Resource": "*", "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "stage"}}}]}),
    );
    for (action, role, more, want) in [
        ("GetRole", "red", vec![], 200),
        ("GetRole", "blue", vec![], 403),
        ("CreateRole", "new", vec![("AssumeRolePolicyDocument", TRUST)], 403),
        ("CreateRole", "new", [&[("AssumeRolePolicyDocument", TRUST)], &tags("red")[..]].concat(), 200),
        ("TagRole", "blue", tags("blue").to_vec(), 403),
        ("TagRole", "blue", tags("red").to_vec(), 200),
        ("UntagRole", "blue", vec![("TagKeys.member.1", "team")], 403),
        ("UntagRole", "blue", vec![("TagKeys.member.1", "stage")], 200),
        ("DeleteRole", "new", vec![], 200),
    ] {
        let got = ask(&house, &keys, action, &[vec![("RoleName", role)], more].concat()).await;
        assert_eq!(got.status, want, "{action} {role} {}", got.shown());
    }
}

#[tokio::test]
async fn who_is_no_user_has_to_name_one() {
    let house = House::new().await;
    let user = ask(&house, &root(), "GetUser", &[]).await;
    assert!(
        user.status == 200 && String::from_utf8_lossy(&user.body).contains(&format!("arn:aws:iam::{ACCOUNT}:root"))
    );
    make(&house, "CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", TRUST)]).await;
    let reads = allow(&["iam:*"], "*", json!({})).to_string();
    make(&house, "PutRolePolicy", &[("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", &reads)]).await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/r").parse().unwrap();
    let (account, region) = (ACCOUNT.parse().unwrap(), "us-east-1".parse().unwrap());
    let session = house.access.open_session(&account, &region, &role, &"f".parse().unwrap());
    let got = ask(&house, &support::function(&session.credentials), "GetUser", &[]).await;
    assert_eq!(got.status, 400, "{}", got.shown());
    assert!(got.shown().contains("Must specify userName when calling with non-User credentials"), "{}", got.shown());
}
