//! `lacewing invoke`: one call, its answer on stdout.

use super::client;
use crate::arguments::Connection;
use crate::client::Invocation;
use crate::failure::Failure;
use crate::output::Output;
use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// The largest event, bytes: what a server with relaxed limits takes. A strict one says so itself.
const PAYLOAD_BYTES_MAX: u64 = 32 << 20;

/// Call a function and print its answer.
///
/// The answer goes to stdout as it is. When the function fails, its error goes to stderr and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lacewing invoke hello
  lacewing invoke hello --payload '{\"name\": \"you\"}'
  lacewing invoke hello --payload @event.json --tail
  lacewing invoke hello --tenant-id blue         a function that isolates its tenants
  generate-events | lacewing invoke hello --payload - | jq .total")]
pub struct Invoke {
    /// The function: name, NAME:QUALIFIER or ARN.
    pub name: String,
    /// The event as JSON; @FILE reads a file, - reads stdin.
    #[arg(short, long, value_name = "JSON", default_value = "{}")]
    pub payload: String,
    /// The tenant that the call is for: needed where the function isolates its tenants.
    #[arg(long, value_name = "TENANT")]
    pub tenant_id: Option<String>,
    /// Show the last log lines of this call on stderr.
    #[arg(short, long)]
    pub tail: bool,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

impl Invoke {
    /// Calls the function.
    ///
    /// # Errors
    /// [`Failure`]: no server, a refusal, or a payload that cannot be read.
    pub async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let payload = payload(&self.payload)?;
        let mut client = client(&self.connection)?;
        let answer = client.invoke(&self.name, None, self.tenant_id.as_deref(), payload, self.tail).await?;
        if output.json {
            output.document(&document(&answer));
        } else {
            show(&answer, output);
        }
        Ok(if answer.error.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn show(answer: &Invocation, output: Output) {
    if let Some(tail) = &answer.tail {
        output.say(tail.trim_end());
    }
    match &answer.error {
        Some(kind) => {
            output.say(&String::from_utf8_lossy(&answer.payload));
            output.say(&format!("error: the function failed ({kind})\n hint: `lacewing invoke --tail` or `lacewing logs` shows what it wrote"));
        }
        None => {
            output.raw(&answer.payload);
            if !answer.payload.ends_with(b"\n") {
                output.raw(b"\n");
            }
        }
    }
}

fn document(answer: &Invocation) -> Value {
    let payload = serde_json::from_slice(&answer.payload)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&answer.payload).into_owned()));
    json!({
        "request_id": answer.request_id,
        "version": answer.version,
        "error": answer.error,
        "payload": payload,
        "tail": answer.tail,
    })
}

fn payload(said: &str) -> Result<Bytes, Failure> {
    let bytes = if said == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(PAYLOAD_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| Failure::file(Path::new("stdin"), &error))?;
        bytes
    } else if let Some(path) = said.strip_prefix('@') {
        std::fs::read(path).map_err(|error| Failure::file(Path::new(path), &error))?
    } else {
        said.as_bytes().to_vec()
    };
    if bytes.len() as u64 > PAYLOAD_BYTES_MAX {
        return Err(Failure::usage(
            format!("the payload has more than {PAYLOAD_BYTES_MAX} bytes"),
            "send less, or a reference to where the data is",
        ));
    }
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
        return Err(Failure::usage(
            format!("the payload is not JSON: {error}"),
            "write it as --payload '{\"key\": \"value\"}'; text needs quotes: --payload '\"text\"'",
        ));
    }
    Ok(bytes.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_json_from_the_line_or_a_file() {
        assert_eq!(&payload("{\"a\": 1}").unwrap()[..], b"{\"a\": 1}");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"[1]").unwrap();
        assert_eq!(&payload(&format!("@{}", file.path().display())).unwrap()[..], b"[1]");
        assert!(payload("hello").unwrap_err().hint.contains("quotes"));
        assert!(payload("@/no/such/file").is_err());
    }
}
