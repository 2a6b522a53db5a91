//! The file under its path, and its log beside it: whether those that were opened still lie there. A store that was moved
//! away or replaced would go on working on a file that nobody else sees, and forget everything with the process.

use super::database::Database;
use super::{Result, Unavailable};
use crate::store::{FileId, Ground};
use async_trait::async_trait;
use sqlx::Row;
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

    /// What was found when it was opened, by name.
    fn files(&self) -> Vec<(String, FileId)> {
        let file = self.found.get().map(|found| (self.path.as_path(), *found));
        let beside = self.beside.get().into_iter().flatten().map(|(path, found)| (path.as_path(), *found));
        let named = |(path, found): (&Path, FileId)| Some((path.file_name()?.to_string_lossy().into_owned(), found));
        file.into_iter().chain(beside).filter_map(named).collect()
    }

    /// Whether a log that was begun anew in place of the one that is open is still empty. What is copied into the file
    /// beside any other would be mixed with what that one holds.
    fn check_no_other_log(&self) -> Result<()> {
        let Some((path, ours)) = self.beside.get().and_then(|beside| beside.first()) else { return Ok(()) };
        match fs::metadata(path) {
            Ok(found) if FileId::of(&found) != *ours && found.len() > 0 => Err(Unavailable(format!(
                "another program has written to a new {}: move it away, and restart the gateway",
                path.display()
            ))),
            Ok(_) | Err(_) => Ok(()),
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
    format!(
        "{path}, which belongs to its file, is gone or another's: put it back, or restart the gateway (SIGTERM, never \
         kill -9), which still holds what was written and writes it back as it ends"
    )
}

fn replaced(path: &Path) -> String {
    let path = path.display();
    format!("another file lies in place of {path}: restart the gateway to use it, or put the old one back")
}

#[async_trait]
impl Ground for Database {
    fn check(&self) -> Result<()> {
        self.file.check()
    }

    fn files(&self) -> Vec<(String, FileId)> {
        self.file.files()
    }

    async fn write_back(&self) -> Result<()> {
        self.file.check_no_other_log()?;
        let copied = self.read_through_anchor(sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")).await?;
        let Some(row) = copied.first() else { return Ok(()) };
        let (logged, copied): (i64, i64) = (row.try_get("log")?, row.try_get("checkpointed")?);
        // What somebody still reads stays in the log, where the next who opens it finds it, if it has its name.
        if copied >= logged || self.file.check().is_ok() {
            return Ok(());
        }
        Err(Unavailable(format!("somebody reads it, so only {copied} of {logged} pages of its log are copied into it")))
    }
}
