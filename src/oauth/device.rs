//! Device authorization (RFC 8628): a program without a browser shows a code, and a person who is signed in elsewhere
//! approves it.

use super::limits::Counted;
use super::{ClientId, Fault, Granted, Grants, Resource, Setting, Terms, UserCode, Void, written};
use crate::audit::Event;
use crate::identity::{AccountId, FactorName, Need, SessionId};
use crate::session::{LiveSession, SecretToken, Thumbprint};
use crate::stdx::clock::Time;
use crate::stdx::digest::sha256;
use crate::store::{OnceKind, Reserved, ThrottleRule, Throttled};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// How long a program waits between two questions whether it was approved.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// The same as it is held to: the network takes a second of the other.
const LEAST_INTERVAL: Duration = Duration::from_secs(4);

/// Wrong codes of one account: as for passwords, but nobody is locked out for good, for there is nothing that would
/// unlock it.
const TYPED: ThrottleRule = ThrottleRule::Backoff {
    free: 5,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(15 * 60),
    locked_at: u32::MAX,
};

/// Wrong codes of one source, counted with its wrong passwords.
const SOURCE: ThrottleRule = ThrottleRule::Window { most: 30, per: Duration::from_secs(600) };

/// Under what they are counted.
const USER_CODE: FactorName = FactorName("user_code");

/// What a device was told.
pub struct Begun {
    /// The secret that it asks with.
    pub device_code: SecretToken,
    /// The code that it shows.
    pub user_code: UserCode,
}

/// What a device asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What the program calls itself.
    pub client: ClientId,
    /// What the tokens are for; `None`: every host.
    pub resource: Option<Resource>,
    /// What the session must have proved.
    pub need: Need,
    /// From where it asks.
    pub from: IpAddr,
    /// Since when.
    pub at: Time,
}

#[derive(Serialize, Deserialize)]
struct Record {
    client: String,
    resource: Option<String>,
    need: String,
    from: IpAddr,
    at: u64,
    until: u64,
}

/// What a person said; no session if it was no.
#[derive(Serialize, Deserialize)]
struct Said {
    session: Option<String>,
}

impl Grants {
    /// A device asks to be approved.
    ///
    /// # Errors
    /// [`Fault::Later`] if too many did, [`Fault::Down`].
    pub async fn begin(&self, asked: &Asked, setting: &Setting<'_>) -> Result<Begun, Fault> {
        let (now, source) = (setting.now, setting.source);
        if let Some(until) = self.limits.wait(Counted::Beginning, source, now) {
            return Err(Fault::Later(until));
        }
        self.limits.count(Counted::Beginning, source, now);
        let begun = Begun { device_code: SecretToken::fresh(), user_code: UserCode::fresh() };
        let (key, until) = (begun.device_code.hash().0, now.plus(setting.device_code));
        let record = Record {
            client: asked.client.to_string(),
            resource: asked.resource.as_ref().map(|resource| resource.origin.clone()),
            need: asked.need.to_text(),
            from: asked.from,
            at: asked.at.millis(),
            until: until.millis(),
        };
        // It is known for longer than it is good for, so that whoever comes too late is told so.
        let known = until.plus(setting.device_code);
        self.once.put(OnceKind::Device, key, None, &written(&record)?, known).await?;
        let named = HEXLOWER.encode(&key);
        self.once.put(OnceKind::UserCode, begun.user_code.hash(), None, named.as_bytes(), until).await?;
        Ok(begun)
    }

    /// What a typed code stands for. Every try is counted before it is looked at, and forgiven if it was right.
    ///
    /// # Errors
    /// [`Fault::Grant`] if there is no such code, [`Fault::Later`] if too many were tried.
    pub async fn asked(
        &self,
        typed: &str,
        account: AccountId,
        setting: &Setting<'_>,
    ) -> Result<(UserCode, Asked), Fault> {
        let whose = [(Throttled::of_source(setting.source), SOURCE), (Throttled::Account(account, USER_CODE), TYPED)];
        let counters = whose.each_ref().map(|(whose, rule)| (whose, *rule));
        for said in self.throttles.reserve_all(&counters, setting.now).await? {
            match said {
                Reserved::Go => {}
                Reserved::Wait(until) => return Err(Fault::Later(until)),
                Reserved::Locked => return Err(Fault::Later(Time::NEVER)),
            }
        }
        let code = UserCode::parse(typed).ok_or(Fault::Grant(Void::Unknown))?;
        let (_, asked) = self.find(&code, setting.now).await?.ok_or(Fault::Grant(Void::Unknown))?;
        self.throttles.forgive_all(&counters).await?;
        Ok((code, asked))
    }

    /// Somebody approves what a code stands for: the program gets a session of its own. `None` if the code is not good
    /// any more, or whoever approves may open no session.
    ///
    /// # Errors
    /// [`Fault::Down`].
    pub async fn approve(
        &self,
        code: &UserCode,
        approving: &LiveSession,
        setting: &Setting<'_>,
    ) -> Result<Option<Asked>, Fault> {
        let Some((key, asked)) = self.answer_once(code, setting.now).await? else { return Ok(None) };
        let session = self.lend(approving, (&asked.client, asked.resource.as_ref()), asked.from, setting).await?;
        self.say((key, approving.account.id), session, setting).await?;
        Ok(session.map(|_| asked))
    }

    /// Somebody denies it. `None` if the code is not good any more.
    ///
    /// # Errors
    /// [`Fault::Down`].
    pub async fn deny(
        &self,
        code: &UserCode,
        denying: &LiveSession,
        setting: &Setting<'_>,
    ) -> Result<Option<Asked>, Fault> {
        let Some((key, asked)) = self.answer_once(code, setting.now).await? else { return Ok(None) };
        self.say((key, denying.account.id), None, setting).await?;
        let (account, client) = (denying.account.id, asked.client.to_string());
        self.recorder.report(setting.now, Event::ProgramDenied { account, client, address: asked.from });
        Ok(Some(asked))
    }

    /// A device asks whether it was approved; once it was, exactly one question gets the tokens.
    ///
    /// # Errors
    /// [`Fault::Pending`], [`Fault::SlowDown`], [`Fault::Expired`], [`Fault::Denied`]; [`Fault::Grant`] if the code is
    /// not good, or not this program's.
    pub async fn poll(
        &self,
        device_code: &str,
        (client, bound): (&ClientId, Option<Thumbprint>),
        setting: &Setting<'_>,
    ) -> Result<Granted, Fault> {
        let (code, now) = (SecretToken::parse(device_code.as_bytes()).ok_or(Fault::Grant(Void::Unknown))?, setting.now);
        let key = code.hash().0;
        let record = self.once.peek(OnceKind::Device, key, now).await?.ok_or(Fault::Grant(Void::Unknown))?;
        let (asked, until) = Record::read(&record).ok_or(Fault::Grant(Void::Unknown))?;
        if asked.client != *client {
            return Err(Fault::Grant(Void::OtherClient));
        }
        if now >= until {
            return Err(Fault::Expired);
        }
        let Some(said) = self.once.peek(OnceKind::Device, part(key, b"said"), now).await? else {
            let polled = (now, now.plus(LEAST_INTERVAL));
            let in_time = self.once.mark(OnceKind::Device, part(key, b"polled"), polled).await?;
            return Err(if in_time { Fault::Pending } else { Fault::SlowDown });
        };
        let session = Said::session(&said).ok_or(Fault::Denied)?;
        self.once.take(OnceKind::Device, key, now).await?.ok_or(Fault::Grant(Void::Reused))?;
        let resource = asked.resource.map(|resource| resource.origin);
        self.grant(session, &Terms { client: asked.client, resource, bound }, setting).await
    }

    /// What a code stands for, and under which key the device is known.
    async fn find(&self, code: &UserCode, now: Time) -> Result<Option<([u8; 32], Asked)>, Fault> {
        let named = self.once.peek(OnceKind::UserCode, code.hash(), now).await?;
        self.behind(named, now).await
    }

    /// The same, for the one who answers.
    async fn answer_once(&self, code: &UserCode, now: Time) -> Result<Option<([u8; 32], Asked)>, Fault> {
        let named = self.once.take(OnceKind::UserCode, code.hash(), now).await?;
        self.behind(named, now).await
    }

    async fn behind(&self, named: Option<Vec<u8>>, now: Time) -> Result<Option<([u8; 32], Asked)>, Fault> {
        let key: Option<[u8; 32]> = named.and_then(|named| HEXLOWER.decode(&named).ok()?.try_into().ok());
        let Some(key) = key else { return Ok(None) };
        let record = self.once.peek(OnceKind::Device, key, now).await?;
        Ok(record.and_then(|record| Some((key, Record::read(&record)?.0))))
    }

    async fn say(
        &self,
        (key, account): ([u8; 32], AccountId),
        session: Option<SessionId>,
        setting: &Setting<'_>,
    ) -> Result<(), Fault> {
        let said = written(&Said { session: session.map(|session| session.to_string()) })?;
        let known = setting.now.plus(setting.device_code);
        Ok(self.once.put(OnceKind::Device, part(key, b"said"), Some(account), &said, known).await?)
    }
}

impl Record {
    /// What was asked, and until when it may be answered.
    fn read(value: &[u8]) -> Option<(Asked, Time)> {
        let Record { client, resource, need, from, at, until } = serde_json::from_slice(value).ok()?;
        let resource = match resource {
            None => None,
            Some(origin) => Some(Resource::parse(&origin)?),
        };
        // Programs name a level and an age, never a factor.
        let need = Need::parse(&need, |_| None)?;
        let asked = Asked { client: ClientId::parse(&client)?, resource, need, from, at: Time::from_millis(at) };
        Some((asked, Time::from_millis(until)))
    }
}

impl Said {
    fn session(value: &[u8]) -> Option<SessionId> {
        let said: Said = serde_json::from_slice(value).ok()?;
        SessionId::parse(&said.session?).ok()
    }
}

/// Where something else about a device is kept.
fn part(key: [u8; 32], what: &[u8]) -> [u8; 32] {
    sha256(&[what, b" ", &key[..]].concat())
}
