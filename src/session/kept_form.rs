//! Forms that wait until whoever sent them has proved more: sealed, for one host and one browser, and sent on once; knows
//! no page and no route.

use super::strangers::Strangers;
use super::token::SecretToken;
use crate::identity::{AccountId, SessionId};
use crate::stdx::clock::Time;
use crate::stdx::digest::{same, sha256};
use crate::stdx::seal::Seal;
use crate::store::{Once, OnceKind, Throttled, Unavailable};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a form's body that is kept. It is kept as it came, so this and the addresses is what a form takes.
pub const KEPT_FORM_SIZE: usize = 64 * 1024;

/// How long one is kept: as long as the way to the portal and back may take.
pub const KEPT_FORM_LIFE: Duration = Duration::from_secs(3600);

/// Forms kept for one session, so that a few tabs may wait at once and nobody fills the store.
const SLOTS: u8 = 4;

/// A form that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptForm {
    /// The canonical host it was sent to.
    pub host: String,
    /// Path and query it was sent to.
    pub path: String,
    /// Path and query of the page of that host it was on, if the browser said so.
    pub page: Option<String>,
    /// SHA-256 of the binding that the browser holds on that host.
    pub binding: [u8; 32],
    /// The session that it was sent with, if it was not too weak to be one.
    pub sender: Option<(SessionId, AccountId)>,
    /// Its body, as it came.
    pub body: Vec<u8>,
}

/// Who asks for a form.
#[derive(Clone, Copy, Debug)]
pub struct Presenter<'a> {
    /// The canonical host it came to.
    pub host: &'a str,
    /// What its browser holds as the binding on that host.
    pub binding: &'a [u8],
    /// Its session there.
    pub session: SessionId,
}

/// Keeps forms.
pub struct KeptForms {
    once: Arc<dyn Once>,
    seal: Seal,
    strangers: Strangers,
}

/// What is sealed before a form's body.
#[derive(Serialize, Deserialize)]
struct Head {
    host: String,
    path: String,
    page: Option<String>,
    binding: String,
    sender: Option<(String, String)>,
}

impl KeptForms {
    /// Kept in `once`, sealed with `seal`.
    pub fn new(once: Arc<dyn Once>, seal: Seal) -> Self {
        KeptForms { once, seal, strangers: Strangers::default() }
    }

    /// Keeps a form that came from an address, under a fresh name.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn keep(&self, form: &KeptForm, (from, now): (IpAddr, Time)) -> Result<SecretToken, Unavailable> {
        let (name, expires) = (SecretToken::fresh(), now.plus(KEPT_FORM_LIFE));
        let sealed = self.seal.seal(&name.hash().0, &form.written());
        match form.sender {
            Some((session, account)) => {
                let key = slot(session, &name);
                self.once.put(OnceKind::Form, key, Some(account), &sealed, expires).await?;
            }
            None => self.strangers.put(name.hash().0, (sealed, Throttled::of_source(from)), (now, expires)),
        }
        Ok(name)
    }

    /// A form, left where it is; `None` if there is none under this name for whoever asks.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub async fn look(
        &self,
        name: &SecretToken,
        by: Presenter<'_>,
        now: Time,
    ) -> Result<Option<KeptForm>, Unavailable> {
        let kept = match self.strangers.get(&name.hash().0, now) {
            Some(sealed) => Some(sealed),
            None => self.once.peek(OnceKind::Form, slot(by.session, name), now).await?.map(Arc::from),
        };
        Ok(kept.and_then(|sealed| self.open(name, &sealed)).filter(|form| form.is_for(by)))
    }

    /// A form, removed: of any number of callers exactly one gets it.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub async fn take(
        &self,
        name: &SecretToken,
        by: Presenter<'_>,
        now: Time,
    ) -> Result<Option<KeptForm>, Unavailable> {
        // Whoever may not have it must not be able to spend it either.
        let Some(form) = self.look(name, by, now).await? else { return Ok(None) };
        let taken = match form.sender {
            Some((session, _)) => self.once.take(OnceKind::Form, slot(session, name), now).await?.map(Arc::from),
            None => self.strangers.take(&name.hash().0),
        };
        Ok(taken.and_then(|sealed| self.open(name, &sealed)))
    }

    fn open(&self, name: &SecretToken, sealed: &[u8]) -> Option<KeptForm> {
        KeptForm::read(&self.seal.open(&name.hash().0, sealed)?)
    }
}

impl KeptForm {
    /// What is sealed: how long the head is, the head, and the body as it came, which no encoding makes any longer.
    fn written(&self) -> Vec<u8> {
        let head = Head {
            host: self.host.clone(),
            path: self.path.clone(),
            page: self.page.clone(),
            binding: HEXLOWER.encode(&self.binding),
            sender: self.sender.map(|(session, account)| (session.to_string(), account.to_string())),
        };
        let head = serde_json::to_vec(&head).expect("a record of strings has a JSON form");
        [&(head.len() as u64).to_be_bytes()[..], &head, &self.body].concat()
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let (length, rest) = plain.split_first_chunk::<8>()?;
        let (head, body) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        let Head { host, path, page, binding, sender } = serde_json::from_slice(head).ok()?;
        let sender = match sender {
            Some((session, account)) => Some((SessionId::parse(&session).ok()?, AccountId::parse(&account).ok()?)),
            None => None,
        };
        let binding = HEXLOWER.decode(binding.as_bytes()).ok()?.try_into().ok()?;
        Some(KeptForm { host, path, page, binding, sender, body: body.to_vec() })
    }

    fn is_for(&self, by: Presenter<'_>) -> bool {
        let theirs = self.sender.is_none_or(|(session, _)| session == by.session);
        theirs && self.host == by.host && same(&self.binding, &sha256(by.binding))
    }
}

/// Where a session's form lies: one of few places, so that one more takes another's.
fn slot(session: SessionId, name: &SecretToken) -> [u8; 32] {
    let [first, ..] = name.hash().0;
    sha256(&[b"form".as_slice(), &session.bits(), &[first % SLOTS]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Account, AccountKind, AccountName};
    use crate::stdx::seal::MasterKey;
    use crate::store::memory;

    const NOW: Time = Time::from_secs(1000);
    const SESSION: SessionId = SessionId::new([1; 16]);
    const ALICE: AccountId = AccountId::new([2; 16]);
    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    async fn forms() -> KeptForms {
        let store = memory::open();
        let name = AccountName::parse("alice").expect("a name");
        let (groups, kind) = (Vec::new(), AccountKind::Person);
        let alice = Account { id: ALICE, name, kind, groups, disabled: false, created: NOW };
        store.accounts.add(&alice).await.expect("memory");
        KeptForms::new(store.once, MasterKey::new([1; 32]).seal("form"))
    }

    fn form(sender: Option<(SessionId, AccountId)>) -> KeptForm {
        let (host, path, page) = ("app.example.com".into(), "/orders?a=b".into(), Some("/orders/new".into()));
        let (binding, body) = (sha256(b"browser"), b"note=a+%26+b&note=".to_vec());
        KeptForm { host, path, page, binding, sender, body }
    }

    fn by(session: SessionId) -> Presenter<'static> {
        Presenter { host: "app.example.com", binding: b"browser", session }
    }

    #[tokio::test]
    async fn a_form_is_seen_often_and_taken_once_by_its_sender() {
        for sender in [Some((SESSION, ALICE)), None] {
            let forms = forms().await;
            let name = forms.keep(&form(sender), (FROM, NOW)).await.expect("memory");
            for _ in 0..2 {
                assert_eq!(forms.look(&name, by(SESSION), NOW).await.expect("memory"), Some(form(sender)));
            }
            assert_eq!(forms.take(&name, by(SESSION), NOW).await.expect("memory"), Some(form(sender)));
            assert_eq!(forms.take(&name, by(SESSION), NOW).await.expect("memory"), None);
            assert_eq!(forms.look(&name, by(SESSION), NOW).await.expect("memory"), None);
        }
    }

    #[tokio::test]
    async fn another_host_browser_session_or_name_neither_sees_a_form_nor_spends_it() {
        let forms = forms().await;
        let name = forms.keep(&form(Some((SESSION, ALICE))), (FROM, NOW)).await.expect("memory");
        let others = [
            Presenter { host: "wiki.example.com", ..by(SESSION) },
            Presenter { binding: b"thief", ..by(SESSION) },
            by(SessionId::new([9; 16])),
        ];
        for other in others {
            assert_eq!(forms.look(&name, other, NOW).await.expect("memory"), None, "{other:?}");
            assert_eq!(forms.take(&name, other, NOW).await.expect("memory"), None, "{other:?}");
        }
        let made_up = SecretToken::fresh();
        assert_eq!(forms.take(&made_up, by(SESSION), NOW).await.expect("memory"), None);
        let late = NOW.plus(KEPT_FORM_LIFE);
        assert_eq!(forms.look(&name, by(SESSION), late).await.expect("memory"), None);
        assert!(forms.take(&name, by(SESSION), NOW).await.expect("memory").is_some(), "it is still there");
    }

    #[tokio::test]
    async fn no_session_keeps_more_forms_than_it_has_places() {
        let forms = forms().await;
        let mut names = Vec::new();
        for _ in 0..50 {
            names.push(forms.keep(&form(Some((SESSION, ALICE))), (FROM, NOW)).await.expect("memory"));
        }
        let mut left = 0;
        for name in &names {
            left += usize::from(forms.look(name, by(SESSION), NOW).await.expect("memory").is_some());
        }
        assert!((1..=usize::from(SLOTS)).contains(&left), "{left}");
    }

    #[tokio::test]
    async fn a_form_takes_what_it_came_with_whatever_is_in_it() {
        let forms = forms().await;
        // What an encoding of the fields would have made six times as long, and many empty ones forty times.
        for body in [vec![1; KEPT_FORM_SIZE], vec![b'&'; KEPT_FORM_SIZE]] {
            let form = KeptForm { body, ..form(None) };
            let name = forms.keep(&form, (FROM, NOW)).await.expect("memory");
            let sealed = forms.strangers.get(&name.hash().0, NOW).expect("it is kept");
            assert!(sealed.len() < KEPT_FORM_SIZE + 1024, "{}", sealed.len());
            assert_eq!(forms.look(&name, by(SESSION), NOW).await.expect("memory"), Some(form));
        }
    }
}
