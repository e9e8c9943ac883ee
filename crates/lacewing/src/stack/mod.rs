//! `lacewing deploy template.yaml`: a template of AWS SAM or of CloudFormation, deployed through the public API.
//!
//! ```text
//! path ─► source (template, packages beside it)
//! text ─► yaml ─► template (parameters, globals, order) ─► every resource resolved against stand-ins ─► any complaint? nothing is done
//!                                                              └► one by one: resolved for real ─► wish ─► apply ─► what others refer to
//! ```
//!
//! What a template asks for and cannot be had here is named, all of it at once, before anything is changed.

mod apply;
mod attributes;
mod expand;
mod kind;
mod parameters;
mod resolve;
mod source;
mod template;
mod wish;
mod work;
mod yaml;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, milliseconds};
use crate::progress::spinner;
use apply::Kept;
use attributes::stand_ins;
use resolve::{Scope, text};
use serde_json::{Value, json};
use source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use template::{Place, Template};
use wish::Wish;
use work::{Row, Work};

pub(crate) use apply::open_url;

/// A template, and what lies beside it.
#[derive(Debug)]
pub struct Stack(Source);

/// The template at `path`; `None` where it is code rather than a template.
///
/// # Errors
/// [`Failure`]: a folder with several stacks, or a manifest that cannot be read.
pub fn at(path: &Path) -> Result<Option<Stack>, Failure> {
    Ok(Source::of(path)?.map(Stack))
}

/// Where the hint of a refusal leads.
const HINT: &str = "nothing was deployed; leave these out, or give them a Condition that does not hold here";

/// Deploys a template as the stack `name`, else under a name of its own.
///
/// # Errors
/// [`Failure`]: what cannot be done, no server, or a refusal.
pub async fn deploy(
    stack: Stack,
    name: Option<&str>,
    given: &[String],
    client: &mut Client,
    output: Output,
) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let Stack(source) = stack;
    let path = source.template.as_path();
    let written = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let document = yaml::read(&written).map_err(|why| {
        Failure::usage(format!("{}: {why}", path.display()), "mend the template; `sam validate` says more")
    })?;
    let account = client.host().await.account;
    let place = Place {
        stack: name.map_or_else(|| source.stack.clone(), str::to_owned),
        account: if account.is_empty() { "000000000000".to_owned() } else { account },
        region: client.region().to_owned(),
        is_serverless: source.is_serverless,
        tags: source.tags.clone(),
    };
    let template = Template::of(&document, &parameters(given)?, &place).map_err(|wrong| refused(&wrong))?;
    let plan = check(&template, &place, &source)?;
    elsewhere(&plan, &place, client).await?;

    let kept = plan.kept(&place);
    let mut work = Work { client, place, source: &source, scope: template.scope, kept, rows: Vec::new() };
    for resource in &template.resources {
        let bar = spinner(format!("deploying {}", resource.name));
        work.make(resource).await?;
        bar.finish_and_clear();
    }
    let outputs: Vec<(String, String)> = template
        .outputs
        .iter()
        .filter(|(_, about)| held(&work.scope, about).unwrap_or(false))
        .filter_map(|(name, about)| Some((name.clone(), text(&work.scope.resolve(about.get("Value")?).ok()??))))
        .collect();
    let ms = begun.elapsed().as_secs_f64() * 1_000.0;
    report(&work.place.stack, &work.rows, &outputs, ms, output);
    Ok(ExitCode::SUCCESS)
}

/// Whether the condition of an output holds, if it has one.
fn held(scope: &Scope, about: &Value) -> Result<bool, String> {
    about.get("Condition").and_then(Value::as_str).map_or(Ok(true), |name| scope.holds(name))
}

/// What will be made, by resource, as far as stand-ins can tell.
struct Plan(Vec<(String, Wish)>);

impl Plan {
    /// What policies of the template give to roles of the template.
    fn kept(&self, place: &Place) -> Kept {
        let mut kept = Kept::default();
        for (_, wish) in &self.0 {
            match wish {
                Wish::InlinePolicy { name, roles, .. } => {
                    kept.inline.extend(roles.iter().map(|role| (role.clone(), name.clone())));
                }
                Wish::ManagedPolicy(policy) => {
                    kept.managed.extend(policy.roles.iter().map(|role| (role.clone(), policy.arn(place))));
                }
                _ => {}
            }
        }
        kept
    }
}

/// Resolves everything against stand-ins and packs all code: whatever would go wrong half-way goes wrong here.
fn check(template: &Template, place: &Place, source: &Source) -> Result<Plan, Failure> {
    let (mut wrong, mut plan) = (Vec::new(), Vec::new());
    let mut scope = Scope {
        parameters: template.scope.parameters.clone(),
        mappings: template.scope.mappings.clone(),
        conditions: template.scope.conditions.clone(),
        attributes: BTreeMap::new(),
    };
    for resource in &template.resources {
        let made = scope.resolve(&resource.properties).and_then(|properties| {
            let properties = properties.unwrap_or_default();
            Wish::of(resource, &properties, place, source)
        });
        match made {
            Ok(wish) => {
                scope.attributes.extend(stand_ins(resource, &wish, place));
                plan.push((resource.name.clone(), wish));
            }
            Err(why) => wrong.push(format!("{}: {why}", resource.name)),
        }
    }
    if wrong.is_empty() {
        for (name, about) in &template.outputs {
            let resolved = held(&scope, about).and_then(|holds| match about.get("Value") {
                Some(value) if holds => scope.resolve(value).map(drop),
                _ => Ok(()),
            });
            wrong.extend(resolved.err().map(|why| format!("output {name}: {why}")));
        }
    }
    if wrong.is_empty() { Ok(Plan(plan)) } else { Err(refused(&wrong)) }
}

/// Asks the server for the layers and policies that the template names and does not make.
async fn elsewhere(plan: &Plan, place: &Place, client: &mut Client) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    let own: BTreeSet<String> = plan
        .0
        .iter()
        .filter_map(|(_, wish)| match wish {
            Wish::ManagedPolicy(policy) => Some(policy.arn(place)),
            Wish::Layer(layer) => {
                Some(format!("arn:aws:lambda:{}:{}:layer:{}:1", place.region, place.account, layer.name))
            }
            _ => None,
        })
        .collect();
    for (name, wish) in &plan.0 {
        let missing = match wish {
            Wish::Function(function) => {
                let layers = function.fields.get("Layers").and_then(Value::as_array).into_iter().flatten();
                apply::missing_layer(client, layers.map(text).filter(|arn| !own.contains(arn)).collect()).await?
            }
            Wish::Role(role) => {
                let arns = role.managed.iter().chain(&role.boundary);
                apply::missing_policy(client, arns.filter(|arn| !own.contains(*arn)).cloned().collect()).await?
            }
            _ => None,
        };
        wrong.extend(missing.map(|why| format!("{name}: {why}")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(refused(&wrong)) }
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

fn report(stack: &str, rows: &[Row], outputs: &[(String, String)], ms: f64, output: Output) {
    if output.json {
        let resources: Vec<Value> = rows
            .iter()
            .map(|row| json!({"resource": row.resource, "kind": row.kind, "name": row.shown, "change": row.change}))
            .collect();
        let outputs: Value = outputs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let notes: Vec<&str> = rows.iter().filter_map(|row| row.note).collect::<BTreeSet<_>>().into_iter().collect();
        output.document(
            &json!({"stack": stack, "resources": resources, "outputs": outputs, "notes": notes, "milliseconds": ms}),
        );
        return;
    }
    for row in rows {
        output.line(&format!("{}  {}  {}  {}", row.resource, row.kind, row.shown, row.change));
    }
    for (name, value) in outputs {
        output.line(&format!("{name} = {value}"));
    }
    for row in rows {
        if let Some(note) = row.note {
            output.say(&format!("note: {}: {note}", row.resource));
        }
    }
    output.say(&format!("stack {stack} is deployed, in {}", milliseconds(ms)));
}
