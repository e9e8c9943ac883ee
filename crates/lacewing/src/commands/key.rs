//! `lacewing key`: access keys, and with them accounts and users.

use super::client;
use super::list::plain_table;
use crate::arguments::Connection;
use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, Subcommand};
use lacewing_lambda_api::CreateKeyRequest;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make, list and remove access keys of accounts and users.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lacewing key create --account 111111111111                      a root key: it may do everything in that account
  lacewing key create --account 111111111111 --policy ci.json     a key that may do what the policy says
  lacewing key create --account 111111111111 --user ann --policy ann.json
  lacewing key ls
  lacewing key rm AKIAEXAMPLE

A policy is a document as IAM has it:
  {\"Version\": \"2012-10-17\", \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"lambda:InvokeFunction\",
    \"Resource\": \"arn:aws:lambda:*:111111111111:function:hello\"}]}")]
pub struct Key {
    #[allow(missing_docs)]
    #[command(subcommand)]
    pub what: What,
}

/// What to do with keys.
#[derive(Subcommand, Debug)]
#[allow(missing_docs)]
pub enum What {
    Create(Create),
    Ls(Ls),
    Rm(Rm),
}

/// Make a key. Its secret is shown this once.
#[derive(Args, Debug)]
pub struct Create {
    /// Whose key: 12 digits. An account comes into being with its first key.
    #[arg(long, value_name = "ID")]
    pub account: String,
    /// The user that gets the key, made where it is not there.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// What the user may do: a file with a policy document, or - for stdin. Without --user the key gets a user of its
    /// own. Without either it is a root key of the account.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

/// List keys. The server's own root key is not among them: `lacewing env` shows it.
#[derive(Args, Debug)]
pub struct Ls {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

/// Remove keys: what is signed with them is refused from then on.
#[derive(Args, Debug)]
pub struct Rm {
    /// Access key ids.
    #[arg(required = true)]
    pub ids: Vec<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

impl Key {
    /// Does it.
    ///
    /// # Errors
    /// [`Failure`]: no server, or a refusal.
    pub async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        match self.what {
            What::Create(create) => create.run(output).await,
            What::Ls(list) => list.run(output).await,
            What::Rm(remove) => remove.run(output).await,
        }
    }
}

impl Create {
    async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let policy = self.policy.as_ref().map(|path| read(path)).transpose()?;
        let powerless = self.user.is_some() && policy.is_none();
        let ask = CreateKeyRequest { account: self.account, user: self.user, policy: policy.map(Into::into) };
        let key = client(&self.connection)?.create_key(&ask).await?;
        let secret = key.secret_access_key.as_deref().unwrap_or_default();
        if output.json {
            output.document(&json!(key));
            return Ok(ExitCode::SUCCESS);
        }
        output.line(&format!("AWS_ACCESS_KEY_ID={}", key.access_key_id));
        output.line(&format!("AWS_SECRET_ACCESS_KEY={secret}"));
        match &key.user {
            None => output.say(&format!("a root key of account {}; the secret is not shown again", key.account)),
            Some(user) => {
                output.say(&format!("a key of {user} in account {}; the secret is not shown again", key.account))
            }
        }
        if powerless {
            output.say("a new user may do nothing until it has a policy: --policy FILE, or `aws iam put-user-policy`");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Ls {
    async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let keys = client(&self.connection)?.keys().await?.keys;
        if output.json {
            output.document(&json!(keys));
            return Ok(ExitCode::SUCCESS);
        }
        if keys.is_empty() {
            output.say("no key has been made; `lacewing key create --account ID` makes one");
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = plain_table(["key", "account", "user", "made", ""]);
        for key in keys {
            let user = key.user.unwrap_or_else(|| "(root)".to_owned());
            let state = if key.active { "" } else { "inactive" };
            table.add_row([key.access_key_id, key.account, user, key.created.replace('T', " "), state.to_owned()]);
        }
        output.line(&table.trim_fmt());
        Ok(ExitCode::SUCCESS)
    }
}

impl Rm {
    async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let mut client = client(&self.connection)?;
        for id in &self.ids {
            client.delete_key(id).await?;
            if !output.json {
                output.say(&format!("removed {id}"));
            }
        }
        if output.json {
            output.document(&json!({"removed": self.ids}));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The text of a policy; the server judges it.
fn read(path: &std::path::Path) -> Result<String, Failure> {
    if path.as_os_str() == "-" {
        return std::io::read_to_string(std::io::stdin()).map_err(|error| Failure::file(path, &error));
    }
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}
