//! What lies in `/var/runtime`: the bootstraps of the managed runtimes, written out at launch.

use crate::interpreters::{Interpreters, Kind};
use lacewing_runtime_api::launch;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The packages of Python's SDK, as far as they are seen by an interpreter that has none: links from `python-sdk` into
/// another interpreter's packages, mounted at `/var/packages`.
const SDK: [&str; 7] = ["boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3"];

/// Pause between looks at a compiler that works.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The directory that sandboxes see, read-only.
pub(crate) struct RuntimeFiles(PathBuf);

impl RuntimeFiles {
    /// Writes the files below `folder`, under a name made from their contents: sandboxes of a server that is being
    /// replaced never see another's files.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn write(folder: &Path) -> io::Result<Self> {
        let root = folder.join(format!("runtime-{:016x}", contents_number()));
        if root.is_dir() {
            return Ok(Self(root));
        }
        // Whole or not at all: a start that was cut short must not leave half a runtime under the final name.
        let fresh = folder.join("runtime-fresh");
        let _ = fs::remove_dir_all(&fresh);
        for (name, bytes) in launch::FILES {
            let path = fresh.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&fresh))?;
            fs::write(path, bytes)?;
        }
        let sdk = fresh.join("python-sdk");
        fs::create_dir_all(&sdk)?;
        for name in SDK {
            std::os::unix::fs::symlink(Path::new("/var/packages").join(name), sdk.join(name))?;
        }
        show_to_all(&fresh)?;
        fs::rename(&fresh, &root)?;
        Ok(Self(root))
    }

    /// Where they are on the host.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Has each Python compile its bootstrap, once, in the background: the sandbox cannot keep what it compiles,
    /// and would do so again at every start (some 10 ms).
    pub(crate) fn compile_ahead(&self, interpreters: &Arc<Interpreters>) -> Compiling {
        let (root, interpreters) = (self.0.clone(), Arc::clone(interpreters));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            for python in interpreters.iter().filter(|found| found.language == Kind::Python) {
                let (_, minor, patch) = python.version;
                let done = root.join(format!(".compiled-3.{minor}.{patch}"));
                if done.exists() {
                    continue;
                }
                let mut command = Command::new(&python.path);
                command
                    .args(["-S", "-E", "-m", "compileall", "-q", "-f"])
                    // Valid whatever the file's time: nobody changes it under this name.
                    .args(if minor >= 7 { &["--invalidation-mode", "unchecked-hash"][..] } else { &[] })
                    .arg(&root)
                    .env_clear()
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                if succeeds(&mut command, &stopped) && show_to_all(&root).is_ok() {
                    let _ = fs::write(done, "");
                }
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("compile-bootstraps".to_owned()).spawn(work).ok();
        Compiling { stop, thread }
    }
}

/// Bootstraps being compiled. Dropping it ends that: a compiler that went on would make a data dir again that has
/// just been removed.
pub(crate) struct Compiling {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Compiling {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs a command to its end, or ends it when told to stop.
fn succeeds(command: &mut Command, stop: &AtomicBool) -> bool {
    let Ok(mut child) = command.spawn() else { return false };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if !stop.load(Ordering::Relaxed) => std::thread::sleep(LOOK_AGAIN),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// Lets every user read a tree: functions are users of their own, and the server's umask may be strict.
///
/// # Errors
/// A mode cannot be changed.
pub(crate) fn show_to_all(root: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let about = root.symlink_metadata()?;
    if about.is_dir() {
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
        for entry in fs::read_dir(root)? {
            show_to_all(&entry?.path())?;
        }
    } else if about.is_file() {
        fs::set_permissions(root, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// A number made from names and bytes. FNV-1a: all that is asked of it is to differ between builds.
fn contents_number() -> u64 {
    let files = launch::FILES.iter().flat_map(|(name, bytes)| name.bytes().chain(bytes.iter().copied()));
    let bytes = files.chain(SDK.iter().flat_map(|name| name.bytes()));
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}
