//! Having a code sent: limited before it is sent, bound to the attempt that asked for it, and the only one that this
//! attempt may be answered with.

use super::attempt::{Attempt, AttemptToken, Purpose};
use super::plan::Next;
use super::throttle::Posting;
use super::{Login, Moment, Stop, Unavailable};
use crate::audit::Event;
use crate::factor::{Begun, Factor, Holder, Rejection, Sending, Show, message};
use crate::identity::{AccountId, Credential, CredentialId, FactorName};
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How soon a code may be sent again: most have arrived by then.
pub const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What an attempt has had sent.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The factor that asked.
    pub factor: FactorName,
    /// What it shows the person.
    pub show: Show,
    /// When it was sent.
    pub at: Time,
    /// What an answer is checked against.
    challenge: Vec<u8>,
}

/// What somebody wants to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// By which factor.
    pub factor: FactorName,
    /// To which of the places that the account has; `None`: to the first.
    pub credential: Option<CredentialId>,
}

impl Asked {
    /// What an answer is checked against.
    pub(super) fn challenge(&self) -> &[u8] {
        &self.challenge
    }

    /// Until when it is good.
    pub fn expires(&self) -> Time {
        self.at.plus(message::LIFE)
    }
}

impl Attempt {
    /// What was sent for a factor and is still good.
    pub fn asked(&self, factor: FactorName, now: Time) -> Option<&Asked> {
        self.asked.as_ref().filter(|asked| asked.factor == factor && now < asked.expires())
    }
}

impl Login {
    /// Has something sent for an attempt; the attempt goes on under a new token, and what it was sent before is void.
    ///
    /// # Errors
    /// [`Stop::Rejected`] with the time to wait for if too much was sent already, and the attempt stands as it was;
    /// [`Stop::Gone`] if the attempt does not wait for this factor.
    pub async fn send(&self, token: &AttemptToken, wish: Wish, moment: Moment) -> Result<AttemptToken, Stop> {
        let begun = self.look(token, moment.now).await?;
        let waits = begun.next == Next::Ask(wish.factor) || begun.others.contains(&wish.factor);
        let attempt = Some(begun.attempt).filter(|_| waits).ok_or(Stop::Gone)?;
        self.account(attempt.account).await?;
        if let Some(until) = attempt.asked(wish.factor, moment.now).map(|asked| asked.at.plus(AGAIN_AFTER))
            && moment.now < until
        {
            return Err(Stop::Rejected(Rejection::Wait(until)));
        }
        let machine = self.machine(wish.factor)?;
        let held = self.credentials(attempt.account).await?;
        let mut theirs = held.iter().filter(|credential| credential.factor == wish.factor);
        let chosen = theirs.find(|credential| wish.credential.is_none_or(|id| id == credential.id));
        let chosen = chosen.ok_or(Stop::Rejected(Rejection::Wrong))?;
        let posting = self.limit(&*machine, Sending::Challenge(chosen), attempt.account, moment).await?;
        let held: &[Credential] = std::slice::from_ref(chosen);
        let holder = Holder { id: attempt.account, name: &attempt.name, held };
        let begun = machine.challenge(Some(holder), moment.now).await;
        let begun = self.posted(begun, (posting, attempt.account), moment).await?;
        let mut attempt = self.take(token, moment.now).await?;
        let (factor, at) = (wish.factor, moment.now);
        attempt.asked = Some(Asked { factor, show: begun.show, at, challenge: begun.pending });
        self.put(&attempt, moment.now).await
    }

    /// Whether what an attempt was sent is void, because too many answers to it were wrong.
    ///
    /// # Errors
    /// [`Stop::Down`].
    pub async fn is_void(&self, attempt: &Attempt, now: Time) -> Result<bool, Stop> {
        let Some(asked) = attempt.asked(message::NAME, now) else { return Ok(false) };
        Posting::is_void(&self.store.throttles, &message::name_of(&asked.challenge), now).await
    }

    /// Takes an answer on the way of an enrolment that has more than one step; `None` if it is the last one.
    pub(super) async fn go_on_enrolling(
        &self,
        token: &AttemptToken,
        (machine, pending, answer): (&dyn Factor, &[u8], &Secret),
        (account, moment): (AccountId, Moment),
    ) -> Result<Option<AttemptToken>, Stop> {
        let posting = self.limit(machine, Sending::Typed(answer), account, moment).await?;
        let begun = match machine.go_on(pending, answer, moment.now).await {
            Ok(None) => return Ok(None),
            Ok(Some(begun)) => Ok(begun),
            Err(rejection) => Err(rejection),
        };
        let begun = self.posted(begun, (posting, account), moment).await?;
        let mut attempt = self.take(token, moment.now).await?;
        let Purpose::Enrol(enrolling) = &mut attempt.purpose else { return Err(Stop::Gone) };
        enrolling.wait_for(begun);
        self.put(&attempt, moment.now).await.map(Some)
    }

    /// Counts an answer to something that was sent: after a few wrong ones it is void.
    pub(super) async fn count_answer(&self, challenge: &[u8], now: Time) -> Result<(), Stop> {
        Posting::answer(&self.store.throttles, &message::name_of(challenge), now).await
    }

    /// A message with the code of that name could not be delivered: whoever waits for it may have another.
    ///
    /// # Errors
    /// If the store cannot be asked; then it counts on.
    pub async fn undelivered(&self, code: &str) -> Result<(), Unavailable> {
        match self.posted.remove(code) {
            Some(posting) => posting.give_back(&self.store.throttles).await,
            None => Ok(()),
        }
    }

    /// Counts what is about to be sent, if anything is, or says when it may be.
    async fn limit(
        &self,
        machine: &dyn Factor,
        sending: Sending<'_>,
        account: AccountId,
        moment: Moment,
    ) -> Result<Option<Posting>, Stop> {
        let Some(recipient) = machine.recipient(sending) else { return Ok(None) };
        match Posting::reserve(&self.store.throttles, (account, &recipient), moment).await? {
            Ok(posting) => Ok(Some(posting)),
            Err((limit, refused)) => {
                self.recorder.count_limited(limit);
                if self.told.is_first(&refused, moment.now) {
                    let event = Event::CodeRefused { account, limit, address: moment.address };
                    self.recorder.report(moment.now, event);
                }
                Err(Stop::Rejected(refused.rejection()))
            }
        }
    }

    /// Keeps what was counted until the message has arrived, and puts it on record; gives it back if nothing was sent.
    async fn posted(
        &self,
        begun: Result<Begun, Rejection>,
        (posting, account): (Option<Posting>, AccountId),
        moment: Moment,
    ) -> Result<Begun, Stop> {
        let Some(posting) = posting else { return begun.map_err(Stop::Rejected) };
        match begun {
            Ok(begun) => {
                self.posted.insert(message::name_of(&begun.pending), posting);
                if let Show::Sent { channel, .. } = &begun.show {
                    let event = Event::CodeSent { account, channel: *channel, address: moment.address };
                    self.recorder.report(moment.now, event);
                }
                Ok(begun)
            }
            Err(rejection) => {
                posting.give_back(&self.store.throttles).await?;
                Err(Stop::Rejected(rejection))
            }
        }
    }
}

/// [`Asked`] as attempts are kept.
#[derive(Serialize, Deserialize)]
pub(super) struct AskedRecord {
    factor: String,
    show: super::enrolling::ShowRecord,
    at: u64,
    challenge: String,
}

impl From<&Asked> for AskedRecord {
    fn from(asked: &Asked) -> Self {
        AskedRecord {
            factor: asked.factor.0.to_owned(),
            show: asked.show.clone().into(),
            at: asked.at.millis(),
            challenge: BASE64.encode(&asked.challenge),
        }
    }
}

impl AskedRecord {
    pub(super) fn asked(&self) -> Option<Asked> {
        Some(Asked {
            factor: crate::factor::named(&self.factor)?,
            show: self.show.show(),
            at: Time::from_millis(self.at),
            challenge: BASE64.decode(self.challenge.as_bytes()).ok()?,
        })
    }
}
