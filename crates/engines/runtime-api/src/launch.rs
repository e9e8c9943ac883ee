//! Our own bootstraps: what lies in `/var/runtime`, and how a runtime is started.

use lacewing_model::{Language, MemoryMib};

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
        Language::Provided | Language::Foreign => {
            LaunchCommand { argv: &["/var/task/bootstrap"], needs_own_door: false }
        }
        // The image itself says what to execute.
        Language::Image => LaunchCommand { argv: &[], needs_own_door: false },
    }
}

/// The whole command line for a function of `memory`: V8 is told how much there is, so that it collects its
/// garbage in time and does not grow until it is killed.
#[must_use]
pub fn argv(language: Language, memory: MemoryMib) -> Vec<String> {
    let mut argv: Vec<String> = command(language).argv.iter().map(|&part| part.to_owned()).collect();
    if let Language::Node(_) = language {
        let mib = u64::from(memory.get());
        // Nine tenths and one twentieth, as AWS starts it.
        let heap =
            [format!("--max-old-space-size={}", mib * 9 / 10), format!("--max-semi-space-size={}", (mib / 20).max(1))];
        argv.splice(HEAP_AT..=HEAP_AT, heap);
    }
    argv
}

/// How Python is started, for every function and for the zygote. The script is the last argument: wrappers
/// (`AWS_LAMBDA_EXEC_WRAPPER`) put options right before it.
pub const PYTHON: [&str; 7] = ["/var/lang/bin/python3", "-S", "-s", "-E", "-X", "utf8", "/var/runtime/bootstrap.py"];

/// Where V8's heap stands in the command. In a sandbox it finds no limit of its own and takes 48 MiB, whatever the
/// function has; so it is told the most that a function can have, or by [`argv`] what this one has.
const HEAP_AT: usize = 1;

const NODE: [&str; 4] = [
    "/var/lang/bin/node",
    "--max-old-space-size=10240",
    "--max-http-header-size=81920",
    "/var/runtime/lacewing_bootstrap.cjs",
];

macro_rules! files {
    ($($folder:literal / $($name:literal),* ;)*) => {
        &[$($(($name, include_bytes!(concat!("../../../../runtimes/", $folder, "/", $name)) as &[u8]),)*)*]
    };
}

/// Every file of `/var/runtime`: its path there, and its bytes.
pub static FILES: &[(&str, &[u8])] = files! {
    "python" / "bootstrap.py", "lacewing_bootstrap.py", "lacewing_context.py", "lacewing_errors.py", "lacewing_json.py", "lacewing_logging.py", "lacewing_prepared.py", "lacewing_restored.py", "lacewing_zygote.py", "snapshot_restore_py.py";
    "node" / "lacewing_async.cjs", "lacewing_bootstrap.cjs", "lacewing_console.cjs", "lacewing_errors.cjs", "lacewing_handler.cjs", "lacewing_prepared.cjs", "lacewing_stream.cjs", "lacewing_tcp.cjs";
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_program_comes_first_and_its_script_last() {
        for (language, script) in
            [(Language::Python(12), "bootstrap.py"), (Language::Node(22), "lacewing_bootstrap.cjs")]
        {
            let argv = argv(language, MemoryMib::new(128).unwrap());
            assert!(argv[0].starts_with("/var/lang/bin/"));
            assert_eq!(argv.last().unwrap(), &format!("/var/runtime/{script}"));
            assert!(FILES.iter().any(|(name, _)| *name == script));
        }
        let node = argv(Language::Node(22), MemoryMib::new(128).unwrap());
        assert_eq!(node[1..3], ["--max-old-space-size=115", "--max-semi-space-size=6"]);
        assert_eq!(node.iter().filter(|arg| arg.starts_with("--max-old")).count(), 1);
        assert_eq!(argv(Language::Provided, MemoryMib::new(128).unwrap()), ["/var/task/bootstrap"]);
    }
}
