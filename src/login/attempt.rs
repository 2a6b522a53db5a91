//! Attempts: a sign-in, step-up or enrolment under way, kept sealed in the store under its token's hash, and consumed
//! by each step that leads further.

use super::ceremony::{Occasion, Returned};
use super::enrolling::Enrolling;
use super::plan::{Gap, Next, brought_to, choices, enrolments, next, strongest};
use super::send::{Asked, AskedRecord};
use super::throttle::Claimed;
use super::verify::{Answer, Question};
use super::{Completed, Given, Login, Moment, Opening, Progress, Stop};
use crate::audit::Event;
use crate::factor::{Factors, Proven, Rejection, password, recovery_code};
use crate::identity::{Account, AccountId, AccountName, Credential, FactorName, Kinds, Need, Proof, Proofs, SessionId};
use crate::session::{LiveSession, SecretToken};
use crate::stdx::clock::Time;
use crate::store::OnceKind;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a sign-in or step-up may take from one step to the next.
pub const ATTEMPT_LIFE: Duration = Duration::from_secs(10 * 60);

/// How long an enrolment may: on the way an app is found and installed on a phone, and a list of codes is put away.
pub const SET_UP_LIFE: Duration = Duration::from_secs(30 * 60);

/// The token of an attempt: a cookie of its own, never a session's.
pub type AttemptToken = SecretToken;

/// A sign-in, step-up or enrolment under way.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is.
    pub account: AccountId,
    /// Its name, for pages.
    pub name: AccountName,
    /// What was proven so far, in this attempt or in the session that is stepped up.
    pub proofs: Proofs,
    /// What has to be proven.
    pub need: Need,
    /// The sealed ticket that says where to go afterwards.
    pub ticket: Option<String>,
    /// What it has had sent, and waits for an answer to.
    pub(super) asked: Option<Asked>,
}

/// What an attempt is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// To open a session.
    SignIn,
    /// To raise this session.
    StepUp(SessionId),
    /// To enrol factors.
    Enrol(Box<Enrolling>),
}

impl Attempt {
    /// What is proven, and what has to be.
    pub(super) fn gap(&self, now: Time) -> Gap<'_> {
        Gap { proofs: &self.proofs, need: &self.need, now }
    }
}

impl Purpose {
    const fn life(&self) -> Duration {
        match self {
            Purpose::SignIn | Purpose::StepUp(_) => ATTEMPT_LIFE,
            Purpose::Enrol(_) => SET_UP_LIFE,
        }
    }
}

/// An attempt as it stands, for the page that asks for the next answer.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The attempt.
    pub attempt: Attempt,
    /// What it waits for.
    pub next: Next,
    /// What the account could answer with instead.
    pub others: Vec<FactorName>,
    /// Whether the account has recovery codes, and they would help here.
    pub recoverable: bool,
}

impl Login {
    /// Begins a sign-in with a name and a password.
    ///
    /// # Errors
    /// [`Stop::Rejected`] for every reason the answer does not count, the same for accounts that do not exist.
    pub async fn begin(&self, opening: Opening<'_>, moment: Moment) -> Result<Progress, Stop> {
        let name = AccountName::parse(opening.name).ok();
        let account = match &name {
            Some(name) => self.store.accounts.by_name(name).await?,
            None => None,
        };
        // What is no name is kept nowhere: it may be a password in the wrong field.
        let claimed = Claimed { name: name.as_ref().map_or("?", AccountName::as_str), account: account.as_ref() };
        let answer = Answer { factor: password::NAME, secret: &opening.answer, asked: Question::Nothing };
        let verified = self.verify(claimed, answer, moment).await?;
        let Some(account) = account else { return Err(Stop::Rejected(Rejection::Wrong)) };
        let proven = Proven::new(account.id, Proofs::new(), &verified);
        let attempt = Attempt {
            purpose: Purpose::SignIn,
            account: account.id,
            name: account.name,
            proofs: Proofs::new(),
            need: opening.need,
            ticket: opening.ticket,
            asked: None,
        };
        self.go_on(attempt, proven, moment.now).await
    }

    /// Begins a step-up of a live session; the answer says which factor is missing.
    ///
    /// # Errors
    /// [`Stop::Down`].
    pub async fn step_up(
        &self,
        session: &LiveSession,
        need: Need,
        ticket: Option<String>,
        now: Time,
    ) -> Result<(AttemptToken, Next), Stop> {
        let attempt = Attempt {
            purpose: Purpose::StepUp(session.id),
            account: session.account.id,
            name: session.account.name.clone(),
            proofs: session.proofs.clone(),
            need,
            ticket,
            asked: None,
        };
        let next = self.next_of(&attempt, now).await?;
        Ok((self.put(&attempt, now).await?, next))
    }

    /// An attempt as it stands.
    ///
    /// # Errors
    /// [`Stop::Gone`] if there is none under this token any more.
    pub async fn look(&self, token: &AttemptToken, now: Time) -> Result<Begun, Stop> {
        let value = self.store.once.peek(OnceKind::Attempt, token.hash().0, now).await?.ok_or(Stop::Gone)?;
        let attempt = self.open(token, &value).ok_or(Stop::Gone)?;
        let held = self.credentials(attempt.account).await?;
        let (factors, gap) = (self.factors(), attempt.gap(now));
        let (next, enrolled) = (self.plan(&attempt, &held, now), counting(&factors, &held));
        let mut others = choices(&factors, &enrolled, gap);
        others.retain(|name| next != Next::Ask(*name));
        let recoverable = self.recoverable(&attempt, &enrolled);
        Ok(Begun { attempt, next, others, recoverable })
    }

    /// Answers what an attempt waits for, or answers with a recovery code instead. Any other answer is not looked at.
    ///
    /// # Errors
    /// [`Stop::Rejected`] and the attempt stands as it was; [`Stop::Gone`] if it expired or another was faster.
    pub async fn answer(&self, token: &AttemptToken, given: Given<'_>, moment: Moment) -> Result<Progress, Stop> {
        let factor = given.factor;
        let begun = self.look(token, moment.now).await?;
        let asked = begun.next == Next::Ask(factor) || begun.others.contains(&factor);
        let recovering = factor == recovery_code::NAME && begun.recoverable;
        if !asked && !recovering {
            // While this was typed, another proof may have grown too old: that one is asked for first.
            return match begun.next {
                Next::Ask(other) => Ok(Progress::Ask(token.clone(), other)),
                Next::Done | Next::Enrol(_) | Next::Lapsed | Next::Impossible => Err(Stop::Gone),
            };
        }
        let account = self.store.accounts.by_id(begun.attempt.account).await?;
        let account = account.filter(|account| !account.disabled).ok_or(Stop::Gone)?;
        let claimed = Claimed { name: account.name.as_str(), account: Some(&account) };
        let sent = begun.attempt.asked(factor, moment.now).map(Asked::challenge);
        if let Some(sent) = sent {
            self.count_answer(sent, moment.now).await?;
        }
        let asked = match (given.ceremony, sent) {
            (Some(sealed), _) => Question::Ceremony(Returned { sealed, occasion: Occasion::Proof, tie: token }),
            (None, Some(challenge)) => Question::Kept(challenge),
            (None, None) => Question::Nothing,
        };
        let answer = Answer { factor, secret: given.answer, asked };
        let verified = self.verify(claimed, answer, moment).await?;
        let mut attempt = self.take(token, moment.now).await?;
        attempt.ticket = given.ticket;
        let proven = Proven::new(account.id, attempt.proofs.clone(), &verified);
        if recovering {
            return Ok(Progress::Proven(Box::new(Completed { proven, attempt })));
        }
        self.go_on(attempt, proven, moment.now).await
    }

    pub(super) async fn go_on(&self, mut attempt: Attempt, proven: Proven, now: Time) -> Result<Progress, Stop> {
        attempt.proofs = proven.proofs().clone();
        attempt.asked = None;
        match self.next_of(&attempt, now).await? {
            Next::Done => Ok(Progress::Proven(Box::new(Completed { proven, attempt }))),
            Next::Ask(factor) => Ok(Progress::Ask(self.put(&attempt, now).await?, factor)),
            Next::Enrol(_) | Next::Lapsed => Ok(Progress::Lacking(Box::new(Completed { proven, attempt }))),
            Next::Impossible => Ok(Progress::Impossible(Box::new(Completed { proven, attempt }))),
        }
    }

    async fn next_of(&self, attempt: &Attempt, now: Time) -> Result<Next, Stop> {
        let held = self.credentials(attempt.account).await?;
        Ok(self.plan(attempt, &held, now))
    }

    /// What comes next in an attempt of an account that holds these.
    fn plan(&self, attempt: &Attempt, held: &[Credential], now: Time) -> Next {
        let factors = self.factors();
        let enrolled = counting(&factors, held);
        match next(&factors, &enrolled, attempt.gap(now)) {
            Next::Enrol(_) if strongest(&factors, &enrolled) < brought_to(held) => {
                let recoverable = self.recoverable(attempt, &enrolled);
                if recoverable { Next::Ask(recovery_code::NAME) } else { Next::Lapsed }
            }
            next => next,
        }
    }

    /// What somebody must prove, and lately, who wants to enrol something else: all that the account can by now, and two
    /// factors if it ever could.
    ///
    /// # Errors
    /// [`Stop::Down`].
    pub async fn strongest(&self, account: AccountId, max_age: Duration) -> Result<Need, Stop> {
        let held = self.credentials(account).await?;
        let factors = self.factors();
        let level = strongest(&factors, &counting(&factors, &held)).max(brought_to(&held));
        Ok(Need::of(level, Some(max_age)))
    }

    /// The factors that an account could enrol to meet `need` with, the one to advise first.
    ///
    /// # Errors
    /// [`Stop::Down`].
    pub async fn enrolments(&self, session: &LiveSession, need: &Need, now: Time) -> Result<Vec<FactorName>, Stop> {
        let enrolled = self.enrolled(session.account.id).await?;
        Ok(enrolments(&self.factors(), &enrolled, Gap { proofs: &session.proofs, need, now }))
    }

    /// The factors an account has enrolled, as far as what it holds counts now.
    ///
    /// # Errors
    /// [`Stop::Down`].
    pub async fn enrolled(&self, account: AccountId) -> Result<Vec<FactorName>, Stop> {
        let credentials = self.store.credentials.of(account).await?;
        Ok(counting(&self.factors.load(), &credentials))
    }

    /// A recovery code stands in for a lost second factor: only in a sign-in, and only after the password.
    fn recoverable(&self, attempt: &Attempt, enrolled: &[FactorName]) -> bool {
        let signing_in = matches!(attempt.purpose, Purpose::SignIn) && attempt.proofs.has(password::NAME);
        signing_in && enrolled.contains(&recovery_code::NAME) && self.factors.load().get(recovery_code::NAME).is_some()
    }

    pub(super) async fn put(&self, attempt: &Attempt, now: Time) -> Result<AttemptToken, Stop> {
        let token = AttemptToken::fresh();
        let text = serde_json::to_vec(&Record::from(attempt)).expect("a record of strings and numbers has a JSON form");
        let sealed = self.seals.attempt.seal(&token.hash().0, &text);
        let (key, expires) = (token.hash().0, now.plus(attempt.purpose.life()));
        self.store.once.put(OnceKind::Attempt, key, Some(attempt.account), &sealed, expires).await?;
        Ok(token)
    }

    pub(super) async fn take(&self, token: &AttemptToken, now: Time) -> Result<Attempt, Stop> {
        let value = self.store.once.take(OnceKind::Attempt, token.hash().0, now).await?.ok_or(Stop::Gone)?;
        self.open(token, &value).ok_or(Stop::Gone)
    }

    fn open(&self, token: &AttemptToken, value: &[u8]) -> Option<Attempt> {
        let text = self.seals.attempt.open(&token.hash().0, value)?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        record.attempt()
    }

    pub(super) fn report_failure(&self, who: Claimed<'_>, factor: FactorName, why: &'static str, moment: Moment) {
        let (account, name) = (who.account.map(|account| account.id), who.name.to_owned());
        let event = Event::SignInFailed { account, name, factor, why, address: moment.address };
        self.recorder.report(moment.now, event);
    }

    pub(super) async fn account(&self, id: AccountId) -> Result<Account, Stop> {
        let account = self.store.accounts.by_id(id).await?;
        account.filter(|account| !account.disabled).ok_or(Stop::Gone)
    }
}

/// The factors of credentials that count. Those that are not configured are left for whoever asks to find missing.
pub(super) fn counting<'a>(
    factors: &Factors,
    credentials: impl IntoIterator<Item = &'a Credential>,
) -> Vec<FactorName> {
    let counts = |held: &&Credential| factors.get(held.factor).is_none_or(|factor| factor.counts(&held.state));
    credentials.into_iter().filter(counts).map(|held| held.factor).collect()
}

#[derive(Serialize, Deserialize)]
struct Record {
    step_up: Option<String>,
    enrol: Option<Box<Enrolling>>,
    account: String,
    name: String,
    proofs: Vec<ProofRecord>,
    need: String,
    ticket: Option<String>,
    #[serde(default)]
    asked: Option<AskedRecord>,
}

#[derive(Serialize, Deserialize)]
struct ProofRecord {
    factor: String,
    kinds: u8,
    phishing_resistant: bool,
    recovery: bool,
    at: u64,
}

impl From<&Attempt> for Record {
    fn from(attempt: &Attempt) -> Self {
        let (step_up, enrol) = match &attempt.purpose {
            Purpose::SignIn => (None, None),
            Purpose::StepUp(session) => (Some(session.to_string()), None),
            Purpose::Enrol(enrolling) => (None, Some(enrolling.clone())),
        };
        let proof = |proof: &Proof| ProofRecord {
            factor: proof.factor.0.to_owned(),
            kinds: proof.kinds.bits(),
            phishing_resistant: proof.phishing_resistant,
            recovery: proof.recovery,
            at: proof.at.millis(),
        };
        Record {
            step_up,
            enrol,
            account: attempt.account.to_string(),
            name: attempt.name.to_string(),
            proofs: attempt.proofs.iter().map(proof).collect(),
            need: attempt.need.to_text(),
            ticket: attempt.ticket.clone(),
            asked: attempt.asked.as_ref().map(AskedRecord::from),
        }
    }
}

impl Record {
    fn attempt(self) -> Option<Attempt> {
        let purpose = match (self.step_up, self.enrol) {
            (Some(session), _) => Purpose::StepUp(SessionId::parse(&session).ok()?),
            (None, Some(enrolling)) => Purpose::Enrol(enrolling),
            (None, None) => Purpose::SignIn,
        };
        let proofs = self.proofs.into_iter().map(ProofRecord::proof).collect::<Option<Proofs>>()?;
        let need = Need::parse(&self.need, crate::factor::named)?;
        let asked = self.asked.map(|record| record.asked().ok_or(())).transpose().ok()?;
        Some(Attempt {
            purpose,
            account: AccountId::parse(&self.account).ok()?,
            name: AccountName::parse(&self.name).ok()?,
            proofs,
            need,
            ticket: self.ticket,
            asked,
        })
    }
}

impl ProofRecord {
    fn proof(self) -> Option<Proof> {
        Some(Proof {
            factor: crate::factor::named(&self.factor)?,
            kinds: Kinds::from_bits(self.kinds),
            phishing_resistant: self.phishing_resistant,
            recovery: self.recovery,
            at: Time::from_millis(self.at),
        })
    }
}
