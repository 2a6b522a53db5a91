//! An enrolment under way, as attempts keep it: what is still to come, what waits for the end, and what is shown now;
//! decides nothing.

use super::attempt::Attempt;
use crate::factor::{self, Begun, Enrolled, Show};
use crate::identity::{Channel, Credential, CredentialId, FactorName, SessionId};
use crate::stdx::clock::Time;
use crate::store::{Place, Right};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

/// An enrolment under way: what is still to be enrolled, and what waits to be kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolling {
    /// The link that is spent at the end, hashed; none if a session enrols.
    link: Option<String>,
    /// The session that enrols, if one does.
    session: Option<String>,
    /// Still to come, the current one first: each any of these factors, the one to advise first.
    wanted: Vec<Vec<String>>,
    /// Which of the current ones it is; `None` until that is chosen.
    chosen: Option<String>,
    /// Whether what is enrolled stands beside what the account has of the same factor, not in its place.
    beside: bool,
    /// Finished, waiting for the end.
    drafts: Vec<Draft>,
    /// The current one's pending state and what the person is shown.
    pending: String,
    show: ShowRecord,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Draft {
    factor: String,
    state: String,
    handle: Option<String>,
    label: String,
}

/// What a person is shown, as attempts are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ShowRecord {
    Nothing,
    Authenticator { uri: String, key: String },
    Codes(Vec<String>),
    Contact { channels: Vec<String> },
    Sent { to: String, channel: String },
    Passkey { options: String },
}

impl Enrolling {
    /// The beginning, by the right of a link or of a session; each of `wanted` is any of these factors.
    pub(super) fn new(
        (link, session): (Option<[u8; 32]>, Option<SessionId>),
        place: Place,
        wanted: &[Vec<FactorName>],
    ) -> Self {
        Enrolling {
            link: link.map(|key| BASE64.encode(&key)),
            session: session.map(|session| session.to_string()),
            beside: place == Place::Beside,
            wanted: wanted.iter().map(|any| any.iter().map(|name| name.0.to_owned()).collect()).collect(),
            chosen: None,
            drafts: Vec::new(),
            pending: String::new(),
            show: ShowRecord::Nothing,
        }
    }

    /// Still to come, the current one first: each any of these factors, the one to advise first.
    pub(super) fn wanted(&self) -> Vec<Vec<FactorName>> {
        self.wanted.iter().map(named).collect()
    }

    /// What was enrolled on the way.
    pub(super) fn done(&self) -> Vec<FactorName> {
        named(self.drafts.iter().map(|draft| &draft.factor))
    }

    /// What the person is shown now.
    pub(super) fn shown(&self) -> Show {
        self.show.show()
    }

    /// The current factor's pending state.
    pub(super) fn pending(&self) -> Option<Vec<u8>> {
        BASE64.decode(self.pending.as_bytes()).ok()
    }

    /// Where what is enrolled stands to what the account has of the same factor.
    pub(super) fn place(&self) -> Place {
        if self.beside { Place::Beside } else { Place::Instead }
    }

    /// Which factor is enrolled now; `None` if that is still to be chosen.
    pub(super) fn current(&self) -> Option<FactorName> {
        self.chosen.as_deref().and_then(factor::named)
    }

    /// Begins what the current step enrols.
    pub(super) fn begin(&mut self, factor: FactorName, begun: Begun) {
        self.chosen = Some(factor.0.to_owned());
        self.wait_for(begun);
    }

    /// What the current factor asked, and shows.
    pub(super) fn wait_for(&mut self, begun: Begun) {
        self.pending = BASE64.encode(&begun.pending);
        self.show = begun.show.into();
    }

    /// Keeps the current factor's state for the end, and goes on to the next.
    pub(super) fn keep(&mut self, factor: FactorName, finished: &Enrolled) {
        self.drafts.push(Draft {
            factor: factor.0.to_owned(),
            state: BASE64.encode(&finished.state),
            handle: finished.handle.as_deref().map(|handle| BASE64.encode(handle)),
            label: finished.label.clone(),
        });
        self.wanted.drain(..self.wanted.len().min(1));
        self.chosen = None;
        self.pending.clear();
        self.show = ShowRecord::Nothing;
    }

    /// The session that enrols, if one does.
    pub(super) fn session(&self) -> Option<SessionId> {
        self.session.as_deref().and_then(|text| SessionId::parse(text).ok())
    }

    /// By what right it is: the session's, or else the link's.
    pub(super) fn right(&self) -> Option<Right> {
        if let Some(session) = self.session() {
            return Some(Right::Session(session));
        }
        let key = BASE64.decode(self.link.as_ref()?.as_bytes()).ok()?;
        Some(Right::Link(key.try_into().ok()?))
    }

    /// What is kept. A link signs the person in with what was proven on the way, so that is used by then.
    pub(super) fn credentials(&self, attempt: &Attempt, now: Time) -> Option<Vec<Credential>> {
        let account = attempt.account;
        let credential = |draft: &Draft| {
            let factor = crate::factor::named(&draft.factor)?;
            let state = BASE64.decode(draft.state.as_bytes()).ok()?;
            let handle = draft.handle.as_ref().map(|text| BASE64.decode(text.as_bytes())).transpose().ok()?;
            let (id, label) = (CredentialId::fresh(), draft.label.clone());
            let used = (self.link.is_some() && attempt.proofs.has(factor)).then_some(now);
            Some(Credential { id, account, factor, label, created: now, used, handle, state, version: 0 })
        };
        self.drafts.iter().map(credential).collect()
    }
}

impl ShowRecord {
    pub(super) fn show(&self) -> Show {
        match self {
            ShowRecord::Nothing => Show::Nothing,
            ShowRecord::Authenticator { uri, key } => Show::Authenticator { uri: uri.clone(), key: key.clone() },
            ShowRecord::Codes(codes) => Show::Codes(codes.clone()),
            ShowRecord::Contact { channels } => {
                Show::Contact { channels: channels.iter().filter_map(|word| Channel::named(word)).collect() }
            }
            ShowRecord::Sent { to, channel } => {
                Show::Sent { to: to.clone(), channel: Channel::named(channel).unwrap_or(Channel::Mail) }
            }
            ShowRecord::Passkey { options } => Show::Passkey { options: options.clone() },
        }
    }
}

impl From<Show> for ShowRecord {
    fn from(show: Show) -> Self {
        match show {
            Show::Nothing => ShowRecord::Nothing,
            Show::Authenticator { uri, key } => ShowRecord::Authenticator { uri, key },
            Show::Codes(codes) => ShowRecord::Codes(codes),
            Show::Contact { channels } => ShowRecord::Contact {
                channels: channels.into_iter().map(|channel| channel.word().to_owned()).collect(),
            },
            Show::Sent { to, channel } => ShowRecord::Sent { to, channel: channel.word().to_owned() },
            Show::Passkey { options } => ShowRecord::Passkey { options },
        }
    }
}

/// The factors of these names, as far as this build has them.
fn named<'a>(words: impl IntoIterator<Item = &'a String>) -> Vec<FactorName> {
    words.into_iter().filter_map(|word| factor::named(word)).collect()
}
