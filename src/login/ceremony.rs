//! Challenges of passkeys: each is for one browser and one purpose, good for five minutes, and answered once.
//!
//! What a challenge is travels sealed with the page that asked for it, so that nobody who only asks writes to the store,
//! and any process on the store can check the answer. What decides lies in the store: which challenges are used up.

use super::attempt::{Attempt, AttemptToken, Purpose};
use super::throttle::Claimed;
use super::verify::{Answer, Question};
use super::{Login, Moment, Next, Progress, Stop};
use crate::factor::{Factor, Holder, Proven, Rejection, Show, passkey};
use crate::identity::{Account, AccountKind, FactorName, Need, Proofs};
use crate::session::SecretToken;
use crate::stdx::clock::Time;
use crate::stdx::digest::sha256;
use crate::stdx::entropy;
use crate::stdx::secret::Secret;
use crate::store::OnceKind;
use data_encoding::BASE64URL_NOPAD;
use std::sync::Arc;
use std::time::Duration;

/// How long a challenge may wait for its answer: the time that WebAuthn Level 3 §15.1 recommends where a user is
/// verified.
pub const CEREMONY_LIFE: Duration = Duration::from_secs(5 * 60);

/// Something for a browser to ask a passkey.
#[derive(Clone, Debug)]
pub struct Ceremony {
    /// The options of `navigator.credentials`, as JSON.
    pub options: String,
    /// What comes back with the answer, sealed.
    pub sealed: String,
}

/// How a sign-in without a name begins.
#[derive(Debug)]
pub struct PasskeyOpening<'a> {
    /// What the browser said.
    pub answer: Secret,
    /// What came back with it.
    pub ceremony: &'a str,
    /// What ties the ceremony to this browser.
    pub tie: &'a SecretToken,
    /// The sealed ticket that came along.
    pub ticket: Option<String>,
    /// What has to be proven.
    pub need: Need,
}

/// What a challenge is for. An answer to one counts nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// A sign-in by whoever holds a passkey.
    SignIn,
    /// One more proof in an attempt.
    Proof,
    /// A passkey to enrol.
    Enrolment,
}

/// A sealed ceremony as it came back, and where it must have been asked.
#[derive(Clone, Copy)]
pub(super) struct Returned<'a> {
    pub sealed: &'a str,
    pub occasion: Occasion,
    pub tie: &'a SecretToken,
}

impl Occasion {
    const fn word(self) -> &'static [u8] {
        match self {
            Occasion::SignIn => b"sign-in",
            Occasion::Proof => b"proof",
            Occasion::Enrolment => b"enrolment",
        }
    }

    /// What a ceremony is sealed with: it opens for the same purpose and the same browser alone.
    fn binding(self, tie: &SecretToken) -> Vec<u8> {
        [&tie.hash().0[..], self.word()].concat()
    }
}

impl Login {
    /// Asks whoever holds a passkey, for a sign-in of the browser that holds `tie`. Nothing is looked up.
    ///
    /// # Errors
    /// [`Stop::Gone`] if passkeys are not configured.
    pub async fn ask_anybody(&self, tie: &SecretToken, now: Time) -> Result<Ceremony, Stop> {
        let begun = self.passkeys()?.challenge(None, now).await.map_err(Stop::Rejected)?;
        self.seal_ceremony((begun.show, &begun.pending), (Occasion::SignIn, tie), now)
    }

    /// Asks the holder whose attempt this is, if it waits for a passkey or may be answered with one.
    ///
    /// # Errors
    /// [`Stop::Gone`] if it does not, or there is none.
    pub async fn ask_holder(&self, token: &AttemptToken, now: Time) -> Result<Ceremony, Stop> {
        let begun = self.look(token, now).await?;
        if begun.next != Next::Ask(passkey::NAME) && !begun.others.contains(&passkey::NAME) {
            return Err(Stop::Gone);
        }
        let held = self.credentials(begun.attempt.account).await?;
        let holder = Holder { id: begun.attempt.account, name: &begun.attempt.name, held: &held };
        let begun = self.passkeys()?.challenge(Some(holder), now).await.map_err(Stop::Rejected)?;
        self.seal_ceremony((begun.show, &begun.pending), (Occasion::Proof, token), now)
    }

    /// Asks for a new passkey, if the enrolment is at one.
    ///
    /// # Errors
    /// [`Stop::Gone`] if it is not, or there is none.
    pub async fn ask_for_new(&self, token: &AttemptToken, now: Time) -> Result<Ceremony, Stop> {
        let step = self.enrolment(token, now).await?;
        if step.factor != Some(passkey::NAME) {
            return Err(Stop::Gone);
        }
        let begun = self.begin_with(&step.attempt, passkey::NAME).await?;
        self.seal_ceremony((begun.show, &begun.pending), (Occasion::Enrolment, token), now)
    }

    /// Begins a sign-in without a name: the passkey says whose it is, and the store whether that is so. A passkey that
    /// nobody has and one that answered wrongly look alike.
    ///
    /// # Errors
    /// [`Stop::Rejected`] for every reason the answer does not count.
    pub async fn begin_with_passkey(&self, opening: PasskeyOpening<'_>, moment: Moment) -> Result<Progress, Stop> {
        let account = self.claimed(&opening.answer).await?;
        let name = account.as_ref().map_or("?", |account| account.name.as_str());
        let claimed = Claimed { name, account: account.as_ref() };
        let returned = Returned { sealed: opening.ceremony, occasion: Occasion::SignIn, tie: opening.tie };
        let asked = Question::Ceremony(returned);
        let answer = Answer { factor: passkey::NAME, secret: &opening.answer, asked };
        let verified = self.verify(claimed, answer, moment).await?;
        let Some(account) = account else { return Err(Stop::Rejected(Rejection::Wrong)) };
        let attempt = Attempt {
            purpose: Purpose::SignIn,
            account: account.id,
            name: account.name,
            proofs: Proofs::new(),
            need: opening.need,
            ticket: opening.ticket,
            asked: None,
        };
        let proven = Proven::new(account.id, Proofs::new(), &verified);
        self.go_on(attempt, proven, moment.now).await
    }

    /// What the passkey that answered is known by, if no account has it. Whoever asks knows that of the passkey already.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn unknown_passkey(&self, answer: &Secret) -> Result<Option<Vec<u8>>, Stop> {
        let Some(claim) = passkey::Claim::of(answer) else { return Ok(None) };
        let held = self.store.credentials.by_handle(&claim.handle).await?;
        Ok(held.is_none().then_some(claim.handle))
    }

    /// The person whose passkey an answer claims to be, if the account it names has one that is called so.
    async fn claimed(&self, answer: &Secret) -> Result<Option<Account>, Stop> {
        let Some(claim) = passkey::Claim::of(answer) else { return Ok(None) };
        let held = self.store.credentials.by_handle(&claim.handle).await?;
        let held = held.filter(|held| held.factor == passkey::NAME && held.account == claim.account);
        let Some(held) = held else { return Ok(None) };
        let account = self.store.accounts.by_id(held.account).await?;
        Ok(account.filter(|account| account.kind == AccountKind::Person))
    }

    /// Opens a ceremony that came back and uses it up, whatever its answer is worth: of any number of callers with the
    /// same one, exactly one gets it.
    pub(super) async fn spend(&self, returned: Returned<'_>, now: Time) -> Result<Vec<u8>, Stop> {
        let refused = || Stop::Rejected(Rejection::Wrong);
        let (id, expires, pending) = self.open_ceremony(returned).ok_or_else(refused)?;
        if now >= expires {
            return Err(refused());
        }
        match self.store.once.mark(OnceKind::Spent, sha256(&id), (now, expires)).await? {
            true => Ok(pending),
            false => Err(refused()),
        }
    }

    fn open_ceremony(&self, returned: Returned<'_>) -> Option<([u8; 16], Time, Vec<u8>)> {
        let sealed = BASE64URL_NOPAD.decode(returned.sealed.as_bytes()).ok()?;
        let plain = self.seals.ceremony.open(&returned.occasion.binding(returned.tie), &sealed)?;
        let (id, rest) = plain.split_first_chunk::<16>()?;
        let (expires, pending) = rest.split_first_chunk::<8>()?;
        Some((*id, Time::from_millis(u64::from_be_bytes(*expires)), pending.to_vec()))
    }

    fn seal_ceremony(
        &self,
        (show, pending): (Show, &[u8]),
        (occasion, tie): (Occasion, &SecretToken),
        now: Time,
    ) -> Result<Ceremony, Stop> {
        let Show::Passkey { options } = show else { return Err(Stop::Gone) };
        let id: [u8; 16] = entropy::bytes();
        let expires = now.plus(CEREMONY_LIFE).millis().to_be_bytes();
        let plain = [&id[..], &expires[..], pending].concat();
        let sealed = self.seals.ceremony.seal(&occasion.binding(tie), &plain);
        Ok(Ceremony { options, sealed: BASE64URL_NOPAD.encode(&sealed) })
    }

    fn passkeys(&self) -> Result<Arc<dyn Factor>, Stop> {
        self.machine(passkey::NAME)
    }

    /// The factor of that name, if it is configured.
    pub(super) fn machine(&self, name: FactorName) -> Result<Arc<dyn Factor>, Stop> {
        self.factors().get(name).cloned().ok_or(Stop::Gone)
    }
}
