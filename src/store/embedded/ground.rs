//! The file under its path, and its log beside it: whether those that were opened still lie there. A store that was moved away or replaced
//! would go on working on a file that nobody else sees, and forget everything with the process.

use super::database::Database;
use super::{Result, Unavailable};
use crate::store::{FileId, Ground};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The file that a store was opened on.
pub(super) struct File {
    path: PathBuf,
    /// Written by the first look, compared by every later one.
    found: OnceLock<FileId>,
    /// The log and its index, which lie beside the file as long as a connection is open. Written when the first
    /// connection is, compared by every later look.
    beside: OnceLock<Vec<(PathBuf, FileId)>>,
}

/// What SQLite adds to the file's name for its log, and for the log's index.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

impl File {
    /// Looks at nothing yet.
    pub fn new(path: &Path) -> Self {
        File { path: path.to_owned(), found: OnceLock::new(), beside: OnceLock::new() }
    }

    /// Remembers what lies beside the file: a connection is open, which keeps it there.
    ///
    /// # Errors
    /// If nothing does.
    pub fn remember_beside(&self) -> Result<()> {
        let mut beside = Vec::with_capacity(BESIDE.len());
        for suffix in BESIDE {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            let path = PathBuf::from(path);
            let lies_there = at(&path).map_err(|_| Unavailable(parted(&path)))?;
            beside.push((path, lies_there));
        }
        self.beside.get_or_init(|| beside);
        Ok(())
    }

    /// Whether the file under the path is the one that was first found there, and its log the one that is written to.
    pub fn check(&self) -> Result<()> {
        let path = self.path.display();
        match at(&self.path) {
            Ok(now) if *self.found.get_or_init(|| now) == now => self.check_beside(),
            Ok(_) => Err(Unavailable(replaced(&self.path))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Unavailable(format!("its file {path} is gone: put it back, or restart the gateway for a new one")))
            }
            Err(error) => Err(Unavailable(format!("its file {path} cannot be looked at: {error}"))),
        }
    }

    fn check_beside(&self) -> Result<()> {
        let mut beside = self.beside.get().into_iter().flatten();
        let lost = beside.find(|(path, remembered)| at(path).ok() != Some(*remembered));
        lost.map_or(Ok(()), |(path, _)| Err(Unavailable(parted(path))))
    }
}

fn at(path: &Path) -> io::Result<FileId> {
    fs::metadata(path).map(|found| FileId::of(&found))
}

fn parted(path: &Path) -> String {
    let path = path.display();
    format!("{path}, which belongs to its file, is gone or another's: put it back, or restart the gateway")
}

fn replaced(path: &Path) -> String {
    let path = path.display();
    format!("another file lies in place of {path}: restart the gateway to use it, or put the old one back")
}

impl Ground for Database {
    fn check(&self) -> Result<()> {
        self.file.check()
    }

    fn file(&self) -> Option<FileId> {
        self.file.found.get().copied()
    }
}
