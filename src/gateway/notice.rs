//! News for people about their own accounts, read off the record of security events: so nothing on a request's way waits
//! for them, and what a command wrote beside the gateway, or before it started, is told as well. Knows no event that is
//! not in the record.

use super::Parts;
use super::posting::Ways;
use crate::audit::Event;
use crate::courier::{Courier, Outbox, Parcel, Sort, Webhook};
use crate::edition::{Edition, Live};
use crate::factor::message::Keys;
use crate::factor::{message, passkey, password, recovery_code, totp};
use crate::identity::{AccountId, Channel, Contact, CredentialId, FactorName};
use crate::login::farewell::{self, KEPT};
use crate::stdx::clock::{Clock, Time};
use crate::stdx::digest::sha256;
use crate::stdx::secret::Secret;
use crate::stdx::sparing::Sparing;
use crate::store::{EventRow, OnceKind, Store, Unavailable};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How often the record is looked at. A person who reads of a stranger a second later has lost nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Events looked at in one go.
const BATCH: usize = 256;

/// The task that tells people.
pub(super) struct Notices {
    store: Store,
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    keys: Keys,
    outbox: Outbox,
    /// The last event that was looked at; `None` while nobody is told anything.
    seen: Option<u64>,
    /// The ways of the edition that was looked at last.
    ways: Option<(u64, Directory)>,
    failing: Sparing,
}

/// Where news go in one edition.
#[derive(Clone)]
struct Directory {
    webhook: Option<Arc<dyn Courier>>,
    ways: Option<Ways>,
    portal: String,
    origin: String,
}

impl Notices {
    /// A task for which what is on record already is news, unless it is old or was told.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub async fn new(parts: &Parts, keys: Keys) -> Result<Self, Unavailable> {
        let (store, live, clock) = (parts.state.store.clone(), parts.live.clone(), parts.edge.clock.clone());
        let outbox = parts.notices.clone();
        let old = clock.now().minus(KEPT);
        let seen = Some(store.events.before(old).await?);
        Ok(Notices { store, live, clock, keys, outbox, seen, ways: None, failing: Sparing::new() })
    }

    /// Looks at the record again and again.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = self.look().await
                && self.failing.due()
            {
                tracing::warn!(%error, "people cannot be told what is new about their accounts");
            }
        }
    }

    async fn look(&mut self) -> Result<(), Unavailable> {
        let Some(directory) = self.directory() else {
            self.seen = None;
            return Ok(());
        };
        let Some(seen) = self.seen else {
            // What happened while nobody was told anything is no news.
            self.seen = Some(self.store.events.newest().await?);
            return Ok(());
        };
        for (number, row) in self.store.events.after(seen, BATCH).await? {
            if let Some(news) = News::of(&row) {
                self.tell(&directory, (number, &row), &news).await?;
            }
            self.seen = Some(number);
        }
        Ok(())
    }

    /// Where news go now; `None` if nowhere.
    fn directory(&mut self) -> Option<Directory> {
        let edition = self.live.hold();
        if self.ways.as_ref().is_none_or(|(number, _)| *number != edition.number) {
            self.ways = Some((edition.number, Directory::of(&edition)));
        }
        let (_, directory) = self.ways.as_ref()?;
        (directory.webhook.is_some() || directory.ways.is_some()).then(|| directory.clone())
    }

    /// Whether it is for this process to tell: of all that look at one record, at any time, one does.
    async fn is_ours(&self, number: u64, row: &EventRow) -> Result<bool, Unavailable> {
        let (key, expires) = (sha256(&number.to_be_bytes()), row.at.plus(KEPT * 2));
        self.store.once.mark(OnceKind::Told, key, (self.clock.now(), expires)).await
    }

    /// Hands in everything that is to be told of an event, or nothing if the store cannot be asked.
    async fn tell(
        &self,
        directory: &Directory,
        (number, row): (u64, &EventRow),
        news: &News,
    ) -> Result<(), Unavailable> {
        let Some(id) = row.account else { return Ok(()) };
        let Some(account) = self.store.accounts.by_id(id).await? else { return Ok(()) };
        let contacts = self.contacts(id, &news.gone).await?;
        if !self.is_ours(number, row).await? {
            return Ok(());
        }
        let letter = Writing { directory, row, news, account: account.name.as_str() };
        if let Some(webhook) = &directory.webhook {
            // What does not fit is counted where it is turned away.
            let _ = self.outbox.hand_in(webhook, letter.parcel(None));
        }
        let Some(ways) = &directory.ways else { return Ok(()) };
        for contact in contacts {
            if let Some(courier) = ways.to(contact.channel()) {
                let _ = self.outbox.hand_in(courier, letter.parcel(Some(contact)));
            }
        }
        Ok(())
    }

    /// Where an account is reached, and was until these were removed.
    async fn contacts(&self, account: AccountId, gone: &[CredentialId]) -> Result<Vec<Contact>, Unavailable> {
        let held = self.store.credentials.of(account).await?;
        let mut contacts: Vec<Contact> = held.iter().filter_map(|held| self.keys.contact(held)).collect();
        for gone in gone {
            let state = farewell::state(&*self.store.once, *gone, self.clock.now()).await?;
            contacts.extend(state.and_then(|state| self.keys.contact_in(&state)));
        }
        Ok(contacts)
    }
}

impl Directory {
    fn of(edition: &Edition) -> Self {
        let (plan, portal) = (&edition.plan, edition.plan.portal.as_ref());
        Directory {
            webhook: plan.notice.as_ref().map(|plan| Arc::new(Webhook::new(plan)) as Arc<dyn Courier>),
            ways: plan.factors.message.as_ref().map(Ways::of),
            portal: portal.map(|portal| portal.name.clone()).unwrap_or_default(),
            origin: portal.map(|portal| portal.origin.clone()).unwrap_or_default(),
        }
    }
}

/// What an event means to whoever it is about.
struct News {
    sentence: String,
    device: Option<String>,
    address: Option<String>,
    factors: Option<String>,
    /// The credentials that are no more.
    gone: Vec<CredentialId>,
}

impl News {
    /// `None` for an event that is no news to the person.
    fn of(row: &EventRow) -> Option<Self> {
        let body: Value = serde_json::from_str(&row.body).ok()?;
        let field = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let factors = field("factors").or_else(|| field("factor"));
        let named: Vec<FactorName> =
            factors.iter().flat_map(|list| list.split(',')).filter_map(crate::factor::named).collect();
        let sentence = match row.name.as_str() {
            Event::ENROLLED if named == [password::NAME] => "Your password was changed.".to_owned(),
            Event::ENROLLED if named.contains(&password::NAME) => "Your account was set up.".to_owned(),
            Event::ENROLLED => format!("A way to sign in was added: {}.", in_words(&named)),
            Event::FACTOR_REMOVED => format!("A way to sign in was removed: {}.", in_words(&named)),
            Event::RECOVERED => "Somebody signed in with one of your recovery codes.".to_owned(),
            Event::SIGNED_IN if field("new_device").as_deref() == Some("true") => {
                "Somebody signed in to your account on a new device.".to_owned()
            }
            Event::ACCOUNT_CHANGED if field("change").as_deref() == Some("reset") => {
                "An administrator removed all your ways to sign in, so that you can set them up anew.".to_owned()
            }
            _ => return None,
        };
        let gone = field("credential").or_else(|| field("credentials"));
        let gone = gone.iter().flat_map(|list| list.split(',')).filter_map(|id| CredentialId::parse(id).ok()).collect();
        Some(News { sentence, device: field("device"), address: field("address"), factors, gone })
    }
}

/// One piece of news, to be worded for each recipient.
struct Writing<'a> {
    directory: &'a Directory,
    row: &'a EventRow,
    news: &'a News,
    account: &'a str,
}

impl Writing<'_> {
    fn parcel(&self, to: Option<Contact>) -> Parcel {
        let Writing { directory, row, news, account } = self;
        let text = match to.as_ref().map(Contact::channel) {
            Some(Channel::Sms) => self.short(),
            Some(Channel::Mail) | None => self.long(),
        };
        let mut fields = vec![("account", *account), ("event", &*row.name)];
        let more = [("device", &news.device), ("address", &news.address), ("factors", &news.factors)];
        fields.extend(more.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
        let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
        fields.push(("at", Secret::new(row.at.to_string())));
        let subject = format!("{}: {}", directory.portal, news.sentence.trim_end_matches('.'));
        Parcel { sort: Sort::Notice, code: None, account: row.account, to, subject, text: Secret::new(text), fields }
    }

    fn short(&self) -> String {
        let Writing { directory: Directory { portal, origin, .. }, row, news, account } = self;
        format!("{portal}: {} ({account}, {}) If it was not you: {origin}", news.sentence, moment(row.at))
    }

    fn long(&self) -> String {
        let Writing { directory: Directory { portal, origin, .. }, row, news, account } = self;
        let line = |name: &str, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |value| format!("{name}: {value}\n"))
        };
        format!(
            "{}\n\nAccount: {account}\nWhen: {}\n{}{}\nIf it was you, there is nothing to do. If it was not, sign in at \
             {origin}, change your password and sign out everywhere, and tell whoever runs {portal}.\n",
            news.sentence,
            moment(row.at),
            line("Device", &news.device),
            line("Address", &news.address),
        )
    }
}

/// `14 November 2023 at 22:13 UTC`.
fn moment(at: Time) -> String {
    let stamp = jiff::Timestamp::from_millisecond(i64::try_from(at.millis()).unwrap_or(i64::MAX));
    stamp.map_or_else(|_| at.to_string(), |stamp| stamp.strftime("%-d %B %Y at %H:%M UTC").to_string())
}

fn in_words(factors: &[FactorName]) -> String {
    let word = |factor: &FactorName| match *factor {
        passkey::NAME => "passkey",
        password::NAME => "password",
        totp::NAME => "authenticator app",
        message::NAME => "number or address for codes",
        recovery_code::NAME => "recovery codes",
        FactorName(other) => other,
    };
    factors.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, body: &str) -> Option<String> {
        let row = EventRow { at: Time::EPOCH, name: name.to_owned(), account: None, body: body.to_owned() };
        News::of(&row).map(|news| news.sentence)
    }

    #[test]
    fn only_what_matters_to_the_person_is_news() {
        let said = |name: &str, body: &str| said(name, body).unwrap_or_default();
        assert_eq!(said("factor.enrolled", r#"{"factors":"password"}"#), "Your password was changed.");
        let added = "A way to sign in was added: authenticator app, recovery codes.";
        assert_eq!(said("factor.enrolled", r#"{"factors":"totp,recovery_code"}"#), added);
        assert_eq!(said("factor.removed", r#"{"factor":"totp"}"#), "A way to sign in was removed: authenticator app.");
        assert!(said("sign-in.succeeded", r#"{"new_device":"true"}"#).contains("new device"));
        assert_eq!(said("sign-in.succeeded", r#"{"new_device":"false"}"#), "");
        assert!(said("account.changed", r#"{"change":"reset","reason":"lost"}"#).contains("administrator"));
        assert_eq!(said("account.changed", r#"{"change":"groups"}"#), "");
        assert_eq!(said("request.denied", "{}"), "");
        assert_eq!(said("factor.enrolled", "not JSON"), "");
    }

    #[test]
    fn a_time_is_told_in_utc() {
        assert_eq!(moment(Time::from_secs(1_700_000_000)), "14 November 2023 at 22:13 UTC");
    }
}
