//! Why a package was refused or could not be kept.

use std::io;

/// What is wrong with a package, or with the disk it lies on. Texts are AWS's where AWS has one.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The bytes are no zip that can be read to its end.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again.")]
    NotAZip {
        /// What the reader stumbled over; for the log.
        detail: String,
    },
    /// There is nothing in it. Source: recorded AWS text.
    #[error("Uploaded file must be a non-empty zip")]
    Empty,
    /// The package unpacks to more than the limit; found while inflating, whatever its headers declare.
    #[error("Unzipped size must be smaller than {max} bytes")]
    UnzippedTooLarge {
        /// The limit in force.
        max: u64,
    },
    /// The package itself is over the limit.
    #[error("Zipped size must be smaller than {max} bytes")]
    ZipTooLarge {
        /// The limit in force.
        max: u64,
    },
    /// The package holds more files than the limit.
    #[error("The uploaded file holds more than {max} entries. Pack fewer files, then try to upload again.")]
    TooManyEntries {
        /// The limit in force.
        max: usize,
    },
    /// Two entries have the same name, so that nobody knows which one is meant.
    #[error("The uploaded file holds two entries with the same name. Remove one, then try to upload again.")]
    DuplicateEntry,
    /// One entry could do harm or means nothing here.
    #[error(
        "The uploaded file holds an entry that is not allowed: '{entry}' {rule}. Remove it, then try to upload again."
    )]
    BadEntry {
        /// The entry's name, made printable and cut.
        entry: String,
        /// The rule it breaks, as the end of a sentence.
        rule: &'static str,
    },
    /// A package that was kept is gone from the disk, or its bytes are no longer those that were kept.
    #[error("The package {sha256} is missing or damaged on disk. Upload the function's code again.")]
    Damaged {
        /// Which one, as the API shows hashes.
        sha256: String,
    },
    /// An image could not be had or unpacked.
    #[error("{message}")]
    Image {
        /// What is wrong with it, or what was in the way.
        message: String,
        /// True when its owner can mend it.
        senders_fault: bool,
    },
    /// The disk refused.
    #[error("cannot {doing}: {source}. Check space and permissions of the data directory.")]
    Disk {
        /// What was tried.
        doing: String,
        /// What the system answered.
        source: io::Error,
    },
}

impl ArtifactError {
    /// True when the package is at fault, so that its sender can mend it.
    #[must_use]
    pub fn is_senders_fault(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Disk { .. } => false,
            Self::Image { senders_fault, .. } => *senders_fault,
            _ => true,
        }
    }

    pub(crate) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Disk { doing, source }
    }
}
