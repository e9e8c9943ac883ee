//! The data dir's own secrets: the root key, read by `lacewing env`; the metrics token, read by scrapers; and the seed that
//! the secrets of all other keys are derived from. All are made at the first start.

use crate::NodeError;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FILE: &str = "root-key";
const METRICS_FILE: &str = "metrics-token";
/// 32 bytes, in hex. Never shown: whoever has it can sign as anyone.
const SEED: &str = "seed";
/// A key file holds one line; anything longer is not ours.
const FILE_BYTES_MAX: u64 = 512;

/// The key of `data_dir` as `(id, secret)`, made where there is none. The file is readable by its owner only.
pub(crate) fn root_key(data_dir: &Path) -> Result<(String, String), NodeError> {
    if data_dir.join(FILE).exists() {
        return read_root_key(data_dir);
    }
    let (id, secret) = (random_id(), random_secret());
    keep(data_dir, FILE, &format!("{id}:{secret}"))?;
    Ok((id, secret))
}

/// The token that opens `/_lacewing/metrics`, made where there is none. The file is readable by its owner only.
pub(crate) fn metrics_token(data_dir: &Path) -> Result<String, NodeError> {
    let path = data_dir.join(METRICS_FILE);
    if path.exists() {
        let failed = |why| NodeError(format!("{}: {why}; remove it, and the next start makes another", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        let token = text.trim();
        return if token.is_empty() { Err(failed("it holds no token".into())) } else { Ok(token.to_owned()) };
    }
    let token = random_secret();
    keep(data_dir, METRICS_FILE, &token)?;
    Ok(token)
}

/// The seed of `data_dir`, made where there is none.
pub(crate) fn seed(data_dir: &Path) -> Result<[u8; 32], NodeError> {
    let path = data_dir.join(SEED);
    let failed = |why: &str| NodeError(format!("{}: {why}; restore it from a backup", path.display()));
    if !path.exists() {
        keep(data_dir, SEED, &random_secret())?;
    }
    let text = fs::read_to_string(&path).map_err(|error| failed(&error.to_string()))?;
    let digits: Option<Vec<u8>> =
        text.trim_end().chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let bytes =
        digits.map(|digits| digits.chunks(2).map(|pair| pair[0] << 4 | pair.last().unwrap_or(&0)).collect::<Vec<u8>>());
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| failed("it holds no 64 hex digits"))
}

/// Writes a secret of one line: aside and renamed, so that a kill in between leaves no half of it.
fn keep(data_dir: &Path, name: &str, secret: &str) -> Result<(), NodeError> {
    let path = data_dir.join(name);
    let failed = |error| NodeError(format!("{}: {error}; is the data dir writable?", path.display()));
    let aside = data_dir.join(format!("{name}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside).map_err(failed)?;
    file.write_all(format!("{secret}\n").as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&aside, &path).map_err(failed)
}

/// The key of `data_dir` as `(id, secret)`.
///
/// # Errors
/// [`NodeError`] where no server has ever started on this data dir, or the file is not ours.
pub fn read_root_key(data_dir: &Path) -> Result<(String, String), NodeError> {
    let path = data_dir.join(FILE);
    let hint = "start `lacewing serve` on this data dir once, or name another with --data-dir";
    let failed = |why: String| NodeError(format!("{}: {why}; {hint}", path.display()));
    let length = fs::metadata(&path).map_err(|error| failed(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(failed(format!("{length} bytes are no key")));
    }
    let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let pair = text.trim_end().split_once(':').ok_or_else(|| failed("it holds no ID:SECRET".into()))?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// `AKIA` and 16 of `[A-P]`, as AWS's ids look.
fn random_id() -> String {
    let bits = lacewing_model::RequestId::random().as_u128().to_le_bytes();
    let letters = bits[..8].iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(b'A' + nibble));
    std::iter::once("AKIA".to_owned()).chain(letters.map(String::from)).collect()
}

/// 64 hex digits: 244 random bits.
fn random_secret() -> String {
    let half = || lacewing_model::RequestId::random().as_u128();
    format!("{:032x}{:032x}", half(), half())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_data_dir_keeps_its_secrets_and_only_its_owner_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_root_key(dir.path()).is_err());
        let key = root_key(dir.path()).unwrap();
        assert_eq!(root_key(dir.path()).unwrap(), key);
        assert_eq!((key.0.len(), key.1.len()), (20, 64));
        let token = metrics_token(dir.path()).unwrap();
        assert_eq!(metrics_token(dir.path()).unwrap(), token);
        let seed = super::seed(dir.path()).unwrap();
        assert_eq!(super::seed(dir.path()).unwrap(), seed);
        assert_ne!(seed, [0; 32]);
        for file in [FILE, METRICS_FILE, SEED] {
            let mode = fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(dir.path().join(SEED), "0123").unwrap();
        assert!(super::seed(dir.path()).is_err());
    }
}
