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
    Paging { asked_max: model_max, page_max: PAGE_MAX }.items(asked, violations)
}

/// How one operation is paged. Source: Lambda service model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    /// The most that may be asked for.
    pub(crate) asked_max: i64,
    /// The most that a page has, whatever was asked for.
    pub(crate) page_max: usize,
}

/// Most lists: at most 50 are asked for, and given.
pub(crate) const FIFTY: Paging = Paging { asked_max: 50, page_max: PAGE_MAX };

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_marker: Option<String>,
}

impl Paging {
    fn items(self, asked: &Asked<'_>, violations: &mut Violations) -> usize {
        match asked.query.get("MaxItems").map(|text| text.parse::<i64>().map_err(|_| text)) {
            None => self.page_max,
            Some(Ok(max)) => {
                violations.range(max, "maxItems", 1, self.asked_max);
                usize::try_from(max).unwrap_or(self.page_max).min(self.page_max)
            }
            Some(Err(text)) => {
                violations.pattern(&text, "maxItems", r"\d+");
                self.page_max
            }
        }
    }

    /// Cuts the page that `asked` wants out of `items`, which are ordered by `name`.
    pub(crate) fn cut<T>(
        self,
        asked: &Asked<'_>,
        items: Vec<T>,
        name: impl Fn(&T) -> &str,
    ) -> Result<Page<T>, ApiError> {
        let mut violations = Violations::default();
        let max = self.items(asked, &mut violations);
        violations.finish()?;
        // A name may be empty, a marker not: a slash stands before it.
        let after = marker::<String>(asked)?;
        let after = after.as_deref().map(|after| after.strip_prefix('/').unwrap_or(after));
        let comes_after = |item: &T| after.is_none_or(|after| name(item) > after);
        let mut rest: Vec<T> = items.into_iter().filter(comes_after).collect();
        let more = rest.len() > max;
        rest.truncate(max);
        let next_marker = rest.last().filter(|_| more).map(|last| next_marker(format_args!("/{}", name(last))));
        Ok(Page { items: rest, next_marker })
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
