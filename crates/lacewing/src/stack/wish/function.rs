//! Functions.

use super::code::{self, Code};
use super::named;
use super::properties::{Properties, numbers};
use crate::client::FunctionFields;
use crate::stack::resolve::text;
use crate::stack::source::Source;
use crate::stack::template::Place;
use serde_json::{Map, Value, json};

#[derive(Debug)]
pub(in crate::stack) struct FunctionWish {
    pub name: String,
    /// As `UpdateFunctionConfiguration` takes them; every one is set, so that what a template no longer says is gone.
    pub fields: FunctionFields,
    pub code: Code,
    pub architecture: String,
    pub tags: Map<String, Value>,
    pub reserved: Option<u64>,
    pub alias: Option<String>,
    pub provisioned: Option<u64>,
    pub url: Option<Value>,
    pub runtime_management: Option<Value>,
    pub recursive_loop: Option<String>,
    /// Set when the function is made, and for good.
    pub tenancy: Option<Value>,
}

/// A plain function's properties in SAM's words.
///
/// # Errors
/// What is wrong, as a sentence.
pub(super) fn as_sam(properties: &Value) -> Result<Value, String> {
    let mut fields = properties.as_object().cloned().unwrap_or_default();
    let code = fields.remove("Code").ok_or("the property Code is missing")?;
    match code.get("ZipFile") {
        Some(source) => fields.insert("InlineCode".to_owned(), source.clone()),
        None => fields.insert("CodeUri".to_owned(), code::as_sam(&code)?),
    };
    if let Some(tracing) = fields.remove("TracingConfig") {
        fields.insert("Tracing".to_owned(), tracing.get("Mode").cloned().unwrap_or_default());
    }
    if let Some(queue) = fields.remove("DeadLetterConfig") {
        fields.insert("DeadLetterQueue".to_owned(), queue);
    }
    Ok(Value::Object(fields))
}

/// Reads a function in SAM's words.
pub(super) fn of(logical: &str, read: Properties<'_>, place: &Place, source: &Source) -> Result<FunctionWish, String> {
    if read.text("PackageType").is_some_and(|kind| kind != "Zip") {
        return Err("functions from images are not done here yet".to_owned());
    }
    let runtime = read.must("Runtime")?;
    let handler = match read.text("Handler") {
        Some(handler) => handler,
        None if runtime.starts_with("provided") => "bootstrap".to_owned(),
        None => return Err("the property Handler is missing".to_owned()),
    };
    let mut fields = FunctionFields::new();
    let role = read.text("Role").unwrap_or_else(|| crate::commands::deploy::role(&place.account));
    for (name, value) in [
        ("Runtime", json!(runtime)),
        ("Handler", json!(handler)),
        ("Role", json!(role)),
        ("Description", json!(read.text("Description").unwrap_or_default())),
        ("MemorySize", read.number("MemorySize")?.unwrap_or(128).into()),
        ("Timeout", read.number("Timeout")?.unwrap_or(3).into()),
        ("EphemeralStorage", read.get("EphemeralStorage").map_or(json!({"Size": 512}), numbers)),
        ("Environment", json!({"Variables": read.variables()?})),
        ("Layers", read.get("Layers").cloned().unwrap_or_else(|| json!([]))),
        ("TracingConfig", json!({"Mode": read.text("Tracing").unwrap_or_else(|| "PassThrough".into())})),
    ] {
        fields.insert(name.to_owned(), value);
    }
    for (property, field) in [
        ("VpcConfig", "VpcConfig"),
        ("KmsKeyArn", "KMSKeyArn"),
        ("FileSystemConfigs", "FileSystemConfigs"),
        ("LoggingConfig", "LoggingConfig"),
        ("SnapStart", "SnapStart"),
    ] {
        if let Some(value) = read.get(property) {
            fields.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(queue) = read.get("DeadLetterQueue") {
        fields.insert("DeadLetterConfig".to_owned(), json!({"TargetArn": queue.get("TargetArn")}));
    }
    let architectures = read.get("Architectures").and_then(Value::as_array).cloned().unwrap_or_default();
    let provisioned = super::provisioned(read)?;
    let alias = read.text("AutoPublishAlias");
    if provisioned.is_some() && alias.is_none() {
        return Err("ProvisionedConcurrencyConfig needs an AutoPublishAlias".to_owned());
    }
    Ok(FunctionWish {
        name: named(read.text("FunctionName"), logical, place),
        fields,
        code: code::of(read, &runtime, &handler, source)?,
        architecture: architectures.first().map_or_else(|| "x86_64".to_owned(), text),
        tags: super::tags(read, place),
        reserved: read.number("ReservedConcurrentExecutions")?,
        alias,
        provisioned,
        url: read.get("FunctionUrlConfig").map(super::url_config).transpose()?,
        runtime_management: read.get("RuntimeManagementConfig").cloned(),
        recursive_loop: read.text("RecursiveLoop"),
        tenancy: read.get("TenancyConfig").cloned(),
    })
}
