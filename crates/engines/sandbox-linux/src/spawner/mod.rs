//! The spawner: the small, single-threaded, privileged process that makes sandboxes and takes them back.
//!
//! ```text
//! server ─ Setup ─► spawner: namespaces A and T, cgroups ─ Ready ─►
//! Prepare ─► born, mapped, in its cgroups ─ Prepared ─►   (meanwhile the child seals itself)
//! Assign ──► code mounted, limits set ───── Assigned ─►
//! End ─────► killed ┄ reaped, cgroups removed ┄ Ended ─►  (other requests are served in between)
//! the server is gone ─► all sandboxes are ended, then this process
//! zygotes (zygote.rs) are its children too: they fork booted runtimes into sandboxes that were just born
//! ```
//!
//! It is a process of its own because forks are cheap in a small one, because a fork needs a single thread, and
//! because the server can then do without privileges. It reads only what the server wrote, never a guest's byte.

mod assign;
mod end;

mod prepare;
mod setup;
mod snapshots;
mod stock;
mod zygote;

use crate::cgroup::Group;
use crate::packet;
use crate::protocol::{Fault, Report, Request};
use crate::sys;
use end::Ending;
use setup::Ground;
use snapshots::Keepers;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::process::ExitCode;
use std::time::Instant;
use stock::Stock;
use zygote::Zygotes;

/// Where the server's socket is handed over.
pub(crate) const SERVER_FD: i32 = 3;
/// Quiet time before stock is made: what comes right after a request should not wait for it. The longer one holds as
/// long as there is plenty.
const QUIET_MS: i32 = 2;
const QUIET_WITH_PLENTY_MS: i32 = 10;
/// The kernel's preference when the machine is out of memory: functions first, then the server, then we.
const OWN_OOM_SCORE: &str = "-500";
/// Pause before a cgroup that was busy is tried again.
const RETRY_MS: i32 = 1;

/// A sandbox as the spawner knows it.
pub(crate) struct Cell {
    pid: i32,
    pidfd: OwnedFd,
    group: Group,
    slot: u32,
    tmp_bytes: u64,
    /// True when its init is not a child of ours, but of a template's.
    foreign: bool,
}

struct Spawner {
    server: OwnedFd,
    ground: Ground,
    stock: Stock,
    cells: HashMap<u64, Cell>,
    ending: Vec<Ending>,
    /// Bit `n` is set while slot `n` is taken: its uid is in use.
    slots: prepare::Slots,
    zygotes: Zygotes,
    keepers: Keepers,
}

/// What the hidden subcommand runs: serves the server at descriptor 3 until it is gone.
#[must_use]
pub fn spawner_main() -> ExitCode {
    // SAFETY: the server starts this process with its socket at this number; nobody else here knows of it.
    #[allow(unsafe_code)]
    let server = unsafe { OwnedFd::from_raw_fd(SERVER_FD) };
    if rustix::io::fcntl_setfd(&server, rustix::io::FdFlags::CLOEXEC).is_err() {
        tracing::error!("the spawner is started by the server, not by hand");
        return ExitCode::from(2);
    }
    // Else it bears the name of the file it was started by, `exe`.
    let _ = rustix::thread::set_name(c"lacewing-spawn");
    stand_back();
    match serve(server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the spawner ends");
            ExitCode::FAILURE
        }
    }
}

/// How the process itself stands. Signals that are meant for the server, which drains first, must not end its sandboxes before; nor should the
/// kernel choose us when memory is short: all of them would go at once.
#[allow(unsafe_code)]
fn stand_back() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no handler. Init undoes it for the functions.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // A descriptor for each sandbox: as many as the server may have, not as few as it began with.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = rustix::process::Rlimit { current: files.maximum, ..files };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, most);
    // Refused without privileges; then the kernel decides as it does for everybody.
    let _ = std::fs::write("/proc/self/oom_score_adj", OWN_OOM_SCORE);
}

fn serve(server: OwnedFd) -> io::Result<()> {
    let mut buffer = vec![0; packet::PACKET_BYTES_MAX];
    let Some((length, _)) = packet::receive(server.as_fd(), &mut buffer)? else { return Ok(()) };
    let setup = serde_json::from_slice(&buffer[..length])?;
    let (ground, standing, stock) = match setup::stand(setup) {
        Ok(stood) => stood,
        Err(fault) => {
            return report(server.as_fd(), &[failed(0, &fault)], &[]);
        }
    };
    report(server.as_fd(), &[Report::Ready(standing)], &[])?;
    let slots = prepare::Slots::default();
    let mut spawner = Spawner {
        server,
        ground,
        stock,
        cells: HashMap::new(),
        ending: Vec::new(),
        slots,
        zygotes: Zygotes::default(),
        keepers: Keepers::default(),
    };
    let result = spawner.run(&mut buffer);
    spawner.end_all();
    result
}

impl Spawner {
    fn run(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            let timeout = if self.ending.iter().any(Ending::is_reaped) {
                RETRY_MS
            } else if self.stock.lacks_any() || self.keepers.lack_any() {
                if self.stock.is_plenty() { QUIET_WITH_PLENTY_MS } else { QUIET_MS }
            } else {
                -1
            };
            let mut ready = Vec::with_capacity(1 + self.ending.len());
            ready.push(sys::readable(self.server.as_fd()));
            ready.extend(self.zygotes.pollfds());
            let zygotes = 1..ready.len();
            ready.extend(self.keepers.pollfds());
            let keepers = zygotes.end..ready.len();
            ready.extend(self.ending.iter().filter_map(Ending::pollfd));
            let any = sys::poll(&mut ready, timeout)?;
            self.zygotes.hear(&ready[zygotes]);
            self.hear_keepers(&ready[keepers])?;
            if ready[0].revents != 0 {
                let Some((length, _)) = packet::receive(self.server.as_fd(), buffer)? else { return Ok(()) };
                self.answer(serde_json::from_slice(&buffer[..length])?)?;
            } else if !any && !self.ending.iter().any(Ending::is_reaped) {
                self.stock.make_one();
                self.make_spare();
            }
            self.finish_endings()?;
        }
    }

    /// Does what a batch asks, in its order, and reports once. What follows a failure is not tried.
    fn answer(&mut self, batch: Vec<Request>) -> io::Result<()> {
        let (mut reports, mut fds) = (Vec::new(), Vec::new());
        for request in batch {
            let (id, result) = match request {
                Request::Prepare { id, egress, tmp_bytes, waits, mounts, fork, template, root } => {
                    (id, self.prepare(id, egress, tmp_bytes, waits, (&mounts, fork, root.as_deref()), template))
                }
                Request::Attach { id, mounts } => {
                    if let Err(fault) = self.attach(id, &mounts) {
                        let reason = format!("cannot {}: {}", fault.step, fault.source);
                        reports.push(Report::NotHeld { id, reason });
                    }
                    continue;
                }
                Request::Restore { id, template, egress, bounds } => {
                    match self.restore(id, template, egress, &bounds) {
                        // Told of when it is done.
                        Ok(()) => continue,
                        Err(fault) => (id, Err(fault)),
                    }
                }
                Request::Forget { id } => {
                    self.forget(id)?;
                    continue;
                }
                Request::Assign { id, mounts, bounds } => {
                    (id, self.assign(id, &mounts, &bounds).map(|report| (report, Vec::new())))
                }
                Request::End { id } => {
                    reports.extend(self.begin_end(id));
                    continue;
                }
            };
            match result {
                Ok((report, given)) => {
                    reports.push(report);
                    fds.extend(given);
                }
                Err(fault) => {
                    self.begin_end_of_failed(id);
                    // Descriptors belong to a sandbox that is no more.
                    fds.clear();
                    reports = vec![failed(id, &fault)];
                    break;
                }
            }
        }
        if reports.is_empty() {
            return Ok(());
        }
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        report(self.server.as_fd(), &reports, &fds)
    }
}

fn failed(id: u64, fault: &Fault) -> Report {
    Report::Failed { id, step: fault.step.clone(), errno: fault.errno() }
}

/// Sends reports. The socket is blocking: a server that does not read stops the spawner, not its memory.
fn report(server: BorrowedFd<'_>, reports: &[Report], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    packet::send(server, &serde_json::to_vec(reports)?, fds)
}

/// Whole microseconds since `began`.
fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}
