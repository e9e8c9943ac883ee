//! AWS's own signer signs; the room has to agree, whatever the signer chose.
#![allow(clippy::unwrap_used)]

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use lacewing_access::{
    Access, AccessError, AccessOptions, AssumeRole, BodyHash, Caller, CallerFacts, IdentityOptions, NewRole, Principal,
    RequestHead, RootKey, Seed, Store,
};
use lacewing_model::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

const NOW: Timestamp = Timestamp(1_795_489_200_000); // 2026-11-24T03:00:00Z
/// Stands for a body that the signer leaves out.
const UNSIGNED: &[u8] = b"UNSIGNED-PAYLOAD";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn room() -> Access {
    room_of(None)
}

fn room_of(strict_region: Option<&str>) -> Access {
    let options = AccessOptions {
        account: "000000000000".parse().unwrap(),
        strict_region: strict_region.map(|region| region.parse().unwrap()),
        root_keys: vec![RootKey { id: "AKID".into(), secret: SECRET.into() }],
        metrics_token: None,
    };
    let store = Store::in_memory().unwrap();
    Access::open(options, IdentityOptions { store, seed: Seed::random(), strict_roles: false }).unwrap()
}

#[derive(Clone)]
struct Signer {
    credentials: Credentials,
    location: SignatureLocation,
    send_hash: bool,
    region: &'static str,
    service: &'static str,
    at: Timestamp,
    body: &'static [u8],
}

impl Signer {
    fn new(location: SignatureLocation, send_hash: bool) -> Self {
        let credentials = Credentials::from_keys("AKID", SECRET, None);
        Self { credentials, location, send_hash, region: "eu-west-1", service: "lambda", at: NOW, body: b"{\"a\":1}" }
    }

    fn sign(&self, mut request: http::Request<()>) -> http::Request<()> {
        let mut settings = SigningSettings::default();
        settings.signature_location = self.location;
        if self.send_hash {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if self.location == SignatureLocation::QueryParams {
            settings.expires_in = Some(Duration::from_secs(600));
        }
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_millis(self.at.0))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let uri = request.uri().to_string();
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            headers.into_iter(),
            if self.body == UNSIGNED { SignableBody::UnsignedPayload } else { SignableBody::Bytes(self.body) },
        );
        let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request
    }
}

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> http::Request<()> {
    let mut builder = http::Request::builder()
        .method(method)
        .uri(format!("http://127.0.0.1:9000{target}"))
        .header("host", "127.0.0.1:9000");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap()
}

fn verify(
    access: &Access,
    request: &http::Request<()>,
    body: &[u8],
    now: Timestamp,
) -> Result<Arc<Caller>, AccessError> {
    let headers: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let head = RequestHead {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: &headers,
    };
    access.verify(head, &BodyHash::of(body), now)
}

fn refusal(access: &Access, request: &http::Request<()>, body: &[u8], now: Timestamp) -> String {
    verify(access, request, body, now).unwrap_err().to_string()
}

#[test]
fn agrees_with_the_signer_of_the_sdks() {
    let access = room();
    let extra: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("x-amz-client-context", "e30="),
        ("x-amz-meta", "  many   spaces  here "),
        ("x-twice", "one"),
        ("x-twice", "two"),
    ];
    for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        for send_hash in [false, true] {
            for (method, target) in [
                ("GET", "/"),
                ("GET", "/2015-03-31/functions/"),
                ("POST", "/2015-03-31/functions/f/invocations?Qualifier=%24LATEST"),
                (
                    "POST",
                    "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Af/invocations",
                ),
                ("DELETE", "/2017-03-31/tags/arn%3Aaws%3Ax?tagKeys=b&tagKeys=a&tagKeys=&tagKeys=%C3%BC%20x"),
                ("GET", "/f/%C3%BC/a%2Fb?empty&x=1&X=2&plus=a+b&percent=%25&tilde=~"),
            ] {
                for headers in [&[][..], extra] {
                    let signer = Signer::new(location, send_hash);
                    let signed = signer.sign(request(method, target, headers));
                    let caller = verify(&access, &signed, signer.body, NOW).unwrap_or_else(|error| {
                        panic!("{location:?} {send_hash} {method} {target}: {error}\n{signed:?}")
                    });
                    assert_eq!(caller.principal, Principal::Root);
                    assert_eq!((caller.region.as_str(), caller.service), ("eu-west-1", "lambda"));
                }
            }
        }
    }
}

#[test]
fn whatever_is_changed_on_the_way_is_refused() {
    let access = room();
    let mismatch = "The request signature we calculated does not match the signature you provided. Check your AWS \
                    Secret Access Key and signing method. Consult the service documentation for details.";
    for send_hash in [false, true] {
        let signer = Signer::new(SignatureLocation::Headers, send_hash);
        let signed = signer.sign(request("POST", "/2015-03-31/functions/f/invocations", &[("x-amz-log-type", "None")]));
        assert!(verify(&access, &signed, signer.body, NOW).is_ok());
        let other = if send_hash {
            "The provided 'x-amz-content-sha256' header does not match what was computed."
        } else {
            mismatch
        };
        assert_eq!(refusal(&access, &signed, b"{}", NOW), other);
        let mut moved = signed.clone();
        *moved.uri_mut() = "http://127.0.0.1:9000/2015-03-31/functions/g/invocations".parse().unwrap();
        assert_eq!(refusal(&access, &moved, signer.body, NOW), mismatch);
        let mut tail = signed.clone();
        tail.headers_mut().insert("x-amz-log-type", "Tail".parse().unwrap());
        assert_eq!(refusal(&access, &tail, signer.body, NOW), mismatch);
        let mut added = signed.clone();
        added.headers_mut().insert("x-amz-invocation-type", "Event".parse().unwrap());
        assert!(refusal(&access, &added, signer.body, NOW).ends_with("not signed: x-amz-invocation-type"));
        let mut host = signed.clone();
        host.headers_mut().insert("host", "elsewhere".parse().unwrap());
        assert_eq!(refusal(&access, &host, signer.body, NOW), mismatch);
    }
}

#[test]
fn scopes_and_times_are_checked() {
    let access = room();
    let signer = Signer::new(SignatureLocation::Headers, false);
    let ask = |signer: &Signer| signer.sign(request("GET", "/2015-03-31/functions/", &[]));
    let check = |signer: &Signer, now| refusal(&access, &ask(signer), signer.body, now);

    let late = NOW.plus(Duration::from_secs(301));
    assert_eq!(
        check(&signer, late),
        "Signature expired: 20261124T030000Z is now earlier than 20261124T030001Z (20261124T030501Z - 5 min.)"
    );
    let early = Timestamp(NOW.0 - 301_000);
    assert_eq!(
        check(&signer, early),
        "Signature not yet current: 20261124T030000Z is still later than 20261124T025959Z (20261124T025459Z + 5 min.)"
    );
    assert!(verify(&access, &ask(&signer), signer.body, NOW.plus(Duration::from_secs(299))).is_ok());

    let s3 = Signer { service: "s3", ..signer.clone() };
    assert_eq!(
        check(&s3, NOW),
        "Credential should be scoped to correct service: 'lambda' or 'logs' or 'iam' or 'sts' or 'cloudformation'."
    );
    let stranger = Signer { credentials: Credentials::from_keys("OTHER", SECRET, None), ..signer.clone() };
    assert_eq!(check(&stranger, NOW), "The security token included in the request is invalid.");
    let wrong = Signer { credentials: Credentials::from_keys("AKID", "wrong", None), ..signer.clone() };
    assert!(check(&wrong, NOW).starts_with("The request signature we calculated"));
    let token = Signer { credentials: Credentials::from_keys("AKID", SECRET, Some("t".into())), ..signer.clone() };
    assert_eq!(check(&token, NOW), "The security token included in the request is invalid.");

    let strict = room_of(Some("us-east-1"));
    let text = refusal(&strict, &ask(&signer), signer.body, NOW);
    assert_eq!(text, "Credential should be scoped to a valid region, not 'eu-west-1': this server is 'us-east-1'.");
}

#[test]
fn a_signed_query_lives_as_long_as_it_says() {
    let access = room();
    let signer = Signer { body: b"", ..Signer::new(SignatureLocation::QueryParams, false) };
    let signed = signer.sign(request("GET", "/2015-03-31/functions/", &[]));
    assert!(verify(&access, &signed, b"", NOW.plus(Duration::from_secs(600))).is_ok());
    assert_eq!(
        refusal(&access, &signed, b"", NOW.plus(Duration::from_secs(601))),
        "Signature expired: 20261124T030000Z is now earlier than 20261124T030001Z (20261124T031001Z - 10 min.)"
    );
    let longer = signed.uri().to_string().replace("X-Amz-Expires=600", "X-Amz-Expires=700");
    let mut longer_request = signed.clone();
    *longer_request.uri_mut() = longer.parse().unwrap();
    assert!(refusal(&access, &longer_request, b"", NOW).starts_with("The request signature"));
}

#[test]
fn credentials_of_a_function_die_with_its_session() {
    let access = room();
    let account = "000000000000".parse().unwrap();
    let role = "arn:aws:iam::000000000000:role/r".parse().unwrap();
    let session = access.open_session(&account, &"us-east-1".parse().unwrap(), &role, &"f".parse().unwrap());
    let keys = session.credentials.clone();
    let with = |token: Option<String>| Signer {
        credentials: Credentials::from_keys(keys.access_key_id.clone(), keys.secret_access_key.clone(), token),
        ..Signer::new(SignatureLocation::Headers, false)
    };
    let ask = request("POST", "/2015-03-31/functions/g/invocations", &[]);
    for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        let signer = Signer { location, ..with(Some(keys.session_token.clone())) };
        let caller = verify(&access, &signer.sign(ask.clone()), signer.body, NOW).unwrap();
        assert_eq!(caller.arn(), "arn:aws:sts::000000000000:assumed-role/r/f@lambda_function");
    }
    for token in [None, Some("wrong".to_owned())] {
        let signer = with(token);
        let text = refusal(&access, &signer.sign(ask.clone()), signer.body, NOW);
        assert_eq!(text, "The security token included in the request is invalid.");
    }
    drop(session);
    let signer = with(Some(keys.session_token.clone()));
    assert_eq!(verify(&access, &signer.sign(ask.clone()), signer.body, NOW), Err(AccessError::TokenExpired));
}

#[test]
fn a_session_ends_at_its_time_and_takes_its_signed_queries_with_it() {
    let access = room();
    let account = "000000000000".parse().unwrap();
    let trust = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}}"#;
    access.create_role(&account, NewRole { name: "r".into(), trust: trust.into(), ..NewRole::default() }, NOW).unwrap();
    let root = Caller::new(account, "us-east-1".parse().unwrap(), Principal::Root, "sts");
    let (role, tags) = ("arn:aws:iam::000000000000:role/r", BTreeMap::new());
    let facts = CallerFacts { access: &access, caller: &root, now: NOW, source: None, encrypted: false, agent: None };
    let asked = AssumeRole {
        role,
        session: "s1",
        seconds: Some(900),
        policy: None,
        managed: &[],
        tags: &tags,
        external_id: None,
    };
    let keys = access.assume_role(&root, &asked, &facts).unwrap().credentials;
    let end = NOW.plus(Duration::from_secs(900));
    let before = Timestamp(end.0 - 1);
    let ask = request("GET", "/2015-03-31/functions/", &[]);
    for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        // Signed shortly before the end: the query would be good for ten minutes more.
        let (id, secret) = (keys.access_key_id.clone(), keys.secret_access_key.clone());
        let credentials = Credentials::from_keys(id, secret, Some(keys.session_token.clone()));
        let signer = Signer { credentials, location, at: before, body: b"", ..Signer::new(location, false) };
        let signed = signer.sign(ask.clone());
        assert_eq!(verify(&access, &signed, b"", before).unwrap().arn(), "arn:aws:sts::000000000000:assumed-role/r/s1");
        assert_eq!(verify(&access, &signed, b"", end), Err(AccessError::TokenExpired));
    }
}

#[test]
fn a_key_that_goes_while_it_is_in_use_signs_nothing_more() {
    let access = room();
    let account = "000000000000".parse().unwrap();
    let (key, secret) = access.create_key(&account, None, NOW).unwrap();
    let credentials = Credentials::from_keys(key.id.clone(), secret, None);
    let ask = request("GET", "/2015-03-31/functions/", &[]);
    let signer = Signer { credentials, body: b"", ..Signer::new(SignatureLocation::QueryParams, false) };
    let signed = signer.sign(ask);
    verify(&access, &signed, b"", NOW).unwrap();
    access.set_key_active(&account, None, &key.id, false).unwrap();
    assert_eq!(verify(&access, &signed, b"", NOW), Err(AccessError::UnknownKey));
    access.set_key_active(&account, None, &key.id, true).unwrap();
    verify(&access, &signed, b"", NOW).unwrap();
    access.delete_key(&account, None, &key.id).unwrap();
    assert_eq!(verify(&access, &signed, b"", NOW), Err(AccessError::UnknownKey));
}

#[test]
fn our_own_links_hold_for_their_time_and_their_path() {
    let access = room();
    let region = "us-east-1".parse().unwrap();
    let valid = Duration::from_secs(600);
    let link = access.link("localhost:9000", "/_lacewing/packages/f%3A1", &region, valid, NOW);
    let ask = |target: &str| http::Request::builder().uri(target).header("host", "localhost:9000").body(()).unwrap();
    let caller = verify(&access, &ask(&link), b"", NOW).unwrap();
    assert_eq!(caller.principal, Principal::Link);
    assert!(verify(&access, &ask(&link.replace("f%3A1", "g%3A1")), b"", NOW).is_err());
    assert!(verify(&access, &ask(&link), b"", NOW.plus(Duration::from_secs(601))).is_err());
    assert!(verify(&room(), &ask(&link), b"", NOW).is_err(), "another process's key");
}

#[test]
fn an_unsigned_body_is_taken_only_where_there_is_none() {
    let access = room();
    let signer = Signer { body: UNSIGNED, ..Signer::new(SignatureLocation::Headers, true) };
    let read = signer.sign(request("GET", "/2015-03-31/functions/", &[]));
    verify(&access, &read, b"", NOW).unwrap();
    assert!(refusal(&access, &read, b"{}", NOW).contains("does not match what was computed"));
    let write = signer.sign(request("POST", "/2015-03-31/functions/f/invocations", &[]));
    let text = refusal(&access, &write, b"", NOW);
    assert!(text.starts_with("x-amz-content-sha256 'UNSIGNED-PAYLOAD' is not supported"), "{text}");
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_sent_makes_the_room_panic(
        authorization in "(AWS4-HMAC-SHA256 |Credential=|AKID/|20261124/|us-east-1/|lambda/|aws4_request|, |SignedHeaders=|host;|;|Signature=|[0-9a-f]{64}|\\PC){0,14}",
        query in "(X-Amz-Algorithm=AWS4-HMAC-SHA256|&|X-Amz-Credential=|AKID%2F|20261124%2F|X-Amz-Date=|20261124T030000Z|X-Amz-Expires=|9|X-Amz-SignedHeaders=host|X-Amz-Signature=|%|%zz|\\+|\\PC){0,14}",
        path in "(/|\\.|%2F|a|\\PC){0,9}",
        date in "(20261124T030000Z|\\PC{0,20})",
    ) {
        let access = room();
        let named = [("host", "h".as_bytes()), ("x-amz-date", date.as_bytes()), ("authorization", authorization.as_bytes())];
        for headers in [&named[..], &named[..1]] {
            let head = RequestHead { method: "GET", path: &path, query: &query, headers };
            proptest::prop_assert!(access.verify(head, &BodyHash::EMPTY, NOW).is_err());
        }
    }
}
