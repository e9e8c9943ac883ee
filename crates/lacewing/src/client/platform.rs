//! What the platform answers beyond the AWS API: the bill, and what the server's host has.

use super::{ApiFailure, Client};
use serde_json::Value;

/// What a server tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformInfo {
    /// Its account; empty where it does not say.
    pub account: String,
    /// The interpreters on its host: language and version.
    pub interpreters: Vec<(String, String)>,
}

impl Client {
    /// `GET /_lacewing/cost`.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn cost(&mut self, query: &str) -> Result<Value, ApiFailure> {
        Ok(self.get(&format!("/_lacewing/cost{query}")).await?.json()?)
    }

    /// `GET /_lacewing/doctor`; a server that does not answer it leaves everything open.
    pub async fn platform(&mut self) -> PlatformInfo {
        let Ok(reply) = self.get("/_lacewing/doctor").await else { return PlatformInfo::default() };
        reply.json().map(|value| PlatformInfo::of(&value)).unwrap_or_default()
    }
}

impl PlatformInfo {
    fn of(value: &Value) -> Self {
        let rows = value.get("interpreters").and_then(Value::as_array);
        let text = |row: &Value, key: &str| Some(row.get(key)?.as_str()?.to_owned());
        let interpreters = rows.into_iter().flatten();
        let interpreters = interpreters.filter_map(|row| Some((text(row, "language")?, text(row, "version")?)));
        let interpreters = interpreters.collect();
        Self { account: text(value, "account").unwrap_or_default(), interpreters }
    }

    /// The newest runtime of `language` that the host has exactly, such as `python3.11` or `nodejs20.x`.
    pub fn runtime(&self, language: &str) -> Option<String> {
        let of_language = self.interpreters.iter().filter(|(name, _)| name == language);
        let versions = of_language.filter_map(|(_, version)| {
            let mut parts = version.split('.').map_while(|part| part.parse::<u16>().ok());
            Some((parts.next()?, parts.next().unwrap_or(0)))
        });
        let name = |(major, minor): (u16, u16)| match language {
            "python" => format!("python{major}.{minor}"),
            _ => format!("{language}{major}.x"),
        };
        let mut versions: Vec<_> = versions.collect();
        versions.sort_unstable();
        let served = |runtime: &String| lacewing_model::Runtime::SERVED.contains(&runtime.as_str());
        versions.into_iter().rev().map(name).find(served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_served_runtime_of_the_host_is_chosen() {
        let info = PlatformInfo::of(&json!({"account": "000000000000", "interpreters": [
            {"language": "python", "version": "3.9.2"}, {"language": "python", "version": "3.11.7"},
            {"language": "python", "version": "3.99.0"}, {"language": "nodejs", "version": "20.20.2"}]}));
        assert_eq!(info.runtime("python").as_deref(), Some("python3.11"));
        assert_eq!(info.runtime("nodejs").as_deref(), Some("nodejs20.x"));
        assert_eq!(info.runtime("ruby"), None);
    }
}
