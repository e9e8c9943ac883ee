//! `lacewing env`: what a shell needs so that every AWS SDK and tool finds this server.

use crate::arguments::Connection;
use crate::client::target::{Lookup, data_dir, environment, region, stored_endpoint, stored_keys};
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use serde_json::{Map, Value};
use std::process::ExitCode;

/// Print the environment by which AWS SDKs and tools find this server.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  eval \"$(lacewing env)\"            from now on `aws`, boto3 and every SDK talk to this server
  aws lambda list-functions
  lacewing env --data-dir /tmp/lw   of the server with that data dir
  lacewing env --json | jq -r .AWS_ENDPOINT_URL")]
pub struct Env {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

impl Env {
    /// Prints the variables. Needs no running server.
    ///
    /// # Errors
    /// [`Failure`] when no server ever used the data dir.
    pub fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let variables = self.variables(&environment)?;
        if output.json {
            let document: Map<String, Value> =
                variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            output.document(&Value::Object(document));
            return Ok(ExitCode::SUCCESS);
        }
        // A profile or a session of a real account would be used beside or instead of the root key.
        let left_over: Vec<&str> = ["AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_LAMBDA"]
            .into_iter()
            .filter(|name| environment(name).is_some())
            .collect();
        if !left_over.is_empty() {
            output.line(&format!("unset {}", left_over.join(" ")));
        }
        for (name, value) in variables {
            output.line(&format!("export {name}={}", quoted(&value)));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn variables(&self, lookup: Lookup<'_>) -> Result<Vec<(&'static str, String)>, Failure> {
        let data_dir = data_dir(&self.connection.data);
        let endpoint = match &self.connection.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => stored_endpoint(&data_dir)?,
        };
        let keys = stored_keys(&data_dir).ok_or_else(|| {
            Failure::usage(
                format!("{} has no root key that can be read", data_dir.display()),
                "become the user that the server runs as, or name its --data-dir; with `serve --root-key` use that key",
            )
        })?;
        // Not the region of a real account's shell: where functions were deployed before, unless a flag says so.
        let hidden = |name: &str| if name.ends_with("REGION") { None } else { lookup(name) };
        let region = region(&self.connection, &hidden, &data_dir);
        Ok(vec![
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", keys.id),
            ("AWS_SECRET_ACCESS_KEY", keys.secret),
            // Python's SDK and the CLI read the one, JavaScript's the other.
            ("AWS_DEFAULT_REGION", region.clone()),
            ("AWS_REGION", region),
        ])
    }
}

/// `value` as one word of a POSIX shell.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_reads_back_every_value() {
        for value in ["http://127.0.0.1:9000", "a b", "it's", "$(rm -rf /)`x`", "", "\"\\", "new\nline", "a&b;c|d"] {
            let script = format!("printf %s {}", quoted(value));
            let shell = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(shell.stdout).unwrap(), value);
        }
    }
}
