//! What is said of runtimes that cannot be asked for.

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

/// The text for a runtime that is not served; `served` are those that are.
#[must_use]
pub fn runtime_refusal(runtime: &str, served: &[&str]) -> String {
    if RETIRED.contains(&runtime) {
        return format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. \
             We recommend you use a supported runtime while creating or updating functions."
        );
    }
    format!(
        "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a \
         valid ARN",
        served.join(", ")
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
        assert_eq!(
            runtime_refusal("cobol", &["python3.13", "provided.al2023"]),
            "Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [python3.13, \
             provided.al2023] or be a valid ARN"
        );
    }
}
