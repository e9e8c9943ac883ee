//! The request for an object.

use crate::{ObjectError, ObjectOptions, ObjectRef};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::SystemTime;

/// What stands for itself in a key's path.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
const VALUE: &AsciiSet = &KEY.add(b'/');

/// `GET` of the object, in the form with the bucket in the path, which every server of the protocol takes.
pub(crate) fn signed(options: &ObjectOptions, object: &ObjectRef) -> Result<Request<Empty<Bytes>>, ObjectError> {
    let unusable = |error: &dyn std::fmt::Display| ObjectError::Unusable(format!("no request can be made: {error}"));
    let mut request = Request::get(uri(options, object)).body(Empty::new()).map_err(|error| unusable(&error))?;
    let Some(keys) = &options.keys else { return Ok(request) };
    let identity = Credentials::new(&keys.id, &keys.secret, keys.session_token.clone(), None, "lacewing").into();
    let mut settings = SigningSettings::default();
    // S3 signs the path as it is sent, and wants the hash of the body as a header.
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&object.region)
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .map_err(|error| unusable(&error))?
        .into();
    let uri = request.uri().to_string();
    let signable = SignableRequest::new("GET", uri, std::iter::empty(), SignableBody::Bytes(b""));
    let signed = signable.and_then(|signable| sign(signable, &params)).map_err(|error| unusable(&error))?;
    signed.into_parts().0.apply_to_request_http1x(&mut request);
    Ok(request)
}

fn uri(options: &ObjectOptions, object: &ObjectRef) -> String {
    let base = match &options.endpoint {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None => format!("https://s3.{}.amazonaws.com", object.region),
    };
    let (bucket, key) = (utf8_percent_encode(&object.bucket, VALUE), utf8_percent_encode(&object.key, KEY));
    match &object.version {
        None => format!("{base}/{bucket}/{key}"),
        Some(version) => format!("{base}/{bucket}/{key}?versionId={}", utf8_percent_encode(version, VALUE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_addressed_by_its_path() {
        let object = |key: &str, version: Option<&str>| ObjectRef {
            region: "eu-west-1".into(),
            bucket: "code".into(),
            key: key.into(),
            version: version.map(str::to_owned),
        };
        let ours = ObjectOptions { endpoint: Some("http://127.0.0.1:9000/".into()), keys: None };
        assert_eq!(uri(&ours, &object("a b/ä.zip", None)), "http://127.0.0.1:9000/code/a%20b/%C3%A4.zip");
        let theirs = uri(&ObjectOptions::default(), &object("f.zip", Some("1/2")));
        assert_eq!(theirs, "https://s3.eu-west-1.amazonaws.com/code/f.zip?versionId=1%2F2");
    }
}
