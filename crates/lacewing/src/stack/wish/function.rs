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
    match (code.get("ZipFile"), code.get("ImageUri")) {
        (Some(source), _) => fields.insert("InlineCode".to_owned(), source.clone()),
        (None, Some(uri)) => fields.insert("ImageUri".to_owned(), uri.clone()),
        (None, None) => fields.insert("CodeUri".to_owned(), code::as_sam(&code)),
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
    let (code, mut fields) = match read.text("PackageType").as_deref() {
        None | Some("Zip") => zipped(read, source)?,
        Some("Image") => image(read)?,
        Some(other) => return Err(format!("PackageType is Zip or Image, not {other}")),
    };
    let role = read.text("Role").unwrap_or_else(|| crate::commands::deploy::role(&place.account));
    for (name, value) in [
        ("Role", json!(role)),
        ("Description", json!(read.text("Description").unwrap_or_default())),
        ("MemorySize", read.number("MemorySize")?.unwrap_or(128).into()),
        ("Timeout", read.number("Timeout")?.unwrap_or(3).into()),
        ("EphemeralStorage", read.get("EphemeralStorage").map_or(json!({"Size": 512}), numbers)),
        ("Environment", json!({"Variables": read.variables()?})),
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
        code,
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

/// The code of a function that is a package, and the settings that only such a one has.
fn zipped(read: Properties<'_>, source: &Source) -> Result<(Code, FunctionFields), String> {
    if let Some(name) = ["ImageUri", "ImageConfig"].into_iter().find(|name| read.get(name).is_some()) {
        return Err(format!("{name} is for functions whose PackageType is Image"));
    }
    let runtime = read.must("Runtime")?;
    let handler = match read.text("Handler") {
        Some(handler) => handler,
        None if runtime.starts_with("provided") => "bootstrap".to_owned(),
        None => return Err("the property Handler is missing".to_owned()),
    };
    let code = code::of(read, &runtime, &handler, source)?;
    let layers = read.get("Layers").cloned().unwrap_or_else(|| json!([]));
    let fields = [("Runtime", json!(runtime)), ("Handler", json!(handler)), ("Layers", layers)];
    Ok((code, fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// The same of one that is an image.
fn image(read: Properties<'_>) -> Result<(Code, FunctionFields), String> {
    const OF_PACKAGES: [&str; 6] = ["Runtime", "Handler", "Layers", "CodeUri", "InlineCode", "SnapStart"];
    if let Some(name) = OF_PACKAGES.into_iter().find(|name| read.get(name).is_some()) {
        return Err(format!("{name} is for functions whose PackageType is Zip"));
    }
    let uri = read.text("ImageUri").filter(|uri| !uri.is_empty()).ok_or(
        "the property ImageUri is missing: images are not built here; build it, put it where [images] of the server's \
         configuration looks, and name it",
    )?;
    let config = read.get("ImageConfig").cloned().unwrap_or_else(|| json!({}));
    let fields = [("PackageType", json!("Image")), ("ImageConfig", config)];
    Ok((Code::Image(uri), fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}
