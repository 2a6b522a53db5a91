//! What lies in the state directory: the store, the master key, the signing keys; and the rules built on them.

use super::master;
use super::owner::{self, Exposed, Foreign};
use super::posting::Codes;
use crate::audit::Recorder;
use crate::courier::Outbox;
use crate::edition::{MessagePlan, PasskeyPlan, Plan, PortalPlan};
use crate::factor::message::{self, Message};
use crate::factor::passkey::{self, Passkey};
use crate::factor::password::{Password, Settings};
use crate::factor::recovery_code::RecoveryCode;
use crate::factor::totp::Totp;
use crate::factor::{self, Factor, Factors};
use crate::login::{Login, Seals};
use crate::stdx::clock::Time;
use crate::stdx::seal::MasterKey;
use crate::store::embedded::{self, OpenFailure};
use crate::store::{Chain, FileId, Store};
use crate::token::{KeyFailure, Keyring};
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
    /// It is another user's.
    #[error(transparent)]
    Foreign(Foreign),
    /// Others may change what is in it.
    #[error(transparent)]
    Exposed(Exposed),
    /// It cannot be looked at.
    #[error("{} cannot be looked at: {error}", .path.display())]
    Unseen {
        /// The directory, or what lies in it.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// What lies there cannot be used, however often it is tried.
    #[error("{what} {}: {why}", .path.display())]
    Unfit {
        /// Which it is.
        what: &'static str,
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
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
    /// Opens the state directory, making what is missing. Needs a Tokio runtime around it.
    ///
    /// # Errors
    /// What cannot be used, and where it lies.
    pub async fn open(directory: &Path, now: Time) -> Result<Self, StateFailure> {
        let (store, master) = open(directory).await?;
        let master = master?;
        let keys = Arc::new(Keyring::open(store.keys.clone(), master.seal("signing-key"), now).await?);
        Ok(State { store, master, keys })
    }

    /// The rules of signing in, as configured; codes go into `codes`.
    pub fn login(&self, plan: &Plan, recorder: Recorder, codes: &Outbox) -> Login {
        let seals = Seals {
            attempt: self.master.seal("attempt"),
            ceremony: self.master.seal("ceremony"),
            devices: self.master.mac("device"),
        };
        Login::new(self.store.clone(), factors(plan, &self.master, codes), recorder, seals)
    }
}

/// The file of the store in a state directory, if there is one.
///
/// # Errors
/// If it is another user's, others may change it, or it cannot be looked at.
pub fn store_in(directory: &Path) -> Result<Option<FileId>, StateFailure> {
    let path = directory.join(STORE);
    owner::check(&[directory, &path])?;
    Ok(owner::look(&path)?.map(|found| FileId::of(&found)))
}

/// The store in a state directory; made with its key if there is none. Any other user's files in it, root's among them,
/// would keep the gateway out. Needs a Tokio runtime around it.
///
/// # Errors
/// If it is another user's, others may change it, it cannot be opened, or its key is not there.
pub async fn open_store(directory: &Path) -> Result<Store, StateFailure> {
    let (store, master) = open(directory).await?;
    master.map(|_| store)
}

/// The same, and what is wrong with its key, if something is: then nothing can be added to its record.
///
/// # Errors
/// If it is another user's, others may change it, or it cannot be opened.
pub async fn open_store_without_key(directory: &Path) -> Result<(Store, Option<StateFailure>), StateFailure> {
    let (store, master) = open(directory).await?;
    Ok((store, master.err()))
}

/// The store, which chains its record under the master key, and that key.
async fn open(directory: &Path) -> Result<(Store, Result<MasterKey, StateFailure>), StateFailure> {
    let (path, keys) = (directory.join(STORE), directory.join(KEYS));
    owner::check(&[directory, &path])?;
    owner::closed(&keys)?;
    let store = embedded::open(&path, factor::named).await;
    let store = store.map_err(|failure| match failure {
        OpenFailure::Unfit(why) => StateFailure::Unfit { what: "the store in", path, why },
        OpenFailure::Unavailable(why) => StateFailure::Store { path, why },
    })?;
    let master = master::open(&keys.join(MASTER), &*store.keys).await;
    if let Ok(master) = &master {
        store.events.bind(Chain::new(master.mac("record")));
    }
    Ok((store, master))
}

/// The configured factors, each with the key of its purpose; codes go into `codes`.
pub(super) fn factors(plan: &Plan, master: &MasterKey, codes: &Outbox) -> Factors {
    let mut factors: Vec<Arc<dyn Factor>> = Vec::new();
    if let Some(password) = &plan.factors.password {
        let block_list = plan.portal.iter().map(|portal| portal.name.clone()).collect();
        let settings = Settings { min_length: password.min_length, block_list };
        factors.push(Arc::new(Password::new(settings, master.mac("password-pepper"))));
    }
    if let Some(totp) = &plan.factors.totp {
        factors.push(Arc::new(Totp::new(totp.issuer.clone(), master.seal("totp-seed"))));
    }
    if let (Some(passkey), Some(portal)) = (&plan.factors.passkey, &plan.portal) {
        factors.extend(passkeys(passkey, portal));
    }
    if let (Some(sent), Some(portal)) = (&plan.factors.message, &plan.portal) {
        factors.push(Arc::new(messages(sent, portal, master, codes)));
    }
    if plan.factors.recovery_code {
        factors.push(Arc::new(RecoveryCode::new()));
    }
    Factors::new(factors)
}

/// Passkeys of the portal's host; `None` if its settings do not fit one another.
fn passkeys(plan: &PasskeyPlan, portal: &PortalPlan) -> Option<Arc<dyn Factor>> {
    let (origin, name, rules) = (portal.origin.clone(), portal.name.clone(), plan.rules.clone());
    match Passkey::new(&passkey::Settings { rp_id: plan.rp_id.clone(), origin, name, rules }) {
        Ok(passkey) => Some(Arc::new(passkey)),
        Err(error) => {
            tracing::error!(%error, "nobody can use a passkey");
            None
        }
    }
}

/// Codes that are sent: they go into `codes`.
fn messages(plan: &MessagePlan, portal: &PortalPlan, master: &MasterKey, codes: &Outbox) -> Message {
    let settings = message::Settings {
        digits: plan.digits,
        per_source: plan.per_source,
        channels: plan.channels.clone(),
        text: plan.text.clone(),
        subject: plan.subject.clone(),
        portal: portal.name.clone(),
        host: portal.host.clone(),
    };
    Message::new(settings, message::Keys::of(master), Arc::new(Codes::new(plan, codes)))
}
