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

/// A filter ready to be installed.
pub(crate) struct Filter(Vec<libc::sock_filter>);

impl Filter {
    /// The filter of every sandbox. Made once, by the spawner.
    pub(crate) fn of_sandboxes() -> Self {
        Self(assemble::assemble(&table::decisions()))
    }

    /// Its instructions, as the kernel reads them.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let one = |instruction: &libc::sock_filter| {
            let [code_low, code_high] = instruction.code.to_ne_bytes();
            let [a, b, c, d] = instruction.k.to_ne_bytes();
            [code_low, code_high, instruction.jt, instruction.jf, a, b, c, d]
        };
        self.0.iter().flat_map(one).collect()
    }
}
