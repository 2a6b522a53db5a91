//! The store, opened by a command beside a running gateway or without one; decides nothing.

use super::ending::{Stopped, complain};
use super::home::{Essentials, Soundness};
use super::record;
use super::refusal::advised;
use super::running::{Running, taken_away};
use crate::audit::Event;
use crate::gateway;
use crate::identity::{Account, AccountName, Session};
use crate::login::{self, ENROLMENT_LIFE};
use crate::session::SecretToken;
use crate::stdx::clock::{Clock, SystemClock, Time};
use crate::store::{Instead, OnceKind, Reset, Store};
use anyhow::Context;

/// What commands on accounts, sessions and events work with.
pub struct Opened {
    /// Where everything is.
    pub essentials: Essentials,
    /// The store.
    pub store: Store,
    /// When the command was given.
    pub now: Time,
    /// Whether what is done goes into the record.
    recording: Recording,
}

/// Whether the record can be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recording {
    Possible,
    /// The key that it is chained with is not there.
    Impossible,
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
    /// If the store is another user's, is not there and may not be made, cannot be opened, or its key is not there; or if
    /// a gateway runs on it that has other files open than those that lie there.
    pub async fn open(essentials: Essentials, absent: Absent) -> anyhow::Result<Self> {
        Self::open_beside(&Running::beside(&essentials).await, essentials, absent).await
    }

    /// The same beside a gateway that was asked already.
    ///
    /// # Errors
    /// The same.
    pub async fn open_beside(running: &Running, essentials: Essentials, absent: Absent) -> anyhow::Result<Self> {
        ready(running, &essentials, absent)?;
        let store = gateway::open_store(&essentials.state).await.map_err(advised)?;
        Ok(Opened { essentials, store, now: SystemClock.now(), recording: Recording::Possible })
    }

    /// The same as [`Opened::open`] for what is needed most when everything else is lost: to look, and to shut somebody
    /// out. That the key is not there is said on standard error.
    ///
    /// # Errors
    /// If the store is another user's, is not there and may not be made, or cannot be opened; or if a gateway runs on it
    /// that has other files open than those that lie there.
    pub async fn open_without_key(essentials: Essentials, absent: Absent) -> anyhow::Result<Self> {
        Self::open_without_key_beside(&Running::beside(&essentials).await, essentials, absent).await
    }

    /// The same beside a gateway that was asked already.
    ///
    /// # Errors
    /// The same.
    pub async fn open_without_key_beside(
        running: &Running,
        essentials: Essentials,
        absent: Absent,
    ) -> anyhow::Result<Self> {
        ready(running, &essentials, absent)?;
        let (store, failure) = gateway::open_store_without_key(&essentials.state).await.map_err(advised)?;
        let recording = if failure.is_none() { Recording::Possible } else { Recording::Impossible };
        if let Some(failure) = failure {
            complain(&format!("portcullis: warning: {:#}", advised(failure)));
        }
        Ok(Opened { essentials, store, now: SystemClock.now(), recording })
    }

    /// The account of that name.
    ///
    /// # Errors
    /// If there is none, or the store cannot be asked.
    pub async fn account(&self, name: &AccountName) -> anyhow::Result<Account> {
        let account = self.store.accounts.by_name(name).await?;
        account.ok_or_else(|| unknown(name))
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

    /// Appends an event that happened to the durable record, with who gave the command and with `more` fields. Where the
    /// record cannot be continued, that is said on standard error: what happened must have been more urgent.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn record(&self, event: &Event, more: &[(&str, String)]) -> anyhow::Result<()> {
        if self.recording == Recording::Impossible {
            complain("portcullis: warning: this is not in the record of security events, which needs the key");
            return Ok(());
        }
        let appended = self.store.events.append(&[record::row(self.now, event, more)]).await;
        appended.context("it is done, but it is not in the record of security events")
    }

    /// Makes a link by which a person enrols, and records it; one made before is void.
    ///
    /// # Errors
    /// If there is nowhere to enrol, or the store cannot be written.
    pub async fn offer(&self, account: &Account) -> anyhow::Result<Link> {
        self.essentials.portal()?;
        let token = login::offer(&self.store, account.id, self.now).await?;
        self.offered(account, &token).await
    }

    /// Takes from an account everything it proves itself with, and makes a link if there is somewhere to enrol. It is for
    /// the caller to record, the link by [`Opened::offered`].
    ///
    /// # Errors
    /// If the account is gone, or the store cannot be written.
    pub async fn reset(&self, account: &Account) -> anyhow::Result<(Reset, Option<SecretToken>)> {
        let reset = match self.essentials.portal() {
            Ok(_) => login::reset(&self.store, account.id, self.now).await?.map(|(reset, token)| (reset, Some(token))),
            Err(_) => self.store.credentials.reset(account.id, Instead::Nothing).await?.map(|reset| (reset, None)),
        };
        reset.ok_or_else(|| unknown(&account.name))
    }

    /// Records a link that was made, and gives it as the person opens it.
    ///
    /// # Errors
    /// If there is nowhere to enrol, or the store cannot be written.
    pub async fn offered(&self, account: &Account, token: &SecretToken) -> anyhow::Result<Link> {
        let portal = self.essentials.portal()?;
        let named = ("name", account.name.to_string());
        self.record(&Event::EnrolmentOffered { account: account.id }, &[named]).await?;
        let address = format!("{portal}/enrol/{}", token.text().as_str());
        Ok(Link { address, expires: self.now.plus(ENROLMENT_LIFE) })
    }
}

fn unknown(name: &AccountName) -> anyhow::Error {
    Stopped::no(format!("there is no account {name}; `portcullis account list` shows all"))
}

/// Makes sure that there is a store that may be opened, or that one may be made.
fn ready(running: &Running, essentials: &Essentials, absent: Absent) -> anyhow::Result<()> {
    let found = gateway::store_in(&essentials.state).map_err(advised)?;
    running.in_place(&essentials.state)?;
    if found.is_some() { Ok(()) } else { may_be_made(running, essentials, absent) }
}

/// Whether a store may be made where there is none. Not beside a gateway that may work on one that was taken away from
/// under it: it would never see the new one.
fn may_be_made(running: &Running, essentials: &Essentials, absent: Absent) -> anyhow::Result<()> {
    let state = essentials.state.display();
    anyhow::ensure!(!running.may_be_on(&essentials.state), taken_away(&essentials.state));
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
