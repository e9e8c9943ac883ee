//! How a function's SDK finds the platform's API at its own door.
//!
//! Python's and Node's SDKs read it from the shared configuration in the user's home, so that the environment is
//! Lambda's to the last variable. Programs of other languages look for a home in `HOME`, which Lambda does not set:
//! they are given variables. Source: AWS SDKs and Tools reference guide, "Service-specific endpoints".

use crate::net::DOOR_ADDRESS;
use lacewing_model::Language;

/// The home of the function's user: not there on Lambda, and here nothing but the configuration.
pub(crate) const HOME: &str = "home/sbx_user1051";

/// What stands for the configuration below [`HOME`]. Python's clients name the logs in another way than the design.
pub(crate) const VARIABLES: [&str; 4] =
    ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_LOGS", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_ENDPOINT_URL_STS"];

/// Variables by which a function sends its SDK elsewhere than to the configuration in its home.
const ELSEWHERE: [&str; 4] = ["HOME", "AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"];

/// The shared configuration, for `.aws/config`.
pub(crate) fn shared_configuration() -> String {
    let mut text = String::from("[default]\nservices = lacewing\n\n[services lacewing]\n");
    for service in ["lambda", "logs", "cloudwatch_logs", "sts"] {
        text += &format!("{service} =\n  endpoint_url = http://{DOOR_ADDRESS}\n");
    }
    text
}

/// True where the function's SDK reads [`shared_configuration`].
pub(crate) fn are_found_at_home(language: Language, environment: &[(String, String)]) -> bool {
    let looks = matches!(language, Language::Python(_) | Language::Node(_));
    looks && !environment.iter().any(|(name, _)| ELSEWHERE.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_for_those_that_find_no_home() {
        let with = |name: &str| vec![(name.to_owned(), "x".to_owned())];
        assert!(are_found_at_home(Language::Python(13), &with("TABLE")));
        assert!(are_found_at_home(Language::Node(22), &[]));
        assert!(!are_found_at_home(Language::Python(13), &with("HOME")));
        assert!(!are_found_at_home(Language::Provided, &[]));
    }
}
