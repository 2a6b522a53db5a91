//! An enrolment under way, as its attempt keeps it: what is still to come, what waits for the end; enrols nothing.

use super::attempt::Attempt;
use crate::factor::{self, Show};
use crate::identity::{Credential, CredentialId, FactorName, SessionId};
use crate::stdx::clock::Time;
use crate::store::Right;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

/// An enrolment under way: what is still to be enrolled, and what waits to be kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolling {
    /// The link that is spent at the end, hashed; none if a session enrols.
    pub(super) link: Option<String>,
    /// The session that enrols, if one does.
    pub(super) session: Option<String>,
    /// Still to come, the current one first: each any of these factors, the one to advise first.
    pub(super) wanted: Vec<Vec<String>>,
    /// Which of the current ones it is; `None` until that is chosen.
    pub(super) chosen: Option<String>,
    /// Whether what is enrolled stands beside what the account has of the same factor, not in its place.
    pub(super) beside: bool,
    /// Finished, waiting for the end.
    pub(super) drafts: Vec<Draft>,
    /// The current one's pending state and what the person is shown.
    pub(super) pending: String,
    pub(super) show: ShowRecord,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Draft {
    pub(super) factor: String,
    state: String,
    handle: Option<String>,
    label: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ShowRecord {
    Nothing,
    Authenticator { uri: String, key: String },
    Codes(Vec<String>),
    Passkey { options: String },
}

impl Enrolling {
    pub(super) fn current(&self) -> Option<FactorName> {
        self.chosen.as_deref().and_then(factor::named)
    }

    /// Keeps the current factor's state for the end, and goes on to the next.
    pub(super) fn keep(&mut self, factor: FactorName, finished: &factor::Enrolled) {
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
            let factor = factor::named(&draft.factor)?;
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
            Show::Passkey { options } => ShowRecord::Passkey { options },
        }
    }
}

/// The factors of these names, as far as this build has them.
pub(super) fn named<'a>(words: impl IntoIterator<Item = &'a String>) -> Vec<FactorName> {
    words.into_iter().filter_map(|word| factor::named(word)).collect()
}
