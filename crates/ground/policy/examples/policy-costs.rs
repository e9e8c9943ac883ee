//! What asking a policy costs: `cargo run --release -p lacewing-policy --example policy-costs`.
#![allow(clippy::unwrap_used, missing_docs)]

use lacewing_policy::{Facts, Kind, Policy, Question, Who};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 1_000_000;
const FUNCTION: &str = "arn:aws:lambda:us-east-1:111111111111:function:my-function";

fn main() {
    let facts = [("aws:sourceip", "203.0.113.9"), ("aws:username", "ann"), ("aws:requestedregion", "us-east-1")];
    for (what, statement) in [
        ("everything", r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
        (
            "one action on one function",
            r#"{"Effect":"Allow","Action":"lambda:InvokeFunction",
                "Resource":"arn:aws:lambda:us-east-1:111111111111:function:my-function"}"#,
        ),
        (
            "wildcards in action and function",
            r#"{"Effect":"Allow","Action":"lambda:Invoke*","Resource":"arn:aws:lambda:*:111111111111:function:my-*"}"#,
        ),
        (
            "a name in the function's and an address range",
            r#"{"Effect":"Allow","Action":"lambda:*","Resource":"arn:aws:lambda:*:*:function:my-*",
                "Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},
                             "StringLike":{"aws:username":"a*"},"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}"#,
        ),
    ] {
        let policy = Policy::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#), Kind::Identity);
        measure(what, &policy.unwrap(), &facts);
    }
    let many: Vec<String> = (0..50)
        .map(|n| format!(r#"{{"Effect":"Allow","Action":["s3:Get{n}*","sqs:*"],"Resource":"arn:aws:s3:::b{n}/*"}}"#))
        .collect();
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, many.join(","));
    measure("fifty statements of others", &Policy::parse(&policy, Kind::Identity).unwrap(), &facts);
}

fn measure(what: &str, policy: &Policy, facts: &dyn Facts) {
    let who = Who::Account { account: "111111111111", arn: "arn:aws:iam::111111111111:user/ann", role: None };
    let began = Instant::now();
    for _ in 0..ROUNDS {
        let asked = Question { action: black_box("lambda:InvokeFunction"), resource: black_box(FUNCTION), who, facts };
        black_box(policy.verdict(&asked));
    }
    println!("{what}: {} ns", began.elapsed().as_nanos() / u128::from(ROUNDS));
}
