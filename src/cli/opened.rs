//! The store, opened by a command beside a running gateway or without one; decides nothing.

use super::ending::Stopped;
use super::home::{Essentials, Soundness, same};
use super::record;
use super::refusal::advised;
use crate::admin::{self, Unanswered};
use crate::audit::Event;
use crate::gateway;
use crate::identity::{Account, AccountName, Session};
use crate::login::{self, ENROLMENT_LIFE};
use crate::stdx::clock::{Clock, SystemClock, Time};
use crate::store::{OnceKind, Store};
use http::Method;
use std::path::{Path, PathBuf};

/// What commands on accounts, sessions and events work with.
pub struct Opened {
    /// Where everything is.
    pub essentials: Essentials,
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
    /// Opens the store, as the user whose store it is.
    ///
    /// # Errors
    /// If the store is another user's, is not there and may not be made, or cannot be opened.
    pub async fn open(essentials: Essentials, absent: Absent) -> anyhow::Result<Self> {
        let state = &essentials.state;
        if !gateway::has_store(state).map_err(advised)? {
            may_be_made(&essentials, absent).await?;
        }
        let store = gateway::open_store(state).await.map_err(advised)?;
        Ok(Opened { essentials, store, now: SystemClock.now() })
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

    /// Until when the enrolment link of an account is good; `None` if none is open.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub async fn link_until(&self, account: &Account) -> anyhow::Result<Option<Time>> {
        Ok(self.store.once.until(OnceKind::Enrolment, account.id, self.now).await?)
    }

    /// Whether a session has not ended by itself.
    pub fn lives(&self, session: &Session) -> bool {
        self.essentials.sessions.end_of(session.created, session.used) > self.now
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
    /// If there is nowhere to enrol, or the store cannot be written.
    pub async fn offer(&self, account: &Account) -> anyhow::Result<Link> {
        let portal = self.essentials.portal()?;
        let token = login::offer(&self.store, account.id, self.now).await?;
        let named = ("name", account.name.to_string());
        self.record(&Event::EnrolmentOffered { account: account.id }, &[named]).await?;
        let address = format!("{portal}/enrol/{}", token.text().as_str());
        Ok(Link { address, expires: self.now.plus(ENROLMENT_LIFE) })
    }
}

/// Whether a store may be made where there is none. Not beside a gateway that works on one that was taken away from
/// under it: it would never see the new one.
async fn may_be_made(essentials: &Essentials, absent: Absent) -> anyhow::Result<()> {
    let state = essentials.state.display();
    if let Some(socket) = &essentials.socket
        && serves(socket, &essentials.state).await
    {
        anyhow::bail!(
            "there is no store in {state} any more, but a gateway is running on it: what it still holds open has no name \
             and is lost when it ends\nput the file back from the backup, or begin with an empty store; either way \
             with the gateway stopped"
        );
    }
    match (absent, essentials.soundness) {
        (Absent::Make, Soundness::Sound) => Ok(()),
        (Absent::Make, Soundness::Broken) => Err(Stopped::no(format!(
            "there is no store in {state} yet, and one is made only by a configuration without problems"
        ))),
        (Absent::Say, _) => Err(Stopped::no(format!(
            "there is no store in {state} yet; the gateway makes it when it starts, and `portcullis account add` does"
        ))),
    }
}

/// Whether a gateway answers on `socket` whose state is in `state`. One that does not say where its state is counts.
async fn serves(socket: &Path, state: &Path) -> bool {
    match Running::behind(socket).await {
        Running::On(theirs) => same(&theirs, state),
        Running::Somewhere => true,
        Running::Nowhere => false,
    }
}

/// What is known of a running gateway's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// It is in this directory.
    On(PathBuf),
    /// There is a gateway, which does not say.
    Somewhere,
    /// No gateway answers.
    Nowhere,
}

impl Running {
    /// Asks the gateway behind `socket`.
    pub async fn behind(socket: &Path) -> Self {
        match admin::ask(socket, Method::GET, "/status").await {
            Ok((_, status)) => match status.get("state").and_then(|state| state.as_str()) {
                Some(state) => Running::On(PathBuf::from(state)),
                None => Running::Somewhere,
            },
            Err(Unanswered::Broken { .. }) => Running::Somewhere,
            Err(Unanswered::Nobody(_) | Unanswered::Forbidden(_)) => Running::Nowhere,
        }
    }
}
