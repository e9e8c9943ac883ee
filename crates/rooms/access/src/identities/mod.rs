//! Users, roles, managed policies and access keys: the account's own words about who may do what.
//!
//! ```text
//! change: draft of one account ─► rules ─► store (one transaction) ─► directory swapped whole ─► key ring
//! ask:    directory (memory only) ─► rights of a user or role, compiled
//! ```
//!
//! One writer at a time; a change waits for the disk, so call it where blocking is allowed. What is read is never
//! older than the last change that was answered.

mod access_keys;
mod change;
mod directory;
mod error;
mod grants;
mod known;
mod policies;
mod rights;
mod roles;
pub(crate) mod rules;
mod users;

pub use error::IdentityError;
pub use grants::Holder;
pub use known::AWS_POLICIES;
pub use policies::{NewPolicy, PolicyView};
pub use roles::NewRole;
pub use users::NewUser;

pub(crate) use change::Writer;
pub(crate) use directory::{Directory, Role};
pub(crate) use rules::{path_arn, session_name};
