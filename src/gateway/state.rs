//! What lies in the state directory: the store, the master key, the signing keys; and the rules built on them.

use crate::audit::{Recorder, Reported};
use crate::edition::Plan;
use crate::factor::password::{Password, Settings};
use crate::factor::recovery_code::RecoveryCode;
use crate::factor::totp::Totp;
use crate::factor::{self, Factor, Factors};
use crate::login::Login;
use crate::stdx::clock::Time;
use crate::stdx::entropy;
use crate::stdx::seal::MasterKey;
use crate::store::{Store, embedded};
use crate::token::{KeyFailure, Keyring, Mint};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The store's file in the state directory.
const STORE: &str = "portcullis.db";

/// The directory of keys in the state directory.
const KEYS: &str = "keys";

/// The master key's file in the directory of keys.
const MASTER: &str = "master.key";

/// The state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFailure {
    /// The store cannot be opened.
    #[error("the store in {}: {why}", .path.display())]
    Store {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The master key cannot be read or made.
    #[error("the master key {}: {why}", .path.display())]
    Master {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The signing keys cannot be read or made.
    #[error(transparent)]
    Keys(#[from] KeyFailure),
}

/// The opened state directory.
pub struct State {
    /// What survives a restart.
    pub store: Store,
    /// The key that every other key is derived from.
    pub master: MasterKey,
    /// The keys that sign assertions.
    pub keys: Arc<Keyring>,
}

impl State {
    /// Opens the state directory, making what is missing.
    ///
    /// # Errors
    /// What cannot be used, and where it lies.
    pub async fn open(directory: &Path, now: Time) -> Result<Self, StateFailure> {
        let store = open_store(directory).await?;
        check_master(directory, &store).await?;
        let master = master_key(directory)?;
        let keys = Arc::new(Keyring::open(&directory.join(KEYS), now)?);
        Ok(State { store, master, keys })
    }

    /// The rules of signing in, as configured.
    pub fn login(&self, plan: &Plan, recorder: Recorder) -> Login {
        Login::new(self.store.clone(), factors(plan, &self.master), recorder, self.master.seal("attempt"))
    }

    /// What signs assertions, if there is a portal to sign for.
    pub fn mint(&self, plan: &Plan) -> Option<Arc<Mint>> {
        let portal = plan.portal.as_ref()?;
        Some(Arc::new(Mint::new(self.keys.clone(), portal.origin.as_str().into())))
    }
}

/// The store in a state directory, for commands beside a gateway.
///
/// # Errors
/// If it cannot be opened.
pub async fn open_store(directory: &Path) -> Result<Store, StateFailure> {
    let path = directory.join(STORE);
    embedded::open(&path, factor::named).await.map_err(|error| StateFailure::Store { path, why: error.0 })
}

/// The rules of signing in over a store, for commands beside a gateway, and the queue of what they report.
///
/// # Errors
/// If the master key cannot be read.
pub fn open_login(plan: &Plan, store: Store) -> Result<(Login, Reported), StateFailure> {
    let master = master_key(&plan.gateway.state)?;
    let (recorder, reported) = Recorder::new();
    Ok((Login::new(store, factors(plan, &master), recorder, master.seal("attempt")), reported))
}

/// The configured factors, each with the key of its purpose.
pub(super) fn factors(plan: &Plan, master: &MasterKey) -> Factors {
    let mut factors: Vec<Arc<dyn Factor>> = Vec::new();
    if let Some(password) = &plan.factors.password {
        let block_list = plan.portal.iter().map(|portal| portal.name.clone()).collect();
        let settings = Settings { min_length: password.min_length, block_list };
        factors.push(Arc::new(Password::new(settings, master.mac("password-pepper"))));
    }
    if let Some(totp) = &plan.factors.totp {
        factors.push(Arc::new(Totp::new(totp.issuer.clone(), master.seal("totp-seed"))));
    }
    if plan.factors.recovery_code {
        factors.push(Arc::new(RecoveryCode::new()));
    }
    Factors::new(factors)
}

/// A missing master key is made only where nothing depends on an old one: with another key every credential in the store
/// is unreadable, and everybody would be told that their password is wrong.
async fn check_master(directory: &Path, store: &Store) -> Result<(), StateFailure> {
    let path = directory.join(KEYS).join(MASTER);
    if path.exists() {
        return Ok(());
    }
    let unreadable =
        |error: crate::store::Unavailable| StateFailure::Store { path: directory.join(STORE), why: error.0 };
    for account in store.accounts.list().await.map_err(unreadable)? {
        if !store.credentials.of(account.id).await.map_err(unreadable)?.is_empty() {
            let why = "it is gone, but the store holds credentials that only it opens; restore it from the backup";
            return Err(StateFailure::Master { path, why: why.to_owned() });
        }
    }
    Ok(())
}

/// Reads the master key, or makes it where there is none. Of several processes that make it at once, one wins and the
/// others read what it wrote.
fn master_key(directory: &Path) -> Result<MasterKey, StateFailure> {
    let path = directory.join(KEYS).join(MASTER);
    let failed = |why: String| StateFailure::Master { path: path.clone(), why };
    match fs::read(&path) {
        Ok(bytes) => parse(&bytes).ok_or_else(|| failed("it is not 32 bytes long".to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(&path).map_err(|error| failed(error.to_string()))?;
            let bytes = fs::read(&path).map_err(|error| failed(error.to_string()))?;
            parse(&bytes).ok_or_else(|| failed("it is not 32 bytes long".to_owned()))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

fn parse(bytes: &[u8]) -> Option<MasterKey> {
    Some(MasterKey::new(bytes.try_into().ok()?))
}

/// Written beside under a name of its own and linked into place, so that nobody ever reads half a key and nobody's key
/// is replaced.
fn make(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let suffix = crate::stdx::id::base32(&entropy::bytes::<8>());
    let beside = directory.join(format!(".{MASTER}.{suffix}"));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(MasterKey::fresh().expose()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&beside, path));
    fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_master_key_is_made_once_and_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = master_key(directory.path()).expect("a key");
        let again = master_key(directory.path()).expect("a key");
        assert_eq!(first.expose(), again.expose());
        let entries = fs::read_dir(directory.path().join(KEYS)).expect("readable").count();
        assert_eq!(entries, 1, "nothing is left beside the key");
    }

    #[tokio::test]
    async fn a_lost_master_key_is_not_replaced_while_credentials_depend_on_it() {
        use crate::identity::{Account, AccountId, AccountName, Credential, CredentialId};
        let directory = tempfile::tempdir().expect("a directory");
        let state = State::open(directory.path(), Time::from_secs(1)).await.expect("a new state");
        let account = Account {
            id: AccountId::new([1; 16]),
            name: AccountName::parse("alice").expect("a valid name"),
            groups: Vec::new(),
            disabled: false,
            created: Time::EPOCH,
        };
        let credential = Credential {
            id: CredentialId::new([1; 16]),
            account: account.id,
            factor: factor::password::NAME,
            label: String::new(),
            created: Time::EPOCH,
            used: None,
            state: vec![1],
            version: 0,
        };
        state.store.accounts.add(&account).await.expect("the store");
        state.store.credentials.add(&credential).await.expect("the store");
        fs::remove_file(directory.path().join(KEYS).join(MASTER)).expect("it was there");
        let failure = State::open(directory.path(), Time::from_secs(2)).await.err().expect("a failure");
        assert!(failure.to_string().contains("restore it from the backup"), "{failure}");
    }

    #[test]
    fn a_master_key_of_another_length_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join(KEYS)).expect("made");
        fs::write(directory.path().join(KEYS).join(MASTER), b"short").expect("written");
        assert!(master_key(directory.path()).is_err());
    }
}
