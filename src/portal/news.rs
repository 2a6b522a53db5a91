//! What a person did a moment ago, for the next page to confirm: signed in their own browser, for one session, and told
//! once; decides nothing.

use super::page::{Gone, News, Notice};
use super::{Ask, Portal};
use crate::factor::{message, passkey, password, recovery_code, totp};
use crate::identity::{Credential, FactorName, SessionId};
use crate::reply::Answer;
use crate::session::cookie::Name;
use crate::stdx::clock::Time;
use crate::stdx::digest::same;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So long it may wait to be told: whoever did it is on the way to the page.
const LIFE: Duration = Duration::from_secs(60);

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Deed {
    /// These factors were set up.
    SetUp(Vec<String>),
    /// A way to sign in of this name was removed; of a passkey also what browsers know it by.
    Removed { label: String, passkey: Option<String> },
    /// A passkey is called this now.
    Renamed(String),
    /// Sessions were ended, and nothing else.
    SignedOut,
}

/// A deed, and what came of it.
#[derive(Serialize, Deserialize)]
struct Record {
    at: u64,
    deed: Deed,
    /// How many other sessions ended with it.
    ended: usize,
}

/// Something to confirm, in words.
pub(super) struct Told {
    said: String,
    passkey: Option<String>,
}

impl Deed {
    pub(super) fn set_up(factors: &[FactorName]) -> Self {
        Deed::SetUp(factors.iter().map(|factor| factor.0.to_owned()).collect())
    }

    pub(super) fn removed(gone: &Credential, label: &str) -> Self {
        let handle = gone.handle.as_ref().filter(|_| gone.factor == passkey::NAME);
        let passkey = handle.map(|handle| BASE64URL_NOPAD.encode(handle));
        Deed::Removed { label: label.to_owned(), passkey }
    }
}

impl Portal {
    /// The answer after which the session's next page tells of this.
    pub(super) fn telling(
        &self,
        answer: Answer,
        ask: &Ask<'_>,
        (session, deed, ended): (SessionId, Deed, usize),
    ) -> Answer {
        let record = Record { at: ask.now.millis(), deed, ended };
        let text = serde_json::to_vec(&record).expect("a record of strings and numbers has a JSON form");
        let plain = [&self.news_tag(session, &text)[..], &text].concat();
        answer.with_cookie(ask, Name::News, &BASE64URL_NOPAD.encode(&plain), Some(LIFE))
    }

    /// What there is to tell this session.
    pub(super) fn news(&self, ask: &Ask<'_>, session: SessionId) -> Option<Told> {
        let plain = BASE64URL_NOPAD.decode(ask.cookie(Name::News)?).ok()?;
        let (tag, text) = plain.split_first_chunk::<32>()?;
        let record: Record = Some(text).filter(|text| same(tag, &self.news_tag(session, text))).and_then(parsed)?;
        let at = Time::from_millis(record.at);
        (at <= ask.now && ask.now < at.plus(LIFE)).then(|| record.told())
    }

    fn news_tag(&self, session: SessionId, text: &[u8]) -> [u8; 32] {
        self.forms.tag(&[b"news", &session.bits(), text])
    }
}

fn parsed(text: &[u8]) -> Option<Record> {
    serde_json::from_slice(text).ok()
}

impl Told {
    /// As a page shows it. `rp` is the domain that passkeys are bound to.
    pub(super) fn view<'a>(&'a self, rp: &'a str) -> News<'a> {
        let gone = self.passkey.as_deref().map(|credential| Gone { rp, credential });
        News { notice: Notice::Told(&self.said), gone }
    }

    /// Whether it is about something that the browser is to be told, too.
    pub(super) fn has_script(&self) -> bool {
        self.passkey.is_some()
    }
}

impl Record {
    fn told(self) -> Told {
        let (mut said, passkey) = match self.deed {
            Deed::SetUp(factors) => (set_up(&factors), None),
            Deed::Removed { label, passkey: None } => (format!("{label} was removed."), None),
            Deed::Removed { label, passkey } => (
                format!("{label} was removed. It is not known here any more: delete it from your device, too."),
                passkey,
            ),
            Deed::Renamed(label) => (format!("Your passkey is called {label} now."), None),
            Deed::SignedOut => (String::new(), None),
        };
        let out = match self.ended {
            0 => "",
            1 => "Your other device was signed out.",
            _ => "Your other devices were signed out.",
        };
        if !said.is_empty() && !out.is_empty() {
            said.push(' ');
        }
        said.push_str(out);
        Told { said, passkey }
    }
}

fn set_up(factors: &[String]) -> String {
    let known: Vec<FactorName> = factors.iter().filter_map(|word| crate::factor::named(word)).collect();
    match known.as_slice() {
        [password::NAME] => "Your password was changed.".to_owned(),
        [passkey::NAME] => "Your passkey was added.".to_owned(),
        [totp::NAME] => "Your authenticator app was added.".to_owned(),
        [message::NAME] => "Your phone number or e-mail address was added.".to_owned(),
        [recovery_code::NAME] => "Your new recovery codes are in use. The old ones no longer work.".to_owned(),
        several => {
            let words: Vec<&str> = several.iter().map(|factor| word(*factor)).collect();
            format!("Set up: {}.", words.join(", "))
        }
    }
}

fn word(factor: FactorName) -> &'static str {
    match factor {
        password::NAME => "your password",
        passkey::NAME => "a passkey",
        totp::NAME => "an authenticator app",
        message::NAME => "codes sent to you",
        recovery_code::NAME => "new recovery codes",
        FactorName(other) => other,
    }
}
