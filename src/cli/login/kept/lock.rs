//! A file that stands for the right to change another, held by one command at a time; knows not what it guards.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Held until it is dropped.
pub struct Lock {
    path: PathBuf,
    /// Released when it is closed.
    _file: File,
}

/// Waits until nobody else holds it. `busy` is called before that is waited for.
///
/// # Errors
/// If the file cannot be made or locked.
pub fn hold(path: &Path, busy: impl Fn() -> io::Result<()>) -> io::Result<Lock> {
    loop {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                busy()?;
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever held it before may have removed it, and a third made another.
        if fs::symlink_metadata(path).is_ok_and(|found| is_same(&found, &file)) {
            return Ok(Lock { path: path.to_owned(), _file: file });
        }
    }
}

fn is_same(found: &Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|open| (open.dev(), open.ino()) == (found.dev(), found.ino()))
}

impl Lock {
    /// Removes the file while it is held. Where that fails, an empty file stays.
    pub fn leave_nothing(&self) {
        drop(fs::remove_file(&self.path));
    }
}
