//! Packages that stay somewhere else: only their trees are kept here, and may be gone at any start.
//!
//! Where a package is fetched from is said by whoever claims it, each time anew; what comes is compared with its hash,
//! so that another object under the same name is never run.

use crate::ArtifactError;
use crate::package::Package;
use crate::shelf::hash;
use lacewing_model::CodeSha256;
use std::fmt;
use std::sync::{Arc, PoisonError};

/// Reads a package from where it stays; waits for it.
pub type Fetch = Arc<dyn Fn() -> Result<Vec<u8>, ArtifactError> + Send + Sync>;

/// One place that a package can be fetched from.
#[derive(Clone)]
pub struct Elsewhere {
    /// What tells places apart, for people too.
    pub name: String,
    /// How it is had from there.
    pub fetch: Fetch,
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Elsewhere").field(&self.name).finish()
    }
}

impl Package {
    /// Says where the package can be fetched from when it is not on this disk.
    pub fn stays_in(&self, place: Elsewhere) {
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        if !places.iter().any(|known| known.name == place.name) {
            places.push(place);
        }
    }

    /// True when its tree lies neither in its place nor ready to be put there, and has to be fetched for that: its bytes, or
    /// the layers of an image.
    #[must_use]
    pub fn has_to_be_fetched(&self) -> bool {
        let has_places = !self.0.places.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        let is_remote = match self.0.shelf.has(self.sha256()) {
            true => false,
            false => has_places || self.0.shelf.image_path(self.sha256()).is_file(),
        };
        is_remote && self.unpacked().is_none() && !self.0.is_staged()
    }
}

/// The bytes of a package from the first place that has them.
pub(crate) fn fetch(places: &[Elsewhere], sha256: &CodeSha256) -> Result<Vec<u8>, ArtifactError> {
    let mut failed = ArtifactError::Damaged { sha256: sha256.to_string() };
    for place in places {
        match (place.fetch)() {
            Ok(zip) if hash(&zip) == *sha256 => return Ok(zip),
            Ok(_) => failed = ArtifactError::OtherNow { place: place.name.clone() },
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
