//! Service accounts: added with the keys that their programs prove themselves with, and given others; knows no protocol.

use super::change::{self, Changed};
use crate::audit::Event;
use crate::cli::ending::Stopped;
use crate::cli::moment;
use crate::cli::opened::Opened;
use crate::cli::output::{Ink, View, count};
use crate::cli::table::Table;
use crate::factor::client_key;
use crate::identity::{Account, AccountId, AccountKind, AccountName, Credential, CredentialId};
use crate::stdx::clock::Time;
use crate::store::Instead;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Longer files are no keys.
const LONGEST: u64 = 64 * 1024;

/// The fewest characters of a fingerprint that stand for all of it.
const LEAST_PREFIX: usize = 8;

/// Adds an account for a program.
pub async fn open(opened: &Opened, name: AccountName, files: &[PathBuf]) -> anyhow::Result<Changed> {
    let states = read(files, &[])?;
    let kind = AccountKind::Service;
    let account =
        Account { id: AccountId::fresh(), name, groups: Vec::new(), kind, disabled: false, created: opened.now };
    if !opened.store.accounts.add(&account).await? {
        let name = &account.name;
        return Err(Stopped::no(format!(
            "there is an account {name} already; `portcullis account show {name}` shows it"
        )));
    }
    let credentials = credentials(opened, &account, states);
    let (name, groups) = (account.name.clone(), Vec::new());
    let fields = [("kind", kind.as_str().to_owned()), ("keys", fingerprints(&credentials))];
    opened.record(&Event::AccountAdded { account: account.id, name, groups }, &fields).await?;
    opened.store.credentials.reset(account.id, Instead::Credentials(&credentials)).await?;
    let sentence = format!("{} is added, a service account with {}", account.name, count(files.len(), "key"));
    let note = unnamed(opened, &account.name);
    Ok(Changed::of(account, ("added", sentence), note.into_iter().collect()))
}

/// Puts other keys in the place of those that an account has, and ends its sessions.
pub async fn set(opened: &Opened, name: &AccountName, files: &[PathBuf]) -> anyhow::Result<Changed> {
    let states = read(files, &[])?;
    let account = service(opened, name).await?;
    let credentials = credentials(opened, &account, states);
    replace(opened, account, &credentials, ("keys", &credentials)).await
}

/// Gives an account more keys beside those it has. A program goes over to a new one with both good meanwhile.
pub async fn add(opened: &Opened, name: &AccountName, files: &[PathBuf]) -> anyhow::Result<Changed> {
    let account = service(opened, name).await?;
    let held = opened.store.credentials.of(account.id).await?;
    let added = credentials(opened, &account, read(files, &held)?);
    for credential in &added {
        opened.store.credentials.add(credential).await?;
    }
    let all = count(held.len() + added.len(), "key");
    let sentence = format!("{name} has {all} now; its sessions go on");
    change::changed(opened, account, ("keys-added", sentence), &[("keys", fingerprints(&added))]).await
}

/// Takes keys from an account, and ends its sessions: any of them may rest on one.
pub async fn remove(opened: &Opened, name: &AccountName, wanted: &[String]) -> anyhow::Result<Changed> {
    let account = service(opened, name).await?;
    let mut staying = opened.store.credentials.of(account.id).await?;
    let mut going = Vec::new();
    for wanted in wanted {
        let at = the_one(&staying, wanted)
            .map_err(|why| Stopped::no(format!("{name} has {why}; `portcullis account keys {name}` shows its keys")))?;
        going.push(staying.remove(at));
    }
    let mut done = replace(opened, account, &staying, ("keys-removed", &going)).await?;
    if staying.is_empty() {
        done.note(format!(
            "{name} has no key left and proves itself to nobody; `account keys {name} --add FILE` gives one"
        ));
    }
    Ok(done)
}

/// An account's keys.
pub async fn of(opened: &Opened, name: &AccountName) -> anyhow::Result<KeysOf> {
    let account = service(opened, name).await?;
    let keys = opened.store.credentials.of(account.id).await?;
    Ok(KeysOf { account, keys, now: opened.now })
}

/// Keeps these credentials in the place of all, and records which of them came or went.
async fn replace(
    opened: &Opened,
    account: Account,
    credentials: &[Credential],
    (change, concerned): (&'static str, &[Credential]),
) -> anyhow::Result<Changed> {
    let reset = opened.store.credentials.reset(account.id, Instead::Credentials(credentials)).await?;
    let ended = reset.map_or(0, |reset| reset.sessions.len());
    let sentence =
        format!("{} has {} now; {} ended", account.name, count(credentials.len(), "key"), count(ended, "session"));
    let fields = [("keys", fingerprints(concerned))];
    Ok(change::changed(opened, account, (change, sentence), &fields).await?.counting("sessions_ended", ended))
}

async fn service(opened: &Opened, name: &AccountName) -> anyhow::Result<Account> {
    let account = opened.account(name).await?;
    match account.kind {
        AccountKind::Service => Ok(account),
        AccountKind::Person => {
            Err(Stopped::no(format!("{name} is a person's account, which has no keys; a person enrols by a link")))
        }
    }
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

fn fingerprints(credentials: &[Credential]) -> String {
    credentials.iter().map(|key| client_key::fingerprint(&key.state)).collect::<Vec<_>>().join(",")
}

/// The place of the one key that is called so.
fn the_one(held: &[Credential], wanted: &str) -> Result<usize, String> {
    let is_meant = |key: &Credential| {
        let print = client_key::fingerprint(&key.state);
        let begins = wanted.len() >= LEAST_PREFIX && print.starts_with(wanted);
        key.label == wanted || key.id.to_string() == wanted || begins
    };
    let mut found = held.iter().enumerate().filter(|(_, key)| is_meant(key)).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at),
        (Some(_), Some(_)) => Err(format!("several keys {wanted:?}: give more of the fingerprint")),
        (None, _) => Err(format!("no key {wanted:?}")),
    }
}

/// All files are read before anything is changed. No key is taken twice.
fn read(files: &[PathBuf], held: &[Credential]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut known: Vec<String> = held.iter().map(|key| client_key::fingerprint(&key.state)).collect();
    let mut states = Vec::new();
    for file in files {
        let state = read_one(file)?;
        let print = client_key::fingerprint(&state);
        if known.contains(&print) {
            let (shown, label) = (file.display(), client_key::label(&state));
            return Err(Stopped::no(format!("{shown}: it is there already, as {label}")));
        }
        known.push(print);
        states.push(state);
    }
    Ok(states)
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

/// The keys of a service account.
pub struct KeysOf {
    account: Account,
    keys: Vec<Credential>,
    now: Time,
}

impl View for KeysOf {
    fn text(&self, ink: Ink) -> String {
        let name = &self.account.name;
        if self.keys.is_empty() {
            return format!("{name} has no key; `portcullis account keys {name} --add FILE` gives it one");
        }
        let mut table = Table::new(&["key", "fingerprint", "added", "last used"]);
        for key in &self.keys {
            table.row([
                key.label.clone(),
                client_key::fingerprint(&key.state),
                moment::date(key.created),
                key.used.map_or_else(|| "never".to_owned(), |at| moment::ago(self.now, at)),
            ]);
        }
        table.text(ink, "")
    }

    fn json(&self) -> Value {
        let key = |key: &Credential| {
            json!({
                "id": key.id.to_string(),
                "label": key.label,
                "fingerprint": client_key::fingerprint(&key.state),
                "added": key.created.to_string(),
                "used": key.used.map(|at| at.to_string()),
            })
        };
        let keys: Vec<Value> = self.keys.iter().map(key).collect();
        json!({ "id": self.account.id.to_string(), "account": self.account.name.as_str(), "keys": keys })
    }
}
