//! Why an image was refused or could not be had.

use std::io;

/// What is wrong with an image, or in the way to it. Texts are AWS's where AWS has one.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The name is none. Source: AWS's text.
    #[error("Source image {uri} is not valid. Provide a valid source image. {hint}")]
    BadName {
        /// As it was given, made printable and cut.
        uri: String,
        /// What a name looks like here.
        hint: String,
    },
    /// There is no such image. Source: AWS's text.
    #[error("Source image {uri} does not exist. Provide a valid source image.")]
    NotFound {
        /// As it was given.
        uri: String,
    },
    /// The registry lets nobody or somebody else read it. Source: AWS's text.
    #[error("Lambda does not have permission to access the ECR image. Check the ECR permissions. ({uri}: {why})")]
    Forbidden {
        /// As it was given.
        uri: String,
        /// The registry's own words.
        why: String,
    },
    /// Where it lies did not answer as it should: nobody's fault or the operator's.
    #[error("Source image {uri} cannot be read: {why}. Try again, or ask who runs this server to look at [images].")]
    Unreachable {
        /// As it was given.
        uri: String,
        /// What was in the way.
        why: String,
    },
    /// A kind of image or layer that cannot be unpacked. Source: AWS's text.
    #[error("The image manifest, config or layer media type for the source image {uri} is not supported.{detail}")]
    Unsupported {
        /// As it was given.
        uri: String,
        /// Which one; begins with a blank.
        detail: String,
    },
    /// It is for other machines.
    #[error("The source image {uri} is not for linux/{wanted}: {found}. Name its architecture in Architectures.")]
    OtherArchitecture {
        /// As it was given.
        uri: String,
        /// As images name it.
        wanted: &'static str,
        /// What there is instead.
        found: String,
    },
    /// It, or a part of it, is over a limit.
    #[error("The source image {uri} has {what}: at most {max} are allowed.")]
    TooLarge {
        /// As it was given.
        uri: String,
        /// Of what it has too much.
        what: &'static str,
        /// The limit in force.
        max: u64,
    },
    /// Bytes do not have the digest that stands for them.
    #[error("The source image {uri} is damaged: {what} does not have the digest {digest}. Push it again.")]
    WrongDigest {
        /// As it was given.
        uri: String,
        /// Which part.
        what: &'static str,
        /// What was expected.
        digest: String,
    },
    /// A layer that cannot be read to its end.
    #[error("A layer of the source image {uri} cannot be unpacked: {why}. Build the image again.")]
    BadLayer {
        /// As it was given.
        uri: String,
        /// What the reader stumbled over.
        why: String,
    },
    /// One entry of a layer could do harm or means nothing here.
    #[error("A layer of the source image {uri} holds an entry that is not allowed: '{entry}' {rule}.")]
    BadEntry {
        /// As it was given.
        uri: String,
        /// The entry's name, made printable and cut.
        entry: String,
        /// The rule it breaks, as the end of a sentence.
        rule: &'static str,
    },
    /// The server ends; the next one begins anew.
    #[error("the server stopped while it unpacked an image")]
    Stopped,
    /// The disk refused.
    #[error("cannot {doing}: {source}. Check space and permissions of the data directory.")]
    Disk {
        /// What was tried.
        doing: String,
        /// What the system answered.
        source: io::Error,
    },
}

impl ImageError {
    /// True when the image or its name is at fault, so that its owner can mend it.
    #[must_use]
    pub fn is_senders_fault(&self) -> bool {
        !matches!(self, Self::Unreachable { .. } | Self::Stopped | Self::Disk { .. })
    }

    pub(crate) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Disk { doing, source }
    }
}

/// Bytes of others made printable, and cut to 256 characters.
pub(crate) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(256).flat_map(char::escape_debug).collect()
}
