//! `[images]`: which names of images mean something here, and where they lie.

use lacewing_catalog::{ImageOptions, RegistryOptions};
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
}

impl ImagesConfig {
    /// What images are fetched with.
    pub(crate) fn options(&self) -> ImageOptions {
        let registry = |(name, config): (&String, &RegistryConfig)| {
            let RegistryConfig { mirror, username, password } = config.clone();
            (name.clone(), RegistryOptions { mirror, login: username.zip(password) })
        };
        ImageOptions { layouts: self.layouts.clone(), registries: self.registries.iter().map(registry).collect() }
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
        let options = toml::from_str::<Config>(text).unwrap().images.options();
        assert_eq!(options.layouts["team/app"], std::path::Path::new("/srv/app"));
        assert_eq!(options.registries["ghcr.io"], Default::default());
        let mirrored = &options.registries["1.dkr.ecr.eu-west-1.amazonaws.com"];
        assert_eq!(mirrored.mirror.as_deref(), Some("127.0.0.1:5000"));
        assert_eq!(mirrored.login, Some(("u".to_owned(), "p".to_owned())));
        assert!(toml::from_str::<Config>("[images]\nany = true").is_err());
    }
}
