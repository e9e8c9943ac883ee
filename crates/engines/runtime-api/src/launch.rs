//! Our own bootstraps: what lies in `/var/runtime`, and how a runtime is started.

use lacewing_model::Language;

/// How the runtime process of a language is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchCommand {
    /// The program and its arguments, as seen inside the sandbox.
    pub argv: &'static [&'static str],
    /// True when it speaks over the Unix stream (`LACEWING_DOOR_FD`) and writes log frames.
    pub needs_own_door: bool,
}

/// The command for `language`.
///
/// Python runs without `site`, without the user's site packages and without reading `PYTHON*` variables: our
/// bootstrap honours `PYTHONPATH` itself, which costs a tenth of what importing `site` does.
/// `provided` runs the package's own `bootstrap`; where it lies is for the driver to find.
#[must_use]
pub const fn command(language: Language) -> LaunchCommand {
    match language {
        Language::Python(_) => LaunchCommand { argv: &PYTHON, needs_own_door: true },
        Language::Node(_) => LaunchCommand { argv: &NODE, needs_own_door: true },
        Language::Provided => LaunchCommand { argv: &["/var/task/bootstrap"], needs_own_door: false },
    }
}

const PYTHON: [&str; 6] = [
    "/var/lang/bin/python3",
    "-S",
    "-s",
    "-E",
    "-c",
    "import sys; sys.path.insert(0, '/var/runtime'); import lacewing_bootstrap; lacewing_bootstrap.main()",
];

const NODE: [&str; 2] = ["/var/lang/bin/node", "/var/runtime/lacewing_bootstrap.cjs"];

macro_rules! files {
    ($($folder:literal / $($name:literal),* ;)*) => {
        &[$($(($name, include_bytes!(concat!("../../../../runtimes/", $folder, "/", $name)) as &[u8]),)*)*]
    };
}

/// Every file of `/var/runtime`: its path there, and its bytes.
pub static FILES: &[(&str, &[u8])] = files! {
    "python" / "lacewing_bootstrap.py", "lacewing_context.py", "lacewing_errors.py", "lacewing_json.py", "lacewing_logging.py";
    "node" / "lacewing_bootstrap.cjs", "lacewing_console.cjs", "lacewing_errors.cjs", "lacewing_handler.cjs", "lacewing_stream.cjs", "lacewing_tcp.cjs";
};
