//! The files of one configuration and places in them; knows TOML's syntax and no key by name.

use super::outline::Outline;
use crate::config::bookmark::Bookmark;
use crate::config::environment::Environment;
use crate::config::problem::{Held, Problem, Report};
use crate::stdx::clock::Time;
use crate::stdx::digest::sha256;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::de::DeTable;

/// 100 000 routes are about 12 MB; what is larger is a mistake and would be read at every reload.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// `rw-rw-rw-` without the owner's part: who else may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Opening a pipe must not wait for its writer.
const DO_NOT_WAIT: i32 = libc::O_NONBLOCK;

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
    files: RefCell<BTreeMap<PathBuf, Held>>,
    bookmark: Bookmark,
}

/// Why a file was not read.
enum Unread {
    Irregular,
    TooLarge,
    System(io::Error),
}

impl<'e> Reading<'e> {
    /// Nothing read yet. Where it is, the bookmark will tell.
    pub fn new(environment: &'e Environment, now: Time, bookmark: Bookmark) -> Self {
        Reading {
            environment,
            now,
            report: Report::default(),
            left: Cell::new(MOST_BYTES),
            read: RefCell::default(),
            files: RefCell::default(),
            bookmark,
        }
    }

    /// Reads a file whole and remembers it for the watcher and the fingerprint.
    ///
    /// # Errors
    /// In words: what cannot be read and why, or that all files together are larger than 16 MiB.
    pub fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.contents(path).map(|(bytes, _)| bytes).map_err(|why| format!("{} {why}", path.display()))
    }

    /// The same with what the system says of it, and with an error that does not name the file.
    fn contents(&self, path: &Path) -> Result<(Vec<u8>, Metadata), Unread> {
        let read = self.bookmark.during(path, || open(path, self.left.get()));
        let held = match &read {
            Ok((bytes, _)) => {
                self.left.set(self.left.get().saturating_sub(bytes.len() as u64));
                Held::Bytes(self.remember(bytes))
            }
            Err(Unread::Irregular | Unread::TooLarge) => Held::Unfit,
            Err(Unread::System(_)) => Held::Unknown,
        };
        self.files.borrow_mut().insert(path.to_owned(), held);
        read
    }

    /// Remembers something that was read, for the fingerprint, and gives its SHA-256.
    pub fn remember(&self, bytes: &[u8]) -> [u8; 32] {
        let digest = sha256(bytes);
        self.read.borrow_mut().push(digest);
        digest
    }

    /// SHA-256 over everything that was read, in order.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.read.borrow().concat())
    }

    /// The files that were read or could not be.
    pub fn files(&self) -> BTreeMap<PathBuf, Held> {
        self.files.borrow().clone()
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

/// Reads a file of at most so many bytes. Never waits for another process.
fn open(path: &Path, most: u64) -> Result<(Vec<u8>, Metadata), Unread> {
    let file = OpenOptions::new().read(true).custom_flags(DO_NOT_WAIT).open(path);
    let file = file.map_err(|error| match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Unread::Irregular,
        Ok(_) | Err(_) => Unread::System(error),
    })?;
    // Asked of what was opened: under its name may lie something else by now.
    let found = file.metadata().map_err(Unread::System)?;
    if !found.is_file() {
        return Err(Unread::Irregular);
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(Unread::System)?;
    if bytes.len() as u64 > most { Err(Unread::TooLarge) } else { Ok((bytes, found)) }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Irregular => f.write_str("is not a regular file"),
            Unread::TooLarge => write!(f, "is too large: all files together may have {MOST_BYTES} bytes"),
            Unread::System(error) => write!(f, "cannot be read: {error}"),
        }
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
        let read = reading.contents(path).map_err(|why| Problem::of_file(path, why.to_string()));
        let (bytes, found) = read?;
        let mode = found.permissions().mode();
        if mode & WRITABLE_BY_OTHERS != 0 {
            let mode = mode & 0o777;
            let what = "may be written by its group or by everyone";
            let what = format!("{what} (mode {mode:03o}), who so decide who may pass; make it 640");
            reading.report.warn(Problem::of_file(path, what));
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
        let outline = std::cell::LazyCell::new(|| Outline::of(&self.text));
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            match error.message().trim() {
                "duplicate key" => self.tell_repeated(span, &outline, reading),
                what => reading.report.broken(self.place(span.start, String::new()).says(syntax(what))),
            }
        }
        table.into_inner()
    }

    fn tell_repeated(self: &Arc<Self>, span: Range<usize>, outline: &Outline<'_>, reading: &Reading<'_>) {
        let (line, _) = self.line_and_column(span.start);
        let key = self.text.get(span.clone()).unwrap_or_default();
        let Some(repeated) = outline.repeated(line, key) else { return };
        let first = repeated.first.map_or(String::new(), |line| format!(", at {}:{line}", self.path.display()));
        let what = repeated.what;
        let place = self.place(span.start, repeated.key);
        let problem = place.says(format!("this {what} is already there{first}; a {what} is given once"));
        reading.report.repeated(problem, &repeated.header);
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

/// What is broken, in the parser's words where they help.
fn syntax(what: &str) -> String {
    match what.starts_with("missing escaped value") {
        true => {
            "not TOML: in double quotes a backslash begins an escape; put a text with backslashes in single quotes, \
                 such as '/v\\d+'"
                .to_owned()
        }
        false => format!("not TOML: {what}"),
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
        let (file, key) = (self.document.path.clone(), self.key.clone());
        Problem { file, line, column, key, of: None, what: what.into() }
    }
}

impl Place {
    /// A problem or warning of the file as a whole.
    pub fn of_file(&self, what: &str) -> Problem {
        Problem::of_file(self.file(), what.to_owned())
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
