//! The Linux driver: sandboxes made of namespaces, cgroups, seccomp and Landlock.
//!
//! ```text
//!  server (tokio)                    spawner (one thread, privileged)            sandbox
//!  making.rs  ── Prepare, Assign ──► spawner/  netpool ► clone ► maps, cgroup ─► init.rs (pid 1) seals itself
//!  client.rs  ◄── Prepared ─────────    │      code mounted, limits set             │
//!  sandbox.rs ── Exec + pipes ──────────┼──────────────────────────────────────────►│ forks the runtime
//!  logs.rs    ◄── lines, frames ────────┼───────────────────────────────────────────┤
//!  runtime-api's Door ◄── asks, answers ┼─ TCP inside the sandbox, or a stream ──────┘
//!  net/       ◄── what leaves it        └─ End: kill, reap, remove
//! ```
//!
//! Making is split in two: PREPARE knows no function and ends in a sealed sandbox, ASSIGN brings code and limits. A
//! start from nothing asks for both at once, and they run beside each other: the spawner mounts while init seals.
//! Prepared sandboxes wait on the shelf (prepared.rs), kept full by keeper.rs; starts.rs takes the best rung there is.
//!
//! Trust: a function may do what it likes inside; init, the door, the log pipes and the way out are where its bytes
//! are met, each with limits. The spawner reads only what the server wrote.

mod attention;
mod cgroup;
mod client;
mod control;
mod dialer;
mod driver;
mod endings;
mod endpoints;
mod error;
mod extensions;
mod forget;
mod freezer;
mod init;
mod interpreters;
mod keeper;
mod landlock;
mod launching;
mod logs;
mod making;
mod memory;
mod meter;
mod net;
mod options;
mod packet;
mod prepared;
mod probe;
mod protocol;
mod report;
mod root;
mod runtime_files;
mod sandbox;
mod seal;
mod seccomp;
mod snapshot;
mod spawner;
mod spawners;
mod starter;
mod starts;
mod sweep;
mod sys;
mod teller;
mod templates;
mod watched;
mod web;

pub use driver::{LinuxDriver, PendingDriver};
pub use error::LinuxError;
pub use options::{InterpreterOptions, IsolationRequirement, LinuxOptions};
pub use probe::probe;
pub use spawner::spawner_main;
