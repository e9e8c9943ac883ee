//! The Lambda operations that the commands need.

use super::connection::{Ask, Reply};
use super::{ApiFailure, Client};
use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

const FUNCTIONS: &str = "/2015-03-31/functions";
/// What needs no encoding in a path segment or query value. Source: RFC 3986, "unreserved".
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// How long a function may take to become usable.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// First pause between two looks; it doubles up to the last.
const LOOK_FIRST: Duration = Duration::from_millis(4);
const LOOK_LAST: Duration = Duration::from_millis(250);

/// Fields of a create or a configuration update, as the API names them.
pub type FunctionFields = Map<String, Value>;

/// The code of a function to be made or changed.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum DeployedCode<'a> {
    Zip(&'a [u8]),
    /// The name of an image.
    Image(&'a str),
}

impl DeployedCode<'_> {
    fn fields(&self) -> Value {
        match self {
            Self::Zip(zip) => json!({"ZipFile": STANDARD.encode(zip)}),
            Self::Image(uri) => json!({"ImageUri": uri}),
        }
    }
}

/// What the API shows of a function.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct FunctionState {
    pub name: String,
    pub arn: String,
    pub version: String,
    pub runtime: String,
    pub handler: String,
    pub architecture: String,
    pub memory_mib: u64,
    pub timeout_seconds: u64,
    pub code_bytes: u64,
    pub code_sha256: String,
    pub last_modified: String,
    pub log_group: String,
    /// The answer itself.
    pub all: Value,
}

/// The answer to an invocation.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Invocation {
    pub request_id: String,
    pub version: String,
    /// `Unhandled` or `Handled`, where the function failed.
    pub error: Option<String>,
    pub payload: Bytes,
    /// The last lines, where they were asked for.
    pub tail: Option<String>,
}

impl FunctionState {
    fn of(all: Value) -> Self {
        let text = |key: &str| all.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |key: &str| all.get(key).and_then(Value::as_u64).unwrap_or_default();
        let at = |pointer: &str| all.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            name: text("FunctionName"),
            arn: text("FunctionArn"),
            version: text("Version"),
            // An image has none.
            runtime: if text("PackageType") == "Image" { "image".to_owned() } else { text("Runtime") },
            handler: text("Handler"),
            architecture: at("/Architectures/0"),
            memory_mib: number("MemorySize"),
            timeout_seconds: number("Timeout"),
            code_bytes: number("CodeSize"),
            code_sha256: text("CodeSha256"),
            last_modified: text("LastModified"),
            log_group: at("/LoggingConfig/LogGroup"),
            all,
        }
    }

    fn word(&self, key: &str) -> &str {
        self.all.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Client {
    /// CreateFunction.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn create_function(
        &mut self,
        name: &str,
        code: &DeployedCode<'_>,
        fields: &FunctionFields,
        tags: &Map<String, Value>,
    ) -> Result<FunctionState, ApiFailure> {
        let mut body = fields.clone();
        body.insert("FunctionName".to_owned(), name.into());
        body.insert("Code".to_owned(), code.fields());
        if !tags.is_empty() {
            body.insert("Tags".to_owned(), Value::Object(tags.clone()));
        }
        self.function(Method::POST, FUNCTIONS, &Value::Object(body)).await
    }

    /// UpdateFunctionCode.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn update_code(
        &mut self,
        name: &str,
        code: &DeployedCode<'_>,
        architecture: &str,
    ) -> Result<FunctionState, ApiFailure> {
        let mut body = code.fields();
        body["Architectures"] = json!([architecture]);
        self.function(Method::PUT, &format!("{}/code", path(name)), &body).await
    }

    /// UpdateFunctionConfiguration.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn update_configuration(
        &mut self,
        name: &str,
        fields: &FunctionFields,
    ) -> Result<FunctionState, ApiFailure> {
        let body = Value::Object(fields.clone());
        self.function(Method::PUT, &format!("{}/configuration", path(name)), &body).await
    }

    /// TagResource.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn tag(&mut self, arn: &str, tags: &Map<String, Value>) -> Result<(), ApiFailure> {
        let path = format!("/2017-03-31/tags/{}", utf8_percent_encode(arn, PLAIN));
        self.send_json(Method::POST, &path, &json!({"Tags": tags})).await.map(drop)
    }

    /// GetFunctionConfiguration.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn configuration(&mut self, name: &str) -> Result<FunctionState, ApiFailure> {
        let reply = self.get(&format!("{}/configuration", path(name))).await?;
        Ok(FunctionState::of(reply.json()?))
    }

    /// The function's tags, of GetFunction.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn tags(&mut self, name: &str) -> Result<Map<String, Value>, ApiFailure> {
        let reply = self.get(&path(name)).await?.json()?;
        Ok(reply.get("Tags").and_then(Value::as_object).cloned().unwrap_or_default())
    }

    /// ListFunctions, all pages.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn list_functions(&mut self) -> Result<Vec<FunctionState>, ApiFailure> {
        let mut functions = Vec::new();
        let mut marker = String::new();
        loop {
            let query = if marker.is_empty() { "?MaxItems=50".to_owned() } else { format!("?Marker={marker}") };
            let page = self.get(&format!("{FUNCTIONS}{query}")).await?.json()?;
            let rows = page.get("Functions").and_then(Value::as_array).cloned().unwrap_or_default();
            functions.extend(rows.into_iter().map(FunctionState::of));
            match page.get("NextMarker").and_then(Value::as_str) {
                Some(next) if !next.is_empty() => marker = utf8_percent_encode(next, PLAIN).to_string(),
                _ => return Ok(functions),
            }
        }
    }

    /// DeleteFunction.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn delete_function(&mut self, name: &str) -> Result<(), ApiFailure> {
        let path = path(name);
        let ask = Ask { method: Method::DELETE, path: &path, service: "lambda", headers: &[], body: Bytes::new() };
        self.done(ask).await.map(drop)
    }

    /// Invoke, and wait for the answer.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal. A function that failed is `Ok`.
    pub async fn invoke(
        &mut self,
        name: &str,
        qualifier: Option<&str>,
        tenant: Option<&str>,
        payload: Bytes,
        tail: bool,
    ) -> Result<Invocation, ApiFailure> {
        let mut path = format!("{}/invocations", path(name));
        if let Some(qualifier) = qualifier {
            path.push_str(&format!("?Qualifier={}", utf8_percent_encode(qualifier, PLAIN)));
        }
        let mut headers =
            vec![("x-amz-invocation-type", "RequestResponse"), ("x-amz-log-type", if tail { "Tail" } else { "None" })];
        headers.extend(tenant.map(|tenant| ("x-amz-tenant-id", tenant)));
        let ask = Ask { method: Method::POST, path: &path, service: "lambda", headers: &headers, body: payload };
        let reply = self.done(ask).await?;
        let text = |name: &str| reply.header(name).map(str::to_owned);
        let tail = text("x-amz-log-result").and_then(|encoded| STANDARD.decode(encoded).ok());
        Ok(Invocation {
            request_id: text("x-amzn-requestid").unwrap_or_default(),
            version: text("x-amz-executed-version").unwrap_or_default(),
            error: text("x-amz-function-error"),
            tail: tail.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            payload: reply.body,
        })
    }

    /// Waits until the function can be called and no change is under way.
    ///
    /// # Errors
    /// [`Failure`] with the server's reason when that failed, or when it takes too long.
    pub async fn settled(&mut self, name: &str) -> Result<FunctionState, Failure> {
        let begun = Instant::now();
        let mut pause = LOOK_FIRST;
        loop {
            let state = self.configuration(name).await?;
            for (word, reason) in [("State", "StateReason"), ("LastUpdateStatus", "LastUpdateStatusReason")] {
                if state.word(word) == "Failed" {
                    let reason = state.word(reason).to_owned();
                    let hint = "mend what it names and deploy again; `lacewing doctor` lists the runtimes found";
                    return Err(Failure::refused(format!("{name} cannot run: {reason}"), hint));
                }
            }
            if state.word("State") != "Pending" && state.word("LastUpdateStatus") != "InProgress" {
                return Ok(state);
            }
            if begun.elapsed() > SETTLE_MAX {
                let message = format!("{name} is not ready after {} s", SETTLE_MAX.as_secs());
                return Err(Failure::refused(message, "look at the server's own output, then deploy again"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_LAST);
        }
    }

    /// Waits until the function can be called: [`Client::settled`], and its code is there.
    ///
    /// # Errors
    /// [`Failure`] with the server's reason.
    pub async fn ready(&mut self, name: &str) -> Result<FunctionState, Failure> {
        let state = self.settled(name).await?;
        if state.word("State") != "Inactive" {
            return Ok(state);
        }
        let hint = "see to it that the server can read the code where it is kept, and deploy again";
        Err(Failure::refused(format!("{name} cannot run: {}", state.word("StateReason")), hint))
    }

    async fn function(&mut self, method: Method, path: &str, body: &Value) -> Result<FunctionState, ApiFailure> {
        let reply = self.send_json(method, path, body).await?;
        Ok(FunctionState::of(reply.json()?))
    }

    /// Any operation, by its method and path.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn operation(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ApiFailure> {
        let reply = match body {
            Some(body) => self.send_json(method, path, body).await?,
            None => self.done(Ask { method, path, service: "lambda", headers: &[], body: Bytes::new() }).await?,
        };
        if reply.body.is_empty() { Ok(Value::Null) } else { Ok(reply.json()?) }
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Reply, ApiFailure> {
        self.done(Ask { method: Method::GET, path, service: "lambda", headers: &[], body: Bytes::new() }).await
    }

    async fn send_json(&mut self, method: Method, path: &str, body: &Value) -> Result<Reply, ApiFailure> {
        let body = Bytes::from(body.to_string());
        let headers = [("content-type", "application/json")];
        self.done(Ask { method, path, service: "lambda", headers: &headers, body }).await
    }
}

/// A function's path; a name may also be an ARN.
fn path(name: &str) -> String {
    format!("{FUNCTIONS}/{}", encoded(name))
}

/// A text as one segment of a path.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}
