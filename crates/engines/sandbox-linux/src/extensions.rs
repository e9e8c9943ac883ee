//! A sandbox's extensions: started before the runtime, told of the end.
//!
//! ```text
//! each program of /opt/extensions ─ exec ─► all have registered ─► the runtime begins ─► all have asked: INIT is over
//! spindown: SIGTERM to the runtime ─ 30 % of the time, then SIGKILL ─► SHUTDOWN to who hears it ─ the rest ─► the end
//! failure, timeout: SIGKILL to the runtime at once ─► SHUTDOWN ─ 2 s ─► reset
//! ```
//!
//! Source: Lambda documentation, "Lambda execution environment lifecycle", and AWS's open sandbox agent.

use crate::attention::Event;
use crate::endings;
use crate::launching::{Launch, Streams, pipe};
use crate::logs::Pipes;
use crate::protocol::{Order, Who, Word};
use crate::sandbox::{LinuxSandbox, broke};
use lacewing_model::{Clock, RequestId, SystemClock};
use lacewing_runtime_api::{EXTENSIONS_MAX, ShutdownReason};
use lacewing_sandbox::{InitEnding, InitReport, LogSource, SandboxError};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where they lie below the layers.
const FOLDER: &str = "extensions";
/// How long the end may take with external extensions.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);
/// The runtime's share of it.
const RUNTIME_SHARE: f64 = 0.3;
/// How long it may take where all extensions are internal.
const SHUTDOWN_INTERNAL_MAX: Duration = Duration::from_millis(500);
/// How long telemetry may hold up the word of the end.
const TELEMETRY_FLUSH_MAX: Duration = Duration::from_millis(300);
/// One that has reported an error is expected to exit; the error's text is how it did.
pub(crate) const EXIT_MAX: Duration = Duration::from_millis(500);

/// The programs in merged layers, by name, in the order in which they are started. Every file counts, as on Lambda: one
/// that cannot be executed fails INIT. A link to elsewhere is no folder of ours.
pub(crate) fn programs(layers: &Path) -> Vec<String> {
    let folder = layers.join(FOLDER);
    if !folder.symlink_metadata().is_ok_and(|about| about.is_dir()) {
        return Vec::new();
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()));
    let mut names: Vec<_> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// The function's environment but for what is the runtime's own. Source: AWS's open sandbox agent.
fn environment(launch: &Launch) -> Vec<Vec<u8>> {
    const RUNTIMES_OWN: [&str; 3] = ["AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS", "LACEWING_DOOR_FD"];
    let own = |key: &str| key.starts_with('_') || RUNTIMES_OWN.contains(&key);
    let passed = launch.env.iter().filter(|(key, _)| !own(key));
    passed.map(|(key, value)| format!("{key}={value}").into_bytes()).collect()
}

/// Which programs run in a sandbox, by [`Who`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Running(u16);

impl Running {
    pub(crate) fn begun(&mut self, who: Who) {
        self.0 |= 1_u16.checked_shl(who.0.into()).unwrap_or(0);
    }

    pub(crate) fn ended(&mut self, who: Who) {
        self.0 &= !1_u16.checked_shl(who.0.into()).unwrap_or(0);
    }

    pub(crate) fn has(self, who: Who) -> bool {
        self.0 & 1_u16.checked_shl(who.0.into()).unwrap_or(0) != 0
    }
}

impl LinuxSandbox {
    /// INIT of a function that has extensions. `waiting` is its runtime, where that was booted ahead and has yet to be
    /// told that its code is there.
    ///
    /// # Errors
    /// The sandbox broke.
    pub(crate) async fn init_beside_extensions(
        &mut self,
        id: Option<RequestId>,
        waiting: Option<Streams>,
        began: Instant,
        deadline: Instant,
    ) -> Result<InitReport, SandboxError> {
        let ending = match self.begin_extensions(id, deadline).await? {
            None => {
                let streams = match waiting {
                    Some(mut waiting) => waiting.go().await.map(|()| waiting),
                    None => self.launch.exec(&self.control).await,
                };
                self.follow(streams.map_err(broke("start the runtime"))?).map_err(broke("hear the runtime"))?;
                return self.see_through_init(id, began, deadline).await;
            }
            Some(ending) => ending,
        };
        let reason = if ending == InitEnding::TimedOut { ShutdownReason::Timeout } else { ShutdownReason::Failure };
        let report = InitReport { duration: began.elapsed(), ending };
        self.list_extensions();
        self.teller.init_report(id, &report);
        self.end_all(reason).await;
        Ok(report)
    }

    /// Starts every program and waits until all have registered; else why they have not.
    async fn begin_extensions(
        &mut self,
        id: Option<RequestId>,
        deadline: Instant,
    ) -> Result<Option<InitEnding>, SandboxError> {
        let names = self.launch.extensions.clone();
        self.extensions.expect(&names);
        if names.len() > EXTENSIONS_MAX {
            return Ok(Some(InitEnding::Failed(endings::too_many_extensions(id))));
        }
        for (place, name) in names.iter().enumerate() {
            self.exec_extension(place, name).await.map_err(broke("start an extension"))?;
        }
        let extensions = self.extensions.clone();
        Ok(match self.watch(extensions.registered(), id, deadline).await? {
            Event::Guest(()) => None,
            Event::Gone(error) => Some(InitEnding::Failed(error)),
            Event::OutOfMemory => Some(InitEnding::Failed(endings::out_of_memory(id))),
            Event::Late => Some(InitEnding::TimedOut),
        })
    }

    async fn exec_extension(&mut self, place: usize, name: &str) -> io::Result<()> {
        let who = Who::extension(place);
        let ((out, out_inside), (err, err_inside)) = (pipe()?, pipe()?);
        let argv = vec![format!("/opt/{FOLDER}/{name}").into_bytes()];
        let order = Order::Exec { who, directory: b"/".to_vec(), argv, env: environment(&self.launch) };
        self.control.order(&order, &[out_inside.as_fd(), err_inside.as_fd()]).await?;
        self.running.begun(who);
        self.logs.follow(Pipes { out, err, frames: None }, LogSource::Extension)
    }

    /// Says who they are and who subscribed to what, at the end of an INIT.
    pub(crate) fn list_extensions(&self) {
        if self.extensions.any() {
            for line in self.teller.extensions(&self.extensions.list()) {
                self.logs.platform(line);
            }
        }
    }

    /// Whether something in it is to be told before it ends.
    pub(crate) fn owes_a_word(&self) -> bool {
        self.alive && !self.ended && !self.broken && self.pending.is_none() && self.extensions.any()
    }

    /// Lets runtime and extensions come to their end, as far as the rules give them time. What is left then is for the
    /// caller to kill.
    pub(crate) async fn shut_down(&mut self, reason: ShutdownReason) {
        let external = self.extensions.any_external();
        let in_all = match reason {
            _ if external => SHUTDOWN_MAX,
            ShutdownReason::Spindown if self.extensions.any() => SHUTDOWN_INTERNAL_MAX,
            _ => return,
        };
        let (began, deadline) = (Instant::now(), SystemClock.now().plus(in_all));
        if reason == ShutdownReason::Spindown {
            let share = if external { in_all.mul_f64(RUNTIME_SHARE) } else { in_all };
            self.signal(Who::RUNTIME, libc::SIGTERM).await;
            self.until_ended(&[Who::RUNTIME], began + share).await;
        }
        self.signal(Who::RUNTIME, libc::SIGKILL).await;
        // What has been gathered goes before the word of the end: whoever hears it may leave at once.
        self.logs.drain();
        self.logs.finish_lines();
        self.teller.telemetry.urge();
        let _ = tokio::time::timeout(TELEMETRY_FLUSH_MAX, self.teller.telemetry.delivered()).await;
        let told: Vec<_> = self.extensions.shut_down(reason, deadline).into_iter().map(Who::extension).collect();
        for place in 0..self.launch.extensions.len() {
            let who = Who::extension(place);
            if !told.contains(&who) {
                self.signal(who, libc::SIGKILL).await;
            }
        }
        self.until_ended(&told, began + in_all).await;
        self.logs.drain();
    }

    async fn signal(&self, who: Who, signal: libc::c_int) {
        if self.running.has(who) {
            let signal = u8::try_from(signal).unwrap_or_default();
            // Init is gone, and it with it.
            let _ = self.control.order(&Order::Signal { who, signal }, &[]).await;
        }
    }

    /// Waits until none of these runs, or until `deadline`.
    async fn until_ended(&mut self, who: &[Who], deadline: Instant) {
        while who.iter().any(|who| self.running.has(*who)) {
            match tokio::time::timeout_at(deadline.into(), self.control.word()).await {
                Ok(Ok(Some((Word::Ended { who, .. } | Word::ExecFailed { who, .. }, _)))) => self.running.ended(who),
                Ok(Ok(Some(_))) => {}
                _ => return,
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_folder_are_programs_in_the_order_of_their_names() {
        let layers = tempfile::tempdir().unwrap();
        assert!(programs(layers.path()).is_empty());
        let folder = layers.path().join("extensions");
        std::fs::create_dir_all(folder.join("of-a-program")).unwrap();
        for name in ["b", "a"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(programs(layers.path()), ["a", "b"]);
    }

    #[test]
    fn a_link_out_of_the_layers_is_not_followed() {
        let (layers, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(elsewhere.path().join("secret-name"), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), layers.path().join("extensions")).unwrap();
        assert!(programs(layers.path()).is_empty());
    }

    #[test]
    fn programs_that_run_are_counted_one_by_one() {
        let mut running = Running::default();
        running.begun(Who::RUNTIME);
        running.begun(Who::extension(9));
        running.ended(Who::RUNTIME);
        assert!(running.has(Who::extension(9)) && !running.has(Who::RUNTIME) && !running.has(Who(200)));
    }
}
