//! What programs are granted, as rules (RFC 6749, RFC 8628, RFC 7636, RFC 7009): a session of their own by a person's
//! approval, and tokens for it; knows neither HTTP nor pages, and no way of proving an identity.

mod client;
mod code;
mod device;
mod fault;
mod grant;
mod limits;
mod refresh;
mod service;
mod user_code;

pub use client::{ClientId, Redirect, Resource};
pub use code::{Redeeming, Wish};
pub use device::{Asked, Begun, INTERVAL};
pub use fault::{Fault, Unproven, Void};
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
use limits::{Limits, Told};
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
    told: Told,
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
        let (limits, told) = (Limits::default(), Told::default());
        Grants { accounts, credentials, once, throttles, keeper, reader, tokens, recorder, limits, told }
    }
}

/// A record as the store keeps it.
fn written(record: &impl serde::Serialize) -> Result<Vec<u8>, Unavailable> {
    serde_json::to_vec(record).map_err(|error| Unavailable(error.to_string()))
}
