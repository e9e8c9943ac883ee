//! What lives on without processes is forgotten with them: System V objects and the files of `/dev/shm`. To a
//! function they are memory, and its memory does not survive a reset; its `/tmp` does.
#![allow(unsafe_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Looks at an object by its place in the table, whatever its mode. Source: shmctl(2), semctl(2), msgctl(2).
const SHM_STAT_ANY: libc::c_int = 15;
const SEM_STAT_ANY: libc::c_int = 20;
const MSG_STAT_ANY: libc::c_int = 13;
const SHM_INFO: libc::c_int = 14;
const SEM_INFO: libc::c_int = 19;
const MSG_INFO: libc::c_int = 12;
/// Room for the largest of the structs that these calls fill.
type Room = [u64; 64];

/// Forgets all of it that this user may remove; everything inside is this user's.
pub(crate) fn shared_memory() {
    // SAFETY: each call fills at most one struct that is smaller than the room; ids come from the kernel.
    unsafe {
        let mut room: Room = [0; 64];
        let at = room.as_mut_ptr();
        for place in 0..=libc::shmctl(0, SHM_INFO, at.cast()) {
            let id = libc::shmctl(place, SHM_STAT_ANY, at.cast());
            if id >= 0 {
                libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
            }
        }
        for place in 0..=libc::msgctl(0, MSG_INFO, at.cast()) {
            let id = libc::msgctl(place, MSG_STAT_ANY, at.cast());
            if id >= 0 {
                libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut());
            }
        }
        for place in 0..=libc::semctl(0, 0, SEM_INFO, at) {
            let id = libc::semctl(place, 0, SEM_STAT_ANY, at);
            if id >= 0 {
                libc::semctl(id, 0, libc::IPC_RMID);
            }
        }
    }
    empty(Path::new("/dev/shm"));
}

/// Removes what lies in a directory. What cannot be removed stays: the server sees by the memory whether it matters.
fn empty(directory: &Path) {
    // A directory may have been made unreadable.
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && fs::remove_dir(&path).is_err() {
            empty_below(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
    }
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o1777));
}

/// The same for a tree, without recursion of ours: it can be as deep as a path can be long.
fn empty_below(directory: &Path) {
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(next) = waiting.last().cloned() {
        let _ = fs::set_permissions(&next, fs::Permissions::from_mode(0o700));
        let mut below = Vec::new();
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                below.push(entry.path());
            } else {
                let _ = fs::remove_file(entry.path());
            }
        }
        if below.is_empty() {
            waiting.pop();
            if fs::remove_dir(&next).is_err() {
                return;
            }
        } else {
            waiting.extend(below);
        }
    }
}
