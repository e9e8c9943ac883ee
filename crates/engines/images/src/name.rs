//! Names of images: `REPOSITORY[:TAG][@sha256:DIGEST]`.

use crate::ImageError;
use crate::error::printable;
use lacewing_model::CodeSha256;

/// Longest name, bytes. Source: Docker's reference grammar has 255 for the repository and 128 for the tag.
const NAME_BYTES_MAX: usize = 512;
/// What is meant where neither tag nor digest is given.
const USUAL_TAG: &str = "latest";

/// A name taken apart. Every part holds only characters of its grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageName {
    /// As it was given.
    pub(crate) uri: String,
    /// Registry and path, without tag and digest.
    pub(crate) repository: String,
    pub(crate) tag: String,
    /// Counts more than the tag.
    pub(crate) digest: Option<CodeSha256>,
}

impl ImageName {
    pub(crate) fn parse(uri: &str) -> Result<Self, ImageError> {
        let bad = || ImageError::BadName {
            uri: printable(uri.as_bytes()),
            hint: "It has the form REPOSITORY:TAG or REPOSITORY@sha256:DIGEST.".to_owned(),
        };
        if uri.len() > NAME_BYTES_MAX {
            return Err(bad());
        }
        let (named, digest) = match uri.split_once('@') {
            Some((named, digest)) => (named, Some(digest_of(digest).ok_or_else(bad)?)),
            None => (uri, None),
        };
        // A colon before the last slash belongs to a port.
        let path_at = named.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match named[path_at..].find(':') {
            Some(colon) => (&named[..path_at + colon], &named[path_at + colon + 1..]),
            None => (named, USUAL_TAG),
        };
        if !is_repository(repository) || !is_tag(tag) {
            return Err(bad());
        }
        Ok(Self { uri: uri.to_owned(), repository: repository.to_owned(), tag: tag.to_owned(), digest })
    }

    /// The registry, and the path in it.
    pub(crate) fn in_registry(&self) -> Option<(&str, &str)> {
        let (host, path) = self.repository.split_once('/')?;
        let is_host = host.contains(['.', ':']) || host == "localhost";
        (is_host && !path.is_empty()).then_some((host, path))
    }
}

/// The hash in `sha256:HEX`.
pub(crate) fn digest_of(text: &str) -> Option<CodeSha256> {
    let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        let pair = &hex[at..at + 2];
        let lower = pair.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
        *byte = lower.then(|| u8::from_str_radix(pair, 16).ok()).flatten()?;
    }
    Some(CodeSha256::of_bytes(&bytes))
}

/// Parts between slashes, of lower case letters, digits and separators; the first may be a host with a port.
fn is_repository(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|b| fits(*b)) && !part.contains("..")
    };
    let is_host = |part: &str| match part.split_once(':') {
        Some((host, port)) => {
            is_part(host) && (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit())
        }
        None => is_part(part),
    };
    text.split('/').enumerate().all(|(at, part)| if at == 0 { is_host(part) } else { is_part(part) })
}

fn is_tag(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_or_refused() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let by_digest = format!("team/app@sha256:{hex}");
        let by_both = format!("127.0.0.1:5000/app:v1@sha256:{hex}");
        for (uri, want) in [
            ("team/app", Some(("team/app", "latest", None))),
            ("app:v1", Some(("app", "v1", None))),
            ("127.0.0.1:5000/team/app:v1.2_x", Some(("127.0.0.1:5000/team/app", "v1.2_x", None))),
            ("127.0.0.1:5000/app", Some(("127.0.0.1:5000/app", "latest", None))),
            (by_digest.as_str(), Some(("team/app", "latest", Some(hex)))),
            (by_both.as_str(), Some(("127.0.0.1:5000/app", "v1", Some(hex)))),
            ("", None),
            ("/etc/passwd", None),
            ("../up", None),
            ("a/../b", None),
            ("a//b", None),
            ("a/.", None),
            ("Team/App", None),
            ("a b", None),
            ("app:", None),
            ("app:.x", None),
            ("host:port/app", None),
            ("app@sha256:abc", None),
            ("app@md5:abc", None),
            ("http://host/app", None),
            ("oci:/srv/image", None),
        ] {
            let got = ImageName::parse(uri).ok();
            let got = got
                .as_ref()
                .map(|name| (name.repository.as_str(), name.tag.as_str(), name.digest.as_ref().map(CodeSha256::hex)));
            assert_eq!(got, want.map(|(a, b, c)| (a, b, c.map(str::to_owned))), "{uri}");
        }
    }

    #[test]
    fn a_registry_is_a_host_and_nothing_else() {
        let registry = |uri: &str| {
            let name = ImageName::parse(uri).unwrap();
            name.in_registry().map(|(host, path)| (host.to_owned(), path.to_owned()))
        };
        assert_eq!(registry("ghcr.io/a/b:1"), Some(("ghcr.io".into(), "a/b".into())));
        assert_eq!(registry("localhost/a"), Some(("localhost".into(), "a".into())));
        assert_eq!(registry("team/app"), None);
        assert_eq!(registry("app"), None);
    }
}
