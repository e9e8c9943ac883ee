//! Layouts on the disk, of layers made entry by entry: a usual builder refuses to write what these hold.
#![allow(dead_code, clippy::unwrap_used)]

use lacewing_images::{ImageError, ImageOptions, Images, Resolved};
use lacewing_model::{Architecture, CodeSha256, Limits};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

/// One entry: its name, its kind, where it leads, what it holds.
pub struct Entry {
    pub name: Vec<u8>,
    pub kind: EntryType,
    pub link: Vec<u8>,
    pub content: Vec<u8>,
    pub mode: u32,
}

pub fn entry(name: &str, kind: EntryType, link: &str, content: &[u8]) -> Entry {
    Entry { name: name.into(), kind, link: link.into(), content: content.into(), mode: 0o755 }
}

pub fn file(name: &str, content: &str) -> Entry {
    entry(name, EntryType::Regular, "", content.as_bytes())
}

pub fn folder(name: &str) -> Entry {
    entry(name, EntryType::Directory, "", b"")
}

pub fn link(name: &str, to: &str) -> Entry {
    entry(name, EntryType::Symlink, to, b"")
}

pub fn hard_link(name: &str, to: &str) -> Entry {
    entry(name, EntryType::Link, to, b"")
}

/// A tar of these, header by header.
pub fn layer(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for Entry { name, kind, link, content, mode } in entries {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_size(content.len() as u64);
        header.set_mtime(1_700_000_000);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1_024, 0);
    tar
}

/// How a layer is told of, where that is not what it is.
#[derive(Default)]
pub struct Lies {
    pub digest: Option<String>,
    pub size: Option<u64>,
    pub diff_id: Option<String>,
    pub media_type: Option<&'static str>,
}

/// A layout with one image.
pub struct Layout {
    pub folder: tempfile::TempDir,
    pub limits: Limits,
}

pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", CodeSha256::of_bytes(&Sha256::digest(bytes).into()).hex())
}

impl Layout {
    pub fn of(layers: &[Vec<u8>]) -> Self {
        let told: Vec<_> = layers.iter().map(|layer| (layer.clone(), layer.clone(), Lies::default())).collect();
        Self::telling(told, "amd64")
    }

    /// Of layers, each as it lies there, as it is unpacked, and what is told falsely of it.
    pub fn telling(layers: Vec<(Vec<u8>, Vec<u8>, Lies)>, machine: &str) -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap(), limits: Limits::default() };
        std::fs::create_dir_all(this.folder.path().join("blobs/sha256")).unwrap();
        let (mut described, mut diff_ids) = (Vec::new(), Vec::new());
        for (kept, plain, lies) in layers {
            let real = this.blob(&kept);
            let media = lies.media_type.unwrap_or("application/vnd.oci.image.layer.v1.tar");
            let size = lies.size.unwrap_or(kept.len() as u64);
            described.push(json!({"mediaType": media, "digest": lies.digest.unwrap_or(real), "size": size}));
            diff_ids.push(lies.diff_id.unwrap_or_else(|| digest(&plain)));
        }
        let config = json!({"os": "linux", "architecture": machine, "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "config": {"Entrypoint": ["/run"], "Env": ["A=1", "A=2", "B"], "WorkingDir": "/w"}})
        .to_string();
        let config = json!({"digest": this.blob(config.as_bytes()), "size": config.len()});
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": described}).to_string();
        let index = json!({"schemaVersion": 2, "manifests": [{"digest": this.blob(manifest.as_bytes()),
            "size": manifest.len(), "annotations": {"org.opencontainers.image.ref.name": "v1"}}]});
        std::fs::write(this.folder.path().join("index.json"), index.to_string()).unwrap();
        this
    }

    pub fn blob(&self, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let path = self.folder.path().join("blobs/sha256").join(&digest["sha256:".len()..]);
        std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
        digest
    }

    pub fn images(&self) -> Images {
        let layouts = BTreeMap::from([("team/app".to_owned(), self.folder.path().to_owned())]);
        Images::new(ImageOptions { layouts, ..ImageOptions::default() }, self.limits.clone())
    }

    pub async fn resolve(&self) -> Result<Resolved, ImageError> {
        self.images().resolve("team/app:v1", Architecture::X86).await
    }

    /// The image unpacked, beside a file that none of it may touch.
    pub async fn unpack(&self) -> Result<Unpacked, ImageError> {
        let resolved = self.resolve().await?;
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("root");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(around.path().join("outside"), "untouched").unwrap();
        let unpacked = self.images().unpack(&resolved.document, &resolved.digest, &root);
        assert_eq!(std::fs::read_to_string(around.path().join("outside")).unwrap(), "untouched");
        assert_eq!(std::fs::read_dir(around.path()).unwrap().count(), 2, "something was made beside the tree");
        unpacked.map(|()| Unpacked { _around: around, root })
    }
}

#[derive(Debug)]
pub struct Unpacked {
    _around: tempfile::TempDir,
    pub root: PathBuf,
}

impl Unpacked {
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path))
    }

    pub fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
