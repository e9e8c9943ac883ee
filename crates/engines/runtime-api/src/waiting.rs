//! Runtimes that are booted before they know their function: what they are started with, how they are told, and
//! which functions they cannot serve.
//!
//! ```text
//! exec with BOOT ─► "\r\n" ─ waits ─► assignment(environment) ─► GO, the code lies in its place ─► loads the handler
//! ```

use lacewing_model::Language;

/// Variables that a waiting runtime is started with: what nearly every function has, of those that are read when a
/// process or an interpreter begins.
const BOOT: [(&str, &str); 4] = [
    ("TZ", ":UTC"),
    ("LANG", "en_US.UTF-8"),
    ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
    (
        "LD_LIBRARY_PATH",
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    ),
];

/// Room, bytes, that is kept for the function's variables where `/proc/self/environ` shows them: Lambda's 4 KiB of
/// the user's own, and ours with credentials.
const ROOM_BYTES: usize = 12 * 1024;

/// What a waiting runtime is sent once its code is in place.
pub const GO: &[u8] = b"\n";

/// A name, or with `*` at its end a beginning, of variables that are read once, when a process begins.
struct ReadAtStart {
    name: &'static str,
    /// Names with that beginning that are read when they are needed, or that our bootstraps apply later.
    except: &'static [&'static str],
    node_only: bool,
}

/// Everything that cannot be applied to a runtime that is up. What is not named here can: our bootstraps see to the
/// search paths (`PYTHONPATH`, `NODE_PATH`) and the time zone, and Python runs with `-E`, so that it reads no other
/// `PYTHON*` variable at any start.
const READ_AT_START: [ReadAtStart; 9] = [
    every("LD_*"),           // the loader
    every("GLIBC_TUNABLES"), // libc and its allocator
    every("MALLOC_*"),
    every("LANG"), // setlocale(3)
    every("LC_*"),
    every("LOCPATH"),
    node("NODE_*", &["NODE_ENV", "NODE_PATH", "NODE_TLS_REJECT_UNAUTHORIZED"]),
    node("UV_*", &[]), // libuv, whose threads have been started
    node("OPENSSL_*", &[]),
];

const fn every(name: &'static str) -> ReadAtStart {
    ReadAtStart { name, except: &[], node_only: false }
}

const fn node(name: &'static str, except: &'static [&'static str]) -> ReadAtStart {
    ReadAtStart { name, except, node_only: true }
}

impl ReadAtStart {
    fn covers(&self, language: Language, name: &str) -> bool {
        let named = match self.name.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning) && !self.except.contains(&name),
            None => name == self.name,
        };
        named && (!self.node_only || matches!(language, Language::Node(_)))
    }
}

/// The first variable of a function that a waiting runtime of `language` cannot honour: such a function needs an
/// interpreter that is started with its environment.
#[must_use]
pub fn needs_fresh_interpreter(language: Language, environment: &[(String, String)]) -> Option<&str> {
    if matches!(language, Language::Provided | Language::Image) {
        return None;
    }
    let is_read = |name: &str| READ_AT_START.iter().any(|read| read.covers(language, name));
    let booted = |name: &str| BOOT.iter().find(|(boot, _)| *boot == name).map(|(_, value)| *value);
    let changed = environment.iter().find(|(name, value)| is_read(name) && booted(name) != Some(value));
    let missing = || BOOT.iter().find(|(boot, _)| is_read(boot) && !environment.iter().any(|(name, _)| name == boot));
    changed.map(|(name, _)| name.as_str()).or_else(|| missing().map(|(name, _)| *name))
}

/// The environment to start a waiting runtime with. It finds the door at descriptor 3.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let mut all: Vec<_> = BOOT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.push(("LACEWING_DOOR_FD".to_owned(), "3".to_owned()));
    all.push(("LACEWING_WAITS".to_owned(), "1".to_owned()));
    all.push(("LACEWING_ROOM".to_owned(), ".".repeat(ROOM_BYTES)));
    all
}

/// The same for a zygote: what it forks goes on as a waiting runtime. It finds its channel where they have the door.
#[must_use]
pub fn zygote_environment() -> Vec<(String, String)> {
    let mut all = environment();
    all.push(("LACEWING_ZYGOTE".to_owned(), "1".to_owned()));
    all
}

/// What tells a waiting runtime the function's environment.
#[must_use]
pub fn assignment(environment: &[(String, String)]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for (name, value) in environment {
        for part in [name, "=", value, "\0"] {
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with(more: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> =
            BOOT.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        for (name, value) in more {
            all.retain(|(known, _)| known != name);
            all.push(((*name).into(), (*value).into()));
        }
        all
    }

    #[test]
    fn what_is_read_at_the_start_needs_a_fresh_interpreter() {
        let (python, node) = (Language::Python(12), Language::Node(22));
        for (why, name, value, for_python, for_node) in [
            ("the function's own", "TABLE", "t", false, false),
            ("applied by the bootstrap", "TZ", "Asia/Tokyo", false, false),
            ("the same as at the start", "LANG", "en_US.UTF-8", false, false),
            ("the locale", "LANG", "C", true, true),
            ("the locale", "LC_ALL", "C", true, true),
            ("looked up at each exec", "PATH", "/opt/bin", false, false),
            ("the loader", "LD_LIBRARY_PATH", "/opt/mine", true, true),
            ("the loader", "LD_PRELOAD", "/opt/lib/x.so", true, true),
            ("the allocator", "MALLOC_ARENA_MAX", "2", true, true),
            ("read by nobody: Python runs with -E", "PYTHONHASHSEED", "0", false, false),
            ("applied by the bootstrap", "PYTHONPATH", "/opt/mine", false, false),
            ("V8's and Node's", "NODE_OPTIONS", "--enable-source-maps", false, true),
            ("read at the start", "NODE_EXTRA_CA_CERTS", "/var/task/ca.pem", false, true),
            ("read when needed", "NODE_ENV", "production", false, false),
            ("applied by the bootstrap", "NODE_PATH", "/opt/mine", false, false),
            ("libuv's threads are there", "UV_THREADPOOL_SIZE", "8", false, true),
            ("read at the start", "OPENSSL_CONF", "/var/task/o.cnf", false, true),
        ] {
            let environment = with(&[(name, value)]);
            let found = |language| needs_fresh_interpreter(language, &environment);
            assert_eq!((found(python), found(node)), (for_python.then_some(name), for_node.then_some(name)), "{why}");
            assert_eq!(found(Language::Provided), None, "it brings its own");
        }
    }

    #[test]
    fn a_variable_that_was_taken_away_needs_a_fresh_interpreter_too() {
        let mut environment = with(&[]);
        environment.retain(|(name, _)| name != "LANG");
        assert_eq!(needs_fresh_interpreter(Language::Python(12), &environment), Some("LANG"));
    }

    #[test]
    fn an_assignment_has_its_length_before_it() {
        let told = assignment(&[("A".into(), "1".into()), ("B".into(), String::new())]);
        assert_eq!(told, b"\0\0\0\x07A=1\0B=\0");
    }
}
