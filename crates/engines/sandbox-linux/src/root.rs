//! The template: a mount namespace that holds nothing but a function's root, read-only.
//!
//! ```text
//! namespace A   the host's mounts, private: code is opened here
//! namespace T   /usr (the host's, read-only), /etc (a handful of files), /dev (null and its like),
//!               empty mount points for code, runtime, interpreter, /tmp and /proc
//! sandbox       a copy of T: few mounts to copy (the kernel's cost is per mount)
//! of an image   a copy of T that stands on the image's tree, with /dev, /proc and two files of T's mounted on it
//! ```
//!
//! What is not named here is not there: no home, no data dir, no /sys, no sockets of the host.

use crate::endpoints;
use crate::net::{NAMESERVER, ServiceUrls};
use crate::protocol::{At, Fault, MountSpec};
use crate::sys;
use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

/// The function's user inside. Source: recorded from Lambda.
pub(crate) const INSIDE_UID: u32 = 993;
/// Its group. Source: recorded from Lambda.
pub(crate) const INSIDE_GID: u32 = 990;

/// `nobody` is whom files of the host's root belong to in a user namespace: programs look the owner up.
const PASSWD: &str = "root:x:0:0:root:/:/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n\
                      nobody:x:65534:65534:nobody:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nsbx_user1051:x:990:\nnogroup:x:65534:\n";
const HOSTS: &str = "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n";
/// Programs look for it to tell that they are on Lambda. Source: recorded from Lambda.
const ENTRYPOINT: &str = "#!/bin/sh\n# The platform starts the runtime itself.\nexec \"$@\"\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n";

/// Empty directories: mount points and what programs expect to find.
const DIRECTORIES: [&str; 17] = [
    "usr",
    "etc",
    "dev",
    "dev/shm",
    "home",
    endpoints::HOME,
    "proc",
    "tmp",
    "opt",
    "mnt",
    "run",
    "var",
    "var/task",
    "var/runtime",
    "var/lang",
    "var/packages",
    "var/tmp",
];

/// Small files of the host's `/etc` that libraries read; those that are missing are left out.
const COPIED_FILES: [&str; 6] =
    ["ld.so.cache", "ld.so.conf", "services", "protocols", "mime.types", "ca-certificates.conf"];

/// What programs that were built for Lambda load first. There it lies in `/lib64`.
const LIBRARIES: [&str; 8] = [
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libresolv.so.2",
    "libutil.so.1",
];

/// Trees of the host's `/etc` that hold certificates, whichever the distribution has.
const CERTIFICATES: [&str; 3] = ["etc/ssl", "etc/pki/tls", "etc/pki/ca-trust"];

/// What a mount of the host's bears inside: nothing on it can be changed, gain privileges or be a device.
pub(crate) const HOST_TREE: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Builds the template at `scratch`, an empty directory, and returns its namespace. The caller is in another
/// mount namespace afterwards: it goes back by `setns`.
///
/// # Errors
/// The step that failed.
pub(crate) fn build(scratch: &Path, privileged: bool, services: Option<&ServiceUrls>) -> Result<OwnedFd, Fault> {
    sys::unshare(libc::CLONE_NEWNS).at("unshare the template's mount namespace")?;
    let point = c_path(scratch).at("name the root")?;
    let options = c"size=16m,mode=755";
    sys::mount(c"lacewing", &point, Some(c"tmpfs"), libc::MS_NOSUID, Some(options)).at("mount the root")?;
    for directory in DIRECTORIES {
        let mode = if matches!(directory, "tmp" | "dev/shm" | "var/tmp") { 0o1777 } else { 0o755 };
        fs::DirBuilder::new().mode(mode).create(scratch.join(directory)).at(&format!("make /{directory}"))?;
    }
    bind(Path::new("/usr"), &scratch.join("usr"), HOST_TREE).at("bind /usr")?;
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        show_alias(name, scratch).at(&format!("show /{name}"))?;
    }
    show_libraries(scratch).at("show the libraries in /lib64")?;
    write_etc(scratch).at("write /etc")?;
    write_home(scratch, services).at("write the home")?;
    make_devices(scratch, privileged).at("make /dev")?;
    // A user namespace may mount its own /proc only where one is in sight already. It comes to lie on top of this.
    bind(Path::new("/proc"), &scratch.join("proc"), libc::MOUNT_ATTR_NOSUID).at("bind /proc")?;
    std::env::set_current_dir(scratch).at("enter the root")?;
    sys::pivot_here().at("pivot into the root")?;
    let root = open_path(Path::new("/")).at("open the root")?;
    sys::mount_setattr(root.as_fd(), libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID, false)
        .at("make the root read-only")?;
    let namespace = fs::File::open("/proc/self/ns/mnt").at("open the template's mount namespace")?;
    Ok(namespace.into())
}

/// What every sandbox has of the template's, whatever its root is.
const SHOWN_IN_IMAGES: [&CStr; 4] = [c"/dev", c"/proc", c"/etc/resolv.conf", c"/etc/hosts"];

/// Goes on in a copy of the template whose root is an image's tree. Whoever unpacked it has made the mount points,
/// none of them a link. The caller is in the template's namespace, and goes back by `setns`: the copy is then whose
/// processes were born in it.
///
/// # Errors
/// The step that failed.
pub(crate) fn stand_on(image: BorrowedFd<'_>) -> Result<(), Fault> {
    sys::unshare(libc::CLONE_NEWNS).at("unshare the image's mount namespace")?;
    let open = |path: &'static CStr| sys::open_tree(path).map(|tree| (tree, path));
    let shown = SHOWN_IN_IMAGES.into_iter().map(open).collect::<io::Result<Vec<_>>>().at("copy the template")?;
    sys::move_mount(image, c"/mnt").at("mount the image")?;
    std::env::set_current_dir("/mnt").at("enter the image")?;
    sys::pivot_here().at("pivot into the image")?;
    // Only now: a path is followed from the root that it is meant in.
    for (tree, target) in shown {
        sys::move_mount(tree.as_fd(), target).at(&format!("mount {} on the image", target.to_string_lossy()))?;
    }
    Ok(())
}

/// A detached read-only copy of a directory of the host, for [`sys::move_mount`] in a sandbox.
pub(crate) fn detach(source: &Path, attributes: u64) -> io::Result<OwnedFd> {
    let tree = sys::open_tree(&c_path(source)?)?;
    sys::mount_setattr(tree.as_fd(), attributes, true)?;
    Ok(tree)
}

/// The same for all of `mounts`, each with where it shall be seen.
pub(crate) fn detach_all(mounts: &[MountSpec]) -> Result<Vec<(OwnedFd, CString)>, Fault> {
    let detach_one = |mount: &MountSpec| {
        let tree = detach(&mount.source, HOST_TREE).at(&format!("open {}", mount.source.display()))?;
        let target = CString::new(mount.target.as_str()).map_err(io::Error::from).at("name a mount point")?;
        Ok((tree, target))
    };
    mounts.iter().map(detach_one).collect()
}

fn bind(source: &Path, target: &Path, attributes: u64) -> io::Result<()> {
    let tree = detach(source, attributes)?;
    sys::move_mount(tree.as_fd(), &c_path(target)?)
}

/// `/bin` and its like: a link where the host has one, else the directory itself.
fn show_alias(name: &str, root: &Path) -> io::Result<()> {
    let host = Path::new("/").join(name);
    let Ok(found) = fs::symlink_metadata(&host) else { return Ok(()) };
    let here = root.join(name);
    if found.is_symlink() {
        return symlink(fs::read_link(&host)?, here);
    }
    fs::create_dir(&here)?;
    bind(&host, &here, HOST_TREE)
}

/// Hosts with a directory of libraries for each architecture have none in `/lib64`, which the functions' search path
/// begins with: each start of a program would look for each in a hundred places. Measured: 0.2 ms of a native start.
fn show_libraries(root: &Path) -> io::Result<()> {
    let here = root.join("lib64");
    let beside = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let is_link = fs::symlink_metadata(&here).is_ok_and(|found| found.is_symlink());
    if !is_link || Path::new("/lib64").join(LIBRARIES[0]).exists() || !Path::new(&beside).join(LIBRARIES[0]).exists() {
        return Ok(());
    }
    fs::remove_file(&here)?;
    fs::create_dir(&here)?;
    for entry in fs::read_dir("/lib64")?.flatten() {
        symlink(Path::new("/usr/lib64").join(entry.file_name()), here.join(entry.file_name()))?;
    }
    for name in LIBRARIES {
        let library = Path::new(&beside).join(name);
        if library.exists() {
            symlink(&library, here.join(name))?;
        }
    }
    Ok(())
}

fn write_etc(root: &Path) -> io::Result<()> {
    let etc = root.join("etc");
    let resolv = format!("nameserver {NAMESERVER}\noptions timeout:2 attempts:2\n");
    for (name, text) in
        [("passwd", PASSWD), ("group", GROUP), ("hosts", HOSTS), ("nsswitch.conf", NSSWITCH), ("resolv.conf", &resolv)]
    {
        fs::write(etc.join(name), text)?;
    }
    for name in COPIED_FILES {
        if let Ok(bytes) = fs::read(Path::new("/etc").join(name)) {
            fs::write(etc.join(name), bytes)?;
        }
    }
    symlink("../usr/share/zoneinfo/UTC", etc.join("localtime"))?;
    // Links from /usr into /etc/alternatives would dangle: the links there are copied, nothing else.
    if let Ok(entries) = fs::read_dir("/etc/alternatives") {
        fs::create_dir(etc.join("alternatives"))?;
        for entry in entries.flatten() {
            if let Ok(target) = fs::read_link(entry.path()) {
                symlink(target, etc.join("alternatives").join(entry.file_name()))?;
            }
        }
    }
    for tree in CERTIFICATES {
        let host = Path::new("/").join(tree);
        if host.is_dir() {
            fs::create_dir_all(root.join(tree))?;
            bind(&host, &root.join(tree), HOST_TREE | libc::MOUNT_ATTR_NOEXEC)?;
        }
    }
    Ok(())
}

/// The home, and the script that Lambda's root has: what starts a function in an image of AWS's.
fn write_home(root: &Path, services: Option<&ServiceUrls>) -> io::Result<()> {
    let folder = root.join(endpoints::HOME).join(".aws");
    fs::create_dir(&folder)?;
    fs::write(folder.join("config"), endpoints::shared_configuration(services))?;
    let script = root.join("lambda-entrypoint.sh");
    fs::write(&script, ENTRYPOINT)?;
    rustix::fs::chmod(&script, rustix::fs::Mode::from_raw_mode(0o755))?;
    Ok(())
}

fn make_devices(root: &Path, privileged: bool) -> io::Result<()> {
    use rustix::fs::{FileType, Mode, makedev, mknodat};
    let dev = root.join("dev");
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        let path = dev.join(name);
        if privileged {
            mknodat(
                rustix::fs::CWD,
                &path,
                FileType::CharacterDevice,
                Mode::from_raw_mode(0o666),
                makedev(major, minor),
            )?;
            rustix::fs::chmod(&path, Mode::from_raw_mode(0o666))?;
        } else {
            // Nodes made in a user namespace do not open; the host's own do.
            fs::write(&path, "")?;
            bind(&Path::new("/dev").join(name), &path, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC)?;
        }
    }
    symlink("/proc/self/fd", dev.join("fd"))?;
    for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        symlink(format!("/proc/self/fd/{number}"), dev.join(name))?;
    }
    Ok(())
}

/// A descriptor of a place, without opening what is there.
pub(crate) fn open_path(path: &Path) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_encoded_bytes())?)
}
