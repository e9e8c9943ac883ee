//! What is said of runtimes that cannot be asked for.

use crate::Violations;

/// Identifiers that AWS itself no longer takes. Source: "Lambda runtimes", table of deprecated runtimes.
const RETIRED: [&str; 18] = [
    "dotnet6",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "java8",
    "nodejs",
    "nodejs10.x",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "provided",
    "python2.7",
    "ruby2.5",
    "ruby2.7",
    "ruby3.2",
];

/// Identifiers that AWS takes, in the order in which its refusals name them. Source: recorded AWS replies.
const KNOWN: [&str; 25] = [
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
];

/// Runtimes by which lists of layers can be narrowed, in the order of AWS's refusal. Source: recorded AWS reply.
const LISTED: [&str; 56] = [
    "ruby3.5",
    "ruby2.6",
    "dotnetcore1.0",
    "python3.7",
    "nodejs8.10",
    "nasa",
    "ruby2.7",
    "python2.7-greengrass",
    "dotnetcore2.0",
    "python3.8",
    "java21",
    "dotnet6",
    "dotnetcore2.1",
    "python3.9",
    "java11",
    "nodejs6.10",
    "provided",
    "dotnetcore3.1",
    "dotnet8",
    "java25",
    "java17",
    "nodejs",
    "nodejs4.3",
    "java8.al2",
    "go1.x",
    "dotnet10",
    "nodejs20.x",
    "go1.9",
    "byol",
    "nodejs10.x",
    "provided.al2023",
    "nodejs22.x",
    "python3.10",
    "java8",
    "nodejs12.x",
    "python3.11",
    "nodejs24.x",
    "nodejs8.x",
    "python3.12",
    "nodejs14.x",
    "nodejs8.9",
    "nodejs26.x",
    "python3.13",
    "python3.14",
    "nodejs16.x",
    "python3.15",
    "provided.al2",
    "nodejs4.3-edge",
    "nodejs18.x",
    "ruby3.2",
    "python3.4",
    "ruby3.3",
    "ruby3.4",
    "ruby2.5",
    "python3.6",
    "python2.7",
];

/// Notes runtimes that a layer cannot be said to fit.
pub fn check_layer_runtimes(runtimes: &[String], violations: &mut Violations) {
    let shown = format!("[{}]", runtimes.join(", "));
    if runtimes.len() > 15 {
        violations.add(&shown, "compatibleRuntimes", "have length less than or equal to 15");
    }
    let known = |runtime: &String| KNOWN.contains(&runtime.as_str()) || LISTED.contains(&runtime.as_str());
    if !runtimes.iter().all(known) {
        let words = KNOWN.join(", ");
        violations.add(&shown, "compatibleRuntimes", format_args!("satisfy enum value set: [{words}]"));
    }
}

/// Notes a runtime by which layers cannot be listed.
pub fn check_listed_runtime(runtime: &str, violations: &mut Violations) {
    violations.one_of(runtime, "compatibleRuntime", &LISTED);
}

/// The text for a runtime that is not served; `served` are those that are. AWS's own words for what is no
/// runtime anywhere, ours for one that is only missing here.
#[must_use]
pub fn runtime_refusal(runtime: &str, served: &[&str]) -> String {
    if RETIRED.contains(&runtime) {
        return format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. \
             We recommend you use a supported runtime while creating or updating functions."
        );
    }
    if KNOWN.contains(&runtime) {
        return format!("The runtime {runtime} is not available here. Available runtimes: [{}].", served.join(", "));
    }
    format!(
        "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a \
         valid ARN",
        KNOWN.join(", ")
    )
}

/// The ARN of the runtime's version; `hash` stands for the build and is 64 hex digits.
#[must_use]
pub fn runtime_version_arn(region: &str, hash: &str) -> String {
    format!("arn:aws:lambda:{region}::runtime:{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_refused_in_aws_words() {
        assert!(runtime_refusal("python2.7", &[]).starts_with("The runtime parameter of python2.7 is no longer"));
        let unknown = runtime_refusal("PYTHON3.9", &["python3.13"]);
        let start = "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [";
        assert!(unknown.starts_with(&format!("{start}nodejs20.x, python3.14, provided.al2023, ")), "{unknown}");
        assert!(unknown.ends_with(", provided.al2, java8.al2] or be a valid ARN"), "{unknown}");
    }

    #[test]
    fn a_runtime_that_is_only_missing_here_says_which_are_not() {
        assert_eq!(
            runtime_refusal("java21", &["python3.13", "provided.al2023"]),
            "The runtime java21 is not available here. Available runtimes: [python3.13, provided.al2023]."
        );
    }
}
