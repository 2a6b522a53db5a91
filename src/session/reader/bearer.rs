//! Bearer tokens on the hot path: one that was verified is remembered by its hash, as a cookie's is; verifies none
//! itself.

use super::{Reader, Reading, Scope};
use crate::identity::{AccountId, SessionId, SessionRules};
use crate::session::LiveSession;
use crate::stdx::clock::Time;
use crate::store::Unavailable;
use data_encoding::BASE64URL_NOPAD;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a bearer token says, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The session that it opens.
    pub session: SessionId,
    /// Whose it must be.
    pub account: AccountId,
    /// The program that it was issued to.
    pub client: Box<str>,
    /// The canonical host it opens it on; `None`: every one.
    pub host: Option<Box<str>>,
    /// Until when.
    pub until: Time,
    /// The key that whoever presents it must prove to hold.
    pub bound: Option<Thumbprint>,
    /// The client certificate, by its SHA-256, that it must come with.
    pub certificate: Option<Thumbprint>,
}

/// The thumbprint of a public key (RFC 7638): base64url in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thumbprint(pub [u8; 32]);

impl Thumbprint {
    /// Reads the text; `None` if it is not canonical.
    pub fn parse(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Thumbprint)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

/// A live session, and how its bearer token says it must be carried.
#[derive(Clone)]
pub struct Carried {
    /// The session.
    pub session: Arc<LiveSession>,
    /// The key that must be proved besides.
    pub bound: Option<Thumbprint>,
    /// The client certificate that it must come with.
    pub certificate: Option<Thumbprint>,
}

/// What is known of a bearer token.
pub enum Known {
    /// Nothing: it has to be verified.
    Nothing,
    /// It opens nothing here, or no more.
    Refused,
    /// It opens a session.
    Live(Carried),
}

impl Reader {
    /// The live session that a bearer token opens on a host, if the token was remembered before. No await is reached
    /// when its session is cached.
    ///
    /// # Errors
    /// If the session has to be read again and the store cannot be asked, or the store was silent for too long.
    pub async fn read_bearer(&self, reading: Reading<'_>) -> Result<Known, Unavailable> {
        self.check_sight()?;
        let Some(entry) = self.tokens.get(reading.token) else { return Ok(Known::Nothing) };
        let Scope::Bearer(bearer) = &entry.scope else { return Ok(Known::Refused) };
        let carried = match entry.session.is_stale() || !entry.session.lives(reading.now, reading.rules) {
            false => self.carry(&entry.session, bearer, &reading),
            true => Box::pin(self.remember(reading, bearer.clone())).await?,
        };
        Ok(carried.map_or(Known::Refused, Known::Live))
    }

    /// Remembers a bearer token that was verified: the live session that it opens on this host, if it does.
    ///
    /// # Errors
    /// If the store cannot be asked, or was silent for too long.
    pub async fn remember(&self, reading: Reading<'_>, bearer: Arc<Bearer>) -> Result<Option<Carried>, Unavailable> {
        self.check_sight()?;
        let Some(session) = self.find(bearer.session).await?.filter(|session| session.account.id == bearer.account)
        else {
            self.tokens.remove(reading.token);
            return Ok(None);
        };
        let entry = self.remember_token(reading.token, session, Scope::Bearer(bearer.clone()));
        Ok(self.carry(&entry.session, &bearer, &reading))
    }

    /// Whether a token was remembered as a bearer's.
    pub fn is_known_bearer(&self, token: &crate::identity::TokenHash) -> bool {
        self.tokens.get(token).is_some_and(|entry| matches!(entry.scope, Scope::Bearer(_)))
    }

    /// A session that is alive now, by its name; asks the store.
    ///
    /// # Errors
    /// If the store cannot be asked, or was silent for too long.
    pub async fn live(
        &self,
        session: SessionId,
        now: Time,
        rules: SessionRules,
    ) -> Result<Option<Arc<LiveSession>>, Unavailable> {
        self.check_sight()?;
        let session = self.find(session).await?;
        Ok(session.filter(|session| session.lives(now, rules) && !self.bars.hold(session)))
    }

    async fn find(&self, session: SessionId) -> Result<Option<Arc<LiveSession>>, Unavailable> {
        let _turn = self.turn().await?;
        let before = self.epoch.load(Ordering::Acquire);
        Ok(self.store.by_id(session).await?.map(|found| self.keep(found, before)))
    }

    fn carry(&self, session: &Arc<LiveSession>, bearer: &Bearer, reading: &Reading<'_>) -> Option<Carried> {
        let here = bearer.host.as_deref().is_none_or(|host| host == reading.host);
        if !here || reading.now >= bearer.until {
            return None;
        }
        Some(Carried { session: self.admit(session, reading)?, bound: bearer.bound, certificate: bearer.certificate })
    }
}
