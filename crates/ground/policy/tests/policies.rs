//! Whole documents: what they say, and what is refused with which words.
#![allow(clippy::unwrap_used)]

use lacewing_policy::{Facts, Kind, Policy, Question, Reach, Verdict, Who};
use proptest::prelude::*;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:111111111111:function:f";
const USER: Who<'_> = Who::Account { account: "111111111111", arn: "arn:aws:iam::111111111111:user/ann", role: None };
const ALLOWED: Verdict = Verdict::Allow(Reach::Caller);

fn asked<'a>(action: &'a str, resource: &'a str, who: Who<'a>, facts: &'a dyn Facts) -> Question<'a> {
    Question { action, resource, who, facts }
}

/// A document of version 2012-10-17 with these statements.
fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#)
}

fn verdict(statements: &str, action: &str, resource: &str) -> Verdict {
    let policy = Policy::parse(&document(statements), Kind::Identity).unwrap();
    let facts = [("aws:username", "ann"), ("aws:requestedregion", "us-east-1")];
    policy.verdict(&asked(action, resource, USER, &facts))
}

#[test]
fn statements_say_what_they_are_written_to_say() {
    let invoke = "lambda:InvokeFunction";
    for (why, statements, action, want) in [
        ("all", r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, invoke, ALLOWED),
        ("case", r#"{"Effect":"Allow","Action":"LAMBDA:invoke*","Resource":"*"}"#, invoke, ALLOWED),
        ("a list", r#"[{"Effect":"Allow","Action":["s3:*","lambda:*"],"Resource":["*"]}]"#, invoke, ALLOWED),
        ("another action", r#"{"Effect":"Allow","Action":"lambda:Get*","Resource":"*"}"#, invoke, Verdict::Silent),
        (
            "another resource",
            r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:lambda:us-east-1:111111111111:function:g"}"#,
            invoke,
            Verdict::Silent,
        ),
        (
            "a denial wins, in whatever order",
            r#"[{"Effect":"Deny","Action":"lambda:Invoke*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]"#,
            invoke,
            Verdict::Deny,
        ),
        (
            "a denial of something else",
            r#"[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]"#,
            invoke,
            ALLOWED,
        ),
        ("not these", r#"{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}"#, invoke, ALLOWED),
        ("but those", r#"{"Effect":"Allow","NotAction":"lambda:*","Resource":"*"}"#, invoke, Verdict::Silent),
        (
            "not that resource",
            r#"{"Effect":"Deny","Action":"*","NotResource":"arn:aws:lambda:*:*:function:g"}"#,
            invoke,
            Verdict::Deny,
        ),
        (
            "all conditions hold",
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"ann",
               "aws:RequestedRegion":["eu-west-1","us-east-1"]},"Null":{"aws:MultiFactorAuthAge":"true"}}}"#,
            invoke,
            ALLOWED,
        ),
        (
            "one condition does not",
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"ann",
               "aws:RequestedRegion":"eu-west-1"}}}"#,
            invoke,
            Verdict::Silent,
        ),
        (
            "of conditions that are written twice, both",
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"bob"},
               "StringEquals":{"aws:username":"ann"}}}"#,
            invoke,
            Verdict::Silent,
        ),
        (
            "a variable in a resource",
            r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:lambda:*:*:function:${aws:username, 'f'}"}"#,
            invoke,
            Verdict::Silent,
        ),
    ] {
        assert_eq!(verdict(statements, action, FUNCTION), want, "{why}");
    }
}

#[test]
fn variables_mean_nothing_in_documents_of_the_old_version() {
    let statement = r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"}"#;
    let old = format!(r#"{{"Statement":{statement}}}"#);
    let facts = [("aws:username", "ann")];
    let of = |text: &str, resource: &str| {
        Policy::parse(text, Kind::Identity).unwrap().verdict(&asked("s3:Get", resource, USER, &facts))
    };
    assert_eq!(of(&document(statement), "arn:aws:s3:::ann"), ALLOWED);
    assert_eq!(of(&old, "arn:aws:s3:::ann"), Verdict::Silent);
    assert_eq!(of(&old, "arn:aws:s3:::${aws:username}"), ALLOWED);
}

#[test]
fn a_resource_policy_tells_a_caller_from_an_account() {
    let text = document(
        r#"[{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},
             "Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:999999999999:function:f"},
            {"Sid":"b","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction",
             "Resource":"arn:aws:lambda:us-east-1:999999999999:function:f",
             "Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"}}}]"#,
    );
    let policy = Policy::parse(&text, Kind::Resource).unwrap();
    let resource = "arn:aws:lambda:us-east-1:999999999999:function:f";
    let from = |who, facts: &dyn Facts| policy.verdict(&asked("lambda:InvokeFunction", resource, who, facts));
    assert_eq!(from(USER, &()), Verdict::Allow(Reach::Account));
    assert_eq!(from(Who::Service("s3.amazonaws.com"), &()), Verdict::Silent);
    assert_eq!(from(Who::Service("s3.amazonaws.com"), &[("aws:sourcearn", "arn:aws:s3:::bucket")]), ALLOWED);
    assert_eq!(from(Who::Anyone, &()), Verdict::Silent);
}

#[test]
fn what_is_no_policy_is_refused_in_words_that_help() {
    for (kind, text, want) in [
        (Kind::Identity, "{".to_owned(), "Syntax errors in policy. EOF while parsing"),
        (Kind::Identity, "[]".to_owned(), "Syntax errors in policy."),
        (Kind::Identity, r#"{"Statement":[],"Version":"2012-10-17"}"#.to_owned(), "at least one"),
        (Kind::Identity, r#"{"Version":"2012-10-17","Statements":[]}"#.to_owned(), "unknown field `Statements`"),
        (
            Kind::Identity,
            r#"{"Version":"2013","Statement":{}}"#.to_owned(),
            "The policy must contain a valid version string",
        ),
        (
            Kind::Identity,
            document(r#"{"Effect":"allow","Action":"*","Resource":"*"}"#),
            "Effect is \"Allow\" or \"Deny\". (statement 1)",
        ),
        (Kind::Identity, document(r#"{"Effect":"Allow","Resource":"*"}"#), "Policy statement must contain actions."),
        (Kind::Identity, document(r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#), "Action is a string or a list"),
        (
            Kind::Identity,
            document(r#"{"Effect":"Allow","Action":"*","NotAction":"a:b","Resource":"*"}"#),
            "Action or NotAction, not both",
        ),
        (Kind::Identity, document(r#"{"Effect":"Allow","Action":"*"}"#), "Policy statement must contain resources."),
        (
            Kind::Identity,
            document(r#"{"Effect":"Allow","Action":"invoke","Resource":"*"}"#),
            "must be prefaced by a vendor",
        ),
        (
            Kind::Identity,
            document(r#"{"Effect":"Allow","Action":"lambda:","Resource":"*"}"#),
            "must be prefaced by a vendor",
        ),
        (
            Kind::Identity,
            document(r#"{"Effect":"Allow","Action":"*","Resource":"f"}"#),
            "Resource f must be in ARN format",
        ),
        (
            Kind::Identity,
            document(r#"{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}"#),
            "should not specify a principal",
        ),
        (
            Kind::Identity,
            document(r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":"x"}}"#),
            "expected a map",
        ),
        (
            Kind::Identity,
            document(r#"{"Effect":"Allow","Action":"*","Resource":"*","Conditions":{}}"#),
            "unknown field `Conditions`",
        ),
        (
            Kind::Identity,
            document(
                r#"[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]"#,
            ),
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        (
            Kind::Resource,
            document(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
            "Missing required field Principal",
        ),
        (
            Kind::Trust,
            document(r#"{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*","Resource":"*"}"#),
            "Has prohibited field Resource",
        ),
        (
            Kind::Trust,
            document(r#"{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"x"}}"#),
            "Invalid principal in policy: \"AWS\":\"x\"",
        ),
        (
            Kind::Identity,
            document(r#"{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}"#),
            "duplicate field `Effect`",
        ),
        (
            Kind::Identity,
            document(r#"{"Effect":"Allow","Action":"*","Action":"a:b","Resource":"*"}"#),
            "duplicate field `Action`",
        ),
        (Kind::Trust, document(r#"{"Effect":"Deny","Action":"*","Principal":"ann"}"#), "Principal is"),
        (Kind::Trust, document(r#"{"Effect":"Deny","Action":"*","Principal":["*"]}"#), "expected \"*\", or a map"),
        (Kind::Identity, document("\"all\""), "expected a statement, or a list of statements"),
        (Kind::Identity, " ".repeat(200_000), "longer than"),
        (Kind::Identity, "[".repeat(10_000), "Syntax errors in policy."),
    ] {
        let refused = Policy::parse(&text, kind).unwrap_err().to_string();
        assert!(refused.contains(want), "{text:.120}\n{refused}");
    }
}

/// Texts out of what policies are made of, right or wrong.
fn anything() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        Just("\"Effect\"".to_owned()),
        Just("\"Allow\"".to_owned()),
        Just("\"Action\"".to_owned()),
        Just("\"Resource\"".to_owned()),
        Just("\"Statement\"".to_owned()),
        Just("\"Version\":\"2012-10-17\",".to_owned()),
        Just("\"Condition\":{\"StringLike\":{\"aws:username\":\"${aws:".to_owned()),
        Just("\"ForAllValues:NumericLessThanIfExists\":".to_owned()),
        Just("\"Principal\":{\"AWS\":".to_owned()),
        Just("\"arn:aws:lambda:*:${\"".to_owned()),
        "[{}\\[\\]:,\"*?$0-9a-zé]{1,4}",
    ];
    prop::collection::vec(atom, 0..24).prop_map(|parts| parts.concat())
}

/// Patterns and texts over few letters, so that they often meet.
fn glob() -> impl Strategy<Value = (String, String)> {
    ("[ab*?:]{0,12}", "[ab:]{0,14}")
}

/// What a glob means, without any cleverness.
fn plainly(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => plainly(rest, text) || !text.is_empty() && plainly(pattern, &text[1..]),
        (Some((b'?', rest)), Some((_, text))) => plainly(rest, text),
        (Some((want, rest)), Some((got, text))) => want == got && plainly(rest, text),
        _ => false,
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in anything(), noise in ".{0,64}") {
        for kind in [Kind::Identity, Kind::Resource, Kind::Trust] {
            let _ = Policy::parse(&text, kind);
            let _ = Policy::parse(&noise, kind);
            let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":{noise:?},"Principal":{noise:?}}}"#);
            let _ = Policy::parse(&document(&statement), kind);
            // A good document with a piece cut out.
            let good = document(r#"[{"Sid":"é","Effect":"Allow","Action":["lambda:*"],"Resource":"arn:aws:lambda:*"}]"#);
            let (from, to) = (text.len() % good.len(), noise.len() % good.len());
            if let (Some(head), Some(tail)) = (good.get(..from.min(to)), good.get(from.max(to)..)) {
                let _ = Policy::parse(&format!("{head}{tail}"), kind);
            }
        }
    }

    #[test]
    fn likeness_is_what_a_plain_matcher_says((pattern, text) in glob()) {
        let condition = format!(r#"{{"StringLike":{{"aws:username":"{pattern}"}}}}"#);
        let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}"#);
        let policy = Policy::parse(&document(&statement), Kind::Identity).unwrap();
        let facts = [("aws:username", text.as_str())];
        let got = policy.verdict(&asked("a:b", "*", USER, &facts)) == ALLOWED;
        prop_assert_eq!(got, plainly(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn a_denial_is_never_outvoted(before in 0_usize..4, after in 0_usize..4) {
        let allow = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
        let mut statements = vec![allow; before];
        statements.push(r#"{"Effect":"Deny","Action":"lambda:Invoke*","Resource":"*"}"#);
        statements.extend(vec![allow; after]);
        let statements = format!("[{}]", statements.join(","));
        prop_assert_eq!(verdict(&statements, "lambda:InvokeFunction", FUNCTION), Verdict::Deny);
    }
}
