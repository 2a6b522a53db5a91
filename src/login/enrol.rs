//! Enrolment: from a one-time link, from a live session, or after recovery. Nothing is kept until the last step, and
//! then everything is, in one transaction.

use super::attempt::{Attempt, AttemptToken, Purpose};
use super::ceremony::{Occasion, Returned};
use super::enrolling::Enrolling;
use super::{Login, Moment, Stop, farewell};
use crate::factor;
use crate::factor::{
    Against, Begun, Factors, Holder, Proven, Rejection, Show, Weakness, message, passkey, password, recovery_code, totp,
};
use crate::identity::{Account, AccountId, Credential, FactorName, Need, Proofs, SessionId};
use crate::session::{LiveSession, SecretToken};
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use crate::store::{Enrolment, EnrolmentLink, Instead, OnceKind, Place, Reset, Store, Unavailable};
use std::time::Duration;

/// How long an enrolment link is good for.
pub const ENROLMENT_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What may stand beside a password, the one to advise first.
const SECOND: &[FactorName] = &[passkey::NAME, totp::NAME, message::NAME];

/// What a live session wants to enrol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Another password or new recovery codes, in place of those there are; one more of anything else.
    One(FactorName),
    /// One more of any of these, which the person chooses.
    AnyOf(&'a [FactorName]),
    /// What a recovered session must: a second factor, and new recovery codes.
    Recovery,
}

impl Wanted<'_> {
    fn factors(&self) -> Vec<&[FactorName]> {
        match self {
            Wanted::One(factor) => vec![std::slice::from_ref(factor)],
            Wanted::AnyOf(factors) => vec![factors],
            Wanted::Recovery => vec![SECOND, &[recovery_code::NAME]],
        }
    }

    /// Where what is enrolled stands to what the account has of the same factor.
    fn place(self) -> Place {
        match self {
            Wanted::One(password::NAME | recovery_code::NAME) | Wanted::Recovery => Place::Instead,
            Wanted::One(_) | Wanted::AnyOf(_) => Place::Beside,
        }
    }
}

/// Where an enrolment stands, for its page.
#[derive(Clone, Debug)]
pub struct EnrolStep {
    /// The attempt.
    pub attempt: Attempt,
    /// What is enrolled now; `None` if that is still to be chosen.
    pub factor: Option<FactorName>,
    /// What could be, the one to advise first.
    pub choices: Vec<FactorName>,
    /// What was enrolled on the way.
    pub done: Vec<FactorName>,
    /// What comes after this, each any of these.
    pub rest: Vec<Vec<FactorName>>,
    /// What the person is shown.
    pub show: Show,
    /// The session that enrols, if one does.
    pub session: Option<SessionId>,
}

/// The answer to a step of an enrolment.
#[derive(Debug)]
pub struct StepAnswer<'a> {
    /// The factor it is for.
    pub factor: FactorName,
    /// What was typed, or what a device said.
    pub answer: &'a Secret,
    /// The ceremony that came back with it, if one did.
    pub ceremony: Option<&'a str>,
}

/// Where an enrolment step led.
#[derive(Debug)]
pub enum Enrolled {
    /// To the next step.
    Next(AttemptToken),
    /// To the end: everything is kept. It is for the caller to record.
    Done {
        /// What was enrolled.
        factors: Vec<FactorName>,
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
    let reset = store.credentials.reset(account, Instead::Link(&link(&token, &value, now))).await?;
    let Some(reset) = reset else { return Ok(None) };
    farewell::keep(store, &reset.credentials, now).await?;
    Ok(Some((reset, token)))
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
        let wanted: [&[FactorName]; 3] = [&[password::NAME], SECOND, &[recovery_code::NAME]];
        let origin = Origin { link: Some(key), session: None, place: Place::Instead, proofs: Proofs::new(), ticket };
        self.begin_enrolment(&account, &wanted, origin, now).await
    }

    /// Begins an enrolment by a live session, which must be fresh enough: that is for the caller to judge.
    ///
    /// # Errors
    /// [`Stop::Down`].
    pub async fn enrol(
        &self,
        session: &LiveSession,
        wanted: Wanted<'_>,
        ticket: Option<String>,
        now: Time,
    ) -> Result<AttemptToken, Stop> {
        let proofs = session.proofs.clone();
        let origin = Origin { link: None, session: Some(session.id), place: wanted.place(), proofs, ticket };
        self.begin_enrolment(&session.account, &wanted.factors(), origin, now).await
    }

    /// Where an enrolment stands.
    ///
    /// # Errors
    /// [`Stop::Gone`] if there is none under this token.
    pub async fn enrolment(&self, token: &AttemptToken, now: Time) -> Result<EnrolStep, Stop> {
        let attempt = self.look(token, now).await?.attempt;
        let Purpose::Enrol(enrolling) = &attempt.purpose else { return Err(Stop::Gone) };
        let mut rest = enrolling.wanted().into_iter();
        let choices = rest.next().ok_or(Stop::Gone)?;
        let done = enrolling.done();
        let (factor, show, session) = (enrolling.current(), enrolling.shown(), enrolling.session());
        Ok(EnrolStep { attempt, factor, choices, done, rest: rest.collect(), show, session })
    }

    /// Chooses what the current step of an enrolment enrols, also instead of what was chosen before.
    ///
    /// # Errors
    /// [`Stop::Gone`] if it is none of the choices, or there is no such enrolment.
    pub async fn choose(&self, token: &AttemptToken, factor: FactorName, now: Time) -> Result<AttemptToken, Stop> {
        let step = self.enrolment(token, now).await?;
        if !step.choices.contains(&factor) {
            return Err(Stop::Gone);
        }
        let attempt = self.take(token, now).await?;
        self.begin_factor(attempt, factor, now).await
    }

    /// Answers the current step of an enrolment. After the last one everything is kept at once.
    ///
    /// # Errors
    /// [`Stop::Rejected`] and the enrolment stands as it was; [`Stop::Gone`] if it, or its link, is no more.
    pub async fn finish_step(
        &self,
        token: &AttemptToken,
        given: StepAnswer<'_>,
        moment: Moment,
    ) -> Result<Enrolled, Stop> {
        let StepAnswer { factor, answer, ceremony } = given;
        let step = self.enrolment(token, moment.now).await?;
        if step.factor != Some(factor) {
            return Err(Stop::Gone);
        }
        let pending = match ceremony {
            Some(sealed) => {
                self.spend(Returned { sealed, occasion: Occasion::Enrolment, tie: token }, moment.now).await?
            }
            None => step.pending().ok_or(Stop::Gone)?,
        };
        let given = (&*self.machine(factor)?, &*pending, answer);
        if let Some(token) = self.go_on_enrolling(token, given, (step.attempt.account, moment)).await? {
            return Ok(Enrolled::Next(token));
        }
        if let Show::Sent { .. } = step.show {
            self.count_answer(&pending, moment.now).await?;
        }
        let finished = given.0.finish(&pending, answer, moment.now).await.map_err(Stop::Rejected)?;
        self.refuse_the_same(&step, answer, moment.now).await?;
        self.refuse_a_taken(&step, &finished).await?;
        let mut attempt = self.take(token, moment.now).await?;
        if let Some(verified) = &finished.verified {
            let proven = Proven::new(attempt.account, attempt.proofs.recovered(), verified);
            attempt.proofs = proven.proofs().clone();
        }
        let Purpose::Enrol(enrolling) = &mut attempt.purpose else { return Err(Stop::Gone) };
        enrolling.keep(factor, &finished);
        match enrolling.wanted().first() {
            None => self.commit(attempt, moment).await,
            Some(next) => Ok(Enrolled::Next(self.begin_step(attempt, next, moment.now).await?)),
        }
    }

    /// What a credential is presented by belongs to it alone. The store makes sure of it at the end; here its holder can
    /// still take another one.
    async fn refuse_a_taken(&self, step: &EnrolStep, finished: &factor::Enrolled) -> Result<(), Stop> {
        let Some(handle) = &finished.handle else { return Ok(()) };
        let Purpose::Enrol(enrolling) = &step.attempt.purpose else { return Err(Stop::Gone) };
        let taken = self.store.credentials.by_handle(handle).await?;
        let replaced = |held: &Credential| enrolling.place() == Place::Instead && held.account == step.attempt.account;
        match taken.is_none_or(|held| replaced(&held)) {
            true => Ok(()),
            false => Err(Stop::Rejected(Rejection::Wrong)),
        }
    }

    /// Whoever changes a password is told if it is the one in use. A link may set any: it may be forgotten what was.
    async fn refuse_the_same(&self, step: &EnrolStep, answer: &Secret, now: Time) -> Result<(), Stop> {
        if step.factor != Some(password::NAME) || step.session.is_none() {
            return Ok(());
        }
        let machine = self.machine(password::NAME)?;
        let held = self.credentials(step.attempt.account).await?;
        for credential in held.iter().filter(|credential| credential.factor == password::NAME) {
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
        wanted: &[&[FactorName]],
        origin: Origin,
        now: Time,
    ) -> Result<AttemptToken, Stop> {
        let wanted = configured(wanted, &self.factors());
        let first = wanted.first().cloned().ok_or(Stop::Gone)?;
        let enrolling = Enrolling::new((origin.link, origin.session), origin.place, &wanted);
        let attempt = Attempt {
            purpose: Purpose::Enrol(Box::new(enrolling)),
            account: account.id,
            name: account.name.clone(),
            proofs: origin.proofs,
            need: Need::MFA,
            ticket: origin.ticket,
            asked: None,
        };
        self.begin_step(attempt, &first, now).await
    }

    /// Begins what the next step enrols; where there are several, that is chosen first.
    async fn begin_step(&self, attempt: Attempt, choices: &[FactorName], now: Time) -> Result<AttemptToken, Stop> {
        match choices {
            [only] => self.begin_factor(attempt, *only, now).await,
            _ => self.put(&attempt, now).await,
        }
    }

    async fn begin_factor(&self, mut attempt: Attempt, factor: FactorName, now: Time) -> Result<AttemptToken, Stop> {
        let begun = self.begin_with(&attempt, factor).await?;
        let Purpose::Enrol(enrolling) = &mut attempt.purpose else { return Err(Stop::Gone) };
        enrolling.begin(factor, begun);
        self.put(&attempt, now).await
    }

    /// Begins a factor for whom an enrolment is. What it takes the place of does not stand in its way.
    pub(super) async fn begin_with(&self, attempt: &Attempt, factor: FactorName) -> Result<Begun, Stop> {
        let Purpose::Enrol(enrolling) = &attempt.purpose else { return Err(Stop::Gone) };
        let held = match enrolling.place() {
            Place::Beside => self.credentials(attempt.account).await?,
            Place::Instead => Vec::new(),
        };
        let holder = Holder { id: attempt.account, name: &attempt.name, held: &held };
        self.machine(factor)?.begin(holder).await.map_err(Stop::Rejected)
    }

    /// Keeps everything in one transaction, with all that follows from it.
    async fn commit(&self, attempt: Attempt, moment: Moment) -> Result<Enrolled, Stop> {
        let Purpose::Enrol(enrolling) = &attempt.purpose else { return Err(Stop::Gone) };
        let account = attempt.account;
        let credentials = enrolling.credentials(&attempt, moment.now).ok_or(Stop::Gone)?;
        let right = enrolling.right().ok_or(Stop::Gone)?;
        let place = enrolling.place();
        let enrolment = Enrolment { account, credentials: &credentials, place, right };
        let ended = self.store.credentials.enrol(&enrolment, moment.now).await?.ok_or(Stop::Gone)?;
        let factors = credentials.iter().map(|credential| credential.factor).collect();
        let session = enrolling.session();
        let proven = Proven::resume(account, attempt.proofs.clone());
        Ok(Enrolled::Done { factors, proven, session, attempt: Box::new(attempt), ended })
    }
}

/// What of this is configured; a step of which nothing is is left out.
fn configured(wanted: &[&[FactorName]], factors: &Factors) -> Vec<Vec<FactorName>> {
    let known = |any: &&[FactorName]| any.iter().copied().filter(|name| factors.get(*name).is_some()).collect();
    wanted.iter().map(known).filter(|any: &Vec<FactorName>| !any.is_empty()).collect()
}

/// Where an enrolment comes from.
struct Origin {
    link: Option<[u8; 32]>,
    session: Option<SessionId>,
    place: Place,
    proofs: Proofs,
    ticket: Option<String>,
}

impl EnrolStep {
    fn pending(&self) -> Option<Vec<u8>> {
        match &self.attempt.purpose {
            Purpose::Enrol(enrolling) => enrolling.pending(),
            Purpose::SignIn | Purpose::StepUp(_) => None,
        }
    }
}
