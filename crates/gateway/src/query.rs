//! The query protocol of IAM, STS and CloudFormation: a form comes, XML goes. Which service is meant stands in the credential scope.

use crate::asked::Asked;
use crate::reply::Reply;
use crate::{Gateway, iam, stacks, sts};
use bytes::Bytes;
use lacewing_lambda_api::{ApiError, ErrorCode, Query, Violations};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Members of a list that are looked at.
const MEMBERS_MAX: usize = 200;

impl Gateway {
    pub(crate) async fn query(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, ApiError> {
        let form = Form::read(asked, &body)?;
        if let Ok(action) = form.action() {
            asked.count_as(&action);
        }
        match asked.caller.service {
            "iam" => iam::answer(self, asked, form).await,
            "sts" => sts::answer(self, asked, &form),
            "cloudformation" => stacks::answer(self, asked, &form),
            _ => {
                let text = "Credential should be scoped to correct service: 'iam' or 'sts' or 'cloudformation'.";
                Err(ApiError::new(ErrorCode::InvalidSignature, text))
            }
        }
    }
}

/// What was sent: of a POST the body, else the query.
#[derive(Clone, Debug)]
pub(crate) struct Form(String);

impl Form {
    fn read(asked: &Asked<'_>, body: &Bytes) -> Result<Self, ApiError> {
        if body.is_empty() {
            return Ok(Self(asked.raw_query.to_owned()));
        }
        let text = std::str::from_utf8(body);
        let text = text.map_err(|_| ApiError::new(ErrorCode::Validation, "The form is not UTF-8."))?;
        Ok(Self(text.to_owned()))
    }

    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A value; an empty one counts.
    pub(crate) fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        Query::new(&self.0).get(key)
    }

    pub(crate) fn owned(&self, key: &str) -> Option<String> {
        self.get(key).map(Cow::into_owned)
    }

    /// The operation's name.
    pub(crate) fn action(&self) -> Result<Cow<'_, str>, ApiError> {
        let missing = "The request must contain the parameter Action.";
        self.get("Action").ok_or_else(|| ApiError::new(ErrorCode::InvalidAction, missing))
    }

    /// A value that has to be there.
    pub(crate) fn need(&self, key: &str) -> Result<String, ApiError> {
        self.owned(key).ok_or_else(|| {
            let mut violations = Violations::default();
            let mut letters = key.chars();
            let first = letters.next().map(|c| c.to_ascii_lowercase());
            violations.null(&first.into_iter().chain(letters).collect::<String>());
            ApiError::new(ErrorCode::Validation, violations.text().unwrap_or_default())
        })
    }

    /// A number, where one was sent.
    pub(crate) fn number(&self, key: &str) -> Result<Option<u32>, ApiError> {
        let parse = |text: Cow<'_, str>| {
            let wrong = || ApiError::new(ErrorCode::Validation, format!("{key} must be a number, not '{text:.32}'."));
            text.parse().map_err(|_| wrong())
        };
        self.get(key).map(parse).transpose()
    }

    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|word| word.eq_ignore_ascii_case("true"))
    }

    /// `NAME.member.1`, `NAME.member.2` and so on.
    pub(crate) fn members(&self, name: &str) -> Vec<String> {
        (1..=MEMBERS_MAX).map_while(|n| self.owned(&format!("{name}.member.{n}"))).collect()
    }

    /// `Tags.member.N.Key` and `.Value`.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
        let pair = |n: usize| {
            let key = self.owned(&format!("Tags.member.{n}.Key"))?;
            Some((key, self.owned(&format!("Tags.member.{n}.Value")).unwrap_or_default()))
        };
        (1..=MEMBERS_MAX).map_while(pair).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_numbers_are_read() {
        let form = Form::of(
            "Action=CreateRole&Tags.member.1.Key=a&Tags.member.1.Value=b+c&Tags.member.2.Key=d&TagKeys.member.1=x&\
             TagKeys.member.3=z&MaxItems=7&SetAsDefault=true",
        );
        assert_eq!(form.action().unwrap(), "CreateRole");
        assert_eq!(form.tags(), BTreeMap::from([("a".into(), "b c".into()), ("d".into(), String::new())]));
        assert_eq!(form.members("TagKeys"), ["x"]);
        assert_eq!((form.number("MaxItems").unwrap(), form.is_true("SetAsDefault")), (Some(7), true));
        assert!(form.number("Action").is_err());
        assert_eq!(
            form.need("RoleName").unwrap_err().message,
            "1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null"
        );
    }
}
