//! What is deployed as a stack: a template, and where the packages lie that it names by their future place in S3.
//!
//! The CDK and the Serverless Framework write templates for packages that they have yet to upload, and tell in a file beside
//! the template which file or folder each will come from. Those are taken from where they are.

use super::resolve::text;
use crate::failure::Failure;
use crate::package::name_for;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest manifest that is read, bytes.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// The template that `serverless package` writes.
const SERVERLESS_TEMPLATE: &str = "cloudformation-template-update-stack.json";
const SERVERLESS_STATE: &str = "serverless-state.json";
/// Where `sam build` puts what it has built.
const SAM_BUILD: &str = ".aws-sam/build";

/// What everything of a stack is tagged with.
type Tags = BTreeMap<String, String>;

/// A template and what lies beside it.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub template: PathBuf,
    /// The name of the stack where nobody says.
    pub stack: String,
    /// Packages by their key in S3.
    pub objects: BTreeMap<String, PathBuf>,
    pub is_serverless: bool,
    pub tags: Tags,
}

impl Source {
    /// Looks at `path`; `None` where it is code rather than a template.
    ///
    /// # Errors
    /// [`Failure`]: a folder with several stacks, or a manifest that cannot be read.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, Failure> {
        let path = std::path::absolute(path).map_err(|error| Failure::file(path, &error))?;
        if !path.is_dir() {
            return is_template(&path).then(|| Self::beside(path)).transpose();
        }
        if path.join("manifest.json").exists() && path.join("cdk.out").exists() {
            return only_stack(&path).and_then(Self::beside).map(Some);
        }
        let known = [path.join(SERVERLESS_TEMPLATE), path.join("template.yaml")];
        let built = path.ends_with(SAM_BUILD);
        let found = known.into_iter().find(|file| file.exists() && (built || !file.ends_with("template.yaml")));
        found.map(Self::beside).transpose()
    }

    fn beside(template: PathBuf) -> Result<Self, Failure> {
        let folder = template.parent().unwrap_or(Path::new("/")).to_owned();
        let file = template.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let assets = file.strip_suffix(".template.json").map(|stack| folder.join(format!("{stack}.assets.json")));
        let source = match assets.filter(|assets| assets.exists()) {
            Some(assets) => {
                let manifest = read(&assets)?;
                let (stack, tags) = cdk_stack(&folder, &file)?.unwrap_or_else(|| (name_for(&template), Tags::new()));
                Self { template, stack, objects: cdk_objects(&manifest, &folder), is_serverless: false, tags }
            }
            None if folder.join(SERVERLESS_STATE).exists() => {
                let state = read(&folder.join(SERVERLESS_STATE))?;
                let said = |pointer: &str| state.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let stack = format!("{}-{}", said("/service/service"), said("/service/provider/stage"));
                let objects = serverless_objects(said("/package/artifactDirectoryName"), &folder)?;
                Self { template, stack, objects, is_serverless: true, tags: Tags::new() }
            }
            None => {
                let built = folder.ends_with(SAM_BUILD).then(|| folder.ancestors().nth(2)).flatten();
                let stack = name_for(built.unwrap_or(&folder));
                Self { template, stack, ..Self::default() }
            }
        };
        Ok(source)
    }

    /// The folder that paths in the template start from.
    pub(super) fn folder(&self) -> &Path {
        self.template.parent().unwrap_or(Path::new("/"))
    }

    /// The file or folder that would have been uploaded under `key`.
    pub(super) fn object(&self, key: &str) -> Option<&Path> {
        self.objects.get(key).map(PathBuf::as_path)
    }
}

fn is_template(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    matches!(extension, "yaml" | "yml" | "json" | "template")
}

/// The one template of what `cdk synth` wrote into `folder`.
fn only_stack(folder: &Path) -> Result<PathBuf, Failure> {
    let manifest = read(&folder.join("manifest.json"))?;
    let mut templates = Vec::new();
    let mut nested = Vec::new();
    for artifact in manifest.get("artifacts").and_then(Value::as_object).into_iter().flat_map(|all| all.values()) {
        let said = |pointer: &str| artifact.pointer(pointer).and_then(Value::as_str);
        match said("/type") {
            Some("aws:cloudformation:stack") => templates.extend(said("/properties/templateFile")),
            Some("cdk:cloud-assembly") => nested.extend(said("/properties/directoryName")),
            _ => {}
        }
    }
    match (templates.as_slice(), nested.as_slice()) {
        ([one], []) => Ok(folder.join(one)),
        ([], []) => Err(Failure::usage(format!("{} has no stack", folder.display()), "run `cdk synth` again")),
        _ => {
            let all: Vec<String> =
                templates.iter().chain(&nested).map(|name| folder.join(name).display().to_string()).collect();
            let message = format!("{} has several stacks: {}", folder.display(), all.join(", "));
            Err(Failure::usage(message, "deploy them one by one, what others refer to first: lacewing deploy FILE"))
        }
    }
}

/// What the CDK's stack with this template is called, and its tags.
fn cdk_stack(folder: &Path, file: &str) -> Result<Option<(String, Tags)>, Failure> {
    let path = folder.join("manifest.json");
    if !path.exists() {
        return Ok(None);
    }
    let manifest = read(&path)?;
    let mut artifacts = manifest.get("artifacts").and_then(Value::as_object).into_iter().flatten();
    let found = artifacts.find(|(_, about)| {
        about.pointer("/properties/templateFile").and_then(Value::as_str).is_some_and(|template| template == file)
    });
    Ok(found.map(|(id, about)| {
        let name = about.pointer("/properties/stackName").and_then(Value::as_str).unwrap_or(id);
        let tags = about.pointer("/properties/tags").and_then(Value::as_object).into_iter().flatten();
        (name.to_owned(), tags.map(|(key, value)| (key.clone(), text(value))).collect())
    }))
}

/// Source: AWS CDK, schema of the asset manifest.
fn cdk_objects(manifest: &Value, folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut objects = BTreeMap::new();
    for file in manifest.get("files").and_then(Value::as_object).into_iter().flat_map(|all| all.values()) {
        let Some(path) = file.pointer("/source/path").and_then(Value::as_str) else { continue };
        for place in file.get("destinations").and_then(Value::as_object).into_iter().flat_map(|all| all.values()) {
            if let Some(key) = place.get("objectKey").and_then(Value::as_str) {
                objects.insert(key.to_owned(), folder.join(path));
            }
        }
    }
    objects
}

fn serverless_objects(prefix: &str, folder: &Path) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut objects = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| Failure::file(folder, &error))? {
        let path = entry.map_err(|error| Failure::file(folder, &error))?.path();
        if let (Some("zip"), Some(name)) = (path.extension().and_then(|e| e.to_str()), path.file_name()) {
            objects.insert(format!("{prefix}/{}", name.to_string_lossy()), path);
        }
    }
    Ok(objects)
}

fn read(path: &Path) -> Result<Value, Failure> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
    file.take(MANIFEST_BYTES_MAX).read_to_string(&mut text).map_err(|error| Failure::file(path, &error))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display()), "have the tool write it again"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(name: &str, files: &[(&str, Value)]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (file, content) in files {
            std::fs::write(folder.join(file), content.to_string()).unwrap();
        }
        (dir, folder)
    }

    fn stack(template: &str) -> Value {
        json!({"type": "aws:cloudformation:stack", "properties": {"templateFile": template, "tags": {"team": "shop"}}})
    }

    #[test]
    fn what_the_cdk_wrote_tells_its_stack_and_its_packages() {
        let assets = json!({"files": {"abc": {"source": {"path": "asset.abc", "packaging": "zip"},
            "destinations": {"here": {"bucketName": "b", "objectKey": "abc.zip"}}}}});
        let (_dir, folder) = folder(
            "cdk.out",
            &[
                ("cdk.out", json!({})),
                (
                    "manifest.json",
                    json!({"artifacts": {"Shop": stack("Shop.template.json"), "T": {"type": "cdk:tree"}}}),
                ),
                ("Shop.template.json", json!({})),
                ("Shop.assets.json", assets),
            ],
        );
        for path in [folder.clone(), folder.join("Shop.template.json")] {
            let source = Source::of(&path).unwrap().unwrap();
            assert_eq!(source.stack, "Shop");
            assert_eq!(source.tags["team"], "shop");
            assert_eq!(source.template, folder.join("Shop.template.json"));
            assert_eq!(source.object("abc.zip"), Some(folder.join("asset.abc").as_path()));
            assert_eq!(source.object("other.zip"), None);
        }
    }

    #[test]
    fn several_stacks_are_deployed_one_by_one() {
        let manifest = json!({"artifacts": {"A": stack("A.template.json"), "B": stack("B.template.json")}});
        let (_dir, folder) = folder("cdk.out", &[("cdk.out", json!({})), ("manifest.json", manifest)]);
        let said = Source::of(&folder).unwrap_err().message;
        assert!(said.contains("A.template.json") && said.contains("B.template.json"), "{said}");
    }

    #[test]
    fn what_serverless_packaged_tells_its_stack_and_its_packages() {
        let state = json!({"service": {"service": "shop", "provider": {"stage": "dev"}},
            "package": {"artifactDirectoryName": "serverless/shop/dev/17"}});
        let (_dir, folder) = folder(
            ".serverless",
            &[(SERVERLESS_TEMPLATE, json!({})), (SERVERLESS_STATE, state), ("shop.zip", json!(0))],
        );
        let source = Source::of(&folder).unwrap().unwrap();
        assert!(source.is_serverless);
        assert_eq!(source.stack, "shop-dev");
        assert_eq!(source.object("serverless/shop/dev/17/shop.zip"), Some(folder.join("shop.zip").as_path()));
    }

    #[test]
    fn a_stack_of_sam_has_the_name_of_its_project() {
        let (_dir, folder) = folder("shop/.aws-sam/build", &[("template.yaml", json!({}))]);
        for path in [folder.clone(), folder.join("template.yaml")] {
            assert_eq!(Source::of(&path).unwrap().unwrap().stack, "shop");
        }
    }

    #[test]
    fn folders_of_code_are_no_templates() {
        let (_dir, folder) = folder("shop", &[("template.yaml", json!({})), ("app.py", json!(0))]);
        assert!(Source::of(&folder).unwrap().is_none());
        assert!(Source::of(&folder.join("app.py")).unwrap().is_none());
        assert_eq!(Source::of(&folder.join("template.yaml")).unwrap().unwrap().stack, "shop");
    }
}
