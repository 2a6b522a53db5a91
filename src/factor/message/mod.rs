//! One-time codes sent to a telephone or a mailbox; knows a code only by its digest, and nothing of how it is sent.

mod template;

pub use template::{Template, Words};

use super::{Against, Begun, Enrolled, Factor, Holder, Recipient, Rejection, Sending, Show, Verified};
use crate::identity::{AccountId, Channel, Contact, Credential, FactorName, Kind, Kinds, Proof};
use crate::stdx::clock::Time;
use crate::stdx::digest::{Mac, same, sha256};
use crate::stdx::entropy;
use crate::stdx::seal::{MasterKey, Seal};
use crate::stdx::secret::Secret;
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use std::sync::Arc;
use std::time::Duration;

/// The word in configuration and records.
pub const NAME: FactorName = FactorName("message");

/// How long a code is good for: the longest that NIST SP 800-63B-4 §3.1.3.2 allows.
pub const LIFE: Duration = Duration::from_secs(10 * 60);

/// The longest answer that is looked at: eight digits, and spaces however somebody groups them.
const LONGEST: usize = 32;

/// The first byte of every state, pending state and challenge.
const VERSION: u8 = 1;

/// What each is sealed for, so that none passes for another.
const STATE: &[u8] = b"message state 1";
const ASKED: &[u8] = b"message asked 1";
const CODE: &[u8] = b"message code 1";

/// How codes are made and what they are sent with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Digits of a code.
    pub digits: u32,
    /// How many may be sent within an hour for one source.
    pub per_source: u32,
    /// Where codes may go.
    pub channels: Vec<Channel>,
    /// What is sent.
    pub text: Template,
    /// What mail has above it.
    pub subject: Template,
    /// What the portal calls the organisation.
    pub portal: String,
    /// The portal's host.
    pub host: String,
}

/// A code on its way. Secret: it does not print.
#[derive(Clone)]
pub struct Letter {
    /// What its code is known by: [`name_of`] what an answer is checked against.
    pub name: String,
    /// Whose it is; not known while a place is being added.
    pub account: Option<AccountId>,
    /// To whom.
    pub to: Contact,
    /// What mail has above it.
    pub subject: String,
    /// What the person reads.
    pub text: Secret,
    /// The code alone.
    pub code: Secret,
    /// For how many minutes it is good.
    pub minutes: u64,
}

/// Too much is on its way already.
#[derive(Clone, Copy, Debug)]
pub struct Full;

/// Takes codes on their way. A trait, because the ways out of the house are another room's.
pub trait Deliver: Send + Sync + 'static {
    /// Takes a letter, and does not wait until it has arrived.
    ///
    /// # Errors
    /// [`Full`]; then it is not sent.
    fn take(&self, letter: Letter) -> Result<(), Full>;
}

/// The factor.
pub struct Message {
    settings: Settings,
    keys: Keys,
    deliver: Arc<dyn Deliver>,
}

/// What seals where codes go and keeps them from being read.
pub struct Keys {
    seal: Seal,
    mac: Mac,
}

impl Keys {
    /// The keys of this purpose.
    pub fn of(master: &MasterKey) -> Self {
        Keys { seal: master.seal("message-contact"), mac: master.mac("message-code") }
    }

    /// Where the codes of a credential go; `None` if it is none of this factor, or damaged.
    pub fn contact(&self, credential: &Credential) -> Option<Contact> {
        self.contact_in(Some(&credential.state).filter(|_| credential.factor == NAME)?)
    }

    /// Where codes go by the state of a credential of this factor; `None` if it is damaged.
    pub fn contact_in(&self, state: &[u8]) -> Option<Contact> {
        Some(State::open(state, &self.seal)?.contact)
    }
}

impl Message {
    /// The factor. Codes are handed to `deliver`.
    pub fn new(settings: Settings, keys: Keys, deliver: Arc<dyn Deliver>) -> Self {
        Message { settings, keys, deliver }
    }

    fn proof(&self, at: Time) -> Proof {
        Proof { factor: NAME, kinds: self.kinds(), phishing_resistant: false, recovery: false, at }
    }

    /// Draws a code, sends it, and gives what it is checked against.
    fn send(&self, to: &Contact, account: Option<AccountId>, now: Time) -> Result<Vec<u8>, Rejection> {
        let code = drawn(self.settings.digits);
        let Settings { portal, host, .. } = &self.settings;
        let minutes = LIFE.as_secs() / 60;
        let words = Words { code: &code, portal, host, minutes };
        let text = match to.channel() {
            Channel::Sms => &self.settings.text,
            Channel::Mail => &self.settings.text.for_mail(),
        };
        let tag = self.tag(to, code.as_bytes());
        let sent = Sent { made: now, tag, contact: to.clone() }.sealed(&self.keys.seal);
        let letter = Letter {
            name: name_of(&sent),
            account,
            to: to.clone(),
            subject: self.settings.subject.fill(&words),
            text: Secret::new(text.fill(&words)),
            code: Secret::new(code.as_str()),
            minutes,
        };
        self.deliver.take(letter).map_err(|Full| Rejection::Busy)?;
        Ok(sent)
    }

    fn tag(&self, to: &Contact, code: &[u8]) -> [u8; 32] {
        self.keys.mac.tag(&[to.address().as_bytes(), code])
    }

    /// What was sent, if it is still good and this is the code in it.
    fn matching(&self, sealed: &[u8], answer: &Secret, now: Time) -> Option<Sent> {
        let sent = Sent::open(sealed, &self.keys.seal)?;
        let typed = digits(answer)?;
        let good = sent.made <= now && now < sent.made.plus(LIFE);
        (same(&self.tag(&sent.contact, typed.as_bytes()), &sent.tag) && good).then_some(sent)
    }

    /// Where somebody wants codes to go, if codes may go there.
    fn typed(&self, answer: &Secret) -> Option<Contact> {
        let contact = Contact::parse(answer.expose_text().ok()?)?;
        self.settings.channels.contains(&contact.channel()).then_some(contact)
    }
}

#[async_trait]
impl Factor for Message {
    fn name(&self) -> FactorName {
        NAME
    }

    fn kinds(&self) -> Kinds {
        Kinds::of(Kind::Possession)
    }

    fn recipient(&self, sending: Sending<'_>) -> Option<Recipient> {
        let contact = match sending {
            Sending::Challenge(credential) => self.keys.contact(credential)?,
            Sending::Typed(answer) => self.typed(answer)?,
        };
        // Counters are kept apart from accounts, and need not say who is reached where.
        let name = HEXLOWER.encode(&self.keys.mac.tag(&[b"recipient", contact.address().as_bytes()]));
        Some(Recipient { name, per_source: self.settings.per_source })
    }

    async fn challenge(&self, of: Option<Holder<'_>>, now: Time) -> Result<Begun, Rejection> {
        let account = of.as_ref().map(|holder| holder.id);
        let contact = of.and_then(|holder| holder.held.iter().find_map(|held| self.keys.contact(held)));
        let contact = contact.filter(|contact| self.settings.channels.contains(&contact.channel()));
        let contact = contact.ok_or(Rejection::Wrong)?;
        let pending = self.send(&contact, account, now)?;
        Ok(Begun { pending, show: Show::Sent { to: contact.masked(), channel: contact.channel() } })
    }

    async fn verify(&self, against: Against<'_>, answer: &Secret, now: Time) -> Result<Verified, Rejection> {
        let sent = against.challenge.and_then(|sealed| self.matching(sealed, answer, now));
        let kept =
            against.state.and_then(|bytes| State::open(bytes, &self.keys.seal).or_else(|| super::unreadable(NAME)));
        let (sent, kept) = sent.zip(kept).ok_or(Rejection::Wrong)?;
        // A code that counted is over, and so is every one that was sent before it; unless that one was sent by a clock
        // that was set back since, when "before" means nothing. An attempt takes its code with it in any case.
        let over = sent.made == kept.last || (sent.made < kept.last && kept.last <= now);
        if sent.contact != kept.contact || over {
            return Err(Rejection::Wrong);
        }
        let next = State { last: sent.made, ..kept }.sealed(&self.keys.seal);
        Ok(Verified::new(self.proof(now), Some(next)))
    }

    async fn begin(&self, _: Holder<'_>) -> Result<Begun, Rejection> {
        let pending = versioned(self.keys.seal.seal(ASKED, b""));
        Ok(Begun { pending, show: Show::Contact { channels: self.settings.channels.clone() } })
    }

    async fn go_on(&self, pending: &[u8], answer: &Secret, now: Time) -> Result<Option<Begun>, Rejection> {
        let opened = |sort| pending.strip_prefix(&[VERSION]).and_then(|sealed| self.keys.seal.open(sort, sealed));
        let waiting_for_code = opened(CODE).is_some();
        if !waiting_for_code && opened(ASKED).is_none() {
            return Err(Rejection::Wrong);
        }
        match self.typed(answer) {
            // Once more, or to somewhere else, while a code is waited for.
            Some(contact) => {
                let pending = self.send(&contact, None, now)?;
                let show = Show::Sent { to: contact.address().to_owned(), channel: contact.channel() };
                Ok(Some(Begun { pending, show }))
            }
            None if waiting_for_code => Ok(None),
            None => Err(Rejection::Wrong),
        }
    }

    async fn finish(&self, pending: &[u8], answer: &Secret, now: Time) -> Result<Enrolled, Rejection> {
        let Sent { made, contact, .. } = self.matching(pending, answer, now).ok_or(Rejection::Wrong)?;
        let label = contact.masked();
        let state = State { last: made, contact }.sealed(&self.keys.seal);
        let verified = Some(Verified::new(self.proof(now), None));
        Ok(Enrolled { state, handle: None, label, verified })
    }
}

/// What is kept of one place where codes go.
struct State {
    /// When the last code that counted was sent: none that was sent by then counts again.
    last: Time,
    contact: Contact,
}

impl State {
    /// Reads what [`State::sealed`] wrote; `None` if it was altered, or sealed with a key that is gone.
    fn open(state: &[u8], seal: &Seal) -> Option<Self> {
        let plain = seal.open(STATE, state.strip_prefix(&[VERSION])?)?;
        let (last, address) = plain.split_first_chunk::<8>()?;
        let contact = Contact::parse(std::str::from_utf8(address).ok()?)?;
        Some(State { last: Time::from_millis(u64::from_be_bytes(*last)), contact })
    }

    fn sealed(&self, seal: &Seal) -> Vec<u8> {
        let plain = [&self.last.millis().to_be_bytes()[..], self.contact.address().as_bytes()].concat();
        versioned(seal.seal(STATE, &plain))
    }
}

/// A code that was sent, by its digest.
struct Sent {
    made: Time,
    tag: [u8; 32],
    contact: Contact,
}

impl Sent {
    fn open(sealed: &[u8], seal: &Seal) -> Option<Self> {
        let plain = seal.open(CODE, sealed.strip_prefix(&[VERSION])?)?;
        let (made, rest) = plain.split_first_chunk::<8>()?;
        let (tag, address) = rest.split_first_chunk::<32>()?;
        let contact = Contact::parse(std::str::from_utf8(address).ok()?)?;
        Some(Sent { made: Time::from_millis(u64::from_be_bytes(*made)), tag: *tag, contact })
    }

    fn sealed(&self, seal: &Seal) -> Vec<u8> {
        let made = self.made.millis().to_be_bytes();
        versioned(seal.seal(CODE, &[&made[..], &self.tag, self.contact.address().as_bytes()].concat()))
    }
}

/// A code of so many digits, each as likely as any other.
fn drawn(digits: u32) -> String {
    let bound = 10_u64.pow(digits);
    // Numbers in the last, incomplete stretch would favour low codes: another one is drawn.
    let whole = u64::MAX - u64::MAX % bound;
    let number = std::iter::repeat_with(|| u64::from_be_bytes(entropy::bytes())).find(|number| *number < whole);
    format!("{:0width$}", number.unwrap_or_default() % bound, width = digits as usize)
}

/// The digits of an answer, however they were grouped.
fn digits(answer: &Secret) -> Option<String> {
    let text = answer.expose_text().ok().filter(|text| text.len() <= LONGEST)?;
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)
}

fn versioned(sealed: Vec<u8>) -> Vec<u8> {
    [&[VERSION], &sealed[..]].concat()
}

/// What counts the answers to one code: a name for it that tells nothing of it.
pub fn name_of(challenge: &[u8]) -> String {
    HEXLOWER.encode(&sha256(challenge))
}

#[cfg(test)]
mod tests;
