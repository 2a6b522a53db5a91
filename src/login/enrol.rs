//! Enrolment: from a one-time link, from a live session, or after recovery. Nothing is kept until the last step, and
//! then everything is, in one transaction.

use super::attempt::{Attempt, AttemptToken, Purpose};
use super::{Login, Moment, Stop};
use crate::audit::Event;
use crate::factor;
use crate::factor::{Against, Factor, Holder, Proven, Rejection, Show, Weakness, message, password, recovery_code, totp};
use crate::identity::{Account, AccountId, Channel, Credential, CredentialId, FactorName, Need, Proofs, SessionId};
use crate::session::{LiveSession, SecretToken};
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use crate::store::{Enrolment, EnrolmentLink, OnceKind, Place, Reset, Right, Store, Unavailable};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How long an enrolment link is good for.
pub const ENROLMENT_LIFE: Duration = Duration::from_secs(24 * 3600);

/// An enrolment under way: what is still to be enrolled, and what waits to be kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolling {
    /// The link that is spent at the end, hashed; none if a session enrols.
    link: Option<String>,
    /// The session that enrols, if one does.
    session: Option<String>,
    /// Still to come, the current one first.
    wanted: Vec<String>,
    /// How many there were.
    steps: usize,
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
}

/// What a live session wants to enrol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Another password or new recovery codes, in place of those there are; one more of anything else.
    One(FactorName),
    /// What a recovered session must: a second factor, and new recovery codes.
    Recovery,
}

impl Wanted {
    /// Where `second` is what goes before everything else with the password.
    fn factors(self, second: FactorName) -> Vec<FactorName> {
        match self {
            Wanted::One(factor) => vec![factor],
            Wanted::Recovery => vec![second, recovery_code::NAME],
        }
    }

    /// Whether what is enrolled stands beside what the account has of the same factor.
    fn stands_beside(self) -> bool {
        match self {
            Wanted::One(factor) => factor != password::NAME && factor != recovery_code::NAME,
            Wanted::Recovery => false,
        }
    }
}

/// Where an enrolment stands, for its page.
#[derive(Clone, Debug)]
pub struct EnrolStep {
    /// The attempt.
    pub attempt: Attempt,
    /// What is enrolled now.
    pub factor: FactorName,
    /// What the person is shown.
    pub show: Show,
    /// Which step this is, from 1.
    pub step: usize,
    /// Of how many.
    pub steps: usize,
    /// The session that enrols, if one does.
    pub session: Option<SessionId>,
}

/// Where an enrolment step led.
#[derive(Debug)]
pub enum Enrolled {
    /// To the next step.
    Next(AttemptToken),
    /// To the end: everything is kept.
    Done {
        /// What the enrolment, or the session that enrolled, proved.
        proven: Proven,
        /// The session that enrolled, if one did.
        session: Option<SessionId>,
        /// The attempt, for where it was going.
        attempt: Box<Attempt>,
        /// The account's other sessions, which ended with it.
        ended: Vec<SessionId>,
    },
}

/// Makes a one-time enrolment link for an account; one made before is void. It is for whoever asks to record.
///
/// # Errors
/// If the store cannot be written.
pub async fn offer(store: &Store, account: AccountId, now: Time) -> Result<SecretToken, Unavailable> {
    let (token, value) = (SecretToken::fresh(), account.to_string());
    store.credentials.offer(account, &link(&token, &value, now)).await?;
    Ok(token)
}

/// Takes from an account everything it proves itself with, every session and every link, and makes a new link for it,
/// at once. `None` if it is gone. It is for whoever asks to record.
///
/// # Errors
/// If the store cannot be written; then nothing changed.
pub async fn reset(store: &Store, account: AccountId, now: Time) -> Result<Option<(Reset, SecretToken)>, Unavailable> {
    let (token, value) = (SecretToken::fresh(), account.to_string());
    let reset = store.credentials.reset(account, Some(&link(&token, &value, now))).await?;
    Ok(reset.map(|reset| (reset, token)))
}

fn link<'a>(token: &SecretToken, value: &'a str, now: Time) -> EnrolmentLink<'a> {
    EnrolmentLink { key: token.hash().0, value: value.as_bytes(), expires: now.plus(ENROLMENT_LIFE) }
}

impl Login {
    /// Begins the enrolment that a link offers. The link is spent at the end, not here.
    ///
    /// # Errors
    /// [`Stop::Gone`] if the link expired or was used, or its account is disabled.
    pub async fn follow(&self, link: &SecretToken, ticket: Option<String>, now: Time) -> Result<AttemptToken, Stop> {
        let key = link.hash().0;
        let value = self.store.once.peek(OnceKind::Enrolment, key, now).await?.ok_or(Stop::Gone)?;
        let id = std::str::from_utf8(&value).ok().and_then(|text| AccountId::parse(text).ok()).ok_or(Stop::Gone)?;
        let account = self.account(id).await?;
        let wanted = [password::NAME, self.second(), recovery_code::NAME];
        let origin = Origin { link: Some(key), session: None, beside: false, proofs: Proofs::new(), ticket };
        self.begin_enrolment(&account, &wanted, origin, now).await
    }

    /// Begins an enrolment by a live session, which must be fresh enough: that is for the caller to judge.
    ///
    /// # Errors
    /// [`Stop::Down`].
    pub async fn enrol(
        &self,
        session: &LiveSession,
        wanted: Wanted,
        ticket: Option<String>,
        now: Time,
    ) -> Result<AttemptToken, Stop> {
        let proofs = session.proofs.clone();
        let beside = wanted.stands_beside();
        let origin = Origin { link: None, session: Some(session.id), beside, proofs, ticket };
        self.begin_enrolment(&session.account, &wanted.factors(self.second()), origin, now).await
    }

    /// What everybody sets up beside the password: an app or, where none is configured, a place where codes are sent.
    fn second(&self) -> FactorName {
        let factors = self.factors();
        if factors.get(totp::NAME).is_none() && factors.get(message::NAME).is_some() { message::NAME } else { totp::NAME }
    }

    /// Where an enrolment stands.
    ///
    /// # Errors
    /// [`Stop::Gone`] if there is none under this token.
    pub async fn enrolment(&self, token: &AttemptToken, now: Time) -> Result<EnrolStep, Stop> {
        let attempt = self.look(token, now).await?.attempt;
        let Purpose::Enrol(enrolling) = &attempt.purpose else { return Err(Stop::Gone) };
        let factor = enrolling.current().ok_or(Stop::Gone)?;
        let (show, steps) = (enrolling.show.show(), enrolling.steps);
        let (step, session) = (steps + 1 - enrolling.wanted.len().min(steps), enrolling.session());
        Ok(EnrolStep { attempt, factor, show, step, steps, session })
    }

    /// Answers the current step of an enrolment. After the last one everything is kept at once.
    ///
    /// # Errors
    /// [`Stop::Rejected`] and the enrolment stands as it was; [`Stop::Gone`] if it, or its link, is no more.
    pub async fn finish_step(
        &self,
        token: &AttemptToken,
        (factor, answer): (FactorName, &Secret),
        moment: Moment,
    ) -> Result<Enrolled, Stop> {
        let step = self.enrolment(token, moment.now).await?;
        if step.factor != factor {
            return Err(Stop::Gone);
        }
        let (pending, machine) = (step.pending().ok_or(Stop::Gone)?, self.machine(factor)?);
        let given = (&*machine, &*pending, answer);
        if let Some(token) = self.go_on_enrolling(token, given, (step.attempt.account, moment)).await? {
            return Ok(Enrolled::Next(token));
        }
        if let Show::Sent { .. } = step.show {
            self.count_answer(&pending, moment.now).await?;
        }
        let finished = machine.finish(&pending, answer, moment.now).await.map_err(Stop::Rejected)?;
        self.refuse_the_same(&step, answer, moment.now).await?;
        let mut attempt = self.take(token, moment.now).await?;
        if let Some(verified) = &finished.verified {
            let proven = Proven::new(attempt.account, attempt.proofs.recovered(), verified);
            attempt.proofs = proven.proofs().clone();
        }
        let Purpose::Enrol(enrolling) = &mut attempt.purpose else { return Err(Stop::Gone) };
        enrolling.keep(factor, &finished);
        match enrolling.current() {
            Some(next) => Ok(Enrolled::Next(self.begin_factor(attempt, next, moment.now).await?)),
            None => self.commit(attempt, moment).await,
        }
    }

    /// Whoever changes a password is told if it is the one in use. A link may set any: it may be forgotten what was.
    async fn refuse_the_same(&self, step: &EnrolStep, answer: &Secret, now: Time) -> Result<(), Stop> {
        if step.factor != password::NAME || step.session.is_none() {
            return Ok(());
        }
        let machine = self.machine(step.factor)?;
        let held = self.credentials(step.attempt.account).await?;
        for credential in held.iter().filter(|credential| credential.factor == step.factor) {
            match machine.verify(Against::state(&credential.state), answer, now).await {
                Ok(_) => return Err(Stop::Rejected(Rejection::Weak(Weakness::Same))),
                Err(Rejection::Wrong) => {}
                Err(rejection) => return Err(Stop::Rejected(rejection)),
            }
        }
        Ok(())
    }

    async fn begin_enrolment(
        &self,
        account: &Account,
        wanted: &[FactorName],
        origin: Origin,
        now: Time,
    ) -> Result<AttemptToken, Stop> {
        let factors = self.factors();
        let wanted: Vec<FactorName> = wanted.iter().copied().filter(|name| factors.get(*name).is_some()).collect();
        let first = *wanted.first().ok_or(Stop::Gone)?;
        let enrolling = Enrolling {
            link: origin.link.map(|key| BASE64.encode(&key)),
            session: origin.session.map(|session| session.to_string()),
            steps: wanted.len(),
            beside: origin.beside,
            wanted: wanted.iter().map(|name| name.0.to_owned()).collect(),
            drafts: Vec::new(),
            pending: String::new(),
            show: ShowRecord::Nothing,
        };
        let attempt = Attempt {
            purpose: Purpose::Enrol(Box::new(enrolling)),
            account: account.id,
            name: account.name.clone(),
            proofs: origin.proofs,
            need: Need::MFA,
            ticket: origin.ticket,
            asked: None,
        };
        self.begin_factor(attempt, first, now).await
    }

    async fn begin_factor(&self, mut attempt: Attempt, factor: FactorName, now: Time) -> Result<AttemptToken, Stop> {
        let held = self.credentials(attempt.account).await?;
        let holder = Holder { id: attempt.account, name: &attempt.name, held: &held };
        let begun = self.machine(factor)?.begin(holder).await.map_err(Stop::Rejected)?;
        let Purpose::Enrol(enrolling) = &mut attempt.purpose else { return Err(Stop::Gone) };
        enrolling.wait_for(begun);
        self.put(&attempt, now).await
    }

    /// Keeps everything in one transaction, with all that follows from it.
    async fn commit(&self, attempt: Attempt, moment: Moment) -> Result<Enrolled, Stop> {
        let Purpose::Enrol(enrolling) = &attempt.purpose else { return Err(Stop::Gone) };
        let account = attempt.account;
        let credentials = enrolling.credentials(&attempt, moment.now).ok_or(Stop::Gone)?;
        let right = enrolling.right().ok_or(Stop::Gone)?;
        let place = if enrolling.beside { Place::Beside } else { Place::Instead };
        let enrolment = Enrolment { account, credentials: &credentials, place, right };
        let ended = self.store.credentials.enrol(&enrolment, moment.now).await?.ok_or(Stop::Gone)?;
        let factors = credentials.iter().map(|credential| credential.factor).collect();
        self.report(moment.now, Event::Enrolled { account, factors, address: moment.address });
        let session = enrolling.session();
        let proven = Proven::resume(account, attempt.proofs.clone());
        Ok(Enrolled::Done { proven, session, attempt: Box::new(attempt), ended })
    }

    pub(super) fn machine(&self, name: FactorName) -> Result<Arc<dyn Factor>, Stop> {
        self.factors().get(name).cloned().ok_or(Stop::Gone)
    }
}

/// Where an enrolment comes from.
struct Origin {
    link: Option<[u8; 32]>,
    session: Option<SessionId>,
    beside: bool,
    proofs: Proofs,
    ticket: Option<String>,
}

impl EnrolStep {
    fn pending(&self) -> Option<Vec<u8>> {
        match &self.attempt.purpose {
            Purpose::Enrol(enrolling) => BASE64.decode(enrolling.pending.as_bytes()).ok(),
            Purpose::SignIn | Purpose::StepUp(_) => None,
        }
    }
}

impl Enrolling {
    fn current(&self) -> Option<FactorName> {
        self.wanted.first().and_then(|word| crate::factor::named(word))
    }

    /// What the current factor asked, and shows.
    pub(super) fn wait_for(&mut self, begun: factor::Begun) {
        self.pending = BASE64.encode(&begun.pending);
        self.show = begun.show.into();
    }

    /// Keeps the current factor's state for the end, and goes on to the next.
    fn keep(&mut self, factor: FactorName, finished: &factor::Enrolled) {
        self.drafts.push(Draft {
            factor: factor.0.to_owned(),
            state: BASE64.encode(&finished.state),
            handle: finished.handle.as_deref().map(|handle| BASE64.encode(handle)),
            label: finished.label.clone(),
        });
        self.wanted.retain(|word| word != factor.0);
        self.pending.clear();
        self.show = ShowRecord::Nothing;
    }

    fn session(&self) -> Option<SessionId> {
        self.session.as_deref().and_then(|text| SessionId::parse(text).ok())
    }

    /// By what right it is: the session's, or else the link's.
    fn right(&self) -> Option<Right> {
        if let Some(session) = self.session() {
            return Some(Right::Session(session));
        }
        let key = BASE64.decode(self.link.as_ref()?.as_bytes()).ok()?;
        Some(Right::Link(key.try_into().ok()?))
    }

    /// What is kept. A link signs the person in with what was proven on the way, so that is used by then.
    fn credentials(&self, attempt: &Attempt, now: Time) -> Option<Vec<Credential>> {
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
        }
    }
}

impl From<Show> for ShowRecord {
    fn from(show: Show) -> Self {
        match show {
            Show::Nothing => ShowRecord::Nothing,
            Show::Authenticator { uri, key } => ShowRecord::Authenticator { uri, key },
            Show::Codes(codes) => ShowRecord::Codes(codes),
            Show::Contact { channels } => {
                ShowRecord::Contact { channels: channels.into_iter().map(|channel| channel.word().to_owned()).collect() }
            }
            Show::Sent { to, channel } => ShowRecord::Sent { to, channel: channel.word().to_owned() },
        }
    }
}
