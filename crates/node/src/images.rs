//! `[images]`: which names of images mean something here, and where they lie.

use lacewing_catalog::{ImageOptions, RegistryOptions, authorities};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `[images]`. A name that is not listed is refused: callers choose among these, and nothing else is ever asked.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesConfig {
    /// Directories in the OCI image layout, by the repository name that they are called by, such as
    /// `"team/app" = "/srv/images/app"`; default none.
    pub layouts: BTreeMap<String, PathBuf>,
    /// Registries that may be asked, by their name, such as `[images.registries."ghcr.io"]`; default none. One on
    /// this machine is asked over HTTP, any other over HTTPS.
    pub registries: BTreeMap<String, RegistryConfig>,
}

/// `[images.registries."NAME"]`. Without a user name, what Docker's configuration of the server's user knows is
/// taken (`~/.docker/config.json`, its helpers too); what it does not know is asked by nobody.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// The `HOST[:PORT]` that is asked in its place; default the name itself.
    pub mirror: Option<String>,
    /// Who asks; goes with `password`.
    pub username: Option<String>,
    /// Its password or token.
    pub password: Option<String>,
    /// A PEM file with certificates of authorities that are trusted besides the system's, for a registry with a
    /// certificate of one's own; with it the registry is asked over HTTPS on this machine too. Default none.
    pub ca_file: Option<PathBuf>,
}

impl ImagesConfig {
    /// What images are fetched with.
    ///
    /// # Errors
    /// Which file cannot be read, and why.
    pub(crate) fn options(&self) -> Result<ImageOptions, String> {
        let registry = |(name, config): (&String, &RegistryConfig)| {
            let RegistryConfig { mirror, username, password, ca_file } = config.clone();
            let trusted = |file: &PathBuf| {
                let read = std::fs::read(file).map_err(|error| error.to_string()).and_then(|pem| authorities(&pem));
                read.map_err(|why| format!("ca_file of [images.registries.\"{name}\"]: {}: {why}", file.display()))
            };
            let authorities = ca_file.as_ref().map(trusted).transpose()?.unwrap_or_default();
            Ok((name.clone(), RegistryOptions { mirror, login: username.zip(password), authorities }))
        };
        let registries = self.registries.iter().map(registry).collect::<Result<_, String>>()?;
        Ok(ImageOptions { layouts: self.layouts.clone(), registries })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::Config;

    #[test]
    fn layouts_and_registries_are_named_one_by_one() {
        let text = "[images.layouts]\n\"team/app\" = \"/srv/app\"\n\
                    [images.registries.\"ghcr.io\"]\n\
                    [images.registries.\"1.dkr.ecr.eu-west-1.amazonaws.com\"]\n\
                    mirror = \"127.0.0.1:5000\"\nusername = \"u\"\npassword = \"p\"";
        let options = toml::from_str::<Config>(text).unwrap().images.options().unwrap();
        assert_eq!(options.layouts["team/app"], std::path::Path::new("/srv/app"));
        assert_eq!(options.registries["ghcr.io"], Default::default());
        let mirrored = &options.registries["1.dkr.ecr.eu-west-1.amazonaws.com"];
        assert_eq!(mirrored.mirror.as_deref(), Some("127.0.0.1:5000"));
        assert_eq!(mirrored.login, Some(("u".to_owned(), "p".to_owned())));
        assert!(toml::from_str::<Config>("[images]\nany = true").is_err());
    }

    #[test]
    fn a_file_of_authorities_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let text = format!("[images.registries.\"r.example\"]\nca_file = \"{}\"", file.display());
        let options = || toml::from_str::<Config>(&text).unwrap().images.options().unwrap_err();
        assert!(options().contains("No such file"), "{}", options());
        std::fs::write(&file, "no certificate").unwrap();
        assert!(options().contains("r.example") && options().contains("no certificate in PEM form"), "{}", options());
    }
}
