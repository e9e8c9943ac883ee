//! Identities and what they may do, through the room's public words.
#![allow(clippy::unwrap_used)]

use lacewing_access::{
    Access, AccessOptions, AssumeRole, Caller, CallerFacts, Fact, Facts, Holder, IdentityError, IdentityOptions, Kind,
    NewPolicy, NewRole, NewUser, Policy, Principal, Seed, Store, Wish,
};
use lacewing_model::{AccountId, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_795_489_200_000); // 2026-11-24T03:00:00Z
const INVOKE: &str = "lambda:InvokeFunction";
const OWN: &str = "arn:aws:lambda:us-east-1:111111111111:function:f";
const FOREIGN: &str = "arn:aws:lambda:us-east-1:222222222222:function:f";
const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:*","Resource":"*"}}"#;
const DENY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"lambda:Invoke*","Resource":"*"}}"#;

fn account() -> AccountId {
    "111111111111".parse().unwrap()
}

fn room(store: Store, strict_roles: bool) -> Access {
    let options = AccessOptions { account: account(), strict_region: None, root_keys: Vec::new(), metrics_token: None };
    Access::open(options, IdentityOptions { store, seed: Seed::new([1; 32]), strict_roles }).unwrap()
}

fn fresh() -> Access {
    room(Store::in_memory().unwrap(), false)
}

fn at(path: &Path) -> Access {
    room(Store::open(path).unwrap(), false)
}

fn caller(principal: Principal) -> Caller {
    Caller::new(account(), "us-east-1".parse().unwrap(), principal, "lambda")
}

fn user(access: &Access, name: &str) -> Caller {
    let user = access.create_user(&account(), NewUser { name: name.into(), ..NewUser::default() }, NOW).unwrap();
    caller(Principal::User {
        name: name.into(),
        id: user.id.into(),
        arn: format!("arn:aws:iam::111111111111:user/{name}").into(),
    })
}

fn role(access: &Access, name: &str, trust: &str) {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{trust},"Action":"sts:AssumeRole"}}}}"#
    );
    access.create_role(&account(), NewRole { name: name.into(), trust, ..NewRole::default() }, NOW).unwrap();
}

fn function(name: &str) -> Caller {
    let role = format!("arn:aws:iam::111111111111:role/{name}").parse().unwrap();
    caller(Principal::Function { role, function: "f".parse().unwrap(), home: "us-east-1".parse().unwrap() })
}

fn facts<'a>(access: &'a Access, caller: &'a Caller) -> CallerFacts<'a> {
    CallerFacts { access, caller, now: NOW, source: None, encrypted: false, agent: None }
}

/// What the caller hears: empty where it may.
fn asks(access: &Access, caller: &Caller, action: &str, resource: &str, policy: Option<&str>) -> String {
    let policy = policy.map(|text| Policy::parse(text, Kind::Resource).unwrap());
    let wish = Wish { action, resource, policy: policy.as_ref(), about: &[("aws:resourcetag/team", "red")] };
    access.allows(&wish, &facts(access, caller), &()).map_or_else(|error| error.to_string(), |()| String::new())
}

#[test]
fn a_refusal_says_which_policy_is_in_the_way() {
    let access = fresh();
    let ann = user(&access, "ann");
    let start =
        format!("User: arn:aws:iam::111111111111:user/ann is not authorized to perform: {INVOKE} on resource: ");
    let ask = |resource, policy| asks(&access, &ann, INVOKE, resource, policy);
    assert_eq!(ask(OWN, None), format!("{start}{OWN} because no identity-based policy allows the {INVOKE} action"));
    let holder = Holder::User("ann");
    access.put_inline_policy(&account(), holder, "p", ALLOW).unwrap();
    assert_eq!(ask(OWN, None), "");
    assert_eq!(
        ask(FOREIGN, None),
        format!("{start}{FOREIGN} because no resource-based policy allows the {INVOKE} action")
    );
    access.put_inline_policy(&account(), holder, "q", DENY).unwrap();
    assert_eq!(ask(OWN, None), format!("{start}{OWN} with an explicit deny in an identity-based policy"));
    access.delete_inline_policy(&account(), holder, "q").unwrap();
    let denied = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"lambda:*","Resource":"*"}}"#;
    assert_eq!(ask(OWN, Some(denied)), format!("{start}{OWN} with an explicit deny in a resource-based policy"));

    let bound = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:Get*","Resource":"*"}}"#;
    let bound = NewPolicy { name: "b".into(), document: bound.into(), ..NewPolicy::default() };
    let bound = access.create_policy(&account(), bound, NOW).unwrap().arn;
    access.set_boundary(&account(), holder, Some(&bound)).unwrap();
    assert_eq!(ask(OWN, None), format!("{start}{OWN} because no permissions boundary allows the {INVOKE} action"));
    assert_eq!(asks(&access, &ann, "lambda:GetFunction", OWN, None), "");
    access.create_policy_version(&account(), &bound, DENY.into(), true, NOW).unwrap();
    assert_eq!(ask(OWN, None), format!("{start}{OWN} with an explicit deny in a permissions boundary"));
    access.set_boundary(&account(), holder, None).unwrap();
    assert_eq!(ask(OWN, None), "");
}

#[test]
fn accounts_meet_only_where_both_sides_say_so() {
    let access = fresh();
    let (ann, bob) = (user(&access, "ann"), user(&access, "bob"));
    access.put_inline_policy(&account(), Holder::User("ann"), "p", ALLOW).unwrap();
    let root = caller(Principal::Root);
    let lets_in = |principal: &str| {
        format!(r#"{{"Statement":{{"Effect":"Allow","Principal":{principal},"Action":"{INVOKE}","Resource":"*"}}}}"#)
    };
    let to_account = lets_in(r#"{"AWS":"111111111111"}"#);
    let to_bob = lets_in(r#"{"AWS":"arn:aws:iam::111111111111:user/bob"}"#);
    let to_other = lets_in(r#"{"AWS":"333333333333"}"#);
    for (why, caller, resource, policy, want) in [
        ("root in its account", &root, OWN, None, true),
        ("root is a stranger elsewhere", &root, FOREIGN, None, false),
        ("root of a trusted account", &root, FOREIGN, Some(&to_account), true),
        ("a user with the right, of a trusted account", &ann, FOREIGN, Some(&to_account), true),
        ("a user without the right", &bob, FOREIGN, Some(&to_account), false),
        ("named elsewhere, but without the right", &bob, FOREIGN, Some(&to_bob), false),
        ("named at home: nothing else is needed", &bob, OWN, Some(&to_bob), true),
        ("the account at home leaves it to the user's own policies", &bob, OWN, Some(&to_account), false),
        ("a stranger's account", &ann, FOREIGN, Some(&to_other), false),
        ("everyone", &ann, FOREIGN, Some(&lets_in(r#""*""#)), true),
    ] {
        assert_eq!(asks(&access, caller, INVOKE, resource, policy.map(String::as_str)).is_empty(), want, "{why}");
    }
}

#[test]
fn a_functions_role_decides_once_it_is_made() {
    let access = fresh();
    let running = function("r");
    let may = |access: &Access, action: &str| asks(access, &running, action, OWN, None).is_empty();
    assert!(may(&access, INVOKE) && may(&access, "logs:GetLogEvents") && !may(&access, "lambda:DeleteFunction"));
    assert!(!asks(&access, &running, INVOKE, FOREIGN, None).is_empty());
    role(&access, "r", r#"{"Service":"lambda.amazonaws.com"}"#);
    assert!(!may(&access, INVOKE) && !may(&access, "logs:GetLogEvents"));
    let execute = "arn:aws:iam::aws:policy/service-role/AWSLambdaRole";
    access.attach_policy(&account(), Holder::Role("r"), execute).unwrap();
    assert!(may(&access, INVOKE) && !may(&access, "lambda:GetFunction"));
    let strict = room(Store::in_memory().unwrap(), true);
    assert!(!may(&strict, INVOKE));
    // A role of that name in another account is none of this function's.
    let role = "arn:aws:iam::222222222222:role/r".parse().unwrap();
    let foreign =
        caller(Principal::Function { role, function: "f".parse().unwrap(), home: "us-east-1".parse().unwrap() });
    assert!(!asks(&access, &foreign, "lambda:DeleteFunction", OWN, None).is_empty());
    let names_it = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:role/r"},"Action":"*","Resource":"*"}}"#;
    assert!(!asks(&access, &foreign, "lambda:DeleteFunction", OWN, Some(names_it)).is_empty());
}

#[test]
fn a_change_of_a_managed_policy_reaches_whoever_has_it() {
    let access = fresh();
    let ann = user(&access, "ann");
    let new = NewPolicy { name: "p".into(), document: DENY.into(), ..NewPolicy::default() };
    let arn = access.create_policy(&account(), new, NOW).unwrap().arn;
    access.attach_policy(&account(), Holder::User("ann"), &arn).unwrap();
    assert!(!asks(&access, &ann, INVOKE, OWN, None).is_empty());
    assert_eq!(access.create_policy_version(&account(), &arn, ALLOW.into(), false, NOW).unwrap(), 2);
    assert!(!asks(&access, &ann, INVOKE, OWN, None).is_empty(), "not in force yet");
    access.set_default_version(&account(), &arn, 2, NOW).unwrap();
    assert_eq!(asks(&access, &ann, INVOKE, OWN, None), "");
    assert!(matches!(access.delete_policy(&account(), &arn), Err(IdentityError::InUse(_))));
    assert!(matches!(access.delete_policy_version(&account(), &arn, 2), Err(IdentityError::InUse(_))));
    access.delete_policy_version(&account(), &arn, 1).unwrap();
    access.detach_policy(&account(), Holder::User("ann"), &arn).unwrap();
    access.delete_policy(&account(), &arn).unwrap();
    assert!(!asks(&access, &ann, INVOKE, OWN, None).is_empty());
}

#[test]
fn identities_outlive_the_process_and_a_new_user_of_an_old_name_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lacewing.db");
    let (secret, id) = {
        let access = at(&path);
        user(&access, "ann");
        access.put_inline_policy(&account(), Holder::User("ann"), "p", ALLOW).unwrap();
        role(&access, "r", r#"{"AWS":"111111111111"}"#);
        let (key, secret) = access.create_key(&account(), Some("ann"), NOW).unwrap();
        (secret, key.id)
    };
    let bytes = std::fs::read(&path).unwrap();
    let wal = std::fs::read(path.with_extension("db-wal")).unwrap_or_default();
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds(&bytes, &secret) && !holds(&wal, &secret), "the secret lies in the database");

    let access = at(&path);
    assert_eq!(access.keys(&account(), Some("ann")).unwrap()[0].id, id);
    assert_eq!(access.role(&account(), "r").unwrap().session_seconds_max, 3_600);
    let record = access.user(&account(), "ann").unwrap();
    let ann =
        caller(Principal::User { name: "ann".into(), id: record.id.into(), arn: "arn:aws:iam::1:user/ann".into() });
    assert_eq!(asks(&access, &ann, INVOKE, OWN, None), "");

    assert!(matches!(access.delete_user(&account(), "ann"), Err(IdentityError::InUse(_))));
    access.delete_inline_policy(&account(), Holder::User("ann"), "p").unwrap();
    access.delete_key(&account(), Some("ann"), &id).unwrap();
    access.delete_user(&account(), "ann").unwrap();
    user(&access, "ann");
    access.put_inline_policy(&account(), Holder::User("ann"), "p", ALLOW).unwrap();
    assert!(!asks(&access, &ann, INVOKE, OWN, None).is_empty(), "a session of the former user");
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts() {
    let access = fresh();
    let (ann, root) = (user(&access, "ann"), caller(Principal::Root));
    role(&access, "open", r#"{"AWS":"111111111111"}"#);
    role(&access, "named", r#"{"AWS":"arn:aws:iam::111111111111:user/ann"}"#);
    role(&access, "lambda", r#"{"Service":"lambda.amazonaws.com"}"#);
    let assume = |caller: &Caller, role: &str, policy| {
        let role = format!("arn:aws:iam::111111111111:role/{role}");
        let ask = AssumeRole {
            role: &role,
            session: "s1",
            seconds: None,
            policy,
            external_id: None,
            managed: &[],
            tags: &BTreeMap::new(),
        };
        access.assume_role(caller, &ask, &facts(&access, caller))
    };
    for (caller, role, want) in [
        (&root, "open", true),
        (&root, "named", false),
        (&root, "lambda", false),
        (&root, "absent", false),
        (&ann, "open", false),
        (&ann, "named", true),
    ] {
        assert_eq!(assume(caller, role, None).is_ok(), want, "{} {role}", caller.arn());
    }
    let text = assume(&ann, "open", None).unwrap_err().to_string();
    assert_eq!(
        text,
        "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: sts:AssumeRole on resource: \
         arn:aws:iam::111111111111:role/open"
    );
    // A session that outlived its role is nobody, even where a policy names the role.
    let gone = access.role(&account(), "open").unwrap();
    let session = caller(Principal::Assumed {
        role: "arn:aws:iam::111111111111:role/open".parse().unwrap(),
        id: gone.id.into(),
        session: "s1".into(),
        policy: None,
        managed: [].into(),
        tags: Arc::default(),
        since: NOW,
    });
    let named = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/open"},"Action":"lambda:*","Resource":"*"}}"#;
    assert_eq!(asks(&access, &session, INVOKE, OWN, Some(named)), "");
    access.delete_role(&account(), "open").unwrap();
    role(&access, "open", r#"{"AWS":"111111111111"}"#);
    assert!(asks(&access, &session, INVOKE, OWN, Some(named)).ends_with(" because the user or role is gone"));

    let assumed = assume(&ann, "named", Some(ALLOW)).unwrap();
    assert_eq!(assumed.arn, "arn:aws:sts::111111111111:assumed-role/named/s1");
    assert_eq!(assumed.expires, Timestamp(NOW.0 + 3_600_000));
    assert!(matches!(
        assume(&ann, "named", Some("{}")).unwrap_err().to_string().as_str(),
        text if text.starts_with("Syntax errors in policy.")
    ));
}

#[test]
fn what_has_no_form_or_no_place_is_refused() {
    let access = fresh();
    user(&access, "ann");
    let holder = Holder::User("ann");
    let long =
        format!(r#"{{"Statement":{{"Sid":"{}","Effect":"Allow","Action":"*","Resource":"*"}}}}"#, "x".repeat(2_048));
    for (why, result) in [
        (
            "a bad name",
            access.create_user(&account(), NewUser { name: "a b".into(), ..NewUser::default() }, NOW).map(drop),
        ),
        (
            "a taken name",
            access.create_user(&account(), NewUser { name: "ann".into(), ..NewUser::default() }, NOW).map(drop),
        ),
        ("no document", access.put_inline_policy(&account(), holder, "p", "{}")),
        ("a long document", access.put_inline_policy(&account(), holder, "p", &long)),
        ("no such policy", access.attach_policy(&account(), holder, "arn:aws:iam::111111111111:policy/none")),
        (
            "no such holder",
            access.attach_policy(&account(), Holder::Role("r"), "arn:aws:iam::aws:policy/AdministratorAccess"),
        ),
        ("not attached", access.detach_policy(&account(), holder, "arn:aws:iam::aws:policy/AdministratorAccess")),
    ] {
        assert!(result.is_err(), "{why}");
    }
    assert_eq!(access.grants(&account(), holder).unwrap(), lacewing_access::Grants::default(), "nothing was changed");
    for _ in 0..2 {
        access.create_key(&account(), Some("ann"), NOW).unwrap();
    }
    let third = access.create_key(&account(), Some("ann"), NOW).unwrap_err().to_string();
    assert_eq!(third, "Cannot exceed quota for AccessKeysPerUser: 2");
}

#[test]
fn of_another_accounts_resource_nothing_is_told() {
    let access = fresh();
    let ann = user(&access, "ann");
    // A policy of one's own that would tell a tag apart, were it shown.
    let probe = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}}]}"#;
    access.put_inline_policy(&account(), Holder::User("ann"), "p", probe).unwrap();
    let statement = |effect: &str, principal: &str| {
        format!(r#"{{"Statement":{{"Effect":"{effect}","Principal":{principal},"Action":"lambda:*","Resource":"*"}}}}"#)
    };
    let absent = asks(&access, &ann, INVOKE, FOREIGN, None);
    assert!(absent.ends_with("because no resource-based policy allows the lambda:InvokeFunction action"), "{absent}");
    assert_eq!(asks(&access, &ann, INVOKE, FOREIGN, Some(&statement("Deny", r#""*""#))), absent);
    assert_eq!(asks(&access, &ann, INVOKE, FOREIGN, Some(&statement("Allow", r#"{"AWS":"333333333333"}"#))), absent);
    let let_in = asks(&access, &ann, INVOKE, FOREIGN, Some(&statement("Allow", r#"{"AWS":"111111111111"}"#)));
    assert!(let_in.ends_with("with an explicit deny in an identity-based policy"), "{let_in}");
    assert!(asks(&access, &ann, INVOKE, OWN, None).ends_with("with an explicit deny in an identity-based policy"));
}

#[test]
fn what_narrows_a_session_holds_unless_the_session_itself_is_named() {
    let access = fresh();
    role(&access, "r", r#"{"AWS":"111111111111"}"#);
    let record = access.role(&account(), "r").unwrap();
    let session = |policy: Option<&str>| {
        caller(Principal::Assumed {
            role: "arn:aws:iam::111111111111:role/r".parse().unwrap(),
            id: record.id.clone().into(),
            session: "s1".into(),
            policy: policy.map(|text| Policy::parse(text, Kind::Identity).unwrap().into()),
            managed: [].into(),
            tags: Arc::default(),
            since: NOW,
        })
    };
    let narrow = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let lets_in = |who: &str| {
        format!(r#"{{"Statement":{{"Effect":"Allow","Principal":{who},"Action":"{INVOKE}","Resource":"*"}}}}"#)
    };
    let named_role = lets_in(r#"{"AWS":"arn:aws:iam::111111111111:role/r"}"#);
    let named_session = lets_in(r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/r/s1"}"#);
    for (why, session, policy, want) in [
        ("the role is named, and nothing narrows", session(None), &named_role, true),
        ("the role is named, the session is narrow", session(Some(narrow)), &named_role, false),
        ("everyone is, the session is narrow", session(Some(narrow)), &lets_in(r#""*""#), false),
        ("the session is named", session(Some(narrow)), &named_session, true),
        ("the session is named, but its policy denies", session(Some(DENY)), &named_session, false),
    ] {
        assert_eq!(asks(&access, &session, INVOKE, OWN, Some(policy)).is_empty(), want, "{why}");
    }
    let bound = NewPolicy { name: "b".into(), document: narrow.into(), ..NewPolicy::default() };
    let bound = access.create_policy(&account(), bound, NOW).unwrap().arn;
    access.set_boundary(&account(), Holder::Role("r"), Some(&bound)).unwrap();
    let text = asks(&access, &session(None), INVOKE, OWN, Some(&named_role));
    assert!(text.contains("no permissions boundary allows"), "{text}");
    assert_eq!(asks(&access, &session(None), INVOKE, OWN, Some(&named_session)), "");
}

#[test]
fn every_caller_has_the_facts_that_conditions_ask_for() {
    let access = fresh();
    let ann = user(&access, "ann");
    let id = access.user(&account(), "ann").unwrap().id;
    role(&access, "r", r#"{"AWS":"111111111111"}"#);
    let role_id = access.role(&account(), "r").unwrap().id;
    let session = caller(Principal::Assumed {
        role: "arn:aws:iam::111111111111:role/r".parse().unwrap(),
        id: role_id.clone().into(),
        session: "s1".into(),
        policy: None,
        managed: [].into(),
        tags: Arc::default(),
        since: NOW,
    });
    let (root, running) = (caller(Principal::Root), function("r"));
    let red = BTreeMap::from([("Team".to_owned(), "red".to_owned())]);
    access.retag(&account(), Holder::User("ann"), red.clone(), &[]).unwrap();
    access.retag(&account(), Holder::Role("r"), red, &[]).unwrap();
    let (session_id, running_id) = (format!("{role_id}:s1"), format!("{role_id}:f"));
    let role_arn = "arn:aws:iam::111111111111:role/r";
    for (key, of_root, of_user, of_session, of_function) in [
        ("aws:principalaccount", "111111111111", "111111111111", "111111111111", "111111111111"),
        ("aws:principaltype", "Account", "User", "AssumedRole", "AssumedRole"),
        (
            "aws:principalarn",
            "arn:aws:iam::111111111111:root",
            "arn:aws:iam::111111111111:user/ann",
            role_arn,
            role_arn,
        ),
        ("aws:userid", "111111111111", &id, &session_id, &running_id),
        ("aws:username", "-", "ann", "-", "-"),
        ("aws:principaltag/team", "-", "red", "red", "red"),
        ("aws:tokenissuetime", "-", "-", "2026-11-24T03:00:00Z", "-"),
        ("aws:multifactorauthpresent", "-", "-", "false", "false"),
        ("lambda:sourcefunctionarn", "-", "-", "-", OWN),
        (
            "aws:currenttime",
            "2026-11-24T03:00:00Z",
            "2026-11-24T03:00:00Z",
            "2026-11-24T03:00:00Z",
            "2026-11-24T03:00:00Z",
        ),
        ("aws:epochtime", "1795489200", "1795489200", "1795489200", "1795489200"),
        ("aws:requestedregion", "us-east-1", "us-east-1", "us-east-1", "us-east-1"),
        ("aws:securetransport", "true", "true", "true", "true"),
        ("aws:sourceip", "203.0.113.9", "203.0.113.9", "203.0.113.9", "203.0.113.9"),
        ("aws:useragent", "test/1", "test/1", "test/1", "test/1"),
        ("aws:principalorgid", "-", "-", "-", "-"),
    ] {
        for (who, want) in [(&root, of_root), (&ann, of_user), (&session, of_session), (&running, of_function)] {
            let facts = CallerFacts {
                source: Some("::ffff:203.0.113.9".parse().unwrap()),
                encrypted: true,
                agent: Some("test/1"),
                ..facts(&access, who)
            };
            let got = match facts.fact(key) {
                Fact::Absent => "-".to_owned(),
                Fact::One(value) => value.into_owned(),
                Fact::Many(values) => values.join(","),
            };
            assert_eq!(got, want, "{key} of {}", who.arn());
        }
    }
}

#[test]
fn nothing_is_asked_about_what_no_arn_can_be() {
    let access = fresh();
    let ann = user(&access, "ann");
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    access.put_inline_policy(&account(), Holder::User("ann"), "p", all).unwrap();
    let long = format!("arn:aws:iam::111111111111:policy/{}", "x".repeat(4_000));
    for resource in [long.as_str(), &":".repeat(1_000)] {
        let text = asks(&access, &ann, "iam:GetPolicy", resource, None);
        assert!(text.contains("is not authorized") && text.len() < 3_000, "{}", text.len());
    }
}

#[test]
fn a_session_of_a_session_lives_an_hour_at_most() {
    let access = fresh();
    role(&access, "one", r#"{"AWS":"111111111111"}"#);
    role(&access, "two", r#"{"AWS":"111111111111"}"#);
    access.update_role(&account(), "two", None, Some(43_200)).unwrap();
    let assume = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}"#;
    access.put_inline_policy(&account(), Holder::Role("one"), "p", assume).unwrap();
    let session = caller(Principal::Assumed {
        role: "arn:aws:iam::111111111111:role/one".parse().unwrap(),
        id: access.role(&account(), "one").unwrap().id.into(),
        session: "s1".into(),
        policy: None,
        managed: [].into(),
        tags: Arc::default(),
        since: NOW,
    });
    let root = caller(Principal::Root);
    for (who, seconds, want) in [(&root, 43_200, true), (&session, 3_601, false), (&session, 3_600, true)] {
        let role = "arn:aws:iam::111111111111:role/two";
        let ask = AssumeRole {
            role,
            session: "s2",
            seconds: Some(seconds),
            policy: None,
            external_id: None,
            managed: &[],
            tags: &BTreeMap::new(),
        };
        assert_eq!(access.assume_role(who, &ask, &facts(&access, who)).is_ok(), want, "{} {seconds}", who.arn());
    }
}

#[test]
fn a_session_has_tags_and_managed_policies_of_its_own() {
    let access = fresh();
    let root = caller(Principal::Root);
    let trust = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sts:AssumeRole"},
        {"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sts:TagSession","Condition":{"StringEquals":{"aws:RequestTag/team":"red"}}}]}"#;
    access
        .create_role(&account(), NewRole { name: "r".into(), trust: trust.into(), ..NewRole::default() }, NOW)
        .unwrap();
    let allowed = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:*","Resource":"*",
        "Condition":{"StringEquals":{"aws:PrincipalTag/Team":"red"}}}}"#;
    access.put_inline_policy(&account(), Holder::Role("r"), "p", allowed).unwrap();
    let narrow =
        NewPolicy { name: "n".into(), document: ALLOW.replace("lambda:*", "lambda:Invoke*"), ..NewPolicy::default() };
    let narrow = access.create_policy(&account(), narrow, NOW).unwrap().arn;
    let assume = |team: Option<&str>, managed: &[String]| {
        let tags = team.map(|team| ("team".to_owned(), team.to_owned())).into_iter().collect();
        let role = "arn:aws:iam::111111111111:role/r";
        let ask =
            AssumeRole { role, session: "s1", seconds: None, policy: None, external_id: None, managed, tags: &tags };
        access.assume_role(&root, &ask, &facts(&access, &root)).map_err(|error| error.to_string())
    };
    assert!(assume(Some("blue"), &[]).unwrap_err().contains("not authorized to perform: sts:TagSession"));
    assert!(
        assume(None, &["arn:aws:iam::111111111111:policy/none".to_owned()]).unwrap_err().contains("does not exist")
    );
    assert!(assume(None, &vec![narrow.clone(); 11]).unwrap_err().contains("at most 10"));
    assume(Some("red"), std::slice::from_ref(&narrow)).unwrap();
    let session = |team: Option<&str>, managed: &[&str]| {
        caller(Principal::Assumed {
            role: "arn:aws:iam::111111111111:role/r".parse().unwrap(),
            id: access.role(&account(), "r").unwrap().id.into(),
            session: "s1".into(),
            policy: None,
            managed: managed.iter().map(|arn| (*arn).into()).collect(),
            tags: Arc::new(team.map(|team| ("team".to_owned(), team.to_owned())).into_iter().collect()),
            since: NOW,
        })
    };
    let may = |who: &Caller, action: &str| asks(&access, who, action, OWN, None).is_empty();
    assert!(!may(&session(None, &[]), INVOKE) && may(&session(Some("red"), &[]), INVOKE));
    let narrowed = session(Some("red"), &[&narrow]);
    assert!(may(&narrowed, INVOKE) && !may(&narrowed, "lambda:GetFunction"));
    // It is looked up at each call; one that is gone leaves nothing.
    access.create_policy_version(&account(), &narrow, ALLOW.into(), true, NOW).unwrap();
    assert!(may(&narrowed, "lambda:GetFunction"));
    access.delete_policy_version(&account(), &narrow, 1).unwrap();
    access.delete_policy(&account(), &narrow).unwrap();
    assert!(!may(&narrowed, INVOKE));
}
