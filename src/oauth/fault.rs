//! Why nothing is granted: one word for whoever asks, and more for whoever runs the gateway; knows no status.

use crate::factor::client_key::Wrong;
use crate::stdx::clock::Time;
use crate::store::Unavailable;

/// Why nothing is granted. Closed: each has one word in an answer (RFC 6749 §5.2, RFC 8628 §3.5, RFC 9449 §5).
#[derive(Clone, Debug)]
pub enum Fault {
    /// The request is incomplete or contradicts itself; in what, in a sentence.
    Request(&'static str),
    /// Programs of that name are not taken, or it did not prove to be the one.
    Client(Unproven),
    /// What was presented is not good, or not any more, or not for whom presents it: no difference is told outside.
    Grant(Void),
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

/// Why a program is not taken for the one that it says to be. For the log and the record alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unproven {
    /// The configuration does not name it, or it is no name.
    NotTaken,
    /// There is no service account of that name.
    Unknown,
    /// There is, and it is disabled.
    Disabled,
    /// Its certificate is none of that account's.
    Certificate,
    /// Its assertion is wrong.
    Assertion(Wrong),
    /// Its assertion was used before.
    Replayed,
}

/// Why a code or token is not good. For the log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Void {
    /// There is none, or it expired.
    Unknown,
    /// It is another program's.
    OtherClient,
    /// It is bound to another key than the one that was proved.
    OtherKey,
    /// It was made for another address, or another secret.
    Unfit,
    /// It was used before: its session was ended.
    Reused,
    /// Its session is over.
    Ended,
}

impl Fault {
    /// The word for programs, and a sentence for those who write them.
    pub fn said(&self) -> (&'static str, &'static str) {
        match self {
            Fault::Request(what) => ("invalid_request", what),
            Fault::Client(_) => {
                ("invalid_client", "no program of this name is taken here, or it did not prove to be the one")
            }
            Fault::Grant(_) => ("invalid_grant", "it is not good, or not any more, or not for this program"),
            Fault::Target => ("invalid_target", "that is no origin that is served and protected here"),
            Fault::GrantType => ("unsupported_grant_type", "see grant_types_supported in the metadata"),
            Fault::Pending => ("authorization_pending", "nobody has answered yet"),
            Fault::SlowDown => ("slow_down", "ask less often"),
            Fault::Expired => ("expired_token", "nobody answered in time; begin again"),
            Fault::Denied => ("access_denied", "somebody said no"),
            Fault::Proof => ("invalid_dpop_proof", "the proof does not fit this request, or was used before"),
            Fault::Nonce => ("use_dpop_nonce", "the proof needs the nonce that comes with this answer"),
            Fault::Later(_) => ("temporarily_unavailable", "too much was tried; wait"),
            Fault::Down(_) => ("temporarily_unavailable", "nothing can be granted at the moment"),
        }
    }

    /// Why exactly, for whoever runs the gateway.
    pub fn why(&self) -> &'static str {
        match self {
            Fault::Client(unproven) => unproven.word(),
            Fault::Grant(void) => void.word(),
            Fault::Later(_) => "throttled",
            Fault::Down(_) => "store-unavailable",
            Fault::Request(_)
            | Fault::Target
            | Fault::GrantType
            | Fault::Pending
            | Fault::SlowDown
            | Fault::Expired
            | Fault::Denied
            | Fault::Proof
            | Fault::Nonce => self.said().1,
        }
    }

    /// Whether it is a step on the way to tokens rather than a refusal.
    pub fn is_step(&self) -> bool {
        matches!(self, Fault::Pending | Fault::SlowDown | Fault::Nonce)
    }
}

impl From<Unavailable> for Fault {
    fn from(error: Unavailable) -> Self {
        Fault::Down(error)
    }
}

impl Unproven {
    /// The word for logs and the record.
    pub const fn word(self) -> &'static str {
        match self {
            Unproven::NotTaken => "not-taken",
            Unproven::Unknown => "unknown",
            Unproven::Disabled => "disabled",
            Unproven::Certificate => "certificate",
            Unproven::Assertion(wrong) => wrong.word(),
            Unproven::Replayed => "replayed",
        }
    }
}

impl Void {
    /// The word for logs.
    pub const fn word(self) -> &'static str {
        match self {
            Void::Unknown => "unknown",
            Void::OtherClient => "other-client",
            Void::OtherKey => "other-key",
            Void::Unfit => "unfit",
            Void::Reused => "reused",
            Void::Ended => "session-ended",
        }
    }
}
