//! What a sandbox pays attention to while it waits for its guest's word: init, the memory, the clock, extensions.

use crate::control::Control;
use crate::endings::{self, ExitStatus};
use crate::extensions::{EXIT_MAX, Running};
use crate::launching::Launch;
use crate::memory::MemoryWatch;
use crate::meter::Meter;
use crate::protocol::Word;
use crate::sandbox::{LAST_WORD_MAX, broke, seal_failed};
use lacewing_model::RequestId;
use lacewing_runtime_api::{ExtensionState, Extensions};
use lacewing_sandbox::{FunctionError, SandboxError};
use std::os::fd::OwnedFd;
use std::time::Instant;

/// What came first.
pub(crate) enum Event<T> {
    Guest(T),
    /// The runtime or an extension ended, or could not be started.
    Gone(FunctionError),
    OutOfMemory,
    Late,
}

/// What is watched besides the guest's own words.
pub(crate) struct Watched<'a> {
    pub(crate) control: &'a Control,
    pub(crate) memory: &'a mut MemoryWatch,
    pub(crate) meter: &'a Meter,
    pub(crate) tmp: &'a mut Option<OwnedFd>,
    pub(crate) launch: &'a Launch,
    pub(crate) extensions: &'a Extensions,
    pub(crate) running: &'a mut Running,
    pub(crate) oom_kills: u64,
}

impl Watched<'_> {
    /// The guest's word, or what came before it. `hears_extensions`: there are some, or may be in a moment.
    pub(crate) async fn until<T>(
        self,
        guest: impl Future<Output = T>,
        id: Option<RequestId>,
        deadline: Instant,
        hears_extensions: bool,
    ) -> Result<Event<T>, SandboxError> {
        let mut guest = std::pin::pin!(guest);
        let mut failed = std::pin::pin!(async {
            if !hears_extensions {
                std::future::pending::<()>().await;
            }
            let kind = self.extensions.failed().await;
            // It is expected to exit, and how it does is the text.
            tokio::time::sleep(EXIT_MAX).await;
            kind
        });
        let mut late = std::pin::pin!(tokio::time::sleep_until(deadline.into()));
        loop {
            let word = {
                let exceeded = self.memory.exceeded(self.meter, self.tmp.as_ref());
                tokio::select! {
                    biased;
                    said = &mut guest => return Ok(Event::Guest(said)),
                    word = self.control.word() => word,
                    () = &mut late => return Ok(Event::Late),
                    () = exceeded => return Ok(Event::OutOfMemory),
                    kind = &mut failed => return Ok(Event::Gone(endings::extension_ended(id, kind, ExitStatus(0)))),
                }
            };
            let gone = match word.map_err(broke("hear init"))? {
                Some((Word::Sealed, fds)) => {
                    *self.tmp = fds.into_iter().next();
                    continue;
                }
                Some((Word::ExecFailed { who, errno }, _)) if who.place().is_some() => {
                    self.running.ended(who);
                    let place = who.place().unwrap_or_default();
                    self.extensions.gone(place, ExtensionState::LaunchError);
                    let name = self.launch.extensions.get(place).map_or("", String::as_str);
                    return Ok(Event::Gone(endings::extension_not_started(id, name, errno)));
                }
                // As a shell says it: on Lambda one stands between the agent and the wrapper.
                Some((Word::ExecFailed { .. }, _)) if self.launch.wrapped => {
                    return Ok(Event::Gone(endings::exited(id, ExitStatus::of_code(127))));
                }
                Some((Word::NoDirectory { errno }, _)) => {
                    return Ok(Event::Gone(endings::no_directory(id, &self.launch.directory, errno)));
                }
                Some((Word::ExecFailed { errno, .. }, _)) => {
                    let program = self.launch.argv.first().map_or("", String::as_str);
                    return Ok(Event::Gone(endings::not_executable(id, program, errno)));
                }
                Some((Word::SealFailed { step, errno }, _)) => return Err(seal_failed(step, errno)),
                Some((Word::Ended { who, status }, _)) => {
                    self.running.ended(who);
                    if let Some(place) = who.place() {
                        self.extensions.gone(place, ExtensionState::Exited);
                        let kind = self.extensions.failure_of(Some(place));
                        return Ok(Event::Gone(endings::extension_ended(id, kind, ExitStatus(status))));
                    }
                    ExitStatus(status)
                }
                Some((Word::IsReset, _)) => continue,
                // Init is gone, and everything with it: the kernel chose it, or the spawner ended.
                None if self.meter.oom_kills() > self.oom_kills => return Ok(Event::OutOfMemory),
                None => return Err(SandboxError("its init ended".to_owned())),
            };
            if gone.is_killed() && self.meter.oom_kills() > self.oom_kills {
                return Ok(Event::OutOfMemory);
            }
            // It may have answered just before: what it wrote is on its way.
            return match tokio::time::timeout(LAST_WORD_MAX, &mut guest).await {
                Ok(said) => Ok(Event::Guest(said)),
                Err(_) => Ok(Event::Gone(endings::exited(id, gone))),
            };
        }
    }
}
