//! Snapshots: a start by forking a process that has finished its INIT, into a sandbox of its own.
//!
//! ```text
//! server ─ Prepare{template} ─► a sandbox as any other; its runtime runs INIT, then asks for `restore/next`
//!        ─ Attach ────────────► spawner ─ begins ─► keeper     takes the runtime under its hand (ptrace)   ─ Attached ─►
//!        answers `restore/next`                                follows it to its fork, which is not made; judges ─ Held ─►
//!        ─ Restore ───────────► spawner ─ errand ─► keeper     makes a sandbox (nested.rs), forks the template, moves
//!                                                              the copy into it and seals it (moving.rs)  ─ Prepared ─►
//! ```
//!
//! A keeper is a process of ours, one for each template: what it holds stands still for ever, and dies with it. It is the
//! one that a hostile template could mislead, and it can be ended at any time. Why nobody else ever has a power that a
//! function's code could use: `docs/decisions/0015-snapshots-by-moving-a-fork.md`.

mod gate;
mod judge;
mod keeper;
mod luggage;
mod moving;
mod nested;
mod registers;
mod tracee;

pub(crate) use gate::Gate;
pub(crate) use keeper::{Charge, Errand, Word, keep};
