//! Public traces, read from the files that their authors publish.
//!
//! | layout | told by its header | holds |
//! |---|---|---|
//! | Azure 2019 invocations | `HashOwner,HashApp,HashFunction,Trigger,1,..,1440` | calls per minute, one file a day |
//! | Azure 2019 durations | `HashOwner,HashApp,HashFunction,Average,..` | percentiles by function and day |
//! | Azure 2019 memory | `HashOwner,HashApp,SampleCount,AverageAllocatedMb,..` | percentiles by app and day |
//! | Azure 2021 | `app,func,end_timestamp,duration` | one row a call, seconds |
//!
//! Files are read row by row. What of the 2019 trace is kept is one day's counts; of the 2021 trace, its calls.

mod azure2019;
mod azure2021;
mod table;

pub use azure2019::Azure2019;
pub use azure2021::Azure2021;
pub use table::TraceError;

use crate::workload::{Source, Unpublished};
use std::path::{Path, PathBuf};
use table::Table;

/// Files that a trace may have: three a day for a month, and some.
pub const FILES_MAX: usize = 128;

/// What a file's header says that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Invocations2019,
    Durations2019,
    Memory2019,
    Calls2021,
}

impl Layout {
    fn of(table: &Table) -> Option<Self> {
        let has = |name: &str| table.has(name);
        match () {
            () if has("HashFunction") && has("Trigger") && has("1440") => Some(Self::Invocations2019),
            () if has("HashFunction") && has("percentile_Average_50") => Some(Self::Durations2019),
            () if has("HashApp") && has("AverageAllocatedMb") => Some(Self::Memory2019),
            () if has("func") && has("end_timestamp") && has("duration") => Some(Self::Calls2021),
            () => None,
        }
    }
}

/// Opens a trace: files, or folders whose `.csv` and `.txt` files are meant. Days follow the order of file names.
///
/// # Errors
/// [`TraceError`]: a file cannot be read, has an unknown layout or a field that is no number; or the files do not
/// belong together.
pub fn open(paths: &[PathBuf], seed: u64, unpublished: &Unpublished) -> Result<Box<dyn Source>, TraceError> {
    let mut by_layout: [Vec<PathBuf>; 4] = Default::default();
    for path in files(paths)? {
        let layout = Layout::of(&Table::open(&path)?).ok_or_else(|| TraceError::Layout { file: path.clone() })?;
        by_layout[layout as usize].push(path);
    }
    let [invocations, durations, memory, calls] = by_layout;
    match (invocations.is_empty(), calls.as_slice()) {
        (true, [file]) if durations.is_empty() && memory.is_empty() => {
            Ok(Box::new(Azure2021::read(file, seed, unpublished)?))
        }
        (false, []) => Ok(Box::new(Azure2019::read(invocations, &durations, &memory, seed, unpublished)?)),
        _ => Err(TraceError::Mixed),
    }
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, TraceError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut inside = folder(path)?;
            inside.sort();
            files.append(&mut inside);
        } else {
            files.push(path.clone());
        }
    }
    if files.len() > FILES_MAX {
        return Err(TraceError::TooMany { what: "files", max: FILES_MAX as u64 });
    }
    Ok(files)
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, TraceError> {
    let unreadable = |source| TraceError::Unreadable { file: path.to_owned(), source };
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|ending| ending == "csv" || ending == "txt") {
            files.push(file);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
