//! What the platform answers beyond the AWS API: the bill, and what the server's host has.

use super::{ApiFailure, Client};
use crate::failure::Failure;
use lacewing_lambda_api::{CostReply, DoctorReply, WhyFunctionReply, WhyRequestReply};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

/// What decides how a function is created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The server's account; empty where it is not known.
    pub account: String,
    /// Language and version of each interpreter.
    pub interpreters: Vec<(String, String)>,
}

impl Client {
    /// `GET /_lacewing/cost`.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn cost(&mut self, query: &str) -> Result<CostReply, ApiFailure> {
        Ok(read(&self.get(&format!("/_lacewing/cost{query}")).await?.body)?)
    }

    /// `GET /_lacewing/why/requests/ID`.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or no such invocation.
    pub async fn why_request(&mut self, id: &str) -> Result<WhyRequestReply, ApiFailure> {
        Ok(read(&self.get(&format!("/_lacewing/why/requests/{id}")).await?.body)?)
    }

    /// `GET /_lacewing/why/functions/NAME`, with or without `:QUALIFIER`.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or no such function.
    pub async fn why_function(&mut self, name: &str) -> Result<WhyFunctionReply, ApiFailure> {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        Ok(read(&self.get(&format!("/_lacewing/why/functions/{name}")).await?.body)?)
    }

    /// The server's account and interpreters, by `GET /_lacewing/doctor`; one that does not tell leaves the choice to
    /// its own rule of the nearest version.
    pub async fn host(&mut self) -> Host {
        let Ok(reply) = self.get("/_lacewing/doctor").await else { return Host::default() };
        let reply: DoctorReply = read(&reply.body).unwrap_or_default();
        let interpreters = reply.interpreters.into_iter().map(|found| (found.language, found.version)).collect();
        Host { account: reply.account, interpreters }
    }
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::refused(
            format!("the server's answer cannot be read: {error}"),
            "server and client are of different versions: `lacewing --version` on both sides",
        )
    })
}

impl Host {
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

    #[test]
    fn the_newest_served_runtime_of_the_host_is_chosen() {
        let found = [("python", "3.9.2"), ("python", "3.11.7"), ("python", "3.99.0"), ("nodejs", "20.20.2")];
        let found = found.map(|(language, version)| (language.to_owned(), version.to_owned())).to_vec();
        let host = Host { account: String::new(), interpreters: found };
        assert_eq!(host.runtime("python").as_deref(), Some("python3.11"));
        assert_eq!(host.runtime("nodejs").as_deref(), Some("nodejs20.x"));
        assert_eq!(host.runtime("ruby"), None);
    }
}
