//! The configuration and the store, opened by a command beside a running gateway or without one; decides nothing.

use super::ending::Stopped;
use super::record;
use super::settings::ConfigFile;
use crate::audit::Event;
use crate::edition::Plan;
use crate::gateway;
use crate::identity::{Account, AccountName, Session};
use crate::login::ENROLMENT_LIFE;
use crate::stdx::clock::{Clock, SystemClock, Time};
use crate::store::Store;
use anyhow::Context;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tokio::net::UnixStream;

/// What commands on accounts, sessions and events work with.
pub struct Opened {
    /// The configuration.
    pub plan: Plan,
    /// The store.
    pub store: Store,
    /// When the command was given.
    pub now: Time,
}

/// What to do where there is no store yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Make one.
    Make,
    /// Say so.
    Say,
}

/// A way in for a person, good once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The address to open.
    pub address: String,
    /// Until when.
    pub expires: Time,
}

impl Opened {
    /// Opens the store of a configuration, as the user whose store it is: any other user's files in it, root's among
    /// them, would keep the gateway out.
    ///
    /// # Errors
    /// If the configuration has problems, the store is another user's, or it cannot be opened.
    pub async fn open(config: &ConfigFile, absent: Absent) -> anyhow::Result<Self> {
        Self::over(config.load()?.plan, absent).await
    }

    /// The same for a configuration that was loaded already.
    ///
    /// # Errors
    /// If the store is another user's, or cannot be opened.
    pub async fn over(plan: Plan, absent: Absent) -> anyhow::Result<Self> {
        let state = &plan.gateway.state;
        may_open(state, absent)?;
        let store = gateway::open_store(state).await.with_context(|| format!("in {}", state.display()))?;
        Ok(Opened { plan, store, now: SystemClock.now() })
    }

    /// The account of that name.
    ///
    /// # Errors
    /// If there is none, or the store cannot be asked.
    pub async fn account(&self, name: &AccountName) -> anyhow::Result<Account> {
        let account = self.store.accounts.by_name(name).await?;
        account.ok_or_else(|| Stopped::no(format!("there is no account {name}; `portcullis account list` shows all")))
    }

    /// The sessions of an account that have not ended by themselves, newest use first.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub async fn sessions(&self, account: &Account) -> anyhow::Result<Vec<Session>> {
        let mut sessions = self.store.sessions.of(account.id).await?;
        sessions.retain(|session| self.lives(session));
        Ok(sessions)
    }

    /// Whether a session has not ended by itself.
    pub fn lives(&self, session: &Session) -> bool {
        self.plan.sessions.end_of(session.created, session.used) > self.now
    }

    /// Appends an event to the durable record, with who gave the command and with `more` fields.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn record(&self, event: &Event, more: &[(&str, String)]) -> anyhow::Result<()> {
        self.store.events.append(&[record::row(self.now, event, more)]).await?;
        Ok(())
    }

    /// Makes a link by which a person enrols, and records it; links made before end.
    ///
    /// # Errors
    /// If nobody can enrol with this configuration, or the store cannot be written.
    pub async fn offer(&self, account: &Account) -> anyhow::Result<Link> {
        let portal = self.portal()?;
        // What it reports is recorded below, with who gave the command.
        let (login, _reported) = gateway::open_login(&self.plan, self.store.clone())?;
        let token = login.offer(account.id, self.now).await?;
        let named = ("name", account.name.to_string());
        self.record(&Event::EnrolmentOffered { account: account.id }, &[named]).await?;
        let address = format!("{portal}/enrol/{}", token.text().as_str());
        Ok(Link { address, expires: self.now.plus(ENROLMENT_LIFE) })
    }

    /// The portal's origin.
    ///
    /// # Errors
    /// If there is no portal.
    pub fn portal(&self) -> anyhow::Result<&str> {
        let portal = self.plan.portal.as_ref();
        portal.map(|portal| portal.origin.as_str()).ok_or_else(|| {
            Stopped::no("the configuration has no [portal]: there is nowhere to enrol and nowhere to sign in")
        })
    }
}

/// Whether this user may open the store in `state`.
fn may_open(state: &Path, absent: Absent) -> anyhow::Result<()> {
    let shown = state.display();
    match fs::metadata(state) {
        Ok(found) if found.uid() == our_user()? => Ok(()),
        Ok(found) => Err(anyhow::anyhow!(
            "the store in {shown} is not this user's\nrun as the user {owner}: sudo -u {owner} {}",
            command(),
            owner = name_of(found.uid())
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound && absent == Absent::Make => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Stopped::no(format!(
            "there is no store in {shown} yet; the gateway makes it when it starts, and `portcullis account add` does"
        ))),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(anyhow::anyhow!(
            "this user may not look into {shown}\nrun as the user that the gateway runs as: sudo -u portcullis {}",
            command()
        )),
        Err(error) => Err(anyhow::anyhow!("{shown} cannot be looked into: {error}")),
    }
}

/// The number of the user this process runs as: what the kernel says of the other end of a pair of sockets.
fn our_user() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

/// A user's name, or their number where the system knows none.
fn name_of(user: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&users, user).unwrap_or_else(|| format!("'#{user}'"))
}

/// The name in a line `name:x:user:…`.
fn name_in(users: &str, user: u32) -> Option<String> {
    let number = user.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    })
}

/// The command as it was given, to be given again.
fn command() -> String {
    let plain = |word: &String| word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c));
    let quoted = |word: String| if plain(&word) { word } else { format!("'{}'", word.replace('\'', r"'\''")) };
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_s_name_is_found_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nportcullis:x:993:993::/var/lib/portcullis:/sbin/nologin\n";
        assert_eq!(name_in(users, 993).as_deref(), Some("portcullis"));
        assert_eq!(name_in(users, 1), None);
    }

    #[tokio::test]
    async fn a_store_of_this_user_may_be_opened_and_a_missing_one_made() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(may_open(folder.path(), Absent::Say).is_ok());
        let missing = folder.path().join("state");
        assert!(may_open(&missing, Absent::Make).is_ok());
        let said = may_open(&missing, Absent::Say).expect_err("there is no store").to_string();
        assert!(said.contains("there is no store in"), "{said}");
    }
}
