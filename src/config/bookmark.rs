//! The file that a reading is at, for whoever wonders why it takes so long; knows nothing of what is read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lies where one reading is. Clones lie in the same place.
#[derive(Clone, Debug, Default)]
pub struct Bookmark(Arc<Mutex<Option<PathBuf>>>);

impl Bookmark {
    /// The file that is being opened or read now; `None` between two files.
    pub fn file(&self) -> Option<PathBuf> {
        self.lock().clone()
    }

    /// It lies at `file` while `read` runs.
    pub(super) fn during<T>(&self, file: &Path, read: impl FnOnce() -> T) -> T {
        *self.lock() = Some(file.to_owned());
        let read = read();
        *self.lock() = None;
        read
    }

    /// Written by the reading, read by status and log; never held while a file is read.
    fn lock(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_at_a_file_for_as_long_as_that_is_read() {
        let bookmark = Bookmark::default();
        let seen = bookmark.during(Path::new("a.toml"), || bookmark.clone().file());
        assert_eq!((seen, bookmark.file()), (Some(PathBuf::from("a.toml")), None));
    }
}
