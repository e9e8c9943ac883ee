//! Pages of listings: how many items, after which one.

use crate::asked::Asked;
use crate::functions::{BASE64, invalid};
use base64::Engine as _;
use lacewing_lambda_api::{ApiError, Violations};
use std::str::FromStr;

/// Items on a page, whatever is asked for. Source: Lambda API, `ListFunctions`.
const PAGE_MAX: usize = 50;

/// How many items are asked for, at most 50; `model_max` is what the model takes.
pub(crate) fn max_items(asked: &Asked<'_>, model_max: i64, violations: &mut Violations) -> usize {
    match asked.query.get("MaxItems").map(|text| text.parse::<i64>().map_err(|_| text)) {
        None => PAGE_MAX,
        Some(Ok(max)) => {
            violations.range(max, "maxItems", 1, model_max);
            usize::try_from(max).unwrap_or(PAGE_MAX).min(PAGE_MAX)
        }
        Some(Err(text)) => {
            violations.pattern(&text, "maxItems", r"\d+");
            PAGE_MAX
        }
    }
}

/// The last item of the page before.
pub(crate) fn marker<T: FromStr>(asked: &Asked<'_>) -> Result<Option<T>, ApiError> {
    let Some(marker) = asked.query.get("Marker").filter(|text| !text.is_empty()) else { return Ok(None) };
    read(&marker).map(Some)
}

fn read<T: FromStr>(marker: &str) -> Result<T, ApiError> {
    let text = BASE64.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| invalid("The Marker is none of ours: use NextMarker of the page before, as it was given."))
}

/// What leads to the page after `last`.
pub(crate) fn next_marker(last: impl ToString) -> String {
    BASE64.encode(last.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use lacewing_model::FunctionName;

    #[test]
    fn a_marker_leads_back_to_its_item_and_others_are_refused() {
        let name: FunctionName = "my-fn".parse().unwrap();
        assert_eq!(read::<FunctionName>(&next_marker(&name)).unwrap(), name);
        for other in ["???", &next_marker("no name"), ""] {
            assert!(read::<FunctionName>(other).is_err(), "{other}");
        }
    }
}
