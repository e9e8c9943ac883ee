//! `lacewing deploy PATH`: guesses, packs, creates or updates, waits until it can be called.

mod image;
mod web;

use super::client;
use crate::arguments::Connection;
use crate::client::{ApiFailure, Client, DeployedCode, FunctionFields, FunctionState, Host};
use crate::failure::Failure;
use crate::output::{Output, milliseconds, size};
use crate::package::{Chosen, Family, Wanted, WebWanted, package, web_package};
use crate::progress::spinner;
use crate::stack;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// The tag that says what a function may reach over the network.
const EGRESS_TAG: &str = "lacewing:egress";
/// The runtime of a language where the server does not tell what it has; it takes the nearest one.
const PYTHON_USUAL: &str = "python3.13";
const NODE_USUAL: &str = "nodejs22.x";
const PROVIDED: &str = "provided.al2023";
/// The account of a server that does not tell.
const ACCOUNT_USUAL: &str = "000000000000";

/// Deploy a file or folder as a function: create it, or update it if it exists.
///
/// Runtime and handler are guessed: an executable (or a folder with a `bootstrap`) is a custom runtime; Python is
/// recognised by `def handler` or `def lambda_handler` in lambda_function.py, app.py, main.py, handler.py, index.py or
/// the only .py file; Node by an exported `handler` in package.json's main, index.mjs/.js/.cjs or the only such file.
/// Everything else in the folder goes along (node_modules too; .git, __pycache__ and .venv do not).
/// The same files always give the same package.
///
/// With --web it is a web application, run as it is: Lacewing starts its command and passes requests on. The command is
/// guessed from a Procfile, package.json's start script, a FastAPI, Starlette or Flask application, a file that listens, or an
/// executable. It gets a URL that anybody may call (--iam: only signed requests), 512 MiB and 30 seconds if nothing is said.
///
/// With --image it is a container image that the server can reach: of a registry or an OCI layout that [images] of its
/// configuration names. Nothing is built or sent; what a tag stands for when it is deployed is what runs.
///
/// A template of SAM or CloudFormation (.yaml, .yml, .json, .template) is deployed as a whole: functions, versions, aliases,
/// layers, URLs, permissions, roles and policies, with globals, parameters, conditions, mappings and references between them.
/// So are the folders that `cdk synth` (cdk.out), `serverless package` (.serverless) and `sam build` (.aws-sam/build) write, with
/// the packages in them. What it asks for and cannot be had here is named, and nothing is deployed. --name is the stack's name
/// then, and begins the names of resources that say none.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lacewing deploy app.py --name hello
  lacewing deploy ./shop --env TABLE=orders --timeout 30
  lacewing deploy ./target/release/resize --memory 1024
  lacewing deploy package.zip --runtime python3.11 --handler app.main
  lacewing deploy ./untrusted --egress none          no network at all
  lacewing deploy --web ./shop                       FastAPI, Flask, Express, a binary, ...
  lacewing deploy --web ./shop --command 'node build/server.js' --concurrency 10
  lacewing deploy --image ghcr.io/team/shop:v2       a container image
  lacewing deploy template.yaml --name shop --parameter Stage=test   a template of SAM or CloudFormation
  lacewing deploy cdk.out                            what `cdk synth` wrote; also .serverless and .aws-sam/build")]
pub struct Deploy {
    /// A folder, a .py, .js, .mjs, .cjs or .zip file, an executable, or a template.
    #[arg(required_unless_present = "image")]
    pub path: Option<PathBuf>,
    /// The function's name [default: from the path].
    #[arg(short, long)]
    pub name: Option<String>,
    /// The runtime, such as python3.11, nodejs20.x or provided.al2023 [default: guessed; the newest the server has].
    #[arg(long)]
    pub runtime: Option<String>,
    /// The handler, as FILE.FUNCTION [default: guessed].
    #[arg(long)]
    pub handler: Option<String>,
    /// Memory in MiB, 128 to 10240 [default: 128].
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,
    /// Seconds that a call may take, 1 to 900 [default: 3].
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u32>,
    /// An environment variable; repeatable. Given at all, these replace all the function had.
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub env: Vec<String>,
    /// What the code is built for: x86_64 or arm64 [default: of an executable its own, else x86_64].
    #[arg(long, value_name = "MACHINE")]
    pub architecture: Option<String>,
    /// What the function may reach over the network [default: internet].
    #[arg(long, value_name = "WHERE")]
    pub egress: Option<Egress>,
    /// A line about the function.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Keep tenants apart: each call names one (`invoke --tenant-id`), and a sandbox serves one only. Chosen for good
    /// when the function is made.
    #[arg(long, conflicts_with = "web")]
    pub per_tenant: bool,
    /// Deploy a web application: an HTTP server, run as it is, behind a URL.
    #[arg(long)]
    pub web: bool,
    /// What starts the server of a web application, as a shell would run it in its folder [default: guessed].
    #[arg(long, value_name = "COMMAND", requires = "web")]
    pub command: Option<String>,
    /// Where it listens; it finds this in the variable PORT [default: 3000].
    #[arg(long, requires = "web")]
    pub port: Option<u16>,
    /// Requests that one sandbox runs at once, 1 to 128 [default: 64].
    #[arg(long, value_name = "REQUESTS", requires = "web")]
    pub concurrency: Option<u32>,
    /// Let only signed requests (SigV4) through the URL.
    #[arg(long, requires = "web")]
    pub iam: bool,
    /// Deploy a container image, as REPOSITORY:TAG or REPOSITORY@sha256:DIGEST.
    #[arg(long, value_name = "URI", conflicts_with_all = ["path", "web", "runtime", "handler", "parameter"])]
    pub image: Option<String>,
    /// A parameter of a template; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub parameter: Vec<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

/// `--egress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Egress {
    /// Everything but the server's own host.
    Internet,
    /// Nothing.
    None,
}

/// What a deploy did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Created,
    Updated,
    Unchanged,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

impl Deploy {
    /// Deploys.
    ///
    /// # Errors
    /// [`Failure`]: an unclear package, no server, a refusal, or a function that cannot run.
    pub async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        if let Some(uri) = &self.image {
            return self.run_image(uri, output).await;
        }
        // The command line has one of the two.
        let path = self.path.clone().unwrap_or_default();
        if let Some(stack) = stack::at(&path)? {
            let mut client = client(&self.connection)?;
            return stack::deploy(stack, self.name.as_deref(), &self.parameter, &mut client, output).await;
        }
        let begun = Instant::now();
        let mut variables = variables(&self.env)?;
        let (package, web) = if self.web {
            let wanted = WebWanted { runtime: self.runtime.clone(), command: self.command.clone() };
            let (package, web) = web_package(&path, &wanted)?;
            (package, Some(web))
        } else {
            let wanted = Wanted { runtime: self.runtime.clone(), handler: self.handler.clone() };
            (package(&path, &wanted)?, None)
        };
        let name = self.name.clone().unwrap_or_else(|| package.name.clone());
        let mut client = client(&self.connection)?;
        let bar = spinner(format!("deploying {name} ({})", size(package.zip.len() as u64)));
        let existing = existing(&mut client, &name).await?;
        if let Some(web) = &web {
            let had = existing.as_ref().and_then(|function| function.all.pointer("/Environment/Variables"));
            variables = Some(self.web_variables(&web.command, variables, had.and_then(Value::as_object)));
        }
        let change = match &existing {
            None => self.create(&mut client, &name, &package.zip, &package.chosen, variables).await?,
            Some(existing) => self.update(&mut client, existing, &package.zip, &package.chosen, variables).await?,
        };
        let function = client.ready(&name).await?;
        let served = match web {
            Some(web) => Some((web.command, self.open_url(&mut client, &name).await?)),
            None => None,
        };
        bar.finish_and_clear();
        let ms = begun.elapsed().as_secs_f64() * 1_000.0;
        report(&function, change, ms, served, output);
        Ok(ExitCode::SUCCESS)
    }

    async fn create(
        &self,
        client: &mut Client,
        name: &str,
        zip: &[u8],
        chosen: &Chosen,
        variables: Option<Map<String, Value>>,
    ) -> Result<Change, Failure> {
        let server = client.host().await;
        let mut fields = self.fields(variables);
        fields.insert("Runtime".into(), runtime(chosen, None, &server).into());
        fields.insert("Handler".into(), chosen.handler.as_str().into());
        fields.insert("Role".into(), role(&server.account).into());
        if self.web {
            fields.entry("MemorySize").or_insert(web::MEMORY_MIB.into());
            fields.entry("Timeout").or_insert(web::TIMEOUT_SECONDS.into());
        }
        if let Some(architecture) = self.architecture.as_deref().or(chosen.architecture) {
            fields.insert("Architectures".into(), json!([architecture]));
        }
        client.create_function(name, &DeployedCode::Zip(zip), &fields, &self.tags()).await?;
        Ok(Change::Created)
    }

    async fn update(
        &self,
        client: &mut Client,
        existing: &FunctionState,
        zip: &[u8],
        chosen: &Chosen,
        variables: Option<Map<String, Value>>,
    ) -> Result<Change, Failure> {
        let name = &existing.name;
        self.check_tenancy(existing)?;
        let mut change = self.update_egress(client, existing).await?;
        let architecture = self.architecture.as_deref().or(chosen.architecture).unwrap_or(&existing.architecture);
        if existing.code_sha256 != STANDARD.encode(Sha256::digest(zip)) || existing.architecture != architecture {
            client.update_code(name, &DeployedCode::Zip(zip), architecture).await?;
            client.settled(name).await?;
            change = Change::Updated;
        }
        let server = client.host().await;
        let mut fields = self.fields(variables);
        fields.insert("Runtime".into(), runtime(chosen, Some(&existing.runtime), &server).into());
        fields.insert("Handler".into(), chosen.handler.as_str().into());
        fields.retain(|key, value| existing.all.get(key) != Some(value));
        if !fields.is_empty() {
            client.update_configuration(name, &fields).await?;
            change = Change::Updated;
        }
        Ok(change)
    }

    /// A function that is there cannot be made to keep tenants apart.
    fn check_tenancy(&self, existing: &FunctionState) -> Result<(), Failure> {
        if !self.per_tenant || existing.all.get("TenancyConfig").is_some() {
            return Ok(());
        }
        let name = &existing.name;
        let message = format!("{name} is there already, and shares its sandboxes: that is chosen for good");
        Err(Failure::refused(message, format!("delete it first (lacewing rm {name}), or take another name")))
    }

    /// First what keeps it in: a function must not run on with more network than was asked for.
    async fn update_egress(&self, client: &mut Client, existing: &FunctionState) -> Result<Change, Failure> {
        let name = &existing.name;
        // Another client's change may still be under way.
        client.settled(name).await?;
        let Some((tag, value)) = self.tags().into_iter().next() else { return Ok(Change::Unchanged) };
        if client.tags(name).await?.get(&tag) == Some(&value) {
            return Ok(Change::Unchanged);
        }
        let tags = Map::from_iter([(tag, value)]);
        client.tag(&existing.arn, &tags).await.map_err(egress_unchangeable)?;
        client.settled(name).await?;
        Ok(Change::Updated)
    }

    /// What the command line says of the configuration, besides runtime and handler.
    fn fields(&self, variables: Option<Map<String, Value>>) -> FunctionFields {
        let mut fields = FunctionFields::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(key.to_owned(), value);
            }
        };
        set("MemorySize", self.memory.map(Value::from));
        set("Timeout", self.timeout.map(Value::from));
        set("Description", self.description.clone().map(Value::from));
        set("Environment", variables.map(|variables| json!({"Variables": variables})));
        set("TenancyConfig", self.per_tenant.then(|| json!({"TenantIsolationMode": "PER_TENANT"})));
        fields
    }

    fn tags(&self) -> Map<String, Value> {
        let value = match self.egress {
            None => return Map::new(),
            Some(Egress::Internet) => "internet",
            Some(Egress::None) => "none",
        };
        Map::from_iter([(EGRESS_TAG.to_owned(), Value::from(value))])
    }
}

/// The function as it is now, if it is there.
async fn existing(client: &mut Client, name: &str) -> Result<Option<FunctionState>, Failure> {
    match client.configuration(name).await {
        Ok(function) => Ok(Some(function)),
        Err(failure) if failure.is("ResourceNotFoundException") => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

fn report(function: &FunctionState, change: Change, ms: f64, served: Option<(String, String)>, output: Output) {
    if output.json {
        let mut document = json!({
            "name": function.name,
            "arn": function.arn,
            "version": function.version,
            "change": change.as_str(),
            "runtime": function.runtime,
            "handler": function.handler,
            "architecture": function.architecture,
            "memory_mib": function.memory_mib,
            "timeout_seconds": function.timeout_seconds,
            "package_bytes": function.code_bytes,
            "code_sha256": function.code_sha256,
            "milliseconds": ms,
        });
        if let Some((command, url)) = served {
            document["command"] = command.into();
            document["url"] = url.into();
        }
        output.document(&document);
        return;
    }
    output.line(&format!(
        "{}  {}  {}  {}  {}  {} in {}",
        function.name,
        function.version,
        function.runtime,
        served.as_ref().map_or(function.handler.as_str(), |(command, _)| command.as_str()),
        size(function.code_bytes),
        change.as_str(),
        milliseconds(ms)
    ));
    if let Some((_, url)) = served {
        output.line(&url);
    } else if change == Change::Created {
        output.say(&format!("now: lacewing invoke {} --payload '{{}}'", function.name));
    }
}

/// A function's role: its name for itself towards the API.
pub(crate) fn role(account: &str) -> String {
    let account = if account.is_empty() { ACCOUNT_USUAL } else { account };
    format!("arn:aws:iam::{account}:role/lacewing")
}

/// The runtime to ask for: the one said, else the one it has if the language is still the same, else the newest the
/// server has.
fn runtime(chosen: &Chosen, existing: Option<&str>, server: &Host) -> String {
    if let Some(said) = &chosen.runtime {
        return said.clone();
    }
    let (prefix, usual) = match chosen.family {
        Family::Python => ("python", PYTHON_USUAL),
        Family::Node => ("nodejs", NODE_USUAL),
        Family::Provided => ("provided", PROVIDED),
    };
    let kept = existing.filter(|runtime| runtime.starts_with(prefix)).map(str::to_owned);
    kept.or_else(|| server.runtime(prefix)).unwrap_or_else(|| usual.to_owned())
}

fn variables(said: &[String]) -> Result<Option<Map<String, Value>>, Failure> {
    if said.is_empty() {
        return Ok(None);
    }
    let mut variables = Map::new();
    for pair in said {
        let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Failure::usage(format!("--env {pair}: not KEY=VALUE"), "write it as --env KEY=VALUE"));
        };
        variables.insert(key.to_owned(), value.into());
    }
    Ok(Some(variables))
}

fn egress_unchangeable(failure: ApiFailure) -> Failure {
    let mut failure = Failure::from(failure);
    failure.hint =
        "nothing was changed; where the server cannot change tags yet, `lacewing rm` the function and deploy it again"
            .to_owned();
    failure
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn chosen(family: Family, runtime: Option<&str>) -> Chosen {
        Chosen { family, runtime: runtime.map(str::to_owned), handler: "app.handler".into(), architecture: None }
    }

    #[test]
    fn a_runtime_is_kept_unless_the_language_changes() {
        let server = Host { account: String::new(), interpreters: vec![("python".into(), "3.11.7".into())] };
        for (why, said, existing, want) in [
            ("said", Some("python3.9"), Some("python3.12"), "python3.9"),
            ("kept", None, Some("python3.12"), "python3.12"),
            ("another language", None, Some("nodejs20.x"), "python3.11"),
            ("new", None, None, "python3.11"),
        ] {
            assert_eq!(runtime(&chosen(Family::Python, said), existing, &server), want, "{why}");
        }
        assert_eq!(runtime(&chosen(Family::Node, None), None, &server), NODE_USUAL);
        assert_eq!(runtime(&chosen(Family::Provided, None), None, &server), PROVIDED);
    }

    #[test]
    fn variables_keep_what_follows_the_first_equals_sign() {
        let map = variables(&["A=b=c".to_owned(), "E=".to_owned()]).unwrap().unwrap();
        assert_eq!(Value::Object(map), json!({"A": "b=c", "E": ""}));
        assert!(variables(&["nothing".to_owned()]).is_err());
        assert!(variables(&[]).unwrap().is_none());
    }
}
