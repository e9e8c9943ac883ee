//! The system call filter: an allow-list, as a balanced tree.
//!
//! ```text
//! table.rs     which call is decided how, with the reason per group
//! assemble.rs  numbers ─► ranges of one decision ─► tree of comparisons ─► BPF
//! ```
//!
//! The kernel runs a new filter once for every call number to learn which are always allowed, so a linear list of
//! n comparisons costs some 500 n steps at each start (measured: 1.2 us per instruction); a tree costs 500 log n.

mod assemble;
mod table;

use crate::sys;
use std::io;

/// A filter ready to be installed.
pub(crate) struct Filter(Vec<libc::sock_filter>);

impl Filter {
    /// The filter of every sandbox. Made once, by the spawner.
    pub(crate) fn of_sandboxes() -> Self {
        Self(assemble::assemble(&table::decisions()))
    }

    /// Puts it on this process and all that it will start. Needs `no_new_privs`.
    ///
    /// # Errors
    /// The kernel's refusal: it has no seccomp filters, or the filter is malformed.
    #[allow(unsafe_code)]
    pub(crate) fn install(&self) -> io::Result<()> {
        const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
        let length = u16::try_from(self.0.len()).map_err(io::Error::other)?;
        let program = libc::sock_fprog { len: length, filter: self.0.as_ptr().cast_mut() };
        // SAFETY: the program outlives the call, which only reads it.
        sys::checked(unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &raw const program) })
            .map(drop)
    }
}
