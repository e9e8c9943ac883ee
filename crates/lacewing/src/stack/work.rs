//! A deploy under way: one resource after the other, each resolved by what those before it have become.

use super::apply::{self, Kept};
use super::attributes::Attributes;
use super::attributes::{of_alias, of_function, of_itself, of_layer, of_url, of_version};
use super::kind::Kind;
use super::resolve::Scope;
use super::source::Source;
use super::template::{Place, Resource};
use super::wish::Wish;
use crate::client::Client;
use crate::failure::Failure;

/// What is said of a log group's `RetentionInDays`.
const RETENTION: &str =
    "RetentionInDays is not read; `aws logs describe-log-groups` shows how long the server keeps lines";

/// A deploy under way.
pub(super) struct Work<'a> {
    pub client: &'a mut Client,
    pub place: Place,
    pub source: &'a Source,
    pub scope: Scope,
    pub kept: Kept,
    pub rows: Vec<Row>,
}

/// What became of a resource.
pub(super) struct Row {
    pub resource: String,
    pub kind: &'static str,
    /// What it is called.
    pub shown: String,
    pub change: &'static str,
    /// What of it was left undone, and harmless.
    pub note: Option<&'static str>,
}

/// A resource that was made: its change, what it is called, and what others may refer to.
type Done = (&'static str, String, Attributes);

impl Work<'_> {
    pub(super) async fn make(&mut self, resource: &Resource) -> Result<(), Failure> {
        let name = resource.name.as_str();
        let broken = |why: String| Failure::refused(format!("{name}: {why}"), "report this as a mistake in lacewing");
        let properties = self.scope.resolve(&resource.properties).map_err(broken)?.unwrap_or_default();
        let wish = Wish::of(resource, &properties, &self.place, self.source).map_err(broken)?;
        let made = self.done(name, &wish).await;
        let (change, shown, attributes) = made.map_err(|mut failure| {
            failure.message = format!("{name}: {}", failure.message);
            failure
        })?;
        self.scope.attributes.extend(attributes);
        if resource.kind != Kind::Needless {
            let note = matches!(wish, Wish::LogGroup { says_retention: true, .. }).then_some(RETENTION);
            self.rows.push(Row { resource: name.to_owned(), kind: resource.kind.as_str(), shown, change, note });
        }
        Ok(())
    }

    async fn done(&mut self, name: &str, wish: &Wish) -> Result<Done, Failure> {
        let client = &mut *self.client;
        let itself = of_itself(name, wish, &self.place);
        Ok(match wish {
            Wish::Function(function) => {
                let made = apply::function(client, function).await?;
                let version = made.version.map(|version| format!("{}:{version}", made.arn));
                let shown = made.url.clone().map_or(function.name.clone(), |url| format!("{}  {url}", function.name));
                let attributes = of_function(name, function, &made.arn, version.zip(made.alias_arn), made.url);
                (made.change.as_str(), shown, attributes)
            }
            Wish::Layer(layer) => {
                let (change, arn) = apply::layer(client, layer).await?;
                let attributes = of_layer(name, &arn);
                (change.as_str(), arn, attributes)
            }
            Wish::LayerPermission { layer, statement } => {
                apply::layer_permission(client, layer, statement).await?;
                ("made", layer.clone(), itself)
            }
            Wish::Version { function, body, provisioned } => {
                let made = apply::version(client, function, body).await?;
                if provisioned.is_some() {
                    apply::provision(client, function, &made.number, *provisioned).await?;
                }
                let attributes = of_version(name, &made.number, &made.arn);
                ("made", made.arn, attributes)
            }
            Wish::Alias { function, name: alias, body, provisioned } => {
                let (change, arn) = apply::alias(client, function, alias, body).await?;
                apply::provision(client, function, alias, *provisioned).await?;
                let attributes = of_alias(name, &arn);
                (change.as_str(), arn, attributes)
            }
            Wish::Url { function, qualifier, config } => {
                let url = apply::url(client, function, qualifier.as_deref(), config).await?;
                let attributes = of_url(name, function, &url);
                ("made", url, attributes)
            }
            Wish::Permission { function, statement } => {
                apply::permission(client, function, None, statement).await?;
                ("made", function.clone(), itself)
            }
            Wish::EventInvoke { function, qualifier, config } => {
                apply::event_invoke(client, function, qualifier, config).await?;
                ("made", format!("{function}:{qualifier}"), itself)
            }
            Wish::Role(role) => {
                let change = apply::role(client, role, &self.kept).await?;
                (change.as_str(), role.name.clone(), itself)
            }
            Wish::InlinePolicy { name: policy, document, roles } => {
                let change = apply::inline_policy(client, policy, document, roles).await?;
                (change.as_str(), policy.clone(), itself)
            }
            Wish::ManagedPolicy(policy) => {
                let arn = policy.arn(&self.place);
                let change = apply::managed_policy(client, policy, &arn).await?;
                (change.as_str(), arn, itself)
            }
            Wish::LogGroup { name: group, .. } => ("there when written to", group.clone(), itself),
            Wish::Needless => ("", String::new(), itself),
        })
    }
}
