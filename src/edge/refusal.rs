//! Every reason a request is not forwarded; closed, carrying data and not prose.

use super::TokenFault;
use crate::edition::RoutePlan;
use crate::listen::Unreadable;
use crate::policy::{Denial, Recourse};
use crate::pool::NoMember;
use crate::route::{HostFault, PathFault};
use crate::session::LiveSession;
use crate::telemetry::Outcome;
use std::sync::Arc;

/// Why a request is refused.
pub enum Refusal {
    /// It cannot be read safely.
    Malformed(Fault),
    /// Its listener only redirects to `https://`.
    NotEncrypted,
    /// It asks about the server as a whole: `OPTIONS *`.
    AboutServer,
    /// Its connection was made for another host.
    Misdirected,
    /// No route has its host.
    NoHost,
    /// No route of its host has its path.
    NoRoute,
    /// A policy says no.
    Denied {
        /// The route it fell under.
        route: Arc<RoutePlan>,
        /// Who asked, if a live session said so.
        session: Option<Arc<LiveSession>>,
        /// Why not.
        denial: Box<Denial>,
    },
    /// Its session is not in memory, and the store cannot be asked.
    NoStore {
        /// The route it fell under.
        route: Arc<RoutePlan>,
    },
    /// It came with a token of ours that is not good.
    Token {
        /// The route it fell under.
        route: Arc<RoutePlan>,
        /// What is wrong with it.
        fault: TokenFault,
    },
    /// The machinery broke.
    Broken(Failure),
}

/// What makes a request unsafe to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its host.
    Host(HostFault),
    /// Its path.
    Path(PathFault),
    /// Its framing: RFC 9112 §6.1 lets a request with both lengths be rejected, and a bare line feed is not a line end.
    Framing(&'static str),
    /// Its header fields.
    Fields(&'static str),
    /// Too many fields.
    TooManyFields,
    /// Its method.
    Method,
    /// A page of another origin opens a WebSocket: the browser would lend it the session of this one (ASVS 5.0 §4.4.2).
    Origin,
    /// Its header is none.
    Header(Unreadable),
    /// Its body came too slowly.
    BodyLate,
}

/// What broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No member of the pool can be used.
    NoMember(NoMember),
    /// Members could not be reached, or broke off before they answered.
    Unreachable,
    /// A member did not answer in time.
    TimedOut,
    /// An invariant does not hold, or a filter panicked.
    Internal,
}

impl Refusal {
    /// The word for logs.
    pub fn word(&self) -> &'static str {
        match self {
            Refusal::Malformed(Fault::Header(why)) => why.word(),
            Refusal::Malformed(_) => "malformed",
            Refusal::NotEncrypted => "not-encrypted",
            Refusal::AboutServer => "about-server",
            Refusal::Misdirected => "misdirected",
            Refusal::NoHost => "no-host",
            Refusal::NoRoute => "no-route",
            Refusal::Denied { denial, .. } => match denial.recourse {
                Recourse::SignIn => "sign-in",
                Recourse::StepUp => "step-up",
                Recourse::Bind => "unbound",
                Recourse::Forbidden => "forbidden",
            },
            Refusal::NoStore { .. } => "store-unavailable",
            Refusal::Token { fault, .. } => fault.word(),
            Refusal::Broken(failure) => failure.word(),
        }
    }

    /// How it is counted.
    pub fn outcome(&self) -> Outcome {
        match self {
            Refusal::Malformed(_) => Outcome::Malformed,
            Refusal::NotEncrypted | Refusal::AboutServer => Outcome::Own,
            Refusal::Misdirected | Refusal::NoHost | Refusal::NoRoute => Outcome::Unknown,
            Refusal::Denied { denial, .. } => match denial.recourse {
                Recourse::SignIn | Recourse::Bind => Outcome::SignIn,
                Recourse::StepUp => Outcome::StepUp,
                Recourse::Forbidden => Outcome::Forbidden,
            },
            Refusal::Token { fault: TokenFault::Busy, .. } => Outcome::Failed,
            Refusal::Token { .. } => Outcome::SignIn,
            Refusal::NoStore { .. } | Refusal::Broken(_) => Outcome::Failed,
        }
    }
}

impl Fault {
    /// The status that says so.
    pub fn status(&self) -> u16 {
        match self {
            Fault::Header(Unreadable::Late) | Fault::BodyLate => 408,
            Fault::Path(PathFault::TooLong) => 414,
            Fault::TooManyFields | Fault::Header(Unreadable::Long | Unreadable::Fields) => 431,
            Fault::Method | Fault::Header(Unreadable::Method) => 405,
            Fault::Origin => 403,
            Fault::Host(_) | Fault::Path(_) | Fault::Framing(_) | Fault::Fields(_) => 400,
            Fault::Header(Unreadable::Line | Unreadable::Clear | Unreadable::Header) => 400,
        }
    }

    /// One sentence.
    pub fn sentence(&self) -> String {
        match self {
            Fault::Host(fault) => fault.to_string(),
            Fault::Path(fault) => format!("the path is refused: {fault}"),
            Fault::Framing(what) | Fault::Fields(what) => (*what).to_owned(),
            Fault::TooManyFields | Fault::Header(Unreadable::Fields) => {
                "the request has more header fields than are accepted".to_owned()
            }
            Fault::Method | Fault::Header(Unreadable::Method) => "the method is not accepted".to_owned(),
            Fault::Header(Unreadable::Late) => "the header was not complete in time".to_owned(),
            Fault::Header(Unreadable::Long) => "the header is longer than is accepted".to_owned(),
            Fault::Header(Unreadable::Line) => "the request line is not a method, a target and a version".to_owned(),
            Fault::Header(Unreadable::Clear) => "this port speaks TLS: ask for https:// instead of http://".to_owned(),
            Fault::Header(Unreadable::Header) => "the header cannot be read".to_owned(),
            Fault::BodyLate => "the body came too slowly".to_owned(),
            Fault::Origin => "a page of another origin may not open a WebSocket here".to_owned(),
        }
    }
}

impl TokenFault {
    /// The word for logs.
    pub fn word(self) -> &'static str {
        match self {
            TokenFault::Misplaced => "misplaced-token",
            TokenFault::Invalid => "invalid-token",
            TokenFault::Unproved => "unproved-token",
            TokenFault::Proof => "invalid-proof",
            TokenFault::Nonce => "stale-nonce",
            TokenFault::Busy => "too-many-proofs",
        }
    }

    /// One sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            TokenFault::Misplaced => {
                "a token of this gateway stands as Authorization: Bearer TOKEN, or DPoP TOKEN, and in no other form"
            }
            TokenFault::Invalid => "the token is not good here: it may have expired, or its session has ended",
            TokenFault::Unproved => "the token is bound to a key: it needs a proof of it with every request",
            TokenFault::Proof => "the proof does not fit this request, or was used before",
            TokenFault::Nonce => "the proof needs the nonce that comes with this answer",
            TokenFault::Busy => "so many proofs came lately that no more can be checked at the moment",
        }
    }
}

impl Failure {
    /// The word for logs.
    pub fn word(&self) -> &'static str {
        match self {
            Failure::NoMember(_) => "no-member",
            Failure::Unreachable => "unreachable",
            Failure::TimedOut => "timed-out",
            Failure::Internal => "internal",
        }
    }

    /// The status that says so.
    pub fn status(&self) -> u16 {
        match self {
            Failure::NoMember(_) => 503,
            Failure::Unreachable => 502,
            Failure::TimedOut => 504,
            Failure::Internal => 500,
        }
    }
}
