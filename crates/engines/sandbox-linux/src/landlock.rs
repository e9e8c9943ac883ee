//! Landlock: a second wall behind the mounts. Were a mount to turn up that should not, it could still not be
//! written to, and nothing on it made.
//!
//! Rules belong to inodes and hold for what is mounted below them later, so a rule on the root also covers
//! the code that is put there after sealing.
#![allow(unsafe_code)]

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope,
};
use std::io;

/// Newest set of rights we know to be right for functions; older kernels take what they have.
const ABI_KNOWN: ABI = ABI::V6;

/// The kernel's Landlock version, 0 without it.
pub(crate) fn version() -> i32 {
    const LANDLOCK_CREATE_RULESET_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no pointer.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION) };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// Restricts this process and all it starts: read and execute everywhere, write where a function may.
/// The root must be the sandbox's own by now.
///
/// # Errors
/// A path of the root that is missing, or a refusal of the kernel. A kernel without Landlock is no error.
pub(crate) fn restrict() -> io::Result<()> {
    let everything = AccessFs::from_all(ABI_KNOWN);
    let read: BitFlags<AccessFs> = AccessFs::from_read(ABI_KNOWN);
    let failed = |error: landlock::RulesetError| io::Error::other(error.to_string());
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)
        .map_err(failed)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)
        .map_err(failed)?
        .create()
        .map_err(failed)?;
    let write = AccessFs::WriteFile | AccessFs::Truncate;
    // Devices are none but null, zero and the like; a function may not make others.
    let scratch = everything & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    for (path, rights) in
        [("/", read), ("/tmp", scratch), ("/dev/shm", scratch), ("/dev", write | AccessFs::IoctlDev), ("/proc", write)]
    {
        let opened = PathFd::new(path).map_err(|error| io::Error::other(error.to_string()))?;
        ruleset = ruleset.add_rule(PathBeneath::new(opened, rights)).map_err(failed)?;
    }
    // no_new_privs was set before; asking again does no harm.
    ruleset.restrict_self().map_err(failed)?;
    Ok(())
}
