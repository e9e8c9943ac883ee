//! `lacewing deploy --web`: the settings of a web function, and its URL.

use super::Deploy;
use crate::client::Client;
use crate::failure::Failure;
use crate::stack;
use lacewing_model::{WEB_COMMAND, WEB_CONCURRENCY, WEB_PORT};
use serde_json::{Map, Value, json};

/// What a new one gets where nothing is said: servers and their packages are larger than handlers.
pub(super) const MEMORY_MIB: u32 = 512;
pub(super) const TIMEOUT_SECONDS: u32 = 30;

impl Deploy {
    /// The variables of a web function: those given, else those it had, and its settings.
    pub(super) fn web_variables(
        &self,
        command: &str,
        given: Option<Map<String, Value>>,
        had: Option<&Map<String, Value>>,
    ) -> Map<String, Value> {
        let mut variables = given.or_else(|| had.cloned()).unwrap_or_default();
        variables.insert(WEB_COMMAND.to_owned(), command.into());
        if let Some(port) = self.port {
            variables.insert(WEB_PORT.to_owned(), port.to_string().into());
        }
        if let Some(concurrency) = self.concurrency {
            variables.insert(WEB_CONCURRENCY.to_owned(), concurrency.to_string().into());
        }
        variables
    }

    /// Gives the function a URL, if it has none, and lets callers through as asked: the URL.
    pub(super) async fn open_url(&self, client: &mut Client, name: &str) -> Result<String, Failure> {
        let auth = if self.iam { "AWS_IAM" } else { "NONE" };
        stack::open_url(client, name, None, &json!({"AuthType": auth, "InvokeMode": "RESPONSE_STREAM"})).await
    }
}
