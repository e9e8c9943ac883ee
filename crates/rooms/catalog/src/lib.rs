//! Functions: what they are, where they stand, and what a call to one runs.
//!
//! The registry is in memory; the store is written on every change and read at start. One thread, the
//! writer, makes all changes, so there is nothing to lock:
//!
//! ```text
//! create, update ── artifact.put ──► writer ─ store ─ registry ──► answered: Pending / InProgress
//!                                      │
//!                                      └► prepare (code tree) ──► writer ─ store ─ registry: Active / Successful
//! resolve ── registry                                                                      │
//!                                                            retired(generation) ◄─────────┘
//! ```
//!
//! A change is answered when it is on the disk. Whatever was under way when the process died is taken up
//! again by [`Catalog::open`], from what the store says and not from what happened before.

mod aliases;
mod attached;
mod catalog;
mod change;
mod concurrency;
mod entry;
mod error;
mod functions;
mod images;
mod layers;
mod lookup;
mod objects;
mod open;
pub mod policies;
mod prepare;
mod publish;
mod registry;
mod signing;
mod tags;
mod tenancy;
mod view;
mod writer;

pub use aliases::AliasChange;
pub use attached::UrlTarget;
pub use catalog::{CanRun, Catalog, CatalogOptions};
pub use change::{Code, CodeChange, CodeKind, ConfigChange, LoggingChange, NewFunction, Publication};
pub use concurrency::{AllWanted, ProvisionedView, Wanted};
pub use error::CatalogError;
pub use images::unpack_by;
pub use lacewing_artifact::{ArtifactError, Artifacts, CodeDir, ImageFault};
pub use lacewing_images::{ImageError, ImageOptions, Images, RegistryOptions, authorities};
pub use lacewing_objects::{Keys, ObjectError, ObjectOptions, ObjectRef, Objects};
pub use lacewing_store::{Store, records};
pub use layers::NewLayerVersion;
pub use prepare::TakeSnapshot;
pub use tenancy::refuse_with_tenants;
pub use view::{FunctionView, Page, Reason, Runnable, Scope, Snapshot, Totals};
