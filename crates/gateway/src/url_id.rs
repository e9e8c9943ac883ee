//! The id of a function URL: one that follows from whose URL it is, or one that its function chose by a tag.

use crate::functions::invalid;
use lacewing_catalog::records::RecordKey;
use lacewing_lambda_api::ApiError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The tags by which a function chooses; the first that it has counts. The second is LocalStack's, whose users bring
/// functions that have it. Source: LocalStack's page on Lambda, "Custom URL IDs for Lambda Functions via Tags".
const TAGS: [&str; 2] = ["lacewing:url-id", "_custom_id_"];
/// Letters and digits of an id that nobody chose.
const GENERATED_LENGTH: usize = 32;
/// The most that a tag may say: never as long as what is generated, so that nobody can take what another one's
/// function had.
const CHOSEN_LENGTH_MAX: usize = GENERATED_LENGTH - 1;
/// The longest label of a host name. Source: RFC 1035, 2.3.4.
const LABEL_LENGTH_MAX: usize = 63;

/// 32 of `[a-z0-9]` that follow from account, region, function and alias, so that a function that is made anew under its
/// name is found where it was.
pub(crate) fn generated(key: &RecordKey) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let name = key.function.as_ref().map(ToString::to_string).unwrap_or_default();
    let digest = Sha256::digest(format!("{}/{}/{name}/{}", key.account, key.region, key.name));
    let letters = digest.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    letters.take(GENERATED_LENGTH).collect()
}

/// What the function's tags say, with `-ALIAS` behind it for the URL of an alias (`alias` is empty for the function).
///
/// # Errors
/// `InvalidParameterValueException` for what cannot be a label of a host name.
pub(crate) fn chosen(tags: &BTreeMap<String, String>, alias: &str) -> Result<Option<String>, ApiError> {
    let Some((tag, word)) = TAGS.iter().find_map(|tag| Some((tag, tags.get(*tag)?))) else { return Ok(None) };
    let id = if alias.is_empty() { word.clone() } else { format!("{word}-{alias}") };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = !word.is_empty() && word.len() <= CHOSEN_LENGTH_MAX && id.len() <= LABEL_LENGTH_MAX;
    if fits && id.bytes().all(allowed) && !id.starts_with('-') && !id.ends_with('-') {
        return Ok(Some(id));
    }
    Err(invalid(format!(
        "The tag {tag} asks for a function URL with the id {id}, which cannot be part of a host name: give it 1 to \
         {CHOSEN_LENGTH_MAX} lower-case letters, digits and hyphens, and an alias of such letters."
    )))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use lacewing_catalog::Scope;
    use lacewing_catalog::records::{Document, UrlConfig};

    #[test]
    fn every_url_has_an_id_of_its_own_that_stays() {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        let id = |name: &str, alias: &str| {
            generated(&scope.function_record(UrlConfig::FAMILY, &name.parse().unwrap(), alias))
        };
        assert_eq!(id("f", ""), id("f", ""));
        assert_eq!(id("f", "").len(), GENERATED_LENGTH);
        assert_ne!(id("f", ""), id("f", "live"));
        assert_ne!(id("f", ""), id("g", ""));
    }

    #[test]
    fn a_tag_chooses_what_a_host_name_can_hold() {
        let says = |tag: &str, word: &str| BTreeMap::from([(tag.to_owned(), word.to_owned())]);
        assert_eq!(chosen(&says("team", "x"), "").unwrap(), None);
        assert_eq!(chosen(&says("_custom_id_", "my-id"), "").unwrap().as_deref(), Some("my-id"));
        assert_eq!(chosen(&says("lacewing:url-id", "my-id"), "live").unwrap().as_deref(), Some("my-id-live"));
        let both = says("_custom_id_", "theirs").into_iter().chain(says("lacewing:url-id", "ours")).collect();
        assert_eq!(chosen(&both, "").unwrap().as_deref(), Some("ours"));
        for word in ["", "-a", "a-", "A", "a.b", "a_b", "ü", &"a".repeat(GENERATED_LENGTH)] {
            assert!(chosen(&says("_custom_id_", word), "").is_err(), "{word}");
        }
        assert!(chosen(&says("_custom_id_", "a"), "Live").is_err());
        assert!(chosen(&says("_custom_id_", "a"), &"b".repeat(LABEL_LENGTH_MAX)).is_err());
    }
}
