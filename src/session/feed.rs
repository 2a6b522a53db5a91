//! The feed of changes and the writing-behind of activity: one task that keeps the reader honest; decides nothing.

use super::{Blind, Reader};
use crate::identity::SessionRules;
use crate::stdx::clock::Clock;
use crate::store::{Change, Changes, Sessions, Unavailable};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often other processes' changes are looked for: a revocation must hold within one second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often uses are written down.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// How often the cache and the store are swept of what is over.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How long the store may be silent before nobody is believed: the longest that a revocation made elsewhere may stay
/// unknown here while the store is down.
const SILENCE: Duration = Duration::from_secs(60);

/// Changes taken at once; more come with the next look, at once.
const BATCH: usize = 1_000;

/// What the feed reads and writes.
pub struct Feed {
    /// Kept honest.
    pub reader: Arc<Reader>,
    /// Looked at.
    pub changes: Arc<dyn Changes>,
    /// Written to.
    pub sessions: Arc<dyn Sessions>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The number of the newest change when the reader's cache was empty.
    pub after: u64,
}

impl Feed {
    /// Runs until the caller drops it. `on_change` hears every change after the reader did; `rules` gives the rules in
    /// force.
    pub async fn run(mut self, on_change: impl Fn(Change), rules: impl Fn() -> SessionRules) {
        let mut ear = Ear { heard: Instant::now(), state: Hearing::Well };
        let (mut written, mut swept) = (Instant::now(), Instant::now());
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.reader.note_look();
            self.listen(&on_change, &mut ear).await;
            if written.elapsed() >= WRITE_EVERY {
                self.write().await;
                written = Instant::now();
            }
            if swept.elapsed() >= SWEEP_EVERY {
                self.sweep(rules()).await;
                swept = Instant::now();
            }
        }
    }

    /// Looks once, and says what became of it only where that is news.
    async fn listen(&mut self, on_change: &impl Fn(Change), ear: &mut Ear) {
        let before = ear.state;
        match self.look(on_change).await {
            Ok(()) => {
                *ear = Ear { heard: Instant::now(), state: Hearing::Well };
                self.reader.set_blind(Blind::No);
                if before != Hearing::Well {
                    tracing::info!("the store answers again: sessions are believed as before");
                }
            }
            Err(error) if ear.heard.elapsed() > SILENCE => {
                ear.state = Hearing::Nothing;
                self.reader.set_blind(Blind::Yes);
                if before != Hearing::Nothing {
                    tracing::error!(%error, "the store was silent for too long: no session is believed");
                }
            }
            Err(error) => {
                ear.state = Hearing::Badly;
                if before == Hearing::Well {
                    let seconds = SILENCE.as_secs();
                    tracing::warn!(%error, seconds, "cannot look for changes made elsewhere; sessions are believed no longer than this");
                }
            }
        }
    }

    async fn look(&mut self, on_change: &impl Fn(Change)) -> Result<(), Unavailable> {
        loop {
            let batch = self.changes.after(self.after, BATCH).await?;
            for (number, change) in &batch {
                self.reader.apply(*change);
                on_change(*change);
                self.after = *number;
            }
            if batch.len() < BATCH {
                return Ok(());
            }
        }
    }

    /// Writes down the uses noted so far; what cannot be written is kept for the next time.
    pub async fn write(&self) -> Written {
        let uses = self.reader.take_uses();
        if uses.is_empty() {
            return Written::All;
        }
        match self.sessions.touch(&uses).await {
            Ok(_) => Written::All,
            Err(error) => {
                tracing::warn!(%error, sessions = uses.len(), "cannot write down when sessions were used");
                self.reader.return_uses(uses);
                Written::Nothing
            }
        }
    }

    /// Ends what is over. The store judges by the uses it knows of, so nothing ends while some are not written.
    async fn sweep(&self, rules: SessionRules) {
        if self.write().await == Written::Nothing {
            return;
        }
        let now = self.clock.now();
        self.reader.sweep(now, rules);
        if let Err(error) = self.sessions.sweep(now, rules).await {
            tracing::warn!(%error, "cannot remove ended sessions");
        }
        // An hour is far longer than any process stays silent and is still believed.
        if let Err(error) = self.changes.sweep(now.minus(Duration::from_secs(3600))).await {
            tracing::warn!(%error, "cannot forget old changes");
        }
    }
}

/// When the store was heard last, and what was said of that.
struct Ear {
    heard: Instant,
    state: Hearing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Well,
    /// For less than [`SILENCE`].
    Badly,
    Nothing,
}

/// What became of the uses that were noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The store knows them all.
    All,
    /// They wait for the next time.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Account, AccountId, AccountKind, AccountName, Device, Proofs, Session, SessionId};
    use crate::session::{Reading, SessionToken};
    use crate::stdx::clock::{ManualClock, Time};
    use crate::store::{Opening, memory};
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn a_use_that_was_not_written_yet_keeps_its_session_from_being_swept() {
        let (store, rules, opened) = (memory::open(), SessionRules::DEFAULT, Time::from_secs(1000));
        let name = AccountName::parse("alice").expect("a valid name");
        let account = Account {
            id: AccountId::new([1; 16]),
            name,
            groups: Vec::new(),
            kind: AccountKind::Person,
            disabled: false,
            created: opened,
        };
        store.accounts.add(&account).await.expect("memory");
        let (id, device) =
            (SessionId::new([2; 16]), Device { name: "curl".into(), address: Ipv4Addr::LOCALHOST.into() });
        let session = Session { id, account: account.id, proofs: Proofs::new(), created: opened, used: opened, device };
        let token = SessionToken::fresh().hash();
        store
            .sessions
            .open(&session, Opening { token: Some((token, "app.example.com")), ..Opening::default() })
            .await
            .expect("memory");
        let reader = Arc::new(Reader::new(store.sessions.clone()));
        let last = opened.plus(rules.idle).minus(Duration::from_secs(1));
        let reading = Reading { token: &token, host: "app.example.com", now: last, rules };
        assert!(reader.read(reading).await.expect("memory").is_some());
        let clock = Arc::new(ManualClock::new(last.plus(Duration::from_secs(2))));
        let feed = Feed { reader, changes: store.changes.clone(), sessions: store.sessions.clone(), clock, after: 0 };
        feed.sweep(rules).await;
        assert_eq!(store.sessions.of(account.id).await.expect("memory").len(), 1);
    }
}
