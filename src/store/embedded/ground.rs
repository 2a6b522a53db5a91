//! The file under its path: whether the one that was opened still lies there. A store that was moved away or replaced
//! would go on working on a file that nobody else sees, and forget everything with the process.

use super::database::Database;
use super::{Result, Unavailable};
use crate::store::Ground;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The file that a store was opened on.
pub(super) struct File {
    path: PathBuf,
    /// Device and inode. Written by the first look, compared by every later one.
    found: OnceLock<(u64, u64)>,
}

impl File {
    /// Looks at nothing yet.
    pub fn new(path: &Path) -> Self {
        File { path: path.to_owned(), found: OnceLock::new() }
    }

    /// Whether the file under the path is the one that was first found there.
    pub fn check(&self) -> Result<()> {
        let path = self.path.display();
        match fs::metadata(&self.path) {
            Ok(now) => {
                let now = (now.dev(), now.ino());
                if *self.found.get_or_init(|| now) == now { Ok(()) } else { Err(Unavailable(replaced(&self.path))) }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Unavailable(format!("its file {path} is gone: put it back, or restart the gateway for a new one")))
            }
            Err(error) => Err(Unavailable(format!("its file {path} cannot be looked at: {error}"))),
        }
    }
}

fn replaced(path: &Path) -> String {
    let path = path.display();
    format!("another file lies in place of {path}: restart the gateway to use it, or put the old one back")
}

impl Ground for Database {
    fn check(&self) -> Result<()> {
        self.file.check()
    }
}
