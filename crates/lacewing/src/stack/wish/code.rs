//! Where the files of a function or a layer come from.

use super::properties::Properties;
use crate::package::{Content, Entry, Tree, pack, read_tree};
use crate::stack::resolve::text;
use crate::stack::source::Source;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Where a package is.
#[derive(Debug)]
pub(in crate::stack) enum Code {
    Zip(Vec<u8>),
    /// `S3Bucket`, `S3Key`, `S3ObjectVersion` and `S3ObjectStorageMode`.
    Object(Value),
    /// The name of an image.
    Image(String),
}

/// A place in S3 as SAM writes it.
pub(super) fn as_sam(place: &Value) -> Value {
    let mut fields = serde_json::Map::new();
    for (ours, theirs) in [
        ("Bucket", "S3Bucket"),
        ("Key", "S3Key"),
        ("Version", "S3ObjectVersion"),
        ("StorageMode", "S3ObjectStorageMode"),
    ] {
        if let Some(value) = place.get(theirs) {
            fields.insert(ours.to_owned(), value.clone());
        }
    }
    Value::Object(fields)
}

/// A function's code: its text in the template, or a package.
pub(super) fn of(read: Properties<'_>, runtime: &str, handler: &str, source: &Source) -> Result<Code, String> {
    if let Some(written) = read.text("InlineCode") {
        // As Lambda names the one file of such a function. Source: CloudFormation, "ZipFile".
        let file = match runtime {
            _ if runtime.starts_with("python") => "index.py",
            _ if runtime.starts_with("nodejs") => "index.js",
            other => return Err(format!("InlineCode is for Python and Node, not for {other}")),
        };
        if !handler.starts_with("index.") {
            return Err(format!("the handler of InlineCode is index.NAME, not {handler}"));
        }
        let entry = Entry { executable: false, content: Content::Bytes(written.into_bytes()) };
        let tree = Tree { files: BTreeMap::from([(file.to_owned(), entry)]) };
        return pack(&tree).map(Code::Zip).map_err(|failure| failure.message);
    }
    package(read.get("CodeUri").unwrap_or(&json!(".")), source)
}

/// A folder or file beside the template, what a tool would upload, or an object.
pub(super) fn package(uri: &Value, source: &Source) -> Result<Code, String> {
    if let Some(fields) = uri.as_object() {
        let field = |name: &str| fields.get(name).map(text);
        let (Some(bucket), Some(key)) = (field("Bucket"), field("Key")) else {
            return Err("a place in S3 has a Bucket and a Key".to_owned());
        };
        return match source.object(&key) {
            Some(path) => packed(path),
            None => {
                let mut object = object(&bucket, &key, field("Version"));
                if let Some(mode) = field("StorageMode") {
                    object["S3ObjectStorageMode"] = mode.into();
                }
                Ok(Code::Object(object))
            }
        };
    }
    let uri = text(uri);
    if let Some(place) = uri.strip_prefix("s3://") {
        let (bucket, key) = place.split_once('/').ok_or_else(|| format!("{uri} names no object"))?;
        return Ok(Code::Object(object(bucket, key, None)));
    }
    packed(&source.folder().join(&uri))
}

fn packed(path: &Path) -> Result<Code, String> {
    let (tree, ready) = read_tree(path).map_err(|failure| failure.message)?;
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
