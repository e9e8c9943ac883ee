//! A CSV file with a header, read row by row; errors say where.

use csv::{ByteRecord, Reader, ReaderBuilder};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Why a trace cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which one.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not CSV: its rows have different numbers of fields, or quotes do not close.
    #[error("{}: {message}", file.display())]
    Torn {
        /// Which one.
        file: PathBuf,
        /// What and where.
        message: String,
    },
    /// The header is of no known layout.
    #[error("{}: line 1: the header is of no layout that is known", file.display())]
    Layout {
        /// Which one.
        file: PathBuf,
    },
    /// A column is missing.
    #[error("{}: line 1: there is no column '{column}'", file.display())]
    Column {
        /// Which file.
        file: PathBuf,
        /// The column that is needed.
        column: String,
    },
    /// A field does not hold what its column should.
    #[error("{}: line {line}, column {number} ('{column}'): '{found}' is no {expected}", file.display())]
    Field {
        /// Which file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        number: usize,
        /// Its name.
        column: String,
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// More than is held.
    #[error("the trace has more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many may be.
        max: u64,
    },
    /// Files of two traces, or parts of one without its invocations.
    #[error("the files are not one trace")]
    Mixed,
}

impl TraceError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the path and its permissions",
            Self::Torn { .. } | Self::Field { .. } => {
                "mend or remove that row; an unpacked original file needs neither"
            }
            Self::Layout { .. } | Self::Column { .. } => {
                "known are the Azure Functions traces of 2019 (invocations, durations, memory) and 2021; \
                 `lacewing simulate --help` names their columns"
            }
            Self::TooMany { .. } => "play fewer days, or fewer rows",
            Self::Mixed => {
                "give one file of the 2021 trace, or of the 2019 trace invocations_per_function* \
                 and, if you have them, function_durations* and app_memory*"
            }
        }
    }
}

/// Longest piece of a bad field that an error shows, bytes.
const SHOWN_MAX: usize = 40;

/// A file with a header and the row last read.
pub struct Table {
    file: PathBuf,
    header: ByteRecord,
    reader: Reader<File>,
    row: ByteRecord,
}

impl Table {
    /// Opens `path` and reads its header.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let file = path.to_owned();
        let opened = File::open(path).map_err(|source| TraceError::Unreadable { file: file.clone(), source })?;
        let mut reader = ReaderBuilder::new().from_reader(opened);
        let header = reader.byte_headers().map_err(|error| torn(&file, &error))?.clone();
        Ok(Self { file, header, reader, row: ByteRecord::new() })
    }

    /// Whether there is a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.find(column).is_some()
    }

    /// Where the column of this name is.
    pub fn column(&self, column: &str) -> Result<usize, TraceError> {
        let missing = || TraceError::Column { file: self.file.clone(), column: column.to_owned() };
        self.find(column).ok_or_else(missing)
    }

    fn find(&self, column: &str) -> Option<usize> {
        self.header.iter().position(|name| name.trim_ascii() == column.as_bytes())
    }

    /// Reads the next row; false at the end.
    pub fn advance(&mut self) -> Result<bool, TraceError> {
        self.reader.read_byte_record(&mut self.row).map_err(|error| torn(&self.file, &error))
    }

    /// A field of the row as it is.
    pub fn bytes(&self, column: usize) -> &[u8] {
        self.row.get(column).unwrap_or_default()
    }

    /// A field as a count.
    pub fn count(&self, column: usize) -> Result<u32, TraceError> {
        self.parsed(column, "count (0 to 4294967295)")
    }

    /// A field as a number that is not negative.
    pub fn number(&self, column: usize) -> Result<f64, TraceError> {
        let expected = "number from 0 on";
        let number: f64 = self.parsed(column, expected)?;
        if number.is_finite() && number >= 0.0 { Ok(number) } else { Err(self.wrong(column, expected)) }
    }

    fn parsed<T: std::str::FromStr>(&self, column: usize, expected: &'static str) -> Result<T, TraceError> {
        let text = std::str::from_utf8(self.bytes(column)).ok();
        text.and_then(|text| text.trim().parse().ok()).ok_or_else(|| self.wrong(column, expected))
    }

    fn wrong(&self, column: usize, expected: &'static str) -> TraceError {
        let found = self.bytes(column);
        TraceError::Field {
            file: self.file.clone(),
            line: self.row.position().map_or(0, csv::Position::line),
            number: column + 1,
            column: String::from_utf8_lossy(self.header.get(column).unwrap_or_default()).into_owned(),
            found: String::from_utf8_lossy(&found[..found.len().min(SHOWN_MAX)]).into_owned(),
            expected,
        }
    }
}

fn torn(file: &Path, error: &csv::Error) -> TraceError {
    TraceError::Torn { file: file.to_owned(), message: error.to_string() }
}
