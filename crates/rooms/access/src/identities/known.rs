//! Policies that AWS keeps for everyone and that tools for functions attach by ARN.
//!
//! Their documents are as published, cut down to the services that a caller can meet here or that functions are
//! known to use. Source: AWS Managed Policy Reference Guide.

use lacewing_policy::{Kind, Policy};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

macro_rules! allow {
    ($($actions:literal),*) => {
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["#,
            $($actions,)* "]}]}"
        )
    };
}

const EXECUTION: &str = allow!(r#""logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents""#);
const VPC: &str = allow!(
    r#""logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents","ec2:CreateNetworkInterface","#,
    r#""ec2:DescribeNetworkInterfaces","ec2:DescribeSubnets","ec2:DeleteNetworkInterface","#,
    r#""ec2:AssignPrivateIpAddresses","ec2:UnassignPrivateIpAddresses""#
);
const SQS: &str = allow!(
    r#""sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes","logs:CreateLogGroup","#,
    r#""logs:CreateLogStream","logs:PutLogEvents""#
);
const KINESIS: &str = allow!(
    r#""kinesis:DescribeStream","kinesis:DescribeStreamSummary","kinesis:GetRecords","kinesis:GetShardIterator","#,
    r#""kinesis:ListShards","kinesis:ListStreams","kinesis:SubscribeToShard","logs:CreateLogGroup","#,
    r#""logs:CreateLogStream","logs:PutLogEvents""#
);
const DYNAMODB: &str = allow!(
    r#""dynamodb:DescribeStream","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams","#,
    r#""logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents""#
);
const DYNAMODB_READ: &str = allow!(
    r#""dynamodb:BatchGetItem","dynamodb:Describe*","dynamodb:List*","dynamodb:GetItem","dynamodb:GetResourcePolicy","#,
    r#""dynamodb:PartiQLSelect","dynamodb:Query","dynamodb:Scan""#
);
const MSK: &str = allow!(
    r#""kafka:DescribeCluster","kafka:DescribeClusterV2","kafka:GetBootstrapBrokers","ec2:CreateNetworkInterface","#,
    r#""ec2:DescribeNetworkInterfaces","ec2:DescribeVpcs","ec2:DeleteNetworkInterface","ec2:DescribeSubnets","#,
    r#""ec2:DescribeSecurityGroups","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents""#
);
const XRAY: &str = allow!(
    r#""xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","#,
    r#""xray:GetSamplingStatisticSummaries""#
);
const DURABLE: &str = allow!(
    r#""lambda:CheckpointDurableExecution","lambda:GetDurableExecutionState","logs:CreateLogGroup","#,
    r#""logs:CreateLogStream","logs:PutLogEvents""#
);
const READ_ONLY: &str = allow!(
    r#""lambda:Get*","lambda:List*","logs:Describe*","logs:Get*","logs:Filter*","logs:List*","iam:GetRole","#,
    r#""iam:GetPolicy","iam:GetPolicyVersion","iam:GetRolePolicy","iam:ListRoles","iam:ListRolePolicies","#,
    r#""iam:ListAttachedRolePolicies""#
);
const FULL: &str = concat!(
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["lambda:*","logs:DescribeLogGroups","#,
    r#""iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","#,
    r#""iam:ListRolePolicies","iam:ListRoles","sqs:*","sns:*","events:*","states:*","kinesis:*","dynamodb:*"]},"#,
    r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"#,
    r#""lambda.amazonaws.com"}}},{"Effect":"Allow","Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*","#,
    r#""Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents"]}]}"#
);
const POWER_USER: &str = concat!(
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"#,
    r#""Resource":"*"},{"Effect":"Allow","Action":["iam:ListRoles","iam:GetRole"],"Resource":"*"}]}"#
);

/// ARN and document of each, by ARN.
pub const AWS_POLICIES: [(&str, &str); 32] = [
    ("arn:aws:iam::aws:policy/AWSLambdaExecute", allow!(r#""logs:*","s3:GetObject","s3:PutObject""#)),
    (
        "arn:aws:iam::aws:policy/AWSLambdaInvocation-DynamoDB",
        allow!(
            r#""lambda:InvokeFunction","dynamodb:DescribeStream","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams""#
        ),
    ),
    ("arn:aws:iam::aws:policy/AWSLambda_FullAccess", FULL),
    ("arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess", READ_ONLY),
    ("arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess", allow!(r#""states:*""#)),
    ("arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess", XRAY),
    ("arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess", XRAY),
    ("arn:aws:iam::aws:policy/AdministratorAccess", allow!(r#""*""#)),
    // Of policies for other services, what they allow at Lambda and IAM besides is left out.
    ("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess", allow!(r#""dynamodb:*""#)),
    ("arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess", DYNAMODB_READ),
    (
        "arn:aws:iam::aws:policy/AmazonEventBridgeFullAccess",
        allow!(r#""events:*","schemas:*","scheduler:*","pipes:*""#),
    ),
    ("arn:aws:iam::aws:policy/AmazonKinesisFullAccess", allow!(r#""kinesis:*""#)),
    ("arn:aws:iam::aws:policy/AmazonS3FullAccess", allow!(r#""s3:*","s3-object-lambda:*""#)),
    ("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", allow!(r#""s3:Get*","s3:List*","s3:Describe*""#)),
    ("arn:aws:iam::aws:policy/AmazonSESFullAccess", allow!(r#""ses:*""#)),
    ("arn:aws:iam::aws:policy/AmazonSNSFullAccess", allow!(r#""sns:*""#)),
    ("arn:aws:iam::aws:policy/AmazonSQSFullAccess", allow!(r#""sqs:*""#)),
    ("arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess", allow!(r#""ssm:Describe*","ssm:Get*","ssm:List*""#)),
    ("arn:aws:iam::aws:policy/CloudWatchLambdaInsightsExecutionRolePolicy", EXECUTION),
    ("arn:aws:iam::aws:policy/CloudWatchLogsFullAccess", allow!(r#""logs:*""#)),
    (
        "arn:aws:iam::aws:policy/CloudWatchLogsReadOnlyAccess",
        allow!(
            r#""logs:Describe*","logs:Get*","logs:List*","logs:StartQuery","logs:StopQuery","logs:TestMetricFilter","logs:FilterLogEvents""#
        ),
    ),
    ("arn:aws:iam::aws:policy/IAMFullAccess", allow!(r#""iam:*""#)),
    ("arn:aws:iam::aws:policy/PowerUserAccess", POWER_USER),
    ("arn:aws:iam::aws:policy/SecretsManagerReadWrite", allow!(r#""secretsmanager:*""#)),
    ("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy", DURABLE),
    ("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole", EXECUTION),
    ("arn:aws:iam::aws:policy/service-role/AWSLambdaDynamoDBExecutionRole", DYNAMODB),
    ("arn:aws:iam::aws:policy/service-role/AWSLambdaKinesisExecutionRole", KINESIS),
    ("arn:aws:iam::aws:policy/service-role/AWSLambdaMSKExecutionRole", MSK),
    ("arn:aws:iam::aws:policy/service-role/AWSLambdaRole", allow!(r#""lambda:InvokeFunction""#)),
    ("arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole", SQS),
    ("arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole", VPC),
];

/// Compiled once: they are constants.
static COMPILED: LazyLock<HashMap<&'static str, Arc<Policy>>> = LazyLock::new(|| {
    let each = AWS_POLICIES.iter();
    each.filter_map(|(arn, text)| Some((*arn, Arc::new(Policy::parse(text, Kind::Identity).ok()?)))).collect()
});

/// The document of one of AWS's own policies.
pub(crate) fn aws_document(arn: &str) -> Option<&'static str> {
    AWS_POLICIES.iter().find(|(known, _)| *known == arn).map(|(_, document)| *document)
}

/// The same, compiled.
pub(crate) fn aws_policy(arn: &str) -> Option<Arc<Policy>> {
    COMPILED.get(arn).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_a_policy_and_stands_in_order() {
        assert_eq!(COMPILED.len(), AWS_POLICIES.len());
        assert!(AWS_POLICIES.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
