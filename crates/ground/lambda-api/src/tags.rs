//! Tags: which resources can have them, and the request.

use crate::Violations;
use serde::Deserialize;
use std::collections::BTreeMap;

pub(crate) const RESOURCE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)";

/// `TagResource`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct TagResourceRequest {
    pub tags: Option<BTreeMap<String, String>>,
}

/// A resource that can have tags, by its ARN. A name in it may lead nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaggedResource<'a> {
    /// A function, perhaps with a qualifier: the whole ARN.
    Function(&'a str),
    /// A layer. The model's pattern takes it, the service does not.
    Layer(&'a str),
    /// A code signing configuration: its id.
    CodeSigning(&'a str),
    /// An event source mapping: its UUID.
    Mapping(&'a str),
    /// A capacity provider: its name.
    CapacityProvider(&'a str),
}

impl<'a> TaggedResource<'a> {
    /// Reads an ARN, noting in `violations` what is wrong with it.
    #[must_use]
    pub fn read(arn: &'a str, violations: &mut Violations) -> Self {
        violations.matches(arn, "resource", RESOURCE_PATTERN);
        let rest = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let (kind, name) = rest.split_once(':').unwrap_or_default();
        match kind {
            "layer" => Self::Layer(name),
            "code-signing-config" => Self::CodeSigning(name),
            "event-source-mapping" => Self::Mapping(name),
            "capacity-provider" => Self::CapacityProvider(name),
            _ => Self::Function(arn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_told_apart_by_their_arns() {
        let read = |rest: &str| {
            let (arn, mut violations) =
                (format!("arn:aws:lambda:us-east-1:000000000000:{rest}"), Violations::default());
            let resource = format!("{:?}", TaggedResource::read(&arn, &mut violations));
            violations.text().map_or(resource, |_| "refused".to_owned())
        };
        assert_eq!(read("capacity-provider:p"), r#"CapacityProvider("p")"#);
        assert_eq!(read("code-signing-config:csc-0123456789abcdefg"), r#"CodeSigning("csc-0123456789abcdefg")"#);
        assert!(read("function:f:1").starts_with("Function(\"arn:aws"));
        assert_eq!(read("foobar:x"), "refused");
        assert_eq!(read("event-source-mapping:x"), "refused");
    }
}
