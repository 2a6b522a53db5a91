//! Forms that wait until whoever sent them has proved more: sealed, for one host and one browser, and sent on once; knows
//! no page and no route.

use super::token::SecretToken;
use crate::identity::{AccountId, SessionId};
use crate::stdx::bounded::BoundedMap;
use crate::stdx::clock::Time;
use crate::stdx::digest::{same, sha256};
use crate::stdx::seal::Seal;
use crate::store::{Once, OnceKind, Unavailable};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a form that is kept.
pub const KEPT_FORM_SIZE: usize = 64 * 1024;

/// How long one is kept: as long as the way to the portal and back may take.
pub const KEPT_FORM_LIFE: Duration = Duration::from_secs(3600);

/// Forms kept for one session, so that a few tabs may wait at once and nobody fills the store.
const SLOTS: u8 = 4;

/// Forms of strangers, which are kept in memory alone: 32 MiB at most, and one more takes another's place.
const STRANGERS: usize = 512;

/// A form that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptForm {
    /// The canonical host it was sent to.
    pub host: String,
    /// Path and query it was sent to.
    pub path: String,
    /// SHA-256 of the binding that the browser holds on that host.
    pub binding: [u8; 32],
    /// The session that it was sent with, if it was not too weak to be one.
    pub sender: Option<(SessionId, AccountId)>,
    /// Its fields, in order.
    pub fields: Vec<(String, String)>,
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
    /// Written by requests without a session whose form is kept, taken by the requests that send it on.
    strangers: BoundedMap<[u8; 32], Arc<Stranger>>,
}

/// A form that nobody's session answers for.
struct Stranger {
    sealed: Vec<u8>,
    expires: Time,
}

#[derive(Serialize, Deserialize)]
struct Record {
    host: String,
    path: String,
    binding: String,
    sender: Option<(String, String)>,
    fields: Vec<(String, String)>,
}

impl KeptForms {
    /// Kept in `once`, sealed with `seal`.
    pub fn new(once: Arc<dyn Once>, seal: Seal) -> Self {
        KeptForms { once, seal, strangers: BoundedMap::new(STRANGERS) }
    }

    /// Keeps a form under a fresh name.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn keep(&self, form: &KeptForm, now: Time) -> Result<SecretToken, Unavailable> {
        let (name, expires) = (SecretToken::fresh(), now.plus(KEPT_FORM_LIFE));
        let text = serde_json::to_vec(&Record::of(form)).map_err(|error| Unavailable(error.to_string()))?;
        let sealed = self.seal.seal(&name.hash().0, &text);
        match form.sender {
            Some((session, account)) => {
                let key = slot(session, &name);
                self.once.put(OnceKind::Form, key, Some(account), &sealed, expires).await?;
            }
            None => {
                self.strangers.retain(|_, kept| now < kept.expires);
                self.strangers.insert(name.hash().0, Arc::new(Stranger { sealed, expires }));
            }
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
        let kept = match self.strangers.get(&name.hash().0).filter(|kept| now < kept.expires) {
            Some(kept) => Some(kept.sealed.clone()),
            None => self.once.peek(OnceKind::Form, slot(by.session, name), now).await?,
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
            Some((session, _)) => self.once.take(OnceKind::Form, slot(session, name), now).await?,
            None => self.strangers.remove(&name.hash().0).map(|kept| kept.sealed.clone()),
        };
        Ok(taken.and_then(|sealed| self.open(name, &sealed)))
    }

    fn open(&self, name: &SecretToken, sealed: &[u8]) -> Option<KeptForm> {
        let record: Record = serde_json::from_slice(&self.seal.open(&name.hash().0, sealed)?).ok()?;
        record.form()
    }
}

impl KeptForm {
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

impl Record {
    fn of(form: &KeptForm) -> Self {
        Record {
            host: form.host.clone(),
            path: form.path.clone(),
            binding: HEXLOWER.encode(&form.binding),
            sender: form.sender.map(|(session, account)| (session.to_string(), account.to_string())),
            fields: form.fields.clone(),
        }
    }

    fn form(self) -> Option<KeptForm> {
        let sender = match self.sender {
            Some((session, account)) => Some((SessionId::parse(&session).ok()?, AccountId::parse(&account).ok()?)),
            None => None,
        };
        let binding = HEXLOWER.decode(self.binding.as_bytes()).ok()?.try_into().ok()?;
        Some(KeptForm { host: self.host, path: self.path, binding, sender, fields: self.fields })
    }
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

    async fn forms() -> KeptForms {
        let store = memory::open();
        let name = AccountName::parse("alice").expect("a name");
        let (groups, kind) = (Vec::new(), AccountKind::Person);
        let alice = Account { id: ALICE, name, kind, groups, disabled: false, created: NOW };
        store.accounts.add(&alice).await.expect("memory");
        KeptForms::new(store.once, MasterKey::new([1; 32]).seal("form"))
    }

    fn form(sender: Option<(SessionId, AccountId)>) -> KeptForm {
        let fields = vec![("note".to_owned(), "a & b".to_owned()), ("note".to_owned(), String::new())];
        let binding = sha256(b"browser");
        KeptForm { host: "app.example.com".into(), path: "/orders?a=b".into(), binding, sender, fields }
    }

    fn by(session: SessionId) -> Presenter<'static> {
        Presenter { host: "app.example.com", binding: b"browser", session }
    }

    #[tokio::test]
    async fn a_form_is_seen_often_and_taken_once_by_its_sender() {
        for sender in [Some((SESSION, ALICE)), None] {
            let forms = forms().await;
            let name = forms.keep(&form(sender), NOW).await.expect("memory");
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
        let name = forms.keep(&form(Some((SESSION, ALICE))), NOW).await.expect("memory");
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
            names.push(forms.keep(&form(Some((SESSION, ALICE))), NOW).await.expect("memory"));
        }
        let mut left = 0;
        for name in &names {
            left += usize::from(forms.look(name, by(SESSION), NOW).await.expect("memory").is_some());
        }
        assert!((1..=usize::from(SLOTS)).contains(&left), "{left}");
    }

    #[tokio::test]
    async fn forms_of_strangers_are_bounded_and_forgotten() {
        let forms = forms().await;
        for _ in 0..2 * STRANGERS {
            forms.keep(&form(None), NOW).await.expect("memory");
        }
        assert_eq!(forms.strangers.len(), STRANGERS);
        forms.keep(&form(None), NOW.plus(KEPT_FORM_LIFE)).await.expect("memory");
        assert_eq!(forms.strangers.len(), 1, "the others waited too long");
    }
}
