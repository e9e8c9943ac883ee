//! How a function's SDK finds the platform's API at its own door.
//!
//! Python's and Node's SDKs read it from the shared configuration in the user's home, so that the environment is
//! Lambda's to the last variable. Programs of other languages look for a home in `HOME`, which Lambda does not set:
//! they are given variables. Source: AWS SDKs and Tools reference guide, "Service-specific endpoints".

use crate::net::{DOOR_ADDRESS, ServiceUrls};
use lacewing_model::Language;

/// The home of the function's user: not there on Lambda, and here nothing but the configuration.
pub(crate) const HOME: &str = "home/sbx_user1051";

/// What stands for the configuration below [`HOME`]. Python's clients name the logs in another way than the design.
const VARIABLES: [&str; 4] =
    ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_LOGS", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_ENDPOINT_URL_STS"];

/// Variables by which a function sends its SDK elsewhere than to the configuration in its home.
const ELSEWHERE: [&str; 4] = ["HOME", "AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"];

/// The shared configuration, for `.aws/config`. `services`: what stands in for the rest of AWS.
pub(crate) fn shared_configuration(services: Option<&ServiceUrls>) -> String {
    let mut text = String::from("[default]\nservices = lacewing\n");
    if let Some(services) = services {
        text += &format!("endpoint_url = {}\n", services.all);
    }
    text += "\n[services lacewing]\n";
    let own = ["lambda", "logs", "cloudwatch_logs", "sts"].map(|service| (service, format!("http://{DOOR_ADDRESS}")));
    let objects = services.map(|services| ["s3", "s3_control"].map(|service| (service, services.objects.clone())));
    for (service, url) in own.into_iter().chain(objects.into_iter().flatten()) {
        text += &format!("{service} =\n  endpoint_url = {url}\n");
    }
    text
}

/// The variables for programs that do not read [`shared_configuration`].
pub(crate) fn variables(services: Option<&ServiceUrls>) -> Vec<(&'static str, String)> {
    let own = VARIABLES.map(|name| (name, format!("http://{DOOR_ADDRESS}")));
    let rest = services.map(|services| {
        [("AWS_ENDPOINT_URL", services.all.clone()), ("AWS_ENDPOINT_URL_S3", services.objects.clone())]
    });
    own.into_iter().chain(rest.into_iter().flatten()).collect()
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
    fn what_stands_in_for_aws_is_told_beside_our_own() {
        let urls = ServiceUrls { all: "http://all".into(), objects: "http://objects".into() };
        let text = shared_configuration(Some(&urls));
        assert!(text.starts_with("[default]\nservices = lacewing\nendpoint_url = http://all\n\n[services"), "{text}");
        assert!(text.contains("\nsts =\n  endpoint_url = http://127.0.0.1:9001\n"), "{text}");
        assert!(text.contains("\ns3 =\n  endpoint_url = http://objects\n"), "{text}");
        assert!(!shared_configuration(None).contains("s3"));
        assert!(variables(Some(&urls)).contains(&("AWS_ENDPOINT_URL", "http://all".to_owned())));
        assert_eq!(variables(None).len(), VARIABLES.len());
    }

    #[test]
    fn variables_are_for_those_that_find_no_home() {
        let with = |name: &str| vec![(name.to_owned(), "x".to_owned())];
        assert!(are_found_at_home(Language::Python(13), &with("TABLE")));
        assert!(are_found_at_home(Language::Node(22), &[]));
        assert!(!are_found_at_home(Language::Python(13), &with("HOME")));
        assert!(!are_found_at_home(Language::Provided, &[]));
    }
}
