//! Which server a command talks to, as whom: flags first, then AWS's environment variables, then the data dir.

use crate::arguments::{Connection, DataDir};
use crate::failure::Failure;
use std::path::{Path, PathBuf};

/// File of the data dir that holds the address of its server.
pub const ENDPOINT_FILE: &str = "endpoint";
/// File of the data dir that holds the region of its server, where it is not the usual one.
pub const REGION_FILE: &str = "region";

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `host:port`.
    pub authority: String,
    /// Who calls.
    pub keys: Keys,
    /// Where functions are looked for.
    pub region: String,
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Reads the environment; another function in tests.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment; an empty variable counts as unset.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Target {
    /// Finds the server.
    ///
    /// Keys belong to the place the address came from: an address in the data dir goes with the data dir's key, so
    /// that the keys of a real account in the environment are not used for it.
    ///
    /// # Errors
    /// [`Failure`] when no address or no key is known.
    pub fn find(connection: &Connection, lookup: Lookup<'_>) -> Result<Self, Failure> {
        let data_dir = data_dir(&connection.data);
        let said = connection
            .endpoint
            .clone()
            .or_else(|| lookup("AWS_ENDPOINT_URL_LAMBDA"))
            .or_else(|| lookup("AWS_ENDPOINT_URL"));
        let (url, keys) = match said {
            Some(url) => (url, environment_keys(lookup).or_else(|| stored_keys(&data_dir))),
            None => (stored_endpoint(&data_dir)?, stored_keys(&data_dir).or_else(|| environment_keys(lookup))),
        };
        let keys = keys.ok_or_else(|| {
            Failure::usage(
                "no access key is known",
                format!(
                    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name the server's --data-dir ({} has no key that this user can read)",
                    data_dir.display()
                ),
            )
        })?;
        Ok(Self { authority: authority(&url)?, keys, region: region(connection, lookup, &data_dir) })
    }
}

/// The data dir in force.
pub fn data_dir(data: &DataDir) -> PathBuf {
    data.data_dir.clone().unwrap_or_else(|| lacewing_node::default_data_dir(is_root()))
}

/// True when this process acts as root. Reads `/proc`, because std has no word for it.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// The key that a server made in its data dir, if it is there and can be read.
pub fn stored_keys(data_dir: &Path) -> Option<Keys> {
    let (id, secret) = lacewing_node::read_root_key(data_dir).ok()?;
    Some(Keys { id, secret, session_token: None })
}

/// The address of the server that last used this data dir.
///
/// # Errors
/// [`Failure`] when none ever did.
pub fn stored_endpoint(data_dir: &Path) -> Result<String, Failure> {
    let path = data_dir.join(ENDPOINT_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(Failure::usage(
            format!("{}: {error}", path.display()),
            "the server runs as another user: become that user, or set AWS_ENDPOINT_URL and the keys",
        )),
        _ => Err(Failure::unreachable(
            format!("no server is known: {} is not there", path.display()),
            "start one with `lacewing serve`, or name one with --endpoint or AWS_ENDPOINT_URL",
        )),
    }
}

/// The region in force.
pub fn region(connection: &Connection, lookup: Lookup<'_>, data_dir: &Path) -> String {
    let stored = || std::fs::read_to_string(data_dir.join(REGION_FILE)).ok().map(|text| text.trim().to_owned());
    let said = connection.region.clone().or_else(|| lookup("AWS_REGION")).or_else(|| lookup("AWS_DEFAULT_REGION"));
    said.or_else(stored).filter(|region| !region.is_empty()).unwrap_or_else(|| "us-east-1".to_owned())
}

fn environment_keys(lookup: Lookup<'_>) -> Option<Keys> {
    Some(Keys {
        id: lookup("AWS_ACCESS_KEY_ID")?,
        secret: lookup("AWS_SECRET_ACCESS_KEY")?,
        session_token: lookup("AWS_SESSION_TOKEN"),
    })
}

/// `host:port` of an `http://` address.
fn authority(url: &str) -> Result<String, Failure> {
    let wrong = |why: &str| Failure::usage(format!("endpoint '{url}': {why}"), "write it as http://HOST:PORT");
    let uri: http::Uri = url.parse().map_err(|_| wrong("not an address"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(wrong("TLS is not spoken; put a proxy in front, or use the loopback address")),
        _ => return Err(wrong("it must begin with http://")),
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it has no host"))?;
    Ok(format!("{host}:{}", uri.port_u16().unwrap_or(80)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    fn connection(dir: &Path, endpoint: Option<&str>) -> Connection {
        Connection {
            endpoint: endpoint.map(str::to_owned),
            region: None,
            data: DataDir { data_dir: Some(dir.to_owned()) },
        }
    }

    fn dir_of_a_server() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("root-key"), "STORED:secret\n").unwrap();
        std::fs::write(dir.path().join(ENDPOINT_FILE), "http://127.0.0.1:9000\n").unwrap();
        dir
    }

    fn aws_account(name: &str) -> Option<String> {
        match name {
            "AWS_ACCESS_KEY_ID" => Some("REAL".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("real".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_real_accounts_keys_are_not_used_for_the_server_of_the_data_dir() {
        let dir = dir_of_a_server();
        let target = Target::find(&connection(dir.path(), None), &aws_account).unwrap();
        assert_eq!((target.authority.as_str(), target.keys.id.as_str()), ("127.0.0.1:9000", "STORED"));
        assert_eq!(target.region, "us-east-1");
    }

    #[test]
    fn a_named_endpoint_goes_with_the_keys_of_the_environment() {
        let dir = dir_of_a_server();
        let target = Target::find(&connection(dir.path(), Some("http://10.0.0.1")), &aws_account).unwrap();
        assert_eq!((target.authority.as_str(), target.keys.id.as_str()), ("10.0.0.1:80", "REAL"));
        let target = Target::find(&connection(dir.path(), Some("http://[::1]:9000/")), &|_| None).unwrap();
        assert_eq!((target.authority.as_str(), target.keys.id.as_str()), ("[::1]:9000", "STORED"));
    }

    #[test]
    fn an_unknown_server_and_a_wrong_address_are_told_apart() {
        let empty = tempfile::tempdir().unwrap();
        let failure = Target::find(&connection(empty.path(), None), &|_| None).unwrap_err();
        assert_eq!(failure.kind, Kind::Unreachable);
        for wrong in ["127.0.0.1:9000", "https://h", "ftp://h", "http://"] {
            let failure = Target::find(&connection(empty.path(), Some(wrong)), &aws_account).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage, "{wrong}");
        }
    }
}
