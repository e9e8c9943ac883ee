//! As which actions, on which resources and with which condition keys each operation is authorized.
//!
//! Source throughout: service authorization reference, "Actions, resources, and condition keys for AWS Lambda" and
//! "... for Amazon CloudWatch Logs".
#![allow(clippy::unwrap_used)]

mod support;

use aws_credential_types::Credentials;
use base64::Engine as _;
use lacewing_lambda_api::Operation;
use lacewing_model::Timestamp;
use serde_json::{Value, json};
use support::{ACCOUNT, Got, House, ROLE, root, zip};

const FUNCTIONS: &str = "/2015-03-31/functions";
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";
const OTHER: &str = "111111111111";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const OPERATOR: &str = "arn:aws:iam::000000000000:role/operator";

/// An ARN of this account's Lambda.
fn arn(rest: &str) -> String {
    format!("arn:aws:lambda:us-east-1:{ACCOUNT}:{rest}")
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A house in which there is one of everything.
struct Furnished {
    house: House,
    mapping: String,
    signing: String,
}

impl Furnished {
    async fn new() -> Self {
        let house = House::new().await;
        house.create("f", r#","Publish":true,"Tags":{"Team":"red"}"#).await;
        let ask = async |method: &str, path: &str, body: Value| {
            let got = house.ask(method, path, &[], body.to_string().as_bytes()).await;
            assert!(got.status < 300, "{path} {}", got.shown());
            got.json()
        };
        let alias = json!({"Name": "live", "FunctionVersion": "1"});
        ask("POST", &format!("{FUNCTIONS}/f/aliases"), alias).await;
        ask("POST", "/2021-10-31/functions/f/url", json!({"AuthType": "AWS_IAM"})).await;
        let statement =
            json!({"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"});
        ask("POST", &format!("{FUNCTIONS}/f/policy"), statement).await;
        ask("POST", "/2018-10-31/layers/l/versions", json!({"Content": {"ZipFile": package()}})).await;
        let layer = json!({"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": OTHER});
        ask("POST", "/2018-10-31/layers/l/versions/1/policy", layer).await;
        let publishers =
            json!({"AllowedPublishers": {"SigningProfileVersionArns": [profile()]}, "Tags": {"Team": "red"}});
        let signing = ask("POST", "/2020-04-22/code-signing-configs", publishers).await;
        ask("POST", "/2025-11-30/capacity-providers", provider("cp")).await;
        let mapping = json!({"FunctionName": "f", "EventSourceArn": QUEUE, "Tags": {"Team": "red"}});
        let mapping = ask("POST", MAPPINGS, mapping).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let signing = text(&signing["CodeSigningConfig"]["CodeSigningConfigArn"]);
        Self { mapping: text(&mapping["UUID"]), signing, house }
    }

    fn mapping_arn(&self) -> String {
        arn(&format!("event-source-mapping:{}", self.mapping))
    }

    /// A key that may do what `policy` says.
    fn key(&self, policy: &Value) -> Credentials {
        let account = ACCOUNT.parse().unwrap();
        let issued = self.house.access.issue_key(&account, None, Some(&policy.to_string()), Timestamp(0));
        let (key, secret) = issued.unwrap();
        Credentials::new(key.id, secret, None, None, "test")
    }

    async fn ask(&self, policy: &Value, (method, path, body): &Ask) -> Got {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.house.ask_as(&self.key(policy), "lambda", method, path, &[], body.as_bytes()).await
    }
}

/// Method, target and body.
type Ask = (String, String, Value);

fn package() -> String {
    base64::engine::general_purpose::STANDARD.encode(zip())
}

fn profile() -> &'static str {
    "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/abcdefghij"
}

fn provider(name: &str) -> Value {
    json!({"CapacityProviderName": name, "PermissionsConfig": {"CapacityProviderOperatorRoleArn": OPERATOR},
           "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}, "Tags": {"Team": "red"}})
}

fn create(name: &str) -> Value {
    json!({"FunctionName": name, "Role": ROLE, "Runtime": "provided.al2023", "Handler": "x", "Code": {"ZipFile": package()},
           "Layers": [arn("layer:l:1")], "Tags": {"Team": "red"},
           "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}})
}

fn allowing(statements: &[(&str, String)]) -> Value {
    let each =
        statements.iter().map(|(action, resource)| json!({"Effect": "Allow", "Action": action, "Resource": resource}));
    json!({"Version": "2012-10-17", "Statement": each.collect::<Vec<_>>()})
}

/// An operation, the query and body that it is asked with, and the actions with their resources.
type Row = (Operation, &'static str, Value, Vec<(&'static str, String)>);

/// What each operation is asked with, and what has to be allowed for it.
fn rows(all: &Furnished) -> Vec<Row> {
    use Operation::*;
    let f = || arn("function:f");
    let (mapping, signing) = (all.mapping_arn(), all.signing.clone());
    let (layer, provided) = (|| arn("layer:l:1"), || arn("capacity-provider:cp"));
    let any = || "*".to_owned();
    let (policy, alias) = (json!({"StatementId": "t", "Action": "lambda:GetAlias", "Principal": OTHER}), json!({}));
    let layer_policy = json!({"StatementId": "t", "Action": "lambda:GetLayerVersion", "Principal": OTHER});
    let document = json!({"Version": "2012-10-17", "Statement": [{"Sid": "s", "Effect": "Allow", "Action": "lambda:GetAlias",
        "Principal": {"AWS": OTHER}, "Resource": f()}]});
    let document = json!({"Policy": document.to_string()});
    let pass = |role: &str| ("iam:PassRole", role.to_owned());
    macro_rules! row {
        ($name:ident, $query:literal, $body:expr, $($action:literal => $resource:expr),+ $(; $more:expr)?) => {
            ($name, $query, $body, vec![$(($action, $resource),)+ $($more,)?])
        };
    }
    let null = || Value::Null;
    vec![
        row!(Invoke, "", json!({}), "lambda:InvokeFunction" => f()),
        row!(InvokeAsync, "", json!({}), "lambda:InvokeAsync" => f()),
        row!(InvokeWithResponseStream, "", json!({}), "lambda:InvokeFunction" => f()),
        row!(Invoke, "?Qualifier=live", json!({}), "lambda:InvokeFunction" => arn("function:f:live")),
        row!(CreateFunction, "", create("new"), "lambda:CreateFunction" => arn("function:new"),
             "lambda:TagResource" => arn("function:new"), "lambda:GetLayerVersion" => layer(); pass(ROLE)),
        row!(GetFunction, "", null(), "lambda:GetFunction" => f()),
        row!(GetFunction, "?Qualifier=1", null(), "lambda:GetFunction" => arn("function:f:1")),
        row!(GetFunctionConfiguration, "", null(), "lambda:GetFunctionConfiguration" => f()),
        row!(ListFunctions, "", null(), "lambda:ListFunctions" => any()),
        row!(UpdateFunctionCode, "", json!({"ZipFile": package()}), "lambda:UpdateFunctionCode" => f()),
        row!(UpdateFunctionConfiguration, "", json!({"Role": ROLE, "Layers": [layer()]}),
             "lambda:UpdateFunctionConfiguration" => f(), "lambda:GetLayerVersion" => layer(); pass(ROLE)),
        row!(PublishVersion, "", json!({}), "lambda:PublishVersion" => f()),
        row!(ListVersionsByFunction, "", null(), "lambda:ListVersionsByFunction" => f()),
        row!(CreateAlias, "", json!({"Name": "a", "FunctionVersion": "1"}), "lambda:CreateAlias" => f()),
        row!(GetAlias, "", null(), "lambda:GetAlias" => f()),
        row!(UpdateAlias, "", alias, "lambda:UpdateAlias" => f()),
        row!(ListAliases, "", null(), "lambda:ListAliases" => f()),
        row!(PutFunctionConcurrency, "", json!({"ReservedConcurrentExecutions": 1}), "lambda:PutFunctionConcurrency" => f()),
        row!(GetFunctionConcurrency, "", null(), "lambda:GetFunctionConcurrency" => f()),
        row!(DeleteFunctionConcurrency, "", null(), "lambda:DeleteFunctionConcurrency" => f()),
        row!(PutProvisionedConcurrencyConfig, "?Qualifier=live", json!({"ProvisionedConcurrentExecutions": 1}),
             "lambda:PutProvisionedConcurrencyConfig" => arn("function:f:live")),
        row!(GetProvisionedConcurrencyConfig, "?Qualifier=live", null(),
             "lambda:GetProvisionedConcurrencyConfig" => arn("function:f:live")),
        row!(DeleteProvisionedConcurrencyConfig, "?Qualifier=1", null(),
             "lambda:DeleteProvisionedConcurrencyConfig" => arn("function:f:1")),
        row!(ListProvisionedConcurrencyConfigs, "", null(), "lambda:ListProvisionedConcurrencyConfigs" => f()),
        row!(GetAccountSettings, "", null(), "lambda:GetAccountSettings" => any()),
        row!(TagResource, "", json!({"Tags": {"a": "b"}}), "lambda:TagResource" => f()),
        row!(UntagResource, "?tagKeys=a", null(), "lambda:UntagResource" => f()),
        row!(ListTags, "", null(), "lambda:ListTags" => f()),
        row!(AddPermission, "", policy, "lambda:AddPermission" => f()),
        row!(RemovePermission, "", null(), "lambda:RemovePermission" => f()),
        row!(GetPolicy, "", null(), "lambda:GetPolicy" => f()),
        row!(PutResourcePolicy, "", document, "lambda:PutResourcePolicy" => f(), "lambda:AddPermission" => f(),
             "lambda:RemovePermission" => f()),
        row!(GetResourcePolicy, "", null(), "lambda:GetResourcePolicy" => f(), "lambda:GetPolicy" => f()),
        row!(DeleteResourcePolicy, "", null(), "lambda:DeleteResourcePolicy" => f(), "lambda:RemovePermission" => f()),
        row!(PutFunctionEventInvokeConfig, "", json!({"MaximumRetryAttempts": 1}),
             "lambda:PutFunctionEventInvokeConfig" => f()),
        row!(UpdateFunctionEventInvokeConfig, "", json!({"MaximumRetryAttempts": 1}),
             "lambda:UpdateFunctionEventInvokeConfig" => f()),
        row!(GetFunctionEventInvokeConfig, "", null(), "lambda:GetFunctionEventInvokeConfig" => f()),
        row!(ListFunctionEventInvokeConfigs, "", null(), "lambda:ListFunctionEventInvokeConfigs" => f()),
        row!(DeleteFunctionEventInvokeConfig, "", null(), "lambda:DeleteFunctionEventInvokeConfig" => f()),
        row!(CreateFunctionUrlConfig, "", json!({"AuthType": "NONE"}), "lambda:CreateFunctionUrlConfig" => f()),
        row!(UpdateFunctionUrlConfig, "", json!({"AuthType": "NONE"}), "lambda:UpdateFunctionUrlConfig" => f()),
        row!(GetFunctionUrlConfig, "", null(), "lambda:GetFunctionUrlConfig" => f()),
        row!(ListFunctionUrlConfigs, "", null(), "lambda:ListFunctionUrlConfigs" => f()),
        row!(DeleteFunctionUrlConfig, "", null(), "lambda:DeleteFunctionUrlConfig" => f()),
        row!(PutFunctionRecursionConfig, "", json!({"RecursiveLoop": "Allow"}), "lambda:PutFunctionRecursionConfig" => f()),
        row!(GetFunctionRecursionConfig, "", null(), "lambda:GetFunctionRecursionConfig" => f()),
        row!(PutRuntimeManagementConfig, "", json!({"UpdateRuntimeOn": "Auto"}), "lambda:PutRuntimeManagementConfig" => f()),
        row!(GetRuntimeManagementConfig, "", null(), "lambda:GetRuntimeManagementConfig" => f()),
        row!(PutFunctionScalingConfig, "?Qualifier=1", json!({}), "lambda:PutFunctionScalingConfig" => arn("function:f:1")),
        row!(GetFunctionScalingConfig, "?Qualifier=1", null(), "lambda:GetFunctionScalingConfig" => arn("function:f:1")),
        row!(PublishLayerVersion, "", json!({"Content": {"ZipFile": package()}}), "lambda:PublishLayerVersion" => arn("layer:l")),
        row!(GetLayerVersion, "", null(), "lambda:GetLayerVersion" => layer()),
        row!(GetLayerVersionByArn, "&Arn=arn:aws:lambda:us-east-1:000000000000:layer:l:1", null(),
             "lambda:GetLayerVersion" => layer()),
        row!(ListLayers, "", null(), "lambda:ListLayers" => any()),
        row!(ListLayerVersions, "", null(), "lambda:ListLayerVersions" => any()),
        row!(AddLayerVersionPermission, "", layer_policy, "lambda:AddLayerVersionPermission" => layer()),
        row!(RemoveLayerVersionPermission, "", null(), "lambda:RemoveLayerVersionPermission" => layer()),
        row!(GetLayerVersionPolicy, "", null(), "lambda:GetLayerVersionPolicy" => layer()),
        row!(DeleteLayerVersion, "", null(), "lambda:DeleteLayerVersion" => layer()),
        row!(CreateCodeSigningConfig, "", json!({"AllowedPublishers": {"SigningProfileVersionArns": [profile()]}, "Tags": {"a": "b"}}),
             "lambda:CreateCodeSigningConfig" => any(), "lambda:TagResource" => arn("code-signing-config:csc-*")),
        row!(UpdateCodeSigningConfig, "", json!({}), "lambda:UpdateCodeSigningConfig" => signing.clone()),
        row!(GetCodeSigningConfig, "", null(), "lambda:GetCodeSigningConfig" => signing.clone()),
        row!(ListCodeSigningConfigs, "", null(), "lambda:ListCodeSigningConfigs" => any()),
        row!(ListFunctionsByCodeSigningConfig, "", null(), "lambda:ListFunctionsByCodeSigningConfig" => signing.clone()),
        row!(PutFunctionCodeSigningConfig, "", json!({"CodeSigningConfigArn": signing}),
             "lambda:PutFunctionCodeSigningConfig" => f(), "lambda:PutFunctionCodeSigningConfig" => signing.clone()),
        row!(GetFunctionCodeSigningConfig, "", null(), "lambda:GetFunctionCodeSigningConfig" => f()),
        row!(DeleteFunctionCodeSigningConfig, "", null(), "lambda:DeleteFunctionCodeSigningConfig" => f()),
        row!(DeleteCodeSigningConfig, "", null(), "lambda:DeleteCodeSigningConfig" => signing.clone()),
        row!(CreateCapacityProvider, "", provider("cp"), "lambda:CreateCapacityProvider" => provided(),
             "lambda:TagResource" => provided(); pass(OPERATOR)),
        row!(UpdateCapacityProvider, "", json!({}), "lambda:UpdateCapacityProvider" => provided()),
        row!(GetCapacityProvider, "", null(), "lambda:GetCapacityProvider" => provided()),
        row!(ListCapacityProviders, "", null(), "lambda:ListCapacityProviders" => any()),
        row!(ListFunctionVersionsByCapacityProvider, "", null(),
             "lambda:ListFunctionVersionsByCapacityProvider" => provided()),
        row!(DeleteCapacityProvider, "", null(), "lambda:DeleteCapacityProvider" => provided()),
        row!(CreateEventSourceMapping, "", json!({"FunctionName": "f", "EventSourceArn": QUEUE, "Tags": {"a": "b"}}),
             "lambda:CreateEventSourceMapping" => any(), "lambda:TagResource" => arn("event-source-mapping:*")),
        row!(UpdateEventSourceMapping, "", json!({"BatchSize": 2}), "lambda:UpdateEventSourceMapping" => mapping.clone()),
        row!(GetEventSourceMapping, "", null(), "lambda:GetEventSourceMapping" => mapping.clone()),
        row!(ListEventSourceMappings, "", null(), "lambda:ListEventSourceMappings" => any()),
        row!(DeleteEventSourceMapping, "", null(), "lambda:DeleteEventSourceMapping" => mapping),
        row!(DeleteAlias, "", null(), "lambda:DeleteAlias" => f()),
        row!(DeleteFunction, "", null(), "lambda:DeleteFunction" => f()),
    ]
}

/// The request of an operation: its path with what there is in the house.
fn request(all: &Furnished, operation: Operation, query: &str, body: Value) -> Ask {
    let signing = encoded(&all.signing);
    let target = match operation.name() {
        name if name.contains("CapacityProvider") => operation.path().replace("{Name}", "cp"),
        name if name.contains("ResourcePolicy") => operation.path().replace("{Arn}", &encoded(&arn("function:f"))),
        _ => operation.path().replace("{Name}", "live").replace("{Arn}", &signing),
    };
    let target = target.replace("{F}", "f").replace("{L}", "l").replace("{N}", "1").replace("{Sid}", "s");
    let target = target.replace("{UUID}", &all.mapping).replace("{Resource}", &encoded(&arn("function:f")));
    (operation.method().to_owned(), target + query, body)
}

#[tokio::test]
async fn each_operation_is_authorized_as_its_actions_on_its_resources() {
    let all = Furnished::new().await;
    let rows = rows(&all);
    for operation in Operation::ALL {
        let known = rows.iter().any(|(row, ..)| row == operation);
        assert!(known || operation.name().contains("Durable"), "{} has no row", operation.name());
    }
    // First everything that is refused: what is allowed changes things.
    for (operation, query, body, wanted) in &rows {
        let ask = request(&all, *operation, query, body.clone());
        for (action, resource) in wanted {
            let policy = json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "*", "Resource": "*"},
                {"Effect": "Deny", "Action": action, "Resource": resource}]});
            let got = all.ask(&policy, &ask).await;
            let start =
                format!("is not authorized to perform: {action} on resource: {}", resource.trim_end_matches('*'));
            assert!(got.status == 403 && got.shown().contains(&start), "{} {}", operation.name(), got.shown());
        }
        let none = allowing(&[("s3:*", "*".to_owned())]);
        assert_eq!(all.ask(&none, &ask).await.status, 403, "{}", operation.name());
    }
    for (operation, query, body, wanted) in &rows {
        let got = all.ask(&allowing(wanted), &request(&all, *operation, query, body.clone())).await;
        assert_ne!(got.status, 403, "{}: more is asked for: {}", operation.name(), got.shown());
        assert!(got.status < 500, "{}: {}", operation.name(), got.shown());
    }
}

#[tokio::test]
async fn condition_keys_have_the_values_of_the_request_and_of_the_resource() {
    use Operation::*;
    let all = Furnished::new().await;
    let (layer, f) = (arn("layer:l:1"), arn("function:f"));
    let signing = all.signing.clone();
    let made = || {
        let mut made = create("made");
        made["CodeSigningConfigArn"] = json!(all.signing);
        made
    };
    let lets = |principal: &str| json!({"StatementId": "t", "Action": "lambda:GetAlias", "Principal": principal});
    let url = || json!({"StatementId": "u", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"});
    let vpc = || json!({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}});
    let mapping = || json!({"FunctionName": "f:live", "EventSourceArn": QUEUE, "Tags": {"Team": "red"}});
    let (tags, null) = (|| json!({"Tags": {"Team": "red"}}), || Value::Null);
    let signs = || json!({"CodeSigningConfigArn": all.signing});
    let publishers =
        || json!({"AllowedPublishers": {"SigningProfileVersionArns": [profile()]}, "Tags": {"Team": "red"}});
    for (key, value, operation, query, body) in [
        ("aws:RequestTag/team", "red", CreateFunction, "", made()),
        ("aws:RequestTag/Team", "red", TagResource, "", tags()),
        ("aws:RequestTag/Team", "red", CreateEventSourceMapping, "", mapping()),
        ("aws:RequestTag/Team", "red", CreateCodeSigningConfig, "", publishers()),
        ("aws:RequestTag/Team", "red", CreateCapacityProvider, "", provider("other")),
        ("aws:TagKeys", "Team", CreateFunction, "", made()),
        ("aws:TagKeys", "Team", TagResource, "", tags()),
        ("aws:TagKeys", "Team", CreateCodeSigningConfig, "", publishers()),
        ("aws:ResourceTag/team", "red", GetFunction, "", null()),
        ("aws:ResourceTag/Team", "red", Invoke, "?Qualifier=live", json!({})),
        ("aws:ResourceTag/Team", "red", UpdateFunctionCode, "", json!({"ZipFile": package()})),
        ("aws:ResourceTag/Team", "red", GetEventSourceMapping, "", null()),
        ("aws:ResourceTag/Team", "red", GetCodeSigningConfig, "", null()),
        ("aws:ResourceTag/Team", "red", GetCapacityProvider, "", null()),
        ("aws:ResourceAccount", ACCOUNT, GetFunction, "", null()),
        ("lambda:Layer", &layer, CreateFunction, "", made()),
        ("lambda:Layer", &layer, UpdateFunctionConfiguration, "", json!({"Layers": [layer]})),
        ("lambda:SubnetIds", "subnet-1", CreateFunction, "", made()),
        ("lambda:SecurityGroupIds", "sg-1", CreateFunction, "", made()),
        ("lambda:SubnetIds", "subnet-1", UpdateFunctionConfiguration, "", vpc()),
        ("lambda:SecurityGroupIds", "sg-1", UpdateFunctionConfiguration, "", vpc()),
        ("lambda:SubnetIds", "subnet-1", CreateCapacityProvider, "", provider("other")),
        ("lambda:SecurityGroupIds", "sg-1", CreateCapacityProvider, "", provider("other")),
        ("lambda:CodeSigningConfigArn", &signing, CreateFunction, "", made()),
        ("lambda:CodeSigningConfigArn", &signing, PutFunctionCodeSigningConfig, "", signs()),
        ("lambda:FunctionArn", &arn("function:f:live"), CreateEventSourceMapping, "", mapping()),
        ("lambda:FunctionArn", &f, UpdateEventSourceMapping, "", json!({})),
        ("lambda:FunctionArn", &f, GetEventSourceMapping, "", null()),
        ("lambda:FunctionArn", &f, CreateFunctionUrlConfig, "", json!({"AuthType": "AWS_IAM"})),
        ("lambda:FunctionArn", &f, GetFunctionUrlConfig, "", null()),
        ("lambda:Principal", "sns.amazonaws.com", AddPermission, "", lets("sns.amazonaws.com")),
        ("lambda:Principal", OTHER, AddPermission, "", lets(OTHER)),
        ("lambda:Principal", "sns.amazonaws.com", RemovePermission, "", null()),
        ("lambda:FunctionUrlAuthType", "NONE", AddPermission, "", url()),
        ("lambda:FunctionUrlAuthType", "NONE", CreateFunctionUrlConfig, "", json!({"AuthType": "NONE"})),
        ("lambda:FunctionUrlAuthType", "NONE", UpdateFunctionUrlConfig, "", json!({"AuthType": "NONE"})),
        ("lambda:FunctionUrlAuthType", "NONE", GetFunctionUrlConfig, "", null()),
        ("lambda:FunctionUrlAuthType", "NONE", ListFunctionUrlConfigs, "", null()),
        ("lambda:FunctionArn", &f, DeleteEventSourceMapping, "", null()),
        ("lambda:FunctionUrlAuthType", "NONE", DeleteFunctionUrlConfig, "", null()),
        ("aws:TagKeys", "Team", UntagResource, "?tagKeys=Team", null()),
    ] {
        let ask = request(&all, operation, query, body);
        let action = match operation {
            Invoke => "lambda:InvokeFunction".to_owned(),
            other => format!("lambda:{}", other.name()),
        };
        // The action itself under a condition; what else the operation asks for without.
        let policy = |value: &str| {
            json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "NotAction": action, "Resource": "*"},
                {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": {"StringEquals": {key: value}}}]})
        };
        let other = all.ask(&policy("something-else"), &ask).await;
        assert_eq!(other.status, 403, "{key} of {}: {}", operation.name(), other.shown());
        let fits = all.ask(&policy(value), &ask).await;
        assert_ne!(fits.status, 403, "{key} of {}: {}", operation.name(), fits.shown());
    }
}

#[tokio::test]
async fn a_document_may_not_let_in_whom_its_writer_may_not() {
    let all = Furnished::new().await;
    let only_sns = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:*", "Resource": "*",
        "Condition": {"StringEqualsIfExists": {"lambda:Principal": "sns.amazonaws.com"}}}]});
    let put = |principal: Value| {
        let document = json!({"Version": "2012-10-17", "Statement": [{"Sid": "a", "Effect": "Allow", "Action": "lambda:InvokeFunction",
            "Principal": principal, "Resource": arn("function:f")}]});
        request(&all, Operation::PutResourcePolicy, "", json!({"Policy": document.to_string()}))
    };
    let both = json!({"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]});
    for (principal, want) in
        [(json!("*"), 403), (both, 403), (json!({"AWS": OTHER}), 403), (json!({"Service": "sns.amazonaws.com"}), 200)]
    {
        assert_eq!(all.ask(&only_sns, &put(principal.clone())).await.status, want, "{principal}");
    }
}

#[tokio::test]
async fn tags_are_shown_to_whom_may_list_them() {
    let all = Furnished::new().await;
    let ask = request(&all, Operation::GetFunction, "", Value::Null);
    let got = all.ask(&allowing(&[("lambda:GetFunction", "*".into())]), &ask).await.json();
    assert_eq!(got["Tags"], Value::Null);
    assert_eq!(got["TagsError"]["ErrorCode"], "AccessDeniedException");
    let got =
        all.ask(&allowing(&[("lambda:GetFunction", "*".into()), ("lambda:ListTags", "*".into())]), &ask).await.json();
    assert_eq!((&got["Tags"]["Team"], &got["TagsError"]), (&json!("red"), &Value::Null));
}

/// The function's policy lets account 111111111111 do `action`.
async fn let_in(house: &House, action: &str, qualifier: &str) {
    let body =
        json!({"StatementId": action.replace([':', '*'], "-"), "Action": action, "Principal": OTHER}).to_string();
    let got = house.ask("POST", &format!("{FUNCTIONS}/f/policy{qualifier}"), &[], body.as_bytes()).await;
    assert_eq!(got.status, 201, "{}", got.shown());
}

#[tokio::test]
async fn another_account_does_to_a_function_what_both_sides_allow() {
    let all = Furnished::new().await;
    let (key, secret) = all.house.access.issue_key(&OTHER.parse().unwrap(), None, None, Timestamp(0)).unwrap();
    let their = Credentials::new(key.id, secret, None, None, "test");
    let f = encoded(&arn("function:f"));
    let absent = encoded(&arn("function:absent"));
    let ask = async |operation: Operation, name: &str, body: Value| {
        let target = operation.path().replace("{F}", name).replace("{Name}", "theirs").replace("{Resource}", name);
        let target = if operation == Operation::UntagResource { target + "?tagKeys=a" } else { target };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        all.house.ask_as(&their, "lambda", operation.method(), &target, &[], body.as_bytes()).await
    };
    use Operation::*;
    for (operation, body, status) in [
        (GetFunction, Value::Null, 200),
        (GetFunctionConfiguration, Value::Null, 200),
        (UpdateFunctionCode, json!({"ZipFile": package(), "DryRun": true}), 200),
        (PublishVersion, json!({}), 201),
        (ListVersionsByFunction, Value::Null, 200),
        (CreateAlias, json!({"Name": "theirs", "FunctionVersion": "1"}), 201),
        (GetAlias, Value::Null, 200),
        (ListAliases, Value::Null, 200),
        (UpdateAlias, json!({"Description": "d"}), 200),
        (DeleteAlias, Value::Null, 204),
        (GetPolicy, Value::Null, 200),
        (PutFunctionConcurrency, json!({"ReservedConcurrentExecutions": 5}), 200),
        (DeleteFunctionConcurrency, Value::Null, 204),
        (TagResource, json!({"Tags": {"a": "b"}}), 204),
        (ListTags, Value::Null, 200),
        (UntagResource, Value::Null, 204),
        (DeleteFunction, Value::Null, 204),
    ] {
        let before = ask(operation, &f, body.clone()).await;
        let nowhere = ask(operation, &absent, body.clone()).await;
        // The same words, whether it is there or not.
        assert_eq!(before.shown(), nowhere.shown().replace("function:absent", "function:f"), "{}", operation.name());
        assert!(before.shown().contains("because no resource-based policy allows"), "{}", before.shown());
        let_in(&all.house, &format!("lambda:{}", operation.name()), "").await;
        let after = ask(operation, &f, body).await;
        assert_eq!(after.status, status, "{} {}", operation.name(), after.shown());
        if operation == GetFunction {
            assert_eq!(after.json()["Configuration"]["FunctionArn"], arn("function:f"));
            assert_eq!(
                after.json()["TagsError"]["ErrorCode"],
                "AccessDeniedException",
                "their tags are asked for apart"
            );
        }
    }
    let gone = all.house.ask("GET", &format!("{FUNCTIONS}/f"), &[], b"").await;
    assert_eq!(gone.status, 404, "it was this account's function that they deleted");
}

#[tokio::test]
async fn what_no_policy_of_a_function_can_give_away_stays_at_home() {
    let all = Furnished::new().await;
    let (key, secret) = all.house.access.issue_key(&OTHER.parse().unwrap(), None, None, Timestamp(0)).unwrap();
    let their = Credentials::new(key.id, secret, None, None, "test");
    let_in(&all.house, "lambda:*", "").await;
    let f = encoded(&arn("function:f"));
    let open = all.house.ask_as(&their, "lambda", "GET", &format!("{FUNCTIONS}/{f}"), &[], b"").await;
    assert_eq!(open.status, 200);
    use Operation::*;
    for (operation, body) in [
        (UpdateFunctionConfiguration, json!({"Timeout": 9})),
        (AddPermission, json!({"StatementId": "t", "Action": "lambda:*", "Principal": "*"})),
        (RemovePermission, Value::Null),
        (CreateFunctionUrlConfig, json!({"AuthType": "NONE"})),
        (PutFunctionEventInvokeConfig, json!({"MaximumRetryAttempts": 0})),
        (PutFunctionRecursionConfig, json!({"RecursiveLoop": "Allow"})),
    ] {
        let target = operation.path().replace("{F}", &f).replace("{Sid}", "s");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let got = all.house.ask_as(&their, "lambda", operation.method(), &target, &[], body.as_bytes()).await;
        assert_eq!(got.status, 403, "{} {}", operation.name(), got.shown());
    }
    let mapping = json!({"FunctionName": arn("function:f"), "EventSourceArn": QUEUE}).to_string();
    assert_eq!(all.house.ask_as(&their, "lambda", "POST", MAPPINGS, &[], mapping.as_bytes()).await.status, 403);
    assert_eq!(all.house.ask_as(&root(), "lambda", "GET", &format!("{FUNCTIONS}/f"), &[], b"").await.status, 200);
}

#[tokio::test]
async fn what_is_tagged_is_what_was_authorized() {
    let all = Furnished::new().await;
    // Somewhere else, the user may tag what has the same name here.
    let abroad = arn("capacity-provider:cp").replace("us-east-1", "eu-west-1");
    let policy = allowing(&[("lambda:TagResource", abroad.clone()), ("lambda:ListTags", abroad.clone())]);
    let path = format!("/2017-03-31/tags/{}", encoded(&abroad));
    let tag = ("POST".to_owned(), path.clone(), json!({"Tags": {"Team": "blue"}}));
    assert_eq!(all.ask(&policy, &tag).await.status, 404);
    assert_eq!(all.ask(&policy, &("GET".to_owned(), path, Value::Null)).await.status, 404);
    let own = format!("/2017-03-31/tags/{}", encoded(&arn("capacity-provider:cp")));
    assert_eq!(all.house.ask("GET", &own, &[], b"").await.json()["Tags"]["Team"], "red");
}

#[tokio::test]
async fn operations_on_logs_are_authorized_by_group_and_stream() {
    use lacewing_lambda_api::LogsOperation::{self, *};
    let all = Furnished::new().await;
    let logs = |rest: &str| format!("arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{rest}");
    let (group, stream) = (json!({"logGroupName": "/g"}), json!({"logGroupName": "/g", "logStreamName": "s"}));
    let by_arn = json!({"resourceArn": logs("/g"), "tags": {"a": "b"}, "tagKeys": ["a"]});
    let tagged = json!({"logGroupName": "/g", "tags": {"a": "b"}});
    let days = json!({"logGroupName": "/g", "retentionInDays": 7});
    let whole = || vec![logs("/g:log-stream:")];
    let rows = [
        (CreateLogGroup, &tagged, vec![("CreateLogGroup", whole().remove(0)), ("TagResource", logs("/g"))]),
        (DescribeLogGroups, &Value::Null, vec![("DescribeLogGroups", logs(":log-stream:"))]),
        (DescribeLogStreams, &group, vec![("DescribeLogStreams", whole().remove(0))]),
        (GetLogEvents, &stream, vec![("GetLogEvents", logs("/g:log-stream:s"))]),
        (FilterLogEvents, &group, vec![("FilterLogEvents", whole().remove(0))]),
        (PutRetentionPolicy, &days, vec![("PutRetentionPolicy", whole().remove(0))]),
        (DeleteRetentionPolicy, &group, vec![("DeleteRetentionPolicy", whole().remove(0))]),
        (TagResource, &by_arn, vec![("TagResource", logs("/g"))]),
        (UntagResource, &by_arn, vec![("UntagResource", logs("/g"))]),
        (ListTagsForResource, &by_arn, vec![("ListTagsForResource", logs("/g"))]),
        (DeleteLogGroup, &group, vec![("DeleteLogGroup", whole().remove(0))]),
    ];
    assert_eq!(rows.len(), LogsOperation::ALL.len());
    let ask = async |policy: &Value, operation: LogsOperation, body: &Value| {
        let target = format!("{}{}", LogsOperation::TARGET_PREFIX, operation.name());
        let body = if body.is_null() { "{}".to_owned() } else { body.to_string() };
        let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.1")];
        all.house.ask_as(&all.key(policy), "logs", "POST", "/", &headers, body.as_bytes()).await
    };
    for (operation, body, wanted) in &rows {
        for (action, resource) in wanted {
            let policy = json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "*", "Resource": "*"},
                {"Effect": "Deny", "Action": format!("logs:{action}"), "Resource": resource}]});
            let got = ask(&policy, *operation, body).await;
            let text = format!("is not authorized to perform: logs:{action} on resource: {resource} with");
            assert!(got.status == 400 && got.shown().contains(&text), "{} {}", operation.name(), got.shown());
        }
    }
    for (operation, body, wanted) in &rows {
        let statements: Vec<(String, String)> =
            wanted.iter().map(|(action, resource)| (format!("logs:{action}"), resource.clone())).collect();
        let statements: Vec<_> =
            statements.iter().map(|(action, resource)| (action.as_str(), resource.clone())).collect();
        let got = ask(&allowing(&statements), *operation, body).await;
        assert!(!got.shown().contains("not authorized"), "{}: more is asked for: {}", operation.name(), got.shown());
        assert!(got.status < 500, "{}: {}", operation.name(), got.shown());
    }
}
