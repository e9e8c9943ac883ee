//! What sandboxes cost while nothing is called: memory, and processor time.

use crate::calls;
use crate::figures::Table;
use crate::languages::Language;
use crate::processes::kernel_bytes;
use crate::server::Server;
use crate::size;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Until an idle sandbox is frozen and what was begun in the background is done.
const SETTLE: Duration = Duration::from_secs(5);
const WARM: usize = 20;
const WATCHED: Duration = Duration::from_secs(30);
const IDLE_GOAL_PERCENT: f64 = 0.5;

/// What each further idle sandbox adds: processes, each shared page counted in parts, and the kernel's own memory.
pub fn memory(binary: &Path, language: &Language, count: usize, table: &mut Table) -> Result<(), String> {
    let server = Server::start(binary, "")?;
    let names = calls::deploy(&server, language, "idle", count + 1)?;
    let (first, others) = names.split_first().ok_or("no function was deployed")?;
    calls::once(&server, first)?;
    thread::sleep(SETTLE);
    let held = |server: &Server| (server.tree().pss_bytes(), kernel_bytes());
    let (pss, kernel) = held(&server);
    for name in others {
        calls::once(&server, name)?;
    }
    thread::sleep(SETTLE);
    let (more_pss, more_kernel) = held(&server);
    let mib_each = |more: u64, less: u64| (more as f64 - less as f64) / 1_048_576.0 / count as f64;
    let (processes, kernel) = (mib_each(more_pss, pss), mib_each(more_kernel, kernel));
    let what = format!("memory of an idle sandbox (kernel {kernel:.2}): {}", language.name);
    table.size(&what, "MiB", count, processes + kernel, language.goals.memory_mib);
    server.stop()
}

/// Processor time of a machine with many functions deployed, a few warm, and no call.
pub fn idle(binary: &Path, native: &Language, deployed: usize, table: &mut Table) -> Result<(), String> {
    let server = Server::start(binary, "")?;
    calls::deploy(&server, &size::small(native)?, "deployed", deployed)?;
    for name in calls::deploy(&server, native, "warm", WARM)? {
        calls::once(&server, &name)?;
    }
    thread::sleep(SETTLE);
    let before = server.tree().cpu();
    thread::sleep(WATCHED);
    let used = server.tree().cpu().saturating_sub(before);
    let percent = used.as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
    let what = format!("idle, {deployed} deployed, {WARM} warm: processor, {} s", WATCHED.as_secs());
    table.size(&what, "% of a core", 1, percent, IDLE_GOAL_PERCENT);
    server.stop()
}
