//! What programs are granted, as rules (RFC 6749, RFC 8628, RFC 7636, RFC 7009): a session of their own by a person's
//! approval, and tokens for it; knows neither HTTP nor pages, and no way of proving an identity.

mod client;
mod code;
mod device;
mod grant;
mod limits;
mod refresh;
mod service;
mod user_code;

pub use client::{ClientId, Redirect, Resource};
pub use code::{Redeeming, Wish};
pub use device::{Asked, Begun, INTERVAL};
pub use grant::{Granted, Terms};
pub use service::{Identification, ProvedBy};
pub use user_code::UserCode;

use crate::audit::Recorder;
use crate::identity::SessionRules;
use crate::session::{Keeper, Reader};
use crate::stdx::clock::Time;
pub use crate::store::Unavailable;
use crate::store::{Accounts, Credentials, Once, Store, Throttles};
use crate::token::AccessTokens;
use limits::Limits;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Grants sessions and tokens to programs, over one store.
pub struct Grants {
    accounts: Arc<dyn Accounts>,
    credentials: Arc<dyn Credentials>,
    once: Arc<dyn Once>,
    throttles: Arc<dyn Throttles>,
    keeper: Keeper,
    reader: Arc<Reader>,
    tokens: Arc<AccessTokens>,
    recorder: Recorder,
    limits: Limits,
}

/// When and from where a program asks, and by which rules it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Who signs tokens: the portal's origin.
    pub issuer: &'a str,
    /// How long access tokens are good for.
    pub access: Duration,
    /// How long somebody may take to approve a device.
    pub device_code: Duration,
    /// When sessions end.
    pub sessions: SessionRules,
    /// When.
    pub now: Time,
    /// From where.
    pub source: IpAddr,
}

/// Why nothing is granted. Closed: each has one word in an answer (RFC 6749 §5.2, RFC 8628 §3.5, RFC 9449 §5).
#[derive(Clone, Debug)]
pub enum Fault {
    /// The request is incomplete or contradicts itself; in what, in a sentence.
    Request(&'static str),
    /// Programs of that name are not taken, or it did not prove to be the one.
    Client,
    /// What was presented is not good, or not any more, or not for whom presents it: no difference is told.
    Grant,
    /// What the tokens shall be for is not served here.
    Target,
    /// There is no such kind of grant.
    GrantType,
    /// Nobody has answered yet.
    Pending,
    /// The same, and the program asks too often.
    SlowDown,
    /// Nobody answered in time.
    Expired,
    /// Somebody said no.
    Denied,
    /// The proof of a key proves nothing.
    Proof,
    /// It lacks a fresh nonce.
    Nonce,
    /// Too much was tried; not before this time.
    Later(Time),
    /// The store cannot be asked.
    Down(Unavailable),
}

impl From<Unavailable> for Fault {
    fn from(error: Unavailable) -> Self {
        Fault::Down(error)
    }
}

impl Grants {
    /// The rules over a store.
    pub fn new(
        store: &Store,
        (keeper, reader): (Keeper, Arc<Reader>),
        tokens: Arc<AccessTokens>,
        recorder: Recorder,
    ) -> Self {
        let (accounts, credentials) = (store.accounts.clone(), store.credentials.clone());
        let (once, throttles) = (store.once.clone(), store.throttles.clone());
        Grants { accounts, credentials, once, throttles, keeper, reader, tokens, recorder, limits: Limits::default() }
    }
}

/// A record as the store keeps it.
fn written(record: &impl serde::Serialize) -> Result<Vec<u8>, Unavailable> {
    serde_json::to_vec(record).map_err(|error| Unavailable(error.to_string()))
}
