//! One layer: a tar, packed or not, read once from its first byte to its last.
//!
//! Both of its digests are known when it has been read, so only then is it known whether it was the right one; the
//! tree that it was unpacked into is worth nothing otherwise.

use crate::ImageError;
use crate::manifest::Descriptor;
use crate::name::digest_of;
use crate::reading::{Bounded, Measured};
use crate::tree::{Entry, Kind, Tree};
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};
use tar::{Archive, EntryType, PaxExtensions};

/// What a tar says of an entry beside its header (long names and the like), bytes.
const EXTENSION_BYTES_MAX: u64 = 256 << 10;

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    /// That of a media type; `None` for what is no layer of files.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => {
                Some(Self::None)
            }
            "application/vnd.oci.image.layer.v1.tar+gzip" | "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
                Some(Self::Gzip)
            }
            "application/vnd.oci.image.layer.v1.tar+zstd" | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
                Some(Self::Zstd)
            }
            _ => None,
        }
    }
}

/// Lays the layer over the tree.
///
/// # Errors
/// [`ImageError`]: what is wrong with it, or that it is not the one that was meant.
pub(crate) fn apply(
    tree: &mut Tree<'_>,
    bytes: Box<dyn Read>,
    blob: &Descriptor,
    diff_id: &str,
) -> Result<(), ImageError> {
    let uri = tree.uri.to_owned();
    let packing = Packing::of(&blob.media_type);
    let packing = packing.ok_or_else(|| crate::manifest::unsupported(&uri, "a layer of another kind"))?;
    // One byte more than it may have, so that a longer one is seen to be longer.
    let mut packed = Measured::new(bytes.take(blob.size.saturating_add(1)));
    let inflated: Box<dyn Read + '_> = match packing {
        Packing::None => Box::new(&mut packed),
        Packing::Gzip => Box::new(MultiGzDecoder::new(&mut packed)),
        Packing::Zstd => Box::new(zstd::Decoder::new(&mut packed).map_err(bad(&uri))?),
    };
    let budget = tree.budget.clone();
    let mut plain = Measured::new(Bounded { inner: inflated, budget: budget.clone() });
    let mut unpacked = unpack(tree, &mut plain);
    if unpacked.is_ok() {
        // What stands behind the end of a tar counts for the digests.
        unpacked = io::copy(&mut plain, &mut io::sink()).map(drop).map_err(bad(&uri));
    }
    if budget.is_exceeded() {
        return Err(tree.too_large());
    }
    unpacked?;
    let (_, plain_hash) = plain.finish();
    io::copy(&mut packed, &mut io::sink()).map_err(bad(&uri))?;
    let (bytes, packed_hash) = packed.finish();
    let wrong = |what, digest: &str| {
        let digest = crate::error::printable(digest.as_bytes());
        Err(ImageError::WrongDigest { uri: uri.clone(), what, digest })
    };
    if bytes != blob.size || blob.sha256() != Some(packed_hash) {
        return wrong("a layer", &blob.digest);
    }
    if digest_of(diff_id) != Some(plain_hash) {
        return wrong("a layer unpacked", diff_id);
    }
    tree.end_layer();
    Ok(())
}

/// What the next header is told beforehand.
#[derive(Default)]
struct Told {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

fn unpack(tree: &mut Tree<'_>, plain: &mut impl Read) -> Result<(), ImageError> {
    let uri = tree.uri.to_owned();
    let mut archive = Archive::new(plain);
    let mut told = Told::default();
    // Raw: the reader's own way with long names reads as many bytes as they say into memory.
    for entry in archive.entries().map_err(bad(&uri))?.raw(true) {
        let mut entry = entry.map_err(bad(&uri))?;
        let header = entry.header().clone();
        let kind = match header.entry_type() {
            EntryType::XGlobalHeader => continue,
            EntryType::XHeader => {
                told.take_pax(&small(&uri, &mut entry)?, &uri)?;
                continue;
            }
            EntryType::GNULongName => {
                told.name = Some(without_end(small(&uri, &mut entry)?));
                continue;
            }
            EntryType::GNULongLink => {
                told.link = Some(without_end(small(&uri, &mut entry)?));
                continue;
            }
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Folder,
            EntryType::Symlink => Kind::Link,
            EntryType::Link => Kind::HardLink,
            EntryType::Char | EntryType::Block => Kind::Device,
            _ => Kind::Other,
        };
        let Told { name, link } = std::mem::take(&mut told);
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        // Old tars know folders by their names only.
        let kind = if kind == Kind::File && name.ends_with(b"/") { Kind::Folder } else { kind };
        let link = link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let mode = header.mode().map_err(bad(&uri))?;
        let modified = header.mtime().unwrap_or_default();
        tree.add(Entry { name: &name, link: link.as_deref().unwrap_or_default(), kind, mode, modified }, &mut entry)?;
    }
    Ok(())
}

impl Told {
    /// The records of a PAX header that matter: names.
    fn take_pax(&mut self, bytes: &[u8], uri: &str) -> Result<(), ImageError> {
        for record in PaxExtensions::new(bytes) {
            let record = record.map_err(bad(uri))?;
            match record.key_bytes() {
                b"path" => self.name = Some(record.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(record.value_bytes().to_vec()),
                // The reader goes by the header's own: an entry whose real size stands here only is longer than 8 GiB.
                b"size" => return Err(bad(uri)(io::Error::other("an entry of more than 8 GiB"))),
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(bad(uri)(io::Error::other("an entry is stored with its holes left out (sparse)")));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// All of an entry that says something about the next one.
fn small(uri: &str, entry: &mut impl Read) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    entry.take(EXTENSION_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(bad(uri))?;
    if bytes.len() as u64 > EXTENSION_BYTES_MAX {
        return Err(bad(uri)(io::Error::other("a header is too long")));
    }
    Ok(bytes)
}

fn without_end(mut name: Vec<u8>) -> Vec<u8> {
    while name.last() == Some(&0) {
        name.pop();
    }
    name
}

/// What a reader stumbled over.
fn bad(uri: &str) -> impl Fn(io::Error) -> ImageError + '_ {
    move |error| ImageError::BadLayer {
        uri: uri.to_owned(),
        why: crate::error::printable(error.to_string().as_bytes()),
    }
}
