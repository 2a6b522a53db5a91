//! The files of one configuration and places in them; knows TOML's syntax and no key by name.

use crate::config::environment::Environment;
use crate::config::problem::{Problem, Report};
use crate::stdx::clock::Time;
use crate::stdx::digest::sha256;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::de::DeTable;

/// 100 000 routes are about 12 MB; what is larger is a mistake and would be read at every reload.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// `rw-rw-rw-` without the owner's part: who else may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// One reading of a configuration: what was read and what was found wrong.
pub struct Reading<'e> {
    /// Where secrets come from.
    pub environment: &'e Environment,
    /// When it is read.
    pub now: Time,
    /// What was found wrong.
    pub report: Report,
    left: Cell<u64>,
    /// The SHA-256 of each thing that was read, in order.
    read: RefCell<Vec<[u8; 32]>>,
    /// Each file that was read or could not be.
    files: RefCell<BTreeSet<PathBuf>>,
}

impl<'e> Reading<'e> {
    /// Nothing read yet.
    pub fn new(environment: &'e Environment, now: Time) -> Self {
        Reading {
            environment,
            now,
            report: Report::default(),
            left: Cell::new(MOST_BYTES),
            read: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Reads a file whole and remembers it for the watcher and the fingerprint.
    ///
    /// # Errors
    /// In words: what cannot be read and why, or that all files together are larger than 16 MiB.
    pub fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.files.borrow_mut().insert(path.to_owned());
        let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
        let left = self.left.get();
        let too_large = || format!("{} is too large: all files together may have {MOST_BYTES} bytes", path.display());
        // Asked before it is opened: opening a pipe would wait for its writer.
        if !std::fs::metadata(path).map_err(cannot)?.is_file() {
            return Err(format!("{} is not a regular file", path.display()));
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path).map_err(cannot)?.take(left + 1).read_to_end(&mut bytes).map_err(cannot)?;
        self.left.set(left.checked_sub(bytes.len() as u64).ok_or_else(too_large)?);
        self.remember(&bytes);
        Ok(bytes)
    }

    /// Remembers something that was read, for the fingerprint.
    pub fn remember(&self, bytes: &[u8]) {
        self.read.borrow_mut().push(sha256(bytes));
    }

    /// SHA-256 over everything that was read, in order.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.read.borrow().concat())
    }

    /// The files that were read or could not be, each once.
    pub fn files(&self) -> Vec<PathBuf> {
        self.files.borrow().iter().cloned().collect()
    }

    /// A problem at `place`.
    pub fn problem(&self, place: &Place, what: impl Into<String>) {
        self.report.problem(place.says(what));
    }

    /// A warning at `place`.
    pub fn warn(&self, place: &Place, what: impl Into<String>) {
        self.report.warn(place.says(what));
    }
}

/// One TOML file.
pub struct Document {
    path: PathBuf,
    text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl Document {
    /// Reads a file. Warns if others may write it.
    ///
    /// # Errors
    /// What is wrong, with its place in the file.
    pub fn open(path: &Path, reading: &Reading<'_>) -> Result<Arc<Self>, Problem> {
        let whole = |what| Problem { file: path.to_owned(), line: 1, column: 1, key: String::new(), what };
        let bytes = reading.bytes(path).map_err(whole)?;
        let mode = std::fs::metadata(path).map(|found| found.permissions().mode()).unwrap_or(0);
        if mode & WRITABLE_BY_OTHERS != 0 {
            let mode = mode & 0o777;
            reading.report.warn(whole(format!(
                "may be written by its group or by everyone (mode {mode:03o}), who so decide who may pass; make it 644"
            )));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let valid = String::from_utf8_lossy(valid).into_owned();
            let end = valid.len();
            let place = Document::new(path, valid).place(end, String::new());
            place.says("this is not UTF-8, and TOML must be")
        })?;
        Ok(Document::new(path, text))
    }

    fn new(path: &Path, text: String) -> Arc<Self> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Arc::new(Document { path: path.to_owned(), text, lines })
    }

    /// What the file holds. Broken syntax is reported, and what could be read in spite of it is given.
    pub fn parse<'a>(self: &'a Arc<Self>, reading: &Reading<'_>) -> DeTable<'a> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            let place = self.place(error.span().map_or(0, |span| span.start), String::new());
            let what = error.message().trim();
            if what == "duplicate key" {
                let header = self.header_over(place.at());
                reading
                    .report
                    .repeated(place.says("this key is already there; a key or table may be given once"), header);
            } else {
                reading.report.broken(place.says(format!("not TOML: {what}")));
            }
        }
        table.into_inner()
    }

    /// The name in the header that a byte stands in or under; empty above the first.
    fn header_over(&self, at: usize) -> &str {
        let end = self.text.get(at..).and_then(|rest| rest.find('\n')).map_or(self.text.len(), |length| at + length);
        let lines = self.text.get(..end).unwrap_or_default().lines().rev();
        let header = lines.map(str::trim).find(|line| line.starts_with('[')).unwrap_or_default();
        header.trim_start_matches(['[', ' ']).split([']', ' ']).next().unwrap_or_default()
    }

    /// A place in this file.
    pub fn place(self: &Arc<Self>, at: usize, key: String) -> Place {
        Place { document: self.clone(), at, key }
    }

    /// Line and column, from 1.
    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or("");
        (line, before.chars().count() + 1)
    }
}

/// A place in a file and the key that is there.
#[derive(Clone)]
pub struct Place {
    document: Arc<Document>,
    at: usize,
    key: String,
}

impl Place {
    /// The file.
    pub fn file(&self) -> &Path {
        &self.document.path
    }

    /// The key, with dots.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The directory that relative paths written here begin in.
    pub fn directory(&self) -> &Path {
        self.document.path.parent().unwrap_or(Path::new(""))
    }

    /// Where in the file, in bytes.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The place of the key `name` below this one, at `at`.
    pub fn below(&self, name: &str, at: usize) -> Place {
        let key = if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) };
        self.document.place(at, key)
    }

    /// The place of element `index` of the list here, at `at`.
    pub fn element(&self, index: usize, at: usize) -> Place {
        self.document.place(at, format!("{}[{index}]", self.key))
    }

    /// A problem or warning here.
    pub fn says(&self, what: impl Into<String>) -> Problem {
        let (line, column) = self.document.line_and_column(self.at);
        Problem { file: self.document.path.clone(), line, column, key: self.key.clone(), what: what.into() }
    }
}

/// `FILE:LINE`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.document.path.display(), self.document.line_and_column(self.at).0)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {}", self.key)
    }
}
