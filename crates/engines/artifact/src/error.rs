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
    /// A package that stays elsewhere could not be had from there.
    #[error("{message}")]
    NotFetched {
        /// What was in the way, and what to do.
        message: String,
    },
    /// What lies where a package was is another one now.
    #[error("The code in {place} is not the code that was set any more. Update the function's code.")]
    OtherNow {
        /// Where it lies.
        place: String,
    },
    /// An image could not be had or unpacked.
    #[error("{message}")]
    Image {
        /// What is wrong with it, or what was in the way.
        message: String,
        /// Whose fault it is.
        fault: ImageFault,
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

/// What stands between an image and its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFault {
    /// The image: it cannot be unpacked.
    Image,
    /// It, or a part of it, is not where it was.
    Gone,
    /// It may not be read any more.
    Forbidden,
    /// Where it lies did not answer.
    Unreachable,
    /// This machine, or that it stops.
    Machine,
}

impl ArtifactError {
    /// True when the package is at fault, so that its sender can mend it.
    #[must_use]
    pub fn is_senders_fault(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Disk { .. } | Self::NotFetched { .. } | Self::OtherNow { .. } => false,
            Self::Image { fault, .. } => *fault == ImageFault::Image,
            _ => true,
        }
    }

    /// True when it is the place where a package stays that does not give it back.
    #[must_use]
    pub fn is_source_lost(&self) -> bool {
        match self {
            Self::NotFetched { .. } | Self::OtherNow { .. } => true,
            Self::Image { fault, .. } => {
                matches!(fault, ImageFault::Gone | ImageFault::Forbidden | ImageFault::Unreachable)
            }
            _ => false,
        }
    }

    pub(crate) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Disk { doing, source }
    }
}
