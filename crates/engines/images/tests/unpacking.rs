//! What images become on the disk, and what hostile ones do not.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_images::ImageError;
use serde_json::json;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use support::{Entry, Layout, Lies, digest, entry, file, folder, hard_link, layer, link};
use tar::EntryType;

/// The error of an image of one layer.
async fn refused(entries: &[Entry]) -> String {
    match Layout::of(&[layer(entries)]).unpack().await {
        Ok(unpacked) => panic!("it was unpacked: {:?}", unpacked.names("")),
        Err(error) => {
            assert!(error.is_senders_fault(), "{error}");
            error.to_string()
        }
    }
}

#[tokio::test]
async fn a_name_resolves_to_a_digest_and_what_the_image_says_of_itself() {
    let layout = Layout::of(&[layer(&[file("run", "x")])]);
    let resolved = layout.resolve().await.unwrap();
    assert_eq!(resolved.uri, format!("team/app@sha256:{}", resolved.digest.hex()));
    assert_eq!(resolved.settings.entry_point, Some(vec!["/run".to_owned()]));
    assert_eq!(resolved.settings.working_directory.as_deref(), Some("/w"));
    assert_eq!(resolved.environment, [("A".to_owned(), "2".to_owned())]);
    let by_digest = layout.images().resolve(&resolved.uri, lacewing_model::Architecture::X86).await.unwrap();
    assert_eq!(by_digest.digest, resolved.digest);
}

#[tokio::test]
async fn names_lead_nowhere_but_into_the_tree() {
    let absolute = Layout::of(&[layer(&[file("/etc/made", "1"), file("./b/../c", "x")])]).unpack().await;
    assert!(absolute.unwrap_err().to_string().contains("'..' in its name"));
    for name in ["../outside", "a/../../outside", "..", "/../outside", "a/.."] {
        assert!(refused(&[file(name, "changed")]).await.contains("'..' in its name"), "{name}");
    }
    let unpacked = Layout::of(&[layer(&[file("/etc/made", "1"), file("./a//b", "2")])]).unpack().await.unwrap();
    assert_eq!((unpacked.text("etc/made").as_str(), unpacked.text("a/b").as_str()), ("1", "2"));
}

#[tokio::test]
async fn links_lead_where_they_lead_inside_the_image() {
    // Each leads, on the host, to the folder with the file that must stay untouched.
    for target in ["..", "../../../../../../..", "/"] {
        let entries = [link("out", target), file("out/outside", "changed"), file("out/tmp/deep", "inside")];
        let unpacked = Layout::of(&[layer(&entries)]).unpack().await.unwrap();
        assert_eq!(unpacked.text("outside"), "changed", "{target} is the image's own root");
        assert_eq!(unpacked.text("tmp/deep"), "inside");
    }
    let chained = [link("a", "b"), link("b", "../../.."), folder("c"), link("c/d", "/a"), file("c/d/outside", "in")];
    assert_eq!(Layout::of(&[layer(&chained)]).unpack().await.unwrap().text("outside"), "in");
    let usr = [folder("usr"), folder("usr/bin"), link("bin", "/usr/bin"), file("bin/sh", "x")];
    let unpacked = Layout::of(&[layer(&usr)]).unpack().await.unwrap();
    assert_eq!(unpacked.text("usr/bin/sh"), "x");
    // A file never goes through a link of its own name.
    let through = [link("x", "/tmp/target"), file("x", "a file now")];
    let unpacked = Layout::of(&[layer(&through)]).unpack().await.unwrap();
    assert!(!unpacked.path("x").is_symlink() && !unpacked.path("tmp/target").exists());
    for looped in [vec![link("l", "l"), file("l/x", "")], vec![link("m", "/proc/self/root"), file("m/etc/x", "")]] {
        assert!(refused(&looped).await.contains("leads nowhere"));
    }
}

#[tokio::test]
async fn hard_links_join_files_of_the_image_only() {
    let entries = [file("a", "1"), hard_link("b", "a"), hard_link("a", "a"), hard_link("c", "/a")];
    let unpacked = Layout::of(&[layer(&entries)]).unpack().await.unwrap();
    assert_eq!(std::fs::metadata(unpacked.path("b")).unwrap().nlink(), 3);
    for (target, rule) in [
        ("../outside", "'..' in its name"),
        ("/etc/passwd", "not in the image"),
        ("nothing", "not in the image"),
        ("d", "what is no file"),
    ] {
        let text = refused(&[folder("d"), folder("etc"), hard_link("x", target)]).await;
        assert!(text.contains(rule), "{target}: {text}");
    }
    // Not even by way of a link: it is joined itself, not what it leads to.
    let by_link = [link("l", "../outside"), hard_link("x", "l")];
    let unpacked = Layout::of(&[layer(&by_link)]).unpack().await.unwrap();
    assert!(unpacked.path("x").is_symlink());
    // A later file takes the place of one name and leaves the other alone.
    let layers = [layer(&[file("a", "1"), hard_link("b", "a")]), layer(&[file("b", "2")])];
    let unpacked = Layout::of(&layers).unpack().await.unwrap();
    assert_eq!((unpacked.text("a").as_str(), unpacked.text("b").as_str()), ("1", "2"));
}

#[tokio::test]
async fn what_is_no_file_folder_or_link_is_not_made() {
    for kind in [EntryType::Char, EntryType::Block] {
        assert!(refused(&[entry("x", kind, "", b"")]).await.contains("is a device"));
        // The sandbox has a /dev of its own, which hides what images have there.
        let unpacked = Layout::of(&[layer(&[entry("dev/null", kind, "", b"")])]).unpack().await.unwrap();
        assert!(unpacked.names("dev").is_empty());
    }
    assert!(refused(&[entry("x", EntryType::Fifo, "", b"")]).await.contains("neither a file"));
    assert!(refused(&[entry("x", EntryType::GNUSparse, "", b"")]).await.contains("neither a file"));
}

#[tokio::test]
async fn bits_that_give_somebody_elses_rights_are_dropped() {
    let with = |name: &str, mode| Entry { mode, ..file(name, "x") };
    let entries =
        [with("set", 0o6777), with("none", 0), with("plain", 0o644), Entry { mode: 0o1777, ..folder("wide") }];
    let unpacked = Layout::of(&[layer(&entries)]).unpack().await.unwrap();
    let mode = |name: &str| unpacked.path(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode("set"), mode("none"), mode("plain"), mode("wide")], [0o755, 0o400, 0o644, 0o755]);
    assert_eq!(unpacked.path("plain").metadata().unwrap().mtime(), 1_700_000_000);
}

#[tokio::test]
async fn whiteouts_take_away_what_former_layers_have_and_nothing_else() {
    let first = [file("a/one", "1"), file("a/two", "1"), file("b/old", "1"), file("b/deep/old", "1"), folder("d")];
    let second = [
        file("a/.wh.one", ""),
        file("a/.wh.none", ""),
        file("b/new", "2"),
        file("b/deep/new", "2"),
        file("b/.wh..wh..opq", ""),
        file("c/made", "2"),
        file("c/.wh.made", ""),
        file(".wh.d", ""),
        file("none/.wh.x", ""),
        file("a/.wh..wh.plnk", ""),
    ];
    let unpacked = Layout::of(&[layer(&first), layer(&second)]).unpack().await.unwrap();
    assert_eq!(unpacked.names("a"), ["two"]);
    assert_eq!(
        (unpacked.names("b"), unpacked.names("b/deep")),
        (vec!["deep".into(), "new".into()], vec!["new".into()])
    );
    assert_eq!(unpacked.names("c"), ["made"], "it is of the same layer");
    assert!(!unpacked.path("d").exists() && !unpacked.path("none").exists());
    for name in [".wh.", ".wh...", "a/.wh..", "../.wh.outside"] {
        let text = refused(&[file(name, "")]).await;
        assert!(text.contains("has a name") || text.contains("'..'"), "{name}: {text}");
    }
    // Not through a link that leads out.
    let unpacked = Layout::of(&[layer(&[link("l", "..")]), layer(&[file("l/.wh.outside", "")])]).unpack().await;
    assert!(unpacked.is_ok());
}

#[tokio::test]
async fn the_sandboxs_mount_points_are_folders() {
    let unpacked =
        Layout::of(&[layer(&[link("etc/resolv.conf", "/run/x"), folder("etc/hosts")])]).unpack().await.unwrap();
    assert_eq!(unpacked.names(""), ["dev", "etc", "proc", "tmp"]);
    assert!(unpacked.path("etc/resolv.conf").symlink_metadata().unwrap().is_file());
    assert!(unpacked.path("etc/hosts").symlink_metadata().unwrap().is_file());
    for name in ["proc", "dev", "tmp", "etc"] {
        assert!(refused(&[link(name, "/usr")]).await.contains("must be a folder"), "{name}");
        assert!(refused(&[file(name, "")]).await.contains("must be a folder"), "{name}");
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused_while_it_comes() {
    let mut many = Layout::of(&[layer(&[file("a/b/c", ""), file("d", "")])]);
    many.limits.image_entries_max = 3;
    assert!(many.unpack().await.unwrap_err().to_string().contains("more files: at most 3"));
    // Zeros pack well: 8 MiB of them in a few KiB.
    let plain = layer(&[file("zeros", &"\0".repeat(8 << 20))]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &plain).unwrap();
    let lies = Lies { media_type: Some("application/vnd.oci.image.layer.v1.tar+gzip"), ..Lies::default() };
    let mut bomb = Layout::telling(vec![(packed.finish().unwrap(), plain, lies)], "amd64");
    bomb.limits.image_bytes_max = 1 << 20;
    assert!(bomb.unpack().await.unwrap_err().to_string().contains("more bytes unpacked: at most 1048576"));
    let mut layered = Layout::of(&[layer(&[]), layer(&[])]);
    layered.limits.image_layers_max = 1;
    assert!(layered.resolve().await.unwrap_err().to_string().contains("more layers: at most 1"));
    // A header that announces a name of a gigabyte is not read into memory.
    let mut long = layer(&[entry("././@LongLink", EntryType::GNULongName, "", &vec![b'x'; 300 << 10])]);
    long.truncate(long.len() - 1_024);
    assert!(Layout::of(&[long]).unpack().await.unwrap_err().to_string().contains("header is too long"));
    let deep: Vec<_> =
        (1..=300).map(|depth| "d/".repeat(depth)).map(|path| path[..path.len() - 1].to_owned()).collect();
    let step = |path: &String| entry("x", EntryType::XHeader, "", pax("path", path).as_bytes());
    let entries: Vec<_> = deep.iter().flat_map(|path| [step(path), folder("y")]).collect();
    assert!(refused(&entries).await.contains("more than 256 folders"));
}

/// A record of a PAX header.
fn pax(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

#[tokio::test]
async fn names_in_extended_headers_are_judged_like_any_other() {
    let told = |key: &str, value: &str| entry("h", EntryType::XHeader, "", pax(key, value).as_bytes());
    assert!(refused(&[told("path", "../outside"), file("fine", "")]).await.contains("'..'"));
    assert!(refused(&[told("linkpath", "../outside"), hard_link("x", "fine")]).await.contains("'..'"));
    assert!(refused(&[told("size", "99"), file("x", "")]).await.contains("8 GiB"));
    assert!(refused(&[told("GNU.sparse.name", "x"), file("x", "")]).await.contains("sparse"));
    let long = "n".repeat(200);
    let entries = [told("path", &long), file("short", "1"), file("next", "2")];
    let unpacked = Layout::of(&[layer(&entries)]).unpack().await.unwrap();
    assert_eq!((unpacked.text(&long).as_str(), unpacked.text("next").as_str()), ("1", "2"));
}

#[tokio::test]
async fn every_digest_counts() {
    let plain = layer(&[file("a", "1")]);
    let other = digest(b"other");
    let one = |lies| Layout::telling(vec![(plain.clone(), plain.clone(), lies)], "amd64");
    let wrong = one(Lies { diff_id: Some(other.clone()), ..Lies::default() });
    assert!(matches!(wrong.unpack().await, Err(ImageError::WrongDigest { what: "a layer unpacked", .. })));
    for size in [1, plain.len() as u64 - 1, plain.len() as u64 + 1] {
        let wrong = one(Lies { size: Some(size), ..Lies::default() });
        let error = wrong.unpack().await.unwrap_err();
        assert!(matches!(error, ImageError::WrongDigest { .. } | ImageError::BadLayer { .. }), "{size}: {error}");
    }
    // Bytes that lie under the digest of others.
    let wrong = one(Lies::default());
    let path = wrong.folder.path().join("blobs/sha256").join(&digest(&plain)["sha256:".len()..]);
    let mut changed = plain.clone();
    changed[512] = b'2';
    std::fs::write(path, changed).unwrap();
    assert!(matches!(wrong.unpack().await, Err(ImageError::WrongDigest { what: "a layer", .. })));
    // Bytes behind the end of the tar are the layer's too.
    let mut longer = plain.clone();
    longer.extend_from_slice(&[7; 512]);
    assert!(Layout::of(&[longer]).unpack().await.is_ok());
    for bad in ["sha256:../../../etc/passwd", "sha512:00", ""] {
        let wrong = one(Lies { digest: Some(bad.to_owned()), ..Lies::default() });
        assert!(wrong.resolve().await.unwrap_err().to_string().contains("no SHA-256 digest"), "{bad}");
    }
}

#[tokio::test]
async fn an_image_for_other_machines_or_of_another_kind_is_refused_before_it_is_fetched() {
    let plain = layer(&[]);
    let told = Layout::telling(vec![(plain.clone(), plain.clone(), Lies::default())], "s390x");
    let text = told.resolve().await.unwrap_err().to_string();
    assert!(text.contains("not for linux/amd64: it is for linux/s390x"), "{text}");
    let lies = Lies { media_type: Some("application/vnd.in-toto+json"), ..Lies::default() };
    let told = Layout::telling(vec![(plain.clone(), plain, lies)], "amd64");
    assert!(told.resolve().await.unwrap_err().to_string().contains("media type"));
}

#[tokio::test]
async fn zstd_is_unpacked_too() {
    let plain = layer(&[file("a", "packed")]);
    let packed = zstd::encode_all(plain.as_slice(), 3).unwrap();
    let lies = Lies { media_type: Some("application/vnd.oci.image.layer.v1.tar+zstd"), ..Lies::default() };
    let unpacked = Layout::telling(vec![(packed, plain, lies)], "amd64").unpack().await.unwrap();
    assert_eq!(unpacked.text("a"), "packed");
}

/// The descriptor of the manifest that the layout's name leads to.
fn manifest_of(layout: &Layout) -> serde_json::Value {
    let index = std::fs::read(layout.folder.path().join("index.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&index).unwrap()["manifests"][0].clone()
}

/// Has the layout's name lead to `document` instead.
fn lead_to(layout: &Layout, document: &serde_json::Value) {
    let text = document.to_string();
    let annotations = json!({"org.opencontainers.image.ref.name": "v1"});
    let entry = json!({"digest": layout.blob(text.as_bytes()), "size": text.len(), "annotations": annotations});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    std::fs::write(layout.folder.path().join("index.json"), index.to_string()).unwrap();
}

#[tokio::test]
async fn an_index_leads_to_the_manifest_of_the_functions_machine() {
    let layout = Layout::of(&[layer(&[file("a", "ours")])]);
    let own = manifest_of(&layout);
    let of = |platform: serde_json::Value| json!({"digest": own["digest"], "size": own["size"], "platform": platform});
    let other = |platform| json!({"digest": digest(b"not there"), "size": 9, "platform": platform});
    // Docker's word for an index, attestations beside the images, and other systems of the same machine.
    lead_to(
        &layout,
        &json!({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": [
            other(json!({"os": "unknown", "architecture": "unknown"})),
            other(json!({"os": "windows", "architecture": "amd64"})),
            other(json!({"os": "linux", "architecture": "arm64", "variant": "v8"})),
            of(json!({"os": "linux", "architecture": "amd64"})),
        ]}),
    );
    assert_eq!(layout.unpack().await.unwrap().text("a"), "ours");
    lead_to(&layout, &json!({"manifests": [other(json!({"os": "linux", "architecture": "arm64"}))]}));
    let text = layout.resolve().await.unwrap_err().to_string();
    assert!(text.contains("not for linux/amd64: it has manifests for linux/arm64"), "{text}");
    lead_to(&layout, &json!({"manifests": []}));
    assert!(matches!(layout.resolve().await, Err(ImageError::OtherArchitecture { .. })));
}

#[tokio::test]
async fn indexes_lead_to_indexes_only_so_far() {
    let layout = Layout::of(&[layer(&[file("a", "deep")])]);
    let mut entry = manifest_of(&layout);
    for depth in 1..=4 {
        let index = json!({"schemaVersion": 2, "manifests": [{"digest": entry["digest"], "size": entry["size"]}]});
        lead_to(&layout, &index);
        entry = manifest_of(&layout);
        match depth {
            1 | 2 => assert_eq!(layout.unpack().await.unwrap().text("a"), "deep", "{depth}"),
            _ => {
                assert!(layout.resolve().await.unwrap_err().to_string().contains("indexes lead to indexes"), "{depth}")
            }
        }
    }
    // One that is not what its digest says is not followed.
    let digest = entry["digest"].as_str().unwrap().to_owned();
    let blob = layout.folder.path().join("blobs/sha256").join(&digest["sha256:".len()..]);
    std::fs::write(blob, "{\"manifests\":[]}").unwrap();
    assert!(matches!(layout.resolve().await, Err(ImageError::WrongDigest { .. })));
}

#[tokio::test]
async fn as_many_layers_as_there_may_be_lie_on_top_of_each_other() {
    let of = |count: usize| {
        let one = |number: usize| {
            let text = number.to_string();
            layer(&[
                file("top", &text),
                file(&format!("own/{number}"), &text),
                file(&format!("own/.wh.{}", number.max(3) - 3), ""),
            ])
        };
        Layout::of(&(0..count).map(one).collect::<Vec<_>>())
    };
    let unpacked = of(127).unpack().await.unwrap();
    assert_eq!(unpacked.text("top"), "126");
    assert_eq!(unpacked.names("own"), ["124", "125", "126"]);
    let text = of(128).resolve().await.unwrap_err().to_string();
    assert!(text.contains("more layers: at most 127"), "{text}");
}

#[tokio::test]
async fn a_bomb_is_refused_however_it_is_packed() {
    let zeros = layer(&[file("zeros", &"\0".repeat(8 << 20))]);
    let with = |packed: Vec<u8>, plain: &[u8], media| {
        let lies = Lies { media_type: Some(media), ..Lies::default() };
        let mut bomb = Layout::telling(vec![(packed, plain.to_vec(), lies)], "amd64");
        bomb.limits.image_bytes_max = 1 << 20;
        bomb
    };
    let zstd =
        with(zstd::encode_all(zeros.as_slice(), 19).unwrap(), &zeros, "application/vnd.oci.image.layer.v1.tar+zstd");
    // Zeros behind the end of a tar, and in a gzip stream of many members.
    let small = layer(&[file("a", "1")]);
    let mut members = Vec::new();
    for part in [&small[..], &vec![0; 4 << 20], &vec![0; 4 << 20]] {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packer, part).unwrap();
        members.extend(packer.finish().unwrap());
    }
    let mut plain = small.clone();
    plain.resize(small.len() + (8 << 20), 0);
    let behind = with(members, &plain, "application/vnd.oci.image.layer.v1.tar+gzip");
    for (name, bomb) in [("zstd", zstd), ("members", behind)] {
        let text = bomb.unpack().await.unwrap_err().to_string();
        assert!(text.contains("more bytes unpacked: at most 1048576"), "{name}: {text}");
    }
    // A frame that asks for a window of 2 GiB of memory before its first byte.
    let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    let text = with(greedy.to_vec(), &[], "application/vnd.oci.image.layer.v1.tar+zstd").unpack().await.unwrap_err();
    assert!(matches!(text, ImageError::BadLayer { .. }), "{text}");
}
