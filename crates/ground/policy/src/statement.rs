//! One statement of a policy.

use crate::arn::ArnPattern;
use crate::condition::Condition;
use crate::document::Kind;
use crate::pattern::{Pattern, Signs};
use crate::principal::Principals;
use crate::written::Written;
use crate::{Malformed, Question, Reach, Verdict};
use serde_json::Value;

/// A compiled statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    allows: bool,
    principals: Option<Principals>,
    actions: OneOf<Pattern>,
    /// `None`: whatever the policy is attached to.
    resources: Option<OneOf<ArnPattern>>,
    conditions: Box<[Condition]>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq)]
struct OneOf<P> {
    patterns: Box<[P]>,
    negated: bool,
}

impl Statement {
    pub(crate) fn new(written: &Written, kind: Kind, variables: bool) -> Result<Self, Malformed> {
        let allows = match written.effect.as_deref() {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(Malformed::syntax("Effect is \"Allow\" or \"Deny\".")),
        };
        let principals = match (&written.principal, &written.not_principal) {
            (Some(_), Some(_)) => return Err(Malformed::syntax("Give Principal or NotPrincipal, not both.")),
            (Some(element), None) => Some(Principals::new(element, false)?),
            (None, Some(element)) => Some(Principals::new(element, true)?),
            (None, None) => None,
        };
        if principals.is_some() && kind == Kind::Identity {
            return Err(Malformed("Policy document should not specify a principal.".to_owned()));
        }
        if principals.is_none() && kind != Kind::Identity {
            return Err(Malformed("Missing required field Principal".to_owned()));
        }
        let actions = element(written.action.as_ref(), written.not_action.as_ref(), "Action", action)?
            .ok_or_else(|| Malformed("Policy statement must contain actions.".to_owned()))?;
        let resource = |text: &str| ArnPattern::new(text, variables);
        let resources = element(written.resource.as_ref(), written.not_resource.as_ref(), "Resource", resource)?;
        match (kind, &resources) {
            (Kind::Trust, Some(_)) => return Err(Malformed("Has prohibited field Resource".to_owned())),
            (Kind::Identity, None) => return Err(Malformed("Policy statement must contain resources.".to_owned())),
            _ => {}
        }
        let mut conditions = Vec::new();
        for (operator, keys) in &written.condition.0 {
            for (key, values) in &keys.0 {
                conditions.push(Condition::new(operator, key, &many(values), variables)?);
            }
        }
        Ok(Self { allows, principals, actions, resources, conditions: conditions.into() })
    }

    /// What the statement says. The cheap parts are asked first.
    pub(crate) fn verdict(&self, asked: &Question<'_>) -> Verdict {
        let facts = asked.facts;
        // Actions have no variables.
        if !self.actions.mean(|pattern| pattern.fits(asked.action, &())) {
            return Verdict::Silent;
        }
        let reach = match &self.principals {
            None => Some(Reach::Caller),
            Some(principals) => principals.reach(asked.who),
        };
        let Some(reach) = reach else { return Verdict::Silent };
        let resources = self.resources.as_ref();
        let meant = resources.is_none_or(|resources| resources.mean(|pattern| pattern.fits(asked.resource, facts)));
        if !meant || !self.conditions.iter().all(|condition| condition.fits(facts)) {
            return Verdict::Silent;
        }
        if self.allows { Verdict::Allow(reach) } else { Verdict::Deny }
    }
}

impl<P> OneOf<P> {
    fn mean(&self, fits: impl FnMut(&P) -> bool) -> bool {
        self.patterns.iter().any(fits) != self.negated
    }
}

/// Reads an element that may be negated.
fn element<P>(
    plain: Option<&Value>,
    negated: Option<&Value>,
    name: &str,
    read: impl Fn(&str) -> Result<P, Malformed>,
) -> Result<Option<OneOf<P>>, Malformed> {
    let (value, negated) = match (plain, negated) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(Malformed::syntax(format!("Give {name} or Not{name}, not both."))),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
    };
    let patterns: Result<Vec<P>, Malformed> = texts(value, name)?.into_iter().map(read).collect();
    Ok(Some(OneOf { patterns: patterns?.into(), negated }))
}

fn action(text: &str) -> Result<Pattern, Malformed> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'*' | b'?' | b'-');
    let vendor = text.split_once(':').is_some_and(|(vendor, verb)| !vendor.is_empty() && !verb.is_empty());
    if text != "*" && !(vendor && text.bytes().all(fits)) {
        let sentence = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
        return Err(Malformed(sentence.to_owned()));
    }
    Ok(Pattern::new(text, Signs { wildcards: true, variables: false })?.ignoring_case())
}

/// One value, or a list of them.
fn many(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

/// A string, or a list of strings that is not empty.
pub(crate) fn texts<'a>(value: &'a Value, name: &str) -> Result<Vec<&'a str>, Malformed> {
    let found: Option<Vec<&str>> = many(value).into_iter().map(Value::as_str).collect();
    found
        .filter(|texts| !texts.is_empty())
        .ok_or_else(|| Malformed::syntax(format!("{name} is a string or a list of strings.")))
}
