//! Code packages by their SHA-256: verified, kept, unpacked.
//!
//! ```text
//! data_dir/packages/<sha>.zip   as uploaded: durable before anything refers to it
//! (a package that stays elsewhere is not here: it is fetched again when its tree is gone, see `elsewhere`)
//! data_dir/packages/<sha>.image an image: where its layers are, and what they must be; they are not kept
//! data_dir/code/<sha>/          unpacked: complete, or not there
//! data_dir/*/.new-XXXXXX        being written; swept when the folder is opened
//! data_dir/code/.gone-XXXXXX    being removed; likewise
//! ```
//!
//! Every byte of a package is hostile: what it declares of itself is never believed, only what it turns out to
//! be while it is unpacked (`entry` and `unpack` hold the rules). Nothing here knows of functions:
//! whoever holds a [`Package`] keeps it on the disk, and says by [`Package::keep`] whether it stays when
//! nobody holds it any more.

mod elsewhere;
mod entry;
mod error;
mod merge;
mod package;
mod shelf;
mod unpack;

pub use elsewhere::{Elsewhere, Fetch};
pub use error::{ArtifactError, ImageFault};
pub use package::{CodeDir, Package};
pub use shelf::{Artifacts, UnpackImage};
