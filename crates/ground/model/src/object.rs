//! Code that stays in an object store.

use std::fmt;

/// One version of an object: the code of a function or of a layer, which stays there (`S3ObjectStorageMode: REFERENCE`).
/// A version's bytes never change, and its hash is kept beside it. Source: Lambda API, `ResolvedS3Object`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct ObjectCode {
    pub bucket: String,
    pub key: String,
    /// The one that the key led to when the code was set.
    pub version: String,
}

impl fmt::Display for ObjectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{} (version {})", self.bucket, self.key, self.version)
    }
}
