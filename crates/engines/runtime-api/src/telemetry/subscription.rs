//! What an extension asks for when it subscribes. Source: Lambda documentation, "Telemetry API" and "Logs API".

use crate::refusal::Refusal;
use http::Uri;
use serde_json::{Map, Value};
use std::time::Duration;

/// Which of the two calls it was. An extension uses one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Telemetry,
    Logs,
}

impl Api {
    /// INIT is over.
    pub(crate) fn closed(self) -> Refusal {
        match self {
            Self::Telemetry => {
                Refusal::extension("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed")
            }
            Self::Logs => Refusal::extension("Logs.SubscriptionClosed", "Logs API subscription is closed"),
        }
    }
}

/// How events look, by the schema that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Schema {
    Logs2020,
    Logs2021,
    Telemetry2022July,
    Telemetry2022December,
    Telemetry2025,
}

impl Schema {
    fn of(api: Api, name: &str) -> Option<Self> {
        match (api, name) {
            (Api::Logs, "2020-08-15") => Some(Self::Logs2020),
            (Api::Logs, "2021-03-18") => Some(Self::Logs2021),
            (Api::Telemetry, "2022-07-01") => Some(Self::Telemetry2022July),
            (Api::Telemetry, "2022-12-13") => Some(Self::Telemetry2022December),
            (Api::Telemetry, "2025-01-29") => Some(Self::Telemetry2025),
            _ => None,
        }
    }

    pub(crate) fn api(self) -> Api {
        if self <= Self::Logs2021 { Api::Logs } else { Api::Telemetry }
    }
}

/// Kinds of events that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// The platform's own.
    Platform,
    /// Lines of the function.
    Function,
    /// Lines of extensions.
    Extension,
}

impl Category {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "platform" => Some(Self::Platform),
            "function" => Some(Self::Function),
            "extension" => Some(Self::Extension),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }
}

/// When a batch is sent: at the first of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffering {
    pub(crate) items_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) timeout: Duration,
}

/// Where batches go: always a listener inside the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// As JSON lists.
    Http { method: http::Method, authority: String, target: String, port: u16 },
    /// As JSON values, one on a line.
    Tcp { port: u16 },
}

/// A subscription that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) schema: Schema,
    pub(crate) categories: Vec<Category>,
    pub(crate) buffering: Buffering,
    pub(crate) destination: Destination,
}

impl Subscription {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// 400 `ValidationError` with the place that is wrong.
    pub(crate) fn parse(api: Api, body: &[u8]) -> Result<Self, Refusal> {
        let value: Value = serde_json::from_slice(body).map_err(|error| invalid(format!("Invalid JSON: {error}")))?;
        let Value::Object(fields) = value else { return Err(invalid("The body must be an object")) };
        known(&fields, "", &["schemaVersion", "types", "buffering", "destination"])?;
        Ok(Self {
            schema: schema(api, fields.get("schemaVersion"))?,
            categories: categories(fields.get("types"))?,
            buffering: buffering(fields.get("buffering"))?,
            destination: destination(fields.get("destination"))?,
        })
    }

    pub(crate) fn wants(&self, category: Category) -> bool {
        self.categories.contains(&category)
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::invalid(message)
}

fn known(fields: &Map<String, Value>, place: &str, names: &[&str]) -> Result<(), Refusal> {
    match fields.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(invalid(format!("{place}/{key} is not known; known are {}", names.join(", ")))),
        None => Ok(()),
    }
}

fn schema(api: Api, given: Option<&Value>) -> Result<Schema, Refusal> {
    let (names, default) = match api {
        Api::Telemetry => ("2022-07-01, 2022-12-13, 2025-01-29", None),
        Api::Logs => ("2020-08-15, 2021-03-18", Some("2020-08-15")),
    };
    let name = match given {
        None => default,
        Some(given) => given.as_str(),
    };
    let schema = name.and_then(|name| Schema::of(api, name));
    schema.ok_or_else(|| invalid(format!("/schemaVersion must be one of {names}")))
}

fn categories(given: Option<&Value>) -> Result<Vec<Category>, Refusal> {
    let fault = || invalid("/types must be a list of at least one of platform, function, extension");
    let mut all = Vec::new();
    for name in given.and_then(Value::as_array).ok_or_else(fault)? {
        let category = name.as_str().and_then(Category::parse).ok_or_else(fault)?;
        if !all.contains(&category) {
            all.push(category);
        }
    }
    if all.is_empty() { Err(fault()) } else { Ok(all) }
}

fn buffering(given: Option<&Value>) -> Result<Buffering, Refusal> {
    let none = Map::new();
    let fields = match given {
        None => &none,
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(invalid("/buffering must be an object")),
    };
    known(fields, "/buffering", &["maxItems", "maxBytes", "timeoutMs"])?;
    let number = |name: &str, range: std::ops::RangeInclusive<u64>, default: u64| match fields.get(name) {
        None => Ok(default),
        Some(given) => given.as_u64().filter(|number| range.contains(number)).ok_or_else(|| {
            invalid(format!("/buffering/{name} must be an integer from {} to {}", range.start(), range.end()))
        }),
    };
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Buffering {
        items_max: size(number("maxItems", 1_000..=10_000, 10_000)?),
        bytes_max: size(number("maxBytes", 262_144..=1_048_576, 262_144)?),
        timeout: Duration::from_millis(number("timeoutMs", 25..=30_000, 1_000)?),
    })
}

fn destination(given: Option<&Value>) -> Result<Destination, Refusal> {
    let Some(Value::Object(fields)) = given else { return Err(invalid("/destination must be an object")) };
    match fields.get("protocol").and_then(Value::as_str) {
        Some("HTTP") => {
            known(fields, "/destination", &["protocol", "URI", "method", "encoding"])?;
            http(fields)
        }
        Some("TCP") => {
            known(fields, "/destination", &["protocol", "port"])?;
            let port = fields.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
            let port = port.filter(|port| *port > 0);
            let port = port.ok_or_else(|| invalid("/destination/port must be an integer from 1 to 65535"))?;
            Ok(Destination::Tcp { port })
        }
        _ => Err(invalid("/destination/protocol must be HTTP or TCP")),
    }
}

fn http(fields: &Map<String, Value>) -> Result<Destination, Refusal> {
    let fault = || {
        invalid("/destination/URI must be like http://sandbox.localdomain:8080/path; the host is sandbox.localdomain")
    };
    let uri: Uri = fields.get("URI").and_then(Value::as_str).and_then(|uri| uri.parse().ok()).ok_or_else(fault)?;
    let authority = uri.authority().ok_or_else(fault)?;
    let in_sandbox = matches!(authority.host(), "sandbox.localdomain" | "sandbox");
    if uri.scheme_str() != Some("http") || !in_sandbox || authority.as_str().contains('@') {
        return Err(fault());
    }
    let method = match fields.get("method").map(Value::as_str) {
        None | Some(Some("POST")) => http::Method::POST,
        Some(Some("PUT")) => http::Method::PUT,
        Some(_) => return Err(invalid("/destination/method must be POST or PUT")),
    };
    if fields.get("encoding").is_some_and(|encoding| encoding != "JSON") {
        return Err(invalid("/destination/encoding must be JSON"));
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let port = authority.port_u16().unwrap_or(80);
    Ok(Destination::Http { method, authority: authority.to_string(), target, port })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(api: Api, body: &Value) -> Result<Subscription, Refusal> {
        Subscription::parse(api, body.to_string().as_bytes())
    }

    fn body() -> Value {
        json!({
            "schemaVersion": "2022-12-13", "types": ["platform", "function", "platform"],
            "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/in?x=1"},
        })
    }

    #[test]
    fn what_is_unsaid_is_as_documented() {
        let given = parse(Api::Telemetry, &body()).unwrap();
        assert_eq!(given.categories, [Category::Platform, Category::Function]);
        let Buffering { items_max, bytes_max, timeout } = given.buffering;
        assert_eq!((items_max, bytes_max, timeout), (10_000, 262_144, Duration::from_secs(1)));
        let Destination::Http { method, authority, target, port } = given.destination else { panic!("by HTTP") };
        assert_eq!(
            (method.as_str(), &*authority, &*target, port),
            ("POST", "sandbox.localdomain:8080", "/in?x=1", 8080)
        );
        let logs = json!({"types": ["function"], "destination": {"protocol": "TCP", "port": 9}});
        assert_eq!(parse(Api::Logs, &logs).unwrap().schema, Schema::Logs2020);
    }

    #[test]
    fn what_is_out_of_order_is_named() {
        let with = |place: &[&str], value: Value| {
            let mut body = body();
            let mut at = &mut body;
            for name in place {
                at = &mut at[name];
            }
            *at = value;
            body
        };
        for (body, named) in [
            (json!([]), "object"),
            (with(&["schemaVersion"], json!("2020-08-15")), "/schemaVersion"),
            (with(&["schemaVersion"], json!(1)), "/schemaVersion"),
            (with(&["types"], json!([])), "/types"),
            (with(&["types"], json!(["metrics"])), "/types"),
            (with(&["more"], json!(1)), "/more"),
            (with(&["buffering"], json!(1)), "/buffering"),
            (with(&["buffering", "maxItems"], json!(999)), "/buffering/maxItems"),
            (with(&["buffering", "maxItems"], json!(10_001)), "/buffering/maxItems"),
            (with(&["buffering", "maxBytes"], json!(262_143)), "/buffering/maxBytes"),
            (with(&["buffering", "timeoutMs"], json!(24)), "/buffering/timeoutMs"),
            (with(&["buffering", "timeoutMs"], json!("25")), "/buffering/timeoutMs"),
            (with(&["destination"], json!({"protocol": "UDP"})), "/destination/protocol"),
            (with(&["destination"], json!({"protocol": "TCP", "port": 0})), "/destination/port"),
            (with(&["destination"], json!({"protocol": "TCP", "port": 65_536})), "/destination/port"),
            (with(&["destination", "URI"], json!("http://example.com/")), "/destination/URI"),
            (with(&["destination", "URI"], json!("https://sandbox.localdomain/")), "/destination/URI"),
            (with(&["destination", "URI"], json!("http://u@sandbox.localdomain/")), "/destination/URI"),
            (with(&["destination", "method"], json!("GET")), "/destination/method"),
            (with(&["destination", "encoding"], json!("XML")), "/destination/encoding"),
        ] {
            let refusal = parse(Api::Telemetry, &body).unwrap_err();
            assert_eq!((refusal.status, refusal.kind), (400, "ValidationError"), "{body}");
            assert!(refusal.message.contains(named), "{body}: {}", refusal.message);
        }
        assert!(Subscription::parse(Api::Logs, b"{").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(bytes: Vec<u8>, text: String) {
            let _ = Subscription::parse(Api::Telemetry, &bytes);
            let _ = parse(Api::Logs, &json!({"types": [text], "destination": {"protocol": "HTTP", "URI": text}}));
        }
    }
}
