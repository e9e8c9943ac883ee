//! Functions from container images: what the image says of itself, and what its function says instead.

/// The code of a function whose package is an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageCode {
    /// As the caller named it, with a tag or without.
    pub uri: String,
    /// The same repository, and the digest that the name stood for when the code was set.
    pub resolved_uri: String,
    /// How its own configuration says that it is run.
    pub own: ImageSettings,
    /// Variables of its own configuration, in their order.
    pub environment: Vec<(String, String)>,
    /// What the function sets in the place of what the image says; `None` where nothing was ever given.
    pub overrides: Option<ImageSettings>,
}

/// How an image is run. What is `None` is not said here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSettings {
    /// The program and its first arguments.
    pub entry_point: Option<Vec<String>>,
    /// Further arguments, or the program where there is no entry point.
    pub command: Option<Vec<String>>,
    /// Where it begins.
    pub working_directory: Option<String>,
}

impl ImageSettings {
    /// True where nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ImageCode {
    fn said<T>(&self, part: impl Fn(&ImageSettings) -> Option<&T>) -> Option<&T> {
        self.overrides.as_ref().and_then(&part).or_else(|| part(&self.own))
    }

    /// The program and its arguments: entry point, then command, each the function's or else the image's.
    /// Empty where neither says anything.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let parts = [self.said(|it| it.entry_point.as_ref()), self.said(|it| it.command.as_ref())];
        parts.into_iter().flatten().flatten().cloned().collect()
    }

    /// Where it begins; `/` if nobody says.
    #[must_use]
    pub fn working_directory(&self) -> &str {
        self.said(|it| it.working_directory.as_ref()).map_or("/", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn each_setting_of_the_function_stands_in_the_place_of_the_images_own() {
        let own = ImageSettings { entry_point: words(&["/run"]), command: words(&["a", "b"]), ..Default::default() };
        let mut code = ImageCode {
            uri: "r/i:t".into(),
            resolved_uri: "r/i@sha256:0".into(),
            own,
            environment: Vec::new(),
            overrides: None,
        };
        assert_eq!((code.argv().join(" ").as_str(), code.working_directory()), ("/run a b", "/"));
        let command = words(&["c"]);
        code.overrides = Some(ImageSettings { command, working_directory: Some("/app".into()), ..Default::default() });
        assert_eq!((code.argv().join(" ").as_str(), code.working_directory()), ("/run c", "/app"));
    }
}
