//! The master key: a file beside the store, its owner's alone, and the very one that the store was made with.

use super::{StateFailure, owner};
use crate::stdx::entropy;
use crate::stdx::seal::MasterKey;
use crate::store::Keys;
use data_encoding::HEXLOWER;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Reads the master key at `path`, or makes it where the store has never had one. Needs a Tokio runtime around it.
///
/// # Errors
/// If it cannot be read or made, others may read it, or it is not the key that the store was made with.
pub(super) async fn open(path: &Path, keys: &dyn Keys) -> Result<MasterKey, StateFailure> {
    let failed = |why: String| StateFailure::Master { path: path.to_owned(), why };
    let down =
        |error: crate::store::Unavailable| failed(format!("nobody can say whether it is the right one: {error}"));
    let known = keys.master().await.map_err(down)?;
    let master = match read(path)? {
        Some(master) => master,
        None if known.is_some() => return Err(failed(GONE.to_owned())),
        None => {
            make(path).map_err(|error| failed(error.to_string()))?;
            read(path)?.ok_or_else(|| failed("it vanished as soon as it was made".to_owned()))?
        }
    };
    let ours = *master.derive("fingerprint");
    let theirs = match known {
        Some(theirs) => theirs,
        None => keys.settle_master(ours).await.map_err(down)?,
    };
    if ours == theirs { Ok(master) } else { Err(unfit(path, other(&ours, &theirs))) }
}

fn unfit(path: &Path, why: String) -> StateFailure {
    StateFailure::Unfit { what: "the master key", path: path.to_owned(), why }
}

const GONE: &str = "it is gone, and the store was made with it: put it back from the backup. Without it nobody's factors \
                    can be read and the record cannot be continued; to begin anew without them, move the store away as \
                    well";

/// What is said of a key that is not the store's: the beginnings of both fingerprints, which tell nothing of the keys.
fn other(ours: &[u8; 32], theirs: &[u8; 32]) -> String {
    let short = |fingerprint: &[u8; 32]| HEXLOWER.encode(fingerprint.first_chunk::<4>().unwrap_or(&[0; 4]));
    format!(
        "it is another key (fingerprint {}) than the store was made with ({}): put that one back from the backup; with \
         this one nobody's factors could be read and the record could not be continued",
        short(ours),
        short(theirs)
    )
}

/// The key, if there is one.
fn read(path: &Path) -> Result<Option<MasterKey>, StateFailure> {
    let failed = |why: String| StateFailure::Master { path: path.to_owned(), why };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    owner::check(&[path])?;
    let mode = file.metadata().map_err(|error| failed(error.to_string()))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let shown = path.display();
        return Err(unfit(path, format!("its mode is {mode:04o}, so others may read it: chmod 0600 {shown}")));
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(64));
    file.read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    let bytes = <[u8; 32]>::try_from(&bytes[..]).map_err(|_| unfit(path, "it is not 32 bytes long".to_owned()))?;
    Ok(Some(MasterKey::new(bytes)))
}

/// Written beside under a name of its own and linked into place, so that nobody ever reads half a key and nobody's key
/// is replaced: of several processes that make it at once, one wins.
fn make(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let beside = path.with_extension(crate::stdx::id::base32(&entropy::bytes::<8>()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(MasterKey::fresh().expose()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&beside, path));
    fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // The name must survive a power cut as the key does: the store will know its fingerprint for ever.
        Ok(()) => File::open(directory)?.sync_all(),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, memory};
    use std::path::PathBuf;
    use tempfile::TempDir;

    struct Case {
        directory: TempDir,
        store: Store,
    }

    impl Case {
        fn new() -> Self {
            Case { directory: tempfile::tempdir().expect("a directory"), store: memory::open() }
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("keys").join("master.key")
        }

        async fn open(&self) -> Result<MasterKey, StateFailure> {
            open(&self.path(), &*self.store.keys).await
        }

        async fn refusal(&self) -> String {
            self.open().await.err().expect("it is refused").to_string()
        }

        fn put(&self, bytes: &[u8]) {
            fs::write(self.path(), bytes).expect("written");
        }

        fn set_mode(&self, mode: u32) {
            fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).expect("it is ours");
        }
    }

    #[tokio::test]
    async fn the_master_key_is_made_once_and_kept() {
        let case = Case::new();
        let (first, again) = (case.open().await.expect("a key"), case.open().await.expect("a key"));
        assert_eq!(first.expose(), again.expose());
        let entries = fs::read_dir(case.directory.path().join("keys")).expect("readable").count();
        assert_eq!(entries, 1, "nothing is left beside the key");
        let mode = fs::metadata(case.path()).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_lost_master_key_is_not_replaced_by_a_new_one() {
        let case = Case::new();
        case.open().await.expect("a key");
        fs::remove_file(case.path()).expect("it was there");
        assert!(case.refusal().await.contains("put it back from the backup"));
        assert!(!case.path().exists());
    }

    #[tokio::test]
    async fn another_master_key_than_the_store_s_is_refused_and_the_right_one_is_taken_back() {
        let case = Case::new();
        let right = case.open().await.expect("a key");
        case.put(&[7; 32]);
        let said = case.refusal().await;
        assert!(
            said.contains("master.key") && said.contains("it is another key") && said.contains("put that one back")
        );
        case.put(right.expose());
        case.open().await.expect("the right one");
    }

    #[tokio::test]
    async fn a_master_key_that_others_may_read_is_refused() {
        let case = Case::new();
        case.open().await.expect("a key");
        for mode in [0o640, 0o604, 0o660] {
            case.set_mode(mode);
            let said = case.refusal().await;
            assert!(said.contains(&format!("mode is {mode:04o}")) && said.contains("chmod 0600"), "{said}");
        }
        case.set_mode(0o400);
        case.open().await.expect("nobody else may read it");
    }

    #[tokio::test]
    async fn a_master_key_of_another_length_is_refused() {
        let case = Case::new();
        case.open().await.expect("a key");
        case.put(b"short");
        assert!(case.refusal().await.contains("not 32 bytes"));
    }
}
