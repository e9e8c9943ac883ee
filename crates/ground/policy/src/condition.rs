//! The `Condition` element: operators, compiled with the values they compare with.

use crate::arn::ArnPattern;
use crate::pattern::{Pattern, Signs, key_name};
use crate::{Fact, Facts, Malformed};
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

/// One line of a condition: an operator, a key and values of which any may match.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    key: Box<str>,
    test: Test,
    /// `StringNotEquals` and the like: none of the values may match.
    negated: bool,
    /// `...IfExists`: a request without the key fits.
    if_exists: bool,
    over: Over,
}

/// How the values of a key with several are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// No qualifier: a key is taken to have one value; of several, one has to fit.
    Single,
    /// `ForAllValues:`; fits a request without the key.
    All,
    /// `ForAnyValue:`.
    Any,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Text(Box<[Pattern]>),
    Arn(Box<[ArnPattern]>),
    Number(Order, Box<[f64]>),
    /// Milliseconds since 1970.
    Moment(Order, Box<[f64]>),
    Truth(Box<[bool]>),
    Network(Box<[IpNet]>),
    /// The key must be absent, or there.
    Absent(Box<[bool]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equals,
    Less,
    LessEquals,
    Greater,
    GreaterEquals,
}

#[derive(Clone, Copy)]
enum Family {
    Text { wildcards: bool, ignores_case: bool },
    Arn,
    Number(Order),
    Moment(Order),
    Truth,
    Network,
    Absent,
}

/// Every operator: its name, what it compares, and whether a match is wanted.
const OPERATORS: [(&str, Family, bool); 27] = [
    ("StringEquals", Family::Text { wildcards: false, ignores_case: false }, true),
    ("StringNotEquals", Family::Text { wildcards: false, ignores_case: false }, false),
    ("StringEqualsIgnoreCase", Family::Text { wildcards: false, ignores_case: true }, true),
    ("StringNotEqualsIgnoreCase", Family::Text { wildcards: false, ignores_case: true }, false),
    ("StringLike", Family::Text { wildcards: true, ignores_case: false }, true),
    ("StringNotLike", Family::Text { wildcards: true, ignores_case: false }, false),
    ("ArnEquals", Family::Arn, true),
    ("ArnLike", Family::Arn, true),
    ("ArnNotEquals", Family::Arn, false),
    ("ArnNotLike", Family::Arn, false),
    ("NumericEquals", Family::Number(Order::Equals), true),
    ("NumericNotEquals", Family::Number(Order::Equals), false),
    ("NumericLessThan", Family::Number(Order::Less), true),
    ("NumericLessThanEquals", Family::Number(Order::LessEquals), true),
    ("NumericGreaterThan", Family::Number(Order::Greater), true),
    ("NumericGreaterThanEquals", Family::Number(Order::GreaterEquals), true),
    ("DateEquals", Family::Moment(Order::Equals), true),
    ("DateNotEquals", Family::Moment(Order::Equals), false),
    ("DateLessThan", Family::Moment(Order::Less), true),
    ("DateLessThanEquals", Family::Moment(Order::LessEquals), true),
    ("DateGreaterThan", Family::Moment(Order::Greater), true),
    ("DateGreaterThanEquals", Family::Moment(Order::GreaterEquals), true),
    ("Bool", Family::Truth, true),
    ("IpAddress", Family::Network, true),
    ("NotIpAddress", Family::Network, false),
    ("Null", Family::Absent, true),
    ("BinaryEquals", Family::Text { wildcards: false, ignores_case: false }, true),
];

impl Condition {
    /// Compiles `operator: {key: values}`.
    pub(crate) fn new(operator: &str, key: &str, values: &[&Value], variables: bool) -> Result<Self, Malformed> {
        let (over, name) = match operator.split_once(':') {
            Some((set, name)) if set.eq_ignore_ascii_case("ForAllValues") => (Over::All, name),
            Some((set, name)) if set.eq_ignore_ascii_case("ForAnyValue") => (Over::Any, name),
            _ => (Over::Single, operator),
        };
        let (name, if_exists) = match name.len().checked_sub("IfExists".len()).map(|at| name.split_at_checked(at)) {
            Some(Some((name, tail))) if tail.eq_ignore_ascii_case("IfExists") => (name, true),
            _ => (name, false),
        };
        let known = OPERATORS.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name));
        let &(_, family, wanted) = known.ok_or_else(|| Malformed(format!("Invalid Condition type : {operator}.")))?;
        if !key.contains(':') {
            return Err(Malformed(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned(),
            ));
        }
        let test = Test::new(family, values, variables)
            .map_err(|error| Malformed(format!("{error} (condition {operator} on {key})")))?;
        Ok(Self { key: key_name(key).into(), test, negated: !wanted, if_exists, over })
    }

    /// True where the request fits.
    pub(crate) fn fits(&self, facts: &dyn Facts) -> bool {
        let fact = facts.fact(&self.key);
        if let Test::Absent(wanted) = &self.test {
            return wanted.contains(&matches!(fact, Fact::Absent));
        }
        let fits = |value: &str| self.test.fits(value, facts) != self.negated;
        match (&fact, self.over) {
            (Fact::Absent, Over::All) => true,
            (Fact::Absent, Over::Any) => self.if_exists,
            (Fact::Absent, Over::Single) => self.if_exists || self.negated,
            (Fact::One(value), _) => fits(value),
            (Fact::Many(values), Over::All) => values.iter().all(|value| fits(value)),
            (Fact::Many(values), Over::Any | Over::Single) => values.iter().any(|value| fits(value)),
        }
    }
}

impl Test {
    fn new(family: Family, values: &[&Value], variables: bool) -> Result<Self, Malformed> {
        let texts = values.iter().map(|value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            _ => Err(Malformed::syntax("Values of a condition are strings, numbers or booleans.")),
        });
        let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
        Ok(match family {
            Family::Text { wildcards, ignores_case } => Self::Text(each(&texts, |text| {
                let pattern = Pattern::new(text, Signs { wildcards, variables })?;
                Ok(if ignores_case { pattern.ignoring_case() } else { pattern })
            })?),
            Family::Arn => Self::Arn(each(&texts, |text| ArnPattern::new(text, variables))?),
            Family::Number(order) => {
                Self::Number(order, each(&texts, |text| number(text).ok_or_else(|| wrong(text, "a number")))?)
            }
            Family::Moment(order) => Self::Moment(
                order,
                each(&texts, |text| moment(text).ok_or_else(|| wrong(text, "a date such as 2026-11-01T00:00:00Z")))?,
            ),
            Family::Truth => Self::Truth(each(&texts, truth)?),
            Family::Network => Self::Network(each(&texts, |text| {
                network(text).ok_or_else(|| wrong(text, "an address or a range such as 203.0.113.0/24"))
            })?),
            Family::Absent => Self::Absent(each(&texts, truth)?),
        })
    }

    fn fits(&self, value: &str, facts: &dyn Facts) -> bool {
        match self {
            Self::Text(patterns) => patterns.iter().any(|pattern| pattern.fits(value, facts)),
            Self::Arn(patterns) => patterns.iter().any(|pattern| pattern.fits(value, facts)),
            Self::Number(order, limits) => {
                number(value).is_some_and(|value| limits.iter().any(|limit| order.holds(value, *limit)))
            }
            Self::Moment(order, limits) => {
                moment(value).is_some_and(|value| limits.iter().any(|limit| order.holds(value, *limit)))
            }
            Self::Truth(wanted) => wanted.iter().any(|wanted| value.eq_ignore_ascii_case(&wanted.to_string())),
            Self::Network(networks) => {
                value.parse::<IpAddr>().is_ok_and(|address| networks.iter().any(|network| network.contains(&address)))
            }
            Self::Absent(_) => false,
        }
    }
}

impl Order {
    #[allow(clippy::float_cmp)] // Equality of what was written the same way is what is asked for.
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Equals => value == limit,
            Self::Less => value < limit,
            Self::LessEquals => value <= limit,
            Self::Greater => value > limit,
            Self::GreaterEquals => value >= limit,
        }
    }
}

fn each<T>(texts: &[String], read: impl Fn(&str) -> Result<T, Malformed>) -> Result<Box<[T]>, Malformed> {
    texts.iter().map(|text| read(text)).collect()
}

fn wrong(text: &str, what: &str) -> Malformed {
    let shown: String = text.chars().take(64).collect();
    Malformed::syntax(format!("'{shown}' is not {what}."))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Milliseconds since 1970 of an ISO 8601 date, with or without its time, or of a number of seconds.
#[allow(clippy::cast_precision_loss)] // Exact for two hundred thousand years.
fn moment(text: &str) -> Option<f64> {
    if let Some(seconds) = number(text) {
        return Some(seconds * 1_000.0);
    }
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(stamp.as_millisecond() as f64);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    let stamp = jiff::tz::TimeZone::UTC.to_timestamp(local).ok()?;
    Some(stamp.as_millisecond() as f64)
}

fn truth(text: &str) -> Result<bool, Malformed> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(wrong(text, "true or false")),
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Known;

    impl Facts for Known {
        fn fact(&self, key: &str) -> Fact<'_> {
            match key {
                "aws:username" => Fact::one("Ann"),
                "aws:sourcearn" => Fact::one("arn:aws:s3:::bucket"),
                "aws:currenttime" => Fact::one("2026-11-24T03:00:00Z"),
                "aws:epochtime" => Fact::one("1795489200"),
                "aws:sourceip" => Fact::one("203.0.113.9"),
                "aws:securetransport" => Fact::one("false"),
                "s3:max-keys" => Fact::one("10"),
                "aws:tagkeys" => Fact::Many(vec!["a".into(), "b".into()]),
                "aws:emptykeys" => Fact::Many(Vec::new()),
                _ => Fact::Absent,
            }
        }
    }

    fn fits(operator: &str, key: &str, values: &Value) -> bool {
        let values: Vec<&Value> = values.as_array().map_or_else(|| vec![values], |many| many.iter().collect());
        Condition::new(operator, key, &values, true).unwrap().fits(&Known)
    }

    #[test]
    fn operators_compare_as_their_names_say() {
        for (operator, key, values, want) in [
            ("StringEquals", "aws:username", json!("Ann"), true),
            ("StringEquals", "aws:username", json!("ann"), false),
            ("StringEquals", "aws:username", json!("A*"), false),
            ("StringEquals", "AWS:UserName", json!(["Bob", "Ann"]), true),
            ("StringEquals", "aws:username", json!("${aws:username}"), true),
            ("StringNotEquals", "aws:username", json!(["Bob", "Ann"]), false),
            ("StringEqualsIgnoreCase", "aws:username", json!("ANN"), true),
            ("StringNotEqualsIgnoreCase", "aws:username", json!("ANN"), false),
            ("StringLike", "aws:username", json!("A?n*"), true),
            ("StringNotLike", "aws:username", json!("A*"), false),
            ("ArnLike", "aws:sourcearn", json!("arn:aws:s3:::b*"), true),
            ("ArnEquals", "aws:sourcearn", json!("arn:*:s3:::bucket"), true),
            ("ArnNotLike", "aws:sourcearn", json!("arn:aws:sqs:*"), true),
            ("NumericLessThan", "s3:max-keys", json!(11), true),
            ("NumericLessThanEquals", "s3:max-keys", json!("10.0"), true),
            ("NumericGreaterThan", "s3:max-keys", json!("10"), false),
            ("NumericGreaterThanEquals", "s3:max-keys", json!(10), true),
            ("NumericNotEquals", "s3:max-keys", json!([1, 10]), false),
            ("NumericEquals", "aws:username", json!(1), false),
            ("DateGreaterThan", "aws:currenttime", json!("2026-11-24"), true),
            ("DateLessThan", "aws:currenttime", json!("2026-11-24T02:59:59Z"), false),
            ("DateEquals", "aws:currenttime", json!(1_795_489_200), true),
            ("DateLessThanEquals", "aws:epochtime", json!("2026-11-24T03:00:00Z"), true),
            ("Bool", "aws:securetransport", json!("False"), true),
            ("Bool", "aws:securetransport", json!(true), false),
            ("IpAddress", "aws:sourceip", json!("203.0.113.0/24"), true),
            ("IpAddress", "aws:sourceip", json!(["10.0.0.0/8", "2001:db8::/32"]), false),
            ("IpAddress", "aws:sourceip", json!("203.0.113.9"), true),
            ("NotIpAddress", "aws:sourceip", json!("203.0.113.0/24"), false),
            ("Null", "aws:userid", json!("true"), true),
            ("Null", "aws:username", json!(true), false),
            ("Null", "aws:username", json!("false"), true),
        ] {
            assert_eq!(fits(operator, key, &values), want, "{operator} {key} {values}");
        }
    }

    #[test]
    fn a_key_that_is_absent_fits_what_is_negated_or_may_be_absent() {
        for (operator, want) in [
            ("StringEquals", false),
            ("StringNotEquals", true),
            ("StringEqualsIfExists", true),
            ("StringNotEqualsIfExists", true),
            ("stringlikeifexists", true),
            ("ForAllValues:StringEquals", true),
            ("ForAllValues:StringNotEquals", true),
            ("ForAnyValue:StringEquals", false),
            ("ForAnyValue:StringNotEquals", false),
            ("ForAnyValue:StringEqualsIfExists", true),
        ] {
            assert_eq!(fits(operator, "aws:userid", &json!("x")), want, "{operator}");
        }
        assert!(!fits("BoolIfExists", "aws:securetransport", &json!("true")));
        assert!(fits("NumericLessThanIfExists", "aws:MultiFactorAuthAge", &json!(60)));
    }

    #[test]
    fn keys_with_several_values_are_compared_one_by_one() {
        for (operator, values, want) in [
            ("ForAllValues:StringEquals", json!(["a", "b", "c"]), true),
            ("ForAllValues:StringEquals", json!(["a"]), false),
            ("ForAnyValue:StringEquals", json!(["b", "x"]), true),
            ("ForAnyValue:StringEquals", json!(["x"]), false),
            ("ForAllValues:StringNotEquals", json!(["x"]), true),
            ("ForAllValues:StringNotEquals", json!(["a"]), false),
            ("ForAnyValue:StringNotEquals", json!(["a"]), true),
            ("StringEquals", json!("b"), true),
        ] {
            assert_eq!(fits(operator, "aws:TagKeys", &values), want, "{operator} {values}");
        }
        assert!(fits("ForAllValues:StringEquals", "aws:emptykeys", &json!("x")));
        assert!(!fits("ForAnyValue:StringEquals", "aws:emptykeys", &json!("x")));
    }

    #[test]
    fn operators_and_values_that_do_not_go_together_are_refused() {
        for (operator, key, value, want) in [
            ("StringIs", "aws:username", json!("x"), "Invalid Condition type : StringIs."),
            ("StringEquals", "username", json!("x"), "must be prefaced by a vendor"),
            ("NumericEquals", "aws:x", json!("ten"), "'ten' is not a number. (condition NumericEquals on aws:x)"),
            ("NumericEquals", "aws:x", json!("NaN"), "'NaN' is not a number."),
            ("DateEquals", "aws:x", json!("tomorrow"), "is not a date"),
            ("Bool", "aws:x", json!("yes"), "is not true or false"),
            ("IpAddress", "aws:x", json!("10.0.0.0/33"), "is not an address"),
            ("StringEquals", "aws:x", json!({"a": 1}), "strings, numbers or booleans"),
            ("ArnLike", "aws:x", json!("bucket"), "must be in ARN format"),
        ] {
            let refused = Condition::new(operator, key, &[&value], true).unwrap_err().to_string();
            assert!(refused.contains(want), "{refused}");
        }
    }
}
