//! What files hold, by digests, to tell a change from a mere look of one; knows nothing of what they mean.

use crate::stdx::digest::sha256;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What each of some files held; `None` where it could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content(BTreeMap<PathBuf, Option<[u8; 32]>>);

impl Content {
    /// What these files hold now. Blocks.
    pub fn of(files: &[PathBuf]) -> Self {
        let digest = |file: &PathBuf| (file.clone(), fs::read(file).ok().map(|bytes| sha256(&bytes)));
        Content(files.iter().map(digest).collect())
    }

    /// Whether every file that `known` tells of holds what it did.
    pub fn agrees_with(&self, known: &Content) -> bool {
        known.0.iter().all(|(file, digest)| self.0.get(file) == Some(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_only_written_again_holds_what_it_did_and_another_one_does_not_matter() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "same").expect("written");
        let before = Content::of(std::slice::from_ref(&one));
        for file in [&one, &other] {
            fs::write(file, "same").expect("written");
        }
        assert!(Content::of(&[one.clone(), other.clone()]).agrees_with(&before));
        fs::write(&one, "different").expect("written");
        assert!(!Content::of(&[one.clone(), other.clone()]).agrees_with(&before));
        fs::remove_file(&one).expect("removed");
        assert!(!Content::of(&[one, other]).agrees_with(&before));
    }
}
