//! A session: one account, what it has proved, since when and from where; knows neither tokens nor cookies.

use super::{AccountId, Proofs};
use crate::stdx::clock::Time;
use std::net::IpAddr;
use std::time::Duration;

crate::id!(
    /// Names a session in records and commands. It is not the secret that opens it.
    SessionId,
    "ses"
);

/// SHA-256 of a session token: what the store and the cache know of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// What a person recognises a session by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// For example `Firefox on Linux`.
    pub name: String,
    /// The address the session was opened from.
    pub address: IpAddr,
}

/// A live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// What was proved, and when.
    pub proofs: Proofs,
    /// When it was opened.
    pub created: Time,
    /// When it was last used, to within the interval of written-behind activity.
    pub used: Time,
    /// Where it was opened.
    pub device: Device,
}

/// When sessions end: `[session]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// Unused for longer than this, a session ends.
    pub idle: Duration,
    /// However much used, a session ends this long after it was opened.
    pub absolute: Duration,
    /// Sessions that an account may have at once; one more ends the one that was used longest ago.
    pub per_account: usize,
}

impl SessionRules {
    /// NIST SP 800-63B-4 §2.2.3: at AAL2 a definite end (at most 24 h) and inactivity (at most 1 h). More devices than
    /// this are no one person's.
    pub const DEFAULT: SessionRules =
        SessionRules { idle: Duration::from_secs(30 * 60), absolute: Duration::from_secs(12 * 3600), per_account: 100 };

    /// Until when a session opened at `created` and last used at `used` lives.
    pub fn end_of(&self, created: Time, used: Time) -> Time {
        used.plus(self.idle).min(created.plus(self.absolute))
    }
}
