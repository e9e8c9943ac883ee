//! Web functions: versions whose code is an HTTP server of its own.
//!
//! What makes one is three variables of its environment, which every tool can set and every version freezes
//! (docs/decisions, "Web functions are told by their environment").

use crate::{Concurrency, FunctionConfig, Invalid};
use std::collections::BTreeMap;

/// The variable that holds the command; a function that has it is a web function.
pub const WEB_COMMAND: &str = "LACEWING_WEB_COMMAND";
/// The variable that says how many requests one sandbox runs at once.
pub const WEB_CONCURRENCY: &str = "LACEWING_WEB_CONCURRENCY";
/// The variable that says where the server listens.
pub const WEB_PORT: &str = "PORT";

/// Where a server listens if nobody says. Source: AWS's web functions.
const PORT_USUAL: u16 = 3_000;
/// Requests at once if nobody says. Source: AWS's web functions, `maxConcurrencyPerEnvironment`.
const CONCURRENCY_USUAL: u32 = 64;
/// The port of the guests' door inside every sandbox.
const PORT_OF_THE_DOOR: u16 = 9_001;

/// How a web function is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSettings<'a> {
    /// What starts the server: a line for the shell, run in `/var/task`.
    pub command: &'a str,
    /// Where it listens: 1 to 65,535 but for 9,001; 3,000 if unsaid.
    pub port: u16,
    /// How many requests one sandbox runs at once; 64 if unsaid.
    pub concurrency: Concurrency,
}

impl<'a> WebSettings<'a> {
    /// What this environment says; `None` for a function that is none of these.
    ///
    /// # Errors
    /// [`Invalid`] where a number is out of its range.
    pub fn read(environment: Option<&'a BTreeMap<String, String>>) -> Result<Option<Self>, Invalid> {
        let Some((environment, command)) = environment.and_then(|all| Some((all, all.get(WEB_COMMAND)?))) else {
            return Ok(None);
        };
        if command.trim().is_empty() {
            return Err(Invalid::new(WEB_COMMAND, "the command that starts the server", command));
        }
        let port = match environment.get(WEB_PORT) {
            None => PORT_USUAL,
            Some(text) => text
                .parse()
                .ok()
                .filter(|&port| port != 0 && port != PORT_OF_THE_DOOR)
                .ok_or_else(|| Invalid::new(WEB_PORT, "a port from 1 to 65535 but for 9001", text))?,
        };
        let concurrency = match environment.get(WEB_CONCURRENCY) {
            None => Concurrency::new(CONCURRENCY_USUAL),
            Some(text) => text
                .parse()
                .map_err(|_| Invalid::new(WEB_CONCURRENCY, "a number from 1 to 128", text))
                .and_then(Concurrency::new),
        }?;
        Ok(Some(Self { command, port, concurrency }))
    }
}

impl FunctionConfig {
    /// How its server is run, where it is a web function. The gateway let no settings in that cannot be read.
    #[must_use]
    pub fn web(&self) -> Option<WebSettings<'_>> {
        WebSettings::read(self.environment.as_ref()).ok().flatten()
    }

    /// How many calls one of its sandboxes runs at once.
    #[must_use]
    pub fn concurrency(&self) -> Concurrency {
        self.web().map_or(Concurrency::default(), |web| web.concurrency)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<(u16, u32)>, Invalid> {
        let all = pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        WebSettings::read(Some(&all)).map(|web| web.map(|web| (web.port, web.concurrency.get())))
    }

    #[test]
    fn a_command_makes_a_web_function_and_the_rest_has_defaults() {
        assert_eq!(read(&[("PORT", "80")]).unwrap(), None);
        assert_eq!(read(&[(WEB_COMMAND, "node a.js")]).unwrap(), Some((3_000, 64)));
        assert_eq!(
            read(&[(WEB_COMMAND, "./app"), (WEB_PORT, "8080"), (WEB_CONCURRENCY, "1")]).unwrap(),
            Some((8_080, 1))
        );
    }

    #[test]
    fn numbers_keep_to_their_ranges() {
        for (key, value) in [
            (WEB_PORT, "0"),
            (WEB_PORT, "9001"),
            (WEB_PORT, "65536"),
            (WEB_PORT, "http"),
            (WEB_CONCURRENCY, "0"),
            (WEB_CONCURRENCY, "129"),
            (WEB_CONCURRENCY, "-1"),
        ] {
            assert!(read(&[(WEB_COMMAND, "x"), (key, value)]).is_err(), "{key}={value}");
        }
        assert!(read(&[(WEB_COMMAND, " ")]).is_err());
    }
}
