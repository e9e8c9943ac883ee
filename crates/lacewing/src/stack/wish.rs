//! What a resource asks for, from its resolved properties. Pure but for the files that are packed.

use super::resolve::text;
use super::template::{Kind, Place, Resource};
use crate::client::FunctionFields;
use crate::package::{Content, Entry, Tree, pack, read_tree};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The longest name of a function. Source: Lambda API reference, `CreateFunction`.
const NAME_MAX: usize = 64;

/// A resource to be made.
#[derive(Debug)]
pub(super) enum Wish {
    Function(Box<FunctionWish>),
    Layer(LayerWish),
    Url { function: String, qualifier: Option<String>, config: Value },
    Permission { function: String, statement: Value },
}

#[derive(Debug)]
pub(super) struct FunctionWish {
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
}

#[derive(Debug)]
pub(super) struct LayerWish {
    pub name: String,
    pub code: Code,
    /// The rest of `PublishLayerVersion`.
    pub fields: Map<String, Value>,
}

/// Where a package is.
#[derive(Debug)]
pub(super) enum Code {
    Zip(Vec<u8>),
    /// `S3Bucket`, `S3Key` and `S3ObjectVersion`.
    Object(Value),
}

impl Wish {
    /// Reads a resource; `folder` is the template's.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(super) fn of(resource: &Resource, properties: &Value, place: &Place, folder: &Path) -> Result<Self, String> {
        let read = Properties(properties);
        match resource.kind {
            Kind::Function => function(&resource.name, &read, place, folder).map(|wish| Self::Function(Box::new(wish))),
            Kind::Layer => layer(&resource.name, &read, folder).map(Self::Layer),
            Kind::Url => Ok(Self::Url {
                function: read.must("TargetFunctionArn")?,
                qualifier: read.text("Qualifier"),
                config: url_config(properties)?,
            }),
            Kind::Permission => {
                let mut statement = properties.as_object().cloned().unwrap_or_default();
                let function = read.must("FunctionName")?;
                statement.remove("FunctionName");
                for needed in ["Action", "Principal"] {
                    read.must(needed)?;
                }
                // One statement for each resource: deploying again replaces it.
                statement.insert("StatementId".into(), format!("{}-{}", place.stack, resource.name).into());
                Ok(Self::Permission { function, statement: Value::Object(statement) })
            }
        }
    }
}

/// The name of a function that says none: stable, so that deploying again finds it.
pub(super) fn function_name(logical: &str, properties: &Value, place: &Place) -> String {
    let own = properties.get("FunctionName").map(text).filter(|name| !name.is_empty());
    own.unwrap_or_else(|| format!("{}-{logical}", place.stack).chars().take(NAME_MAX).collect())
}

fn function(logical: &str, read: &Properties<'_>, place: &Place, folder: &Path) -> Result<FunctionWish, String> {
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
    let provisioned = read
        .get("ProvisionedConcurrencyConfig")
        .and_then(|config| text(config.get("ProvisionedConcurrentExecutions")?).parse().ok());
    let alias = read.text("AutoPublishAlias");
    if provisioned.is_some() && alias.is_none() {
        return Err("ProvisionedConcurrencyConfig needs an AutoPublishAlias".to_owned());
    }
    Ok(FunctionWish {
        name: function_name(logical, read.0, place),
        fields,
        code: code(read, &runtime, &handler, folder)?,
        architecture: architectures.first().map_or_else(|| "x86_64".to_owned(), text),
        tags: read.map_of_texts("Tags"),
        reserved: read.number("ReservedConcurrentExecutions")?,
        alias,
        provisioned,
        url: read.get("FunctionUrlConfig").map(url_config).transpose()?,
        runtime_management: read.get("RuntimeManagementConfig").cloned(),
        recursive_loop: read.text("RecursiveLoop"),
    })
}

fn code(read: &Properties<'_>, runtime: &str, handler: &str, folder: &Path) -> Result<Code, String> {
    if let Some(source) = read.text("InlineCode") {
        // As Lambda names the one file of such a function. Source: CloudFormation, "ZipFile".
        let file = match runtime {
            _ if runtime.starts_with("python") => "index.py",
            _ if runtime.starts_with("nodejs") => "index.js",
            other => return Err(format!("InlineCode is for Python and Node, not for {other}")),
        };
        if !handler.starts_with("index.") {
            return Err(format!("the handler of InlineCode is index.NAME, not {handler}"));
        }
        let entry = Entry { executable: false, content: Content::Bytes(source.into_bytes()) };
        let tree = Tree { files: BTreeMap::from([(file.to_owned(), entry)]) };
        return pack(&tree).map(Code::Zip).map_err(|failure| failure.message);
    }
    package(read.get("CodeUri").unwrap_or(&json!(".")), folder)
}

/// A folder or file beside the template, or an object.
fn package(uri: &Value, folder: &Path) -> Result<Code, String> {
    if let Some(fields) = uri.as_object() {
        let field = |name: &str| fields.get(name).map(text);
        let (Some(bucket), Some(key)) = (field("Bucket"), field("Key")) else {
            return Err("a place in S3 has a Bucket and a Key".to_owned());
        };
        return Ok(Code::Object(object(&bucket, &key, field("Version"))));
    }
    let uri = text(uri);
    if let Some(place) = uri.strip_prefix("s3://") {
        let (bucket, key) = place.split_once('/').ok_or_else(|| format!("{uri} names no object"))?;
        return Ok(Code::Object(object(bucket, key, None)));
    }
    let (tree, ready) = read_tree(&folder.join(&uri)).map_err(|failure| failure.message)?;
    match ready {
        Some(zip) => Ok(Code::Zip(zip)),
        None => pack(&tree).map(Code::Zip).map_err(|failure| failure.message),
    }
}

fn object(bucket: &str, key: &str, version: Option<String>) -> Value {
    let mut object = json!({"S3Bucket": bucket, "S3Key": key});
    if let Some(version) = version {
        object["S3ObjectVersion"] = version.into();
    }
    object
}

fn layer(logical: &str, read: &Properties<'_>, folder: &Path) -> Result<LayerWish, String> {
    let mut fields = Map::new();
    for name in ["Description", "CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"] {
        if let Some(value) = read.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let code = package(read.get("ContentUri").ok_or("the property ContentUri is missing")?, folder)?;
    Ok(LayerWish { name: read.text("LayerName").unwrap_or_else(|| logical.to_owned()), code, fields })
}

fn url_config(properties: &Value) -> Result<Value, String> {
    let mut config = Map::new();
    for name in ["AuthType", "Cors", "InvokeMode"] {
        if let Some(value) = properties.get(name) {
            config.insert(name.to_owned(), value.clone());
        }
    }
    if config.contains_key("AuthType") { Ok(Value::Object(config)) } else { Err("a URL needs an AuthType".to_owned()) }
}

/// Numbers that parameters have made texts of.
fn numbers(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), numbers(value))).collect(),
        Value::String(digits) => digits.parse::<u64>().map_or(value.clone(), Value::from),
        other => other.clone(),
    }
}

/// Resolved properties.
struct Properties<'a>(&'a Value);

impl<'a> Properties<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(text)
    }

    fn must(&self, name: &str) -> Result<String, String> {
        self.text(name).ok_or_else(|| format!("the property {name} is missing"))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let parse = |value: &Value| text(value).parse().map_err(|_| format!("{name} must be a number, not {value}"));
        self.get(name).map(parse).transpose()
    }

    /// Environment variables: numbers and truths become texts.
    fn variables(&self) -> Result<Map<String, Value>, String> {
        let Some(environment) = self.get("Environment") else { return Ok(Map::new()) };
        match environment.get("Variables") {
            None => Ok(Map::new()),
            Some(Value::Object(fields)) => {
                Ok(fields.iter().map(|(key, value)| (key.clone(), Value::String(text(value)))).collect())
            }
            Some(other) => Err(format!("Environment.Variables is no map: {other}")),
        }
    }

    fn map_of_texts(&self, name: &str) -> Map<String, Value> {
        let fields = self.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        fields.into_iter().map(|(key, value)| (key, Value::String(text(&value)))).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn wish(kind: Kind, properties: Value) -> Result<Wish, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::fs::write(folder.path().join("src/app.py"), "def handler(e, c): return 1\n").unwrap();
        let place = Place { stack: "shop".into(), account: "123456789012".into(), region: "eu-west-1".into() };
        let resource = Resource { name: "Hello".into(), kind, properties: Value::Null };
        Wish::of(&resource, &properties, &place, folder.path())
    }

    fn function(properties: Value) -> FunctionWish {
        match wish(Kind::Function, properties).unwrap() {
            Wish::Function(function) => *function,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_function_is_named_by_its_stack_and_says_every_setting() {
        let made = function(json!({"Runtime": "python3.13", "Handler": "app.handler", "CodeUri": "src/",
            "MemorySize": "256", "Environment": {"Variables": {"N": 1, "B": true}}, "Tags": {"n": 2}}));
        assert_eq!(made.name, "shop-Hello");
        assert_eq!(made.fields["MemorySize"], 256);
        assert_eq!(made.fields["Timeout"], 3);
        assert_eq!(made.fields["Environment"], json!({"Variables": {"N": "1", "B": "true"}}));
        assert_eq!(made.tags["n"], "2");
        assert!(matches!(made.code, Code::Zip(zip) if zip.starts_with(b"PK")));
    }

    #[test]
    fn code_is_a_folder_an_object_or_text() {
        let with = |more: Value| {
            let mut all = json!({"Runtime": "python3.13", "Handler": "index.handler"});
            all.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            wish(Kind::Function, all)
        };
        let code = |more| match with(more).unwrap() {
            Wish::Function(function) => function.code,
            other => panic!("{other:?}"),
        };
        assert!(matches!(code(json!({"InlineCode": "def handler(e, c): pass"})), Code::Zip(_)));
        let object = json!({"S3Bucket": "b", "S3Key": "k/x.zip"});
        assert!(matches!(code(json!({"CodeUri": "s3://b/k/x.zip"})), Code::Object(found) if found == object));
        assert!(with(json!({"CodeUri": "nowhere/"})).unwrap_err().contains("nowhere"));
        assert!(with(json!({"InlineCode": "x", "Runtime": "provided.al2023"})).is_err());
    }

    #[test]
    fn what_a_resource_lacks_is_named() {
        for (kind, properties, part) in [
            (Kind::Function, json!({"Handler": "a.b", "CodeUri": "src"}), "Runtime is missing"),
            (Kind::Function, json!({"Runtime": "python3.13", "CodeUri": "src"}), "Handler is missing"),
            (Kind::Function, json!({"PackageType": "Image"}), "images"),
            (Kind::Layer, json!({}), "ContentUri is missing"),
            (Kind::Url, json!({"TargetFunctionArn": "f"}), "AuthType"),
            (Kind::Permission, json!({"FunctionName": "f"}), "Action is missing"),
        ] {
            let said = wish(kind, properties).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
    }
}
