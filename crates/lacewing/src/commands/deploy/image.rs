//! `lacewing deploy --image`: a function that is a container image, which the server fetches itself.

use super::{Change, Deploy, existing, report, role, variables};
use crate::client::{Client, DeployedCode, FunctionState};
use crate::commands::client;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::spinner;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

impl Deploy {
    pub(super) async fn run_image(&self, uri: &str, output: Output) -> Result<ExitCode, Failure> {
        let begun = Instant::now();
        let name = match &self.name {
            Some(name) => name.clone(),
            None => name_of(uri)?,
        };
        refuse_path(uri)?;
        let mut client = client(&self.connection)?;
        let bar = spinner(format!("deploying {name} ({uri})"));
        let change = match existing(&mut client, &name).await? {
            None => self.create_image(&mut client, &name, uri).await?,
            Some(existing) => self.update_image(&mut client, &existing, uri).await?,
        };
        let function = client.ready(&name).await?;
        bar.finish_and_clear();
        report(&function, change, begun.elapsed().as_secs_f64() * 1_000.0, None, output);
        Ok(ExitCode::SUCCESS)
    }

    async fn create_image(&self, client: &mut Client, name: &str, uri: &str) -> Result<Change, Failure> {
        let server = client.host().await;
        let mut fields = self.fields(variables(&self.env)?);
        fields.insert("PackageType".into(), "Image".into());
        fields.insert("Role".into(), role(&server.account).into());
        if let Some(architecture) = &self.architecture {
            fields.insert("Architectures".into(), json!([architecture]));
        }
        client.create_function(name, &DeployedCode::Image(uri), &fields, &self.tags()).await?;
        Ok(Change::Created)
    }

    async fn update_image(&self, client: &mut Client, existing: &FunctionState, uri: &str) -> Result<Change, Failure> {
        let name = &existing.name;
        self.check_tenancy(existing)?;
        let mut change = self.update_egress(client, existing).await?;
        let architecture = self.architecture.as_deref().unwrap_or(&existing.architecture);
        // What a tag stands for, only the server can tell.
        client.update_code(name, &DeployedCode::Image(uri), architecture).await?;
        let now = client.settled(name).await?;
        if now.code_sha256 != existing.code_sha256 || now.architecture != existing.architecture {
            change = Change::Updated;
        }
        let mut fields = self.fields(variables(&self.env)?);
        fields.retain(|key, value| existing.all.get(key) != Some(value));
        if !fields.is_empty() {
            client.update_configuration(name, &fields).await?;
            change = Change::Updated;
        }
        Ok(change)
    }
}

/// The last part of an image's repository names the function.
fn name_of(uri: &str) -> Result<String, Failure> {
    let repository = uri.split_once('@').map_or(uri, |(repository, _)| repository);
    let last = repository.rsplit('/').next().unwrap_or_default();
    let name = last.split(':').next().unwrap_or_default().replace('.', "-");
    match name.is_empty() {
        true => Err(Failure::usage(format!("--image {uri} names no repository"), "write it as REPOSITORY:TAG")),
        false => Ok(name),
    }
}

/// A folder on this machine is not what a server's image is named by, however well it is meant.
fn refuse_path(uri: &str) -> Result<(), Failure> {
    let folder = Path::new(uri.strip_prefix("oci:").unwrap_or(uri));
    if !folder.join("oci-layout").is_file() {
        return Ok(());
    }
    let place = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    Err(Failure::usage(
        format!("{uri} is a layout on this machine, and the server takes only those that its configuration names"),
        format!(
            "add `\"{name}\" = \"{}\"` to [images.layouts] of the server's configuration, then deploy --image {name}:TAG",
            place.display()
        ),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_by_the_last_part_of_its_images_repository() {
        for (uri, want) in [
            ("app", "app"),
            ("team/shop:v1.2", "shop"),
            ("127.0.0.1:5000/shop", "shop"),
            ("ghcr.io/team/shop.api@sha256:00", "shop-api"),
        ] {
            assert_eq!(name_of(uri).unwrap(), want, "{uri}");
        }
        assert!(name_of("team/:v1").is_err());
    }

    #[test]
    fn a_layout_of_this_machine_is_refused_with_the_line_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let layout = folder.path().join("Shop");
        std::fs::create_dir(&layout).unwrap();
        std::fs::write(layout.join("oci-layout"), "{}").unwrap();
        let place = layout.display().to_string();
        for uri in [place.clone(), format!("oci:{place}")] {
            let hint = refuse_path(&uri).unwrap_err().hint;
            assert!(hint.contains(&format!("\"shop\" = \"{place}\"")), "{hint}");
        }
        assert!(refuse_path("team/shop:v1").is_ok());
    }
}
