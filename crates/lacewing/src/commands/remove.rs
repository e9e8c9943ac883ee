//! `lacewing rm`: ends a function for good.

use super::client;
use crate::arguments::Connection;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Delete functions. Calls in flight end; logs and usage stay.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  lacewing rm hello\n  lacewing rm hello resize thumbnails")]
pub struct Remove {
    /// The functions: names or ARNs.
    #[arg(required = true)]
    pub names: Vec<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

impl Remove {
    /// Deletes each in turn; stops at the first that cannot be.
    ///
    /// # Errors
    /// [`Failure`]: no server, or a refusal.
    pub async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let mut client = client(&self.connection)?;
        for name in &self.names {
            client.delete_function(name).await?;
            if !output.json {
                output.say(&format!("deleted {name}"));
            }
        }
        if output.json {
            output.document(&json!({"deleted": self.names}));
        }
        Ok(ExitCode::SUCCESS)
    }
}
