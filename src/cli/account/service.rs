//! Service accounts: added with the keys that their programs prove themselves with, and given others; knows no protocol.

use super::change::{self, Changed};
use crate::audit::Event;
use crate::cli::ending::Stopped;
use crate::cli::opened::Opened;
use crate::cli::output::count;
use crate::factor::client_key;
use crate::identity::{Account, AccountId, AccountKind, AccountName, Credential, CredentialId};
use crate::store::Instead;
use std::path::{Path, PathBuf};

/// Longer files are no keys.
const LONGEST: u64 = 64 * 1024;

/// Adds an account for a program.
pub async fn add(opened: &Opened, name: AccountName, files: &[PathBuf]) -> anyhow::Result<Changed> {
    let states = read(files)?;
    let kind = AccountKind::Service;
    let account =
        Account { id: AccountId::fresh(), name, groups: Vec::new(), kind, disabled: false, created: opened.now };
    if !opened.store.accounts.add(&account).await? {
        let name = &account.name;
        return Err(Stopped::no(format!(
            "there is an account {name} already; `portcullis account show {name}` shows it"
        )));
    }
    let (name, groups) = (account.name.clone(), Vec::new());
    opened
        .record(&Event::AccountAdded { account: account.id, name, groups }, &[("kind", kind.as_str().into())])
        .await?;
    let credentials = credentials(opened, &account, states);
    opened.store.credentials.reset(account.id, Instead::Credentials(&credentials)).await?;
    let sentence = format!("{} is added, a service account with {}", account.name, count(files.len(), "key"));
    let note = unnamed(opened, &account.name);
    Ok(Changed::of(account, ("added", sentence), note.into_iter().collect()))
}

/// Puts other keys in the place of those that an account has, and ends its sessions.
pub async fn set_keys(opened: &Opened, name: &AccountName, files: &[PathBuf]) -> anyhow::Result<Changed> {
    let states = read(files)?;
    let account = opened.account(name).await?;
    if account.kind != AccountKind::Service {
        return Err(Stopped::no(format!("{name} is a person's account, which has no keys; a person enrols by a link")));
    }
    let credentials = credentials(opened, &account, states);
    let reset = opened.store.credentials.reset(account.id, Instead::Credentials(&credentials)).await?;
    let ended = reset.map_or(0, |reset| reset.sessions.len());
    let sentence = format!("{name} has {}; {} ended", count(files.len(), "key"), count(ended, "session"));
    change::changed(opened, account, ("keys", sentence), &[("keys", files.len().to_string())]).await
}

fn credentials(opened: &Opened, account: &Account, states: Vec<Vec<u8>>) -> Vec<Credential> {
    let credential = |state: Vec<u8>| Credential {
        id: CredentialId::fresh(),
        account: account.id,
        factor: client_key::NAME,
        label: client_key::label(&state),
        created: opened.now,
        used: None,
        handle: None,
        state,
        version: 0,
    };
    states.into_iter().map(credential).collect()
}

/// All files are read before anything is changed.
fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    files.iter().map(|file| read_one(file)).collect()
}

fn read_one(file: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = file.display();
    let found = std::fs::metadata(file).map_err(|error| Stopped::no(format!("{shown}: {error}")))?;
    if !found.is_file() || found.len() > LONGEST {
        return Err(Stopped::no(format!("{shown}: it is no file with a key")));
    }
    let text = std::fs::read(file).map_err(|error| Stopped::no(format!("{shown}: {error}")))?;
    client_key::read(&text).map_err(|why| Stopped::no(format!("{shown}: {why}")))
}

/// A note on an account that no policy names: it is admitted nowhere but where everyone is.
fn unnamed(opened: &Opened, name: &AccountName) -> Option<String> {
    let named = opened.essentials.service_accounts.as_ref()?;
    (!named.contains(name)).then(|| format!("no policy admits it yet; give one service_accounts = [\"{name}\"]"))
}
