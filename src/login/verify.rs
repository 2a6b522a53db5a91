//! Checking one answer: reserved before it is verified, its state written before it is believed.

use super::ceremony::Returned;
use super::throttle::{Claimed, Refused, Reservation};
use super::{Login, Moment, Stop};
use crate::factor::{Against, Factor, Rejection, Verified};
use crate::identity::{Account, Credential, FactorName};
use crate::stdx::secret::Secret;
use std::sync::Arc;

/// How often an answer is checked again because another step changed the credential meanwhile.
const TRIES: usize = 2;

/// An answer to one factor.
#[derive(Clone, Copy)]
pub(super) struct Answer<'a> {
    /// The factor it is for.
    pub factor: FactorName,
    /// What was typed, or what a device said.
    pub secret: &'a Secret,
    /// What was asked.
    pub asked: Question<'a>,
}

/// What an answer is to.
#[derive(Clone, Copy)]
pub(super) enum Question<'a> {
    /// Nothing that is asked anew each time.
    Nothing,
    /// A challenge that the attempt kept.
    Kept(&'a [u8]),
    /// One that travelled, to be used up before the answer is looked at.
    Ceremony(Returned<'a>),
}

impl Login {
    /// Checks an answer for an account, or does the same work for one that does not exist or is disabled.
    pub(super) async fn verify(
        &self,
        claimed: Claimed<'_>,
        answer: Answer<'_>,
        moment: Moment,
    ) -> Result<Verified, Stop> {
        let name = answer.factor;
        let factors = self.factors.load_full();
        let factor = factors.get(name).ok_or(Stop::Rejected(Rejection::Wrong))?;
        let throttles = &self.store.throttles;
        let mark = match claimed.account {
            Some(account) => self.mark(moment, account.id).await?,
            None => None,
        };
        let reservation = match Reservation::take(throttles, claimed, (name, mark), moment).await? {
            Ok(reservation) => reservation,
            Err(refused) => return Err(self.turn_away(claimed, name, &refused, moment)),
        };
        let verified = self.check_asked(factor, claimed, answer, moment).await;
        match &verified {
            Ok(_) => reservation.forgive(throttles).await?,
            // Whoever has the right code is no guesser, though it cannot count.
            Err(Stop::Rejected(Rejection::Clock)) => {
                reservation.forgive(throttles).await?;
                self.report_failure(claimed, name, "clock", moment);
            }
            Err(stop) => match failure(stop) {
                Some(why) => self.report_failure(claimed, name, why, moment),
                None => reservation.give_back(throttles).await?,
            },
        }
        verified
    }

    /// Uses a ceremony up before its answer is looked at.
    async fn check_asked(
        &self,
        factor: &Arc<dyn Factor>,
        claimed: Claimed<'_>,
        answer: Answer<'_>,
        moment: Moment,
    ) -> Result<Verified, Stop> {
        let account = claimed.account.filter(|account| !account.disabled);
        let spent = match answer.asked {
            Question::Ceremony(returned) => Some(self.spend(returned, moment.now).await?),
            Question::Nothing | Question::Kept(_) => None,
        };
        let challenge = match answer.asked {
            Question::Nothing => None,
            Question::Kept(challenge) => Some(challenge),
            Question::Ceremony(_) => spent.as_deref(),
        };
        self.check(factor, account, (answer.secret, challenge), moment).await
    }

    /// Every refusal is counted, and the first of each window recorded.
    fn turn_away(&self, claimed: Claimed<'_>, name: FactorName, refused: &Refused, moment: Moment) -> Stop {
        self.recorder.count_throttled(name);
        if self.told.is_first(refused, moment.now) {
            self.report_failure(claimed, name, "throttled", moment);
        }
        Stop::Rejected(refused.rejection())
    }

    async fn check(
        &self,
        factor: &Arc<dyn Factor>,
        account: Option<&Account>,
        answer: (&Secret, Option<&[u8]>),
        moment: Moment,
    ) -> Result<Verified, Stop> {
        for _ in 0..TRIES {
            let held = self.held(account, factor.name()).await?;
            let (credential, verified) = self.try_each(factor, &held, answer, moment).await?;
            let state = verified.state.as_deref().unwrap_or(&credential.state);
            let advanced = self.store.credentials.advance(credential.id, credential.version, state, moment.now).await?;
            if advanced || verified.state.is_none() {
                return Ok(verified);
            }
        }
        Err(Stop::Rejected(Rejection::Wrong))
    }

    async fn held(&self, account: Option<&Account>, factor: FactorName) -> Result<Vec<Credential>, Stop> {
        let Some(account) = account else { return Ok(Vec::new()) };
        let all = self.store.credentials.of(account.id).await?;
        Ok(all.into_iter().filter(|credential| credential.factor == factor).collect())
    }

    async fn try_each(
        &self,
        factor: &Arc<dyn Factor>,
        held: &[Credential],
        (answer, challenge): (&Secret, Option<&[u8]>),
        moment: Moment,
    ) -> Result<(Credential, Verified), Stop> {
        let mut last = Rejection::Wrong;
        for credential in held {
            let against = Against { state: Some(&credential.state), challenge };
            match factor.verify(against, answer, moment.now).await {
                Ok(verified) => return Ok((credential.clone(), verified)),
                // Another credential, for which the answer never was, tells less.
                Err(Rejection::Wrong) => {}
                Err(rejection) => last = rejection,
            }
        }
        let against = Against { state: None, challenge };
        if held.is_empty()
            && let Err(rejection) = factor.verify(against, answer, moment.now).await
        {
            last = rejection;
        }
        Err(Stop::Rejected(last))
    }
}

/// Why an answer that was looked at failed, in the record's word; `None` if it was not looked at.
fn failure(stop: &Stop) -> Option<&'static str> {
    match stop {
        Stop::Rejected(Rejection::Wrong) => Some("wrong"),
        Stop::Rejected(Rejection::Copied) => Some("counter"),
        Stop::Rejected(Rejection::NotAllowed) => Some("not-allowed"),
        Stop::Rejected(Rejection::Clock) => Some("clock"),
        Stop::Rejected(Rejection::Weak(_) | Rejection::Busy | Rejection::Wait(_) | Rejection::Locked)
        | Stop::Gone
        | Stop::Down(_) => None,
    }
}
