//! `lacewing deploy template.yaml`: an AWS SAM template, deployed through the public API.
//!
//! ```text
//! text ─► yaml ─► template (parameters, globals, order) ─► every resource resolved against stand-ins ─► any complaint? nothing is done
//!                                                              └► one by one: resolved for real ─► wish ─► apply ─► what others refer to
//! ```
//!
//! What a template asks for and cannot be had here is named, all of it at once, before anything is changed.

mod apply;
mod resolve;
mod template;
mod wish;
mod yaml;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, milliseconds};
use crate::progress::spinner;
use resolve::{Scope, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use template::{Kind, Place, Resource, Template};
use wish::Wish;

pub(crate) use apply::url;

/// Where the hint of a refusal leads.
const HINT: &str = "nothing was deployed; leave these out, or give them a Condition that does not hold here";

/// True for a path that is taken for a template rather than for code.
pub fn is_template(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(extension, "yaml" | "yml") || name == "template.json"
}

/// Deploys the template at `path` as `stack`, else under the name of its folder.
///
/// # Errors
/// [`Failure`]: what cannot be done, no server, or a refusal.
pub async fn deploy(
    path: &Path,
    stack: Option<&str>,
    given: &[String],
    client: &mut Client,
    output: Output,
) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let path = std::path::absolute(path).map_err(|error| Failure::file(path, &error))?;
    let source = std::fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let document = yaml::read(&source).map_err(|why| {
        Failure::usage(format!("{}: {why}", path.display()), "mend the template; `sam validate` says more")
    })?;
    let account = client.host().await.account;
    let place = Place {
        stack: stack.map_or_else(|| crate::package::name_for(folder), str::to_owned),
        account: if account.is_empty() { "000000000000".to_owned() } else { account },
        region: client.region().to_owned(),
    };
    let template = Template::of(&document, &parameters(given)?, &place).map_err(|wrong| refused(&wrong))?;
    check(&template, &place, folder)?;

    let mut work = Work { client, place, folder, scope: template.scope, rows: Vec::new() };
    for resource in &template.resources {
        let bar = spinner(format!("deploying {}", resource.name));
        work.make(resource).await?;
        bar.finish_and_clear();
    }
    let outputs: Vec<(String, String)> = template
        .outputs
        .iter()
        .filter_map(|(name, about)| Some((name.clone(), text(&work.scope.resolve(about.get("Value")?).ok()??))))
        .collect();
    let ms = begun.elapsed().as_secs_f64() * 1_000.0;
    report(&work.place.stack, &work.rows, &outputs, ms, output);
    Ok(ExitCode::SUCCESS)
}

/// Resolves everything against stand-ins and packs all code: whatever would go wrong half-way goes wrong here.
fn check(template: &Template, place: &Place, folder: &Path) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    let mut scope = Scope {
        parameters: template.scope.parameters.clone(),
        mappings: template.scope.mappings.clone(),
        conditions: template.scope.conditions.clone(),
        attributes: BTreeMap::new(),
    };
    for resource in &template.resources {
        let made = scope.resolve(&resource.properties).and_then(|properties| {
            let properties = properties.unwrap_or_default();
            let wish = Wish::of(resource, &properties, place, folder)?;
            Ok(stand_ins(resource, &wish, place))
        });
        match made {
            Ok(attributes) => scope.attributes.extend(attributes),
            Err(why) => wrong.push(format!("{}: {why}", resource.name)),
        }
    }
    if wrong.is_empty() {
        for (name, about) in &template.outputs {
            let holds = about.get("Condition").and_then(Value::as_str).map_or(Ok(true), |name| scope.holds(name));
            let resolved = holds.and_then(|holds| match about.get("Value") {
                Some(value) if holds => scope.resolve(value).map(drop),
                _ => Ok(()),
            });
            wrong.extend(resolved.err().map(|why| format!("output {name}: {why}")));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(refused(&wrong)) }
}

type Attributes = Vec<((String, String), Value)>;

fn attribute(resource: &str, name: &str, value: impl Into<Value>) -> ((String, String), Value) {
    ((resource.to_owned(), name.to_owned()), value.into())
}

/// What may be referred to of a resource that is not made yet: of the right form, and of no use.
fn stand_ins(resource: &Resource, wish: &Wish, place: &Place) -> Attributes {
    let name = resource.name.as_str();
    let arn = |rest: &str| format!("arn:aws:lambda:{}:{}:{rest}", place.region, place.account);
    match wish {
        Wish::Function(function) => {
            let arn = arn(&format!("function:{}", function.name));
            let url = function.url.as_ref().map(|_| "http://url.invalid/".to_owned());
            let alias = function.alias.as_ref().map(|alias| (format!("{arn}:1"), format!("{arn}:{alias}")));
            of_function(name, &function.name, &arn, alias, url)
        }
        Wish::Layer(layer) => {
            let arn = arn(&format!("layer:{}:1", layer.name));
            vec![attribute(name, "", arn.clone()), attribute(name, "LayerVersionArn", arn)]
        }
        Wish::Url { function, .. } => of_url(name, function, "http://url.invalid/"),
        Wish::Permission { .. } => vec![attribute(name, "", name)],
    }
}

fn of_function(
    logical: &str,
    name: &str,
    arn: &str,
    alias: Option<(String, String)>,
    url: Option<String>,
) -> Attributes {
    let mut all = vec![attribute(logical, "", name), attribute(logical, "Arn", arn)];
    if let Some((version, alias)) = alias {
        all.extend([attribute(logical, "Version", version), attribute(logical, "Alias", alias)]);
    }
    if let Some(url) = url {
        all.extend(of_url(&format!("{logical}Url"), arn, &url));
    }
    all
}

fn of_url(logical: &str, function: &str, url: &str) -> Attributes {
    vec![
        attribute(logical, "", function),
        attribute(logical, "FunctionArn", function),
        attribute(logical, "FunctionUrl", url),
    ]
}

/// A deploy under way.
struct Work<'a> {
    client: &'a mut Client,
    place: Place,
    folder: &'a Path,
    scope: Scope,
    /// Resource, kind, what it is called, and what became of it.
    rows: Vec<[String; 4]>,
}

impl Work<'_> {
    async fn make(&mut self, resource: &Resource) -> Result<(), Failure> {
        let name = resource.name.as_str();
        let broken = |why: String| Failure::refused(format!("{name}: {why}"), "report this as a mistake in lacewing");
        let properties = self.scope.resolve(&resource.properties).map_err(broken)?.unwrap_or_default();
        let wish = Wish::of(resource, &properties, &self.place, self.folder).map_err(broken)?;
        let within = |mut failure: Failure| {
            failure.message = format!("{name}: {}", failure.message);
            failure
        };
        let (change, shown, attributes) = match &wish {
            Wish::Function(function) => {
                let made = apply::function(self.client, function).await.map_err(within)?;
                let version = made.version.map(|version| format!("{}:{version}", made.arn));
                let shown = made.url.clone().map_or(function.name.clone(), |url| format!("{}  {url}", function.name));
                let attributes = of_function(name, &function.name, &made.arn, version.zip(made.alias_arn), made.url);
                (made.change.as_str(), shown, attributes)
            }
            Wish::Layer(layer) => {
                let (change, arn) = apply::layer(self.client, layer).await.map_err(within)?;
                let attributes =
                    vec![attribute(name, "", arn.clone()), attribute(name, "LayerVersionArn", arn.clone())];
                (change.as_str(), arn, attributes)
            }
            Wish::Url { function, qualifier, config } => {
                let url = apply::url(self.client, function, qualifier.as_deref(), config).await.map_err(within)?;
                ("made", url.clone(), of_url(name, function, &url))
            }
            Wish::Permission { function, statement } => {
                apply::permission(self.client, function, None, statement).await.map_err(within)?;
                ("made", function.clone(), vec![attribute(name, "", name)])
            }
        };
        let kind = match resource.kind {
            Kind::Function => "function",
            Kind::Layer => "layer",
            Kind::Url => "url",
            Kind::Permission => "permission",
        };
        self.rows.push([name.to_owned(), kind.to_owned(), shown, change.to_owned()]);
        self.scope.attributes.extend(attributes);
        Ok(())
    }
}

fn refused(wrong: &[String]) -> Failure {
    let mut message = "the template asks for what cannot be done here:".to_owned();
    for line in wrong {
        message += &format!("\n  {line}");
    }
    Failure::usage(message, HINT)
}

fn parameters(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |said: &String| {
        let (name, value) = said.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--parameter {said}: not KEY=VALUE"), "write it as --parameter KEY=VALUE")
        })?;
        Ok((name.to_owned(), value.to_owned()))
    };
    given.iter().map(pair).collect()
}

fn report(stack: &str, rows: &[[String; 4]], outputs: &[(String, String)], ms: f64, output: Output) {
    if output.json {
        let resources: Vec<Value> = rows
            .iter()
            .map(|[name, kind, shown, change]| json!({"resource": name, "kind": kind, "name": shown, "change": change}))
            .collect();
        let outputs: Value = outputs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        output.document(&json!({"stack": stack, "resources": resources, "outputs": outputs, "milliseconds": ms}));
        return;
    }
    for [name, kind, shown, change] in rows {
        output.line(&format!("{name}  {kind}  {shown}  {change}"));
    }
    for (name, value) in outputs {
        output.line(&format!("{name} = {value}"));
    }
    output.say(&format!("stack {stack} is deployed, in {}", milliseconds(ms)));
}
