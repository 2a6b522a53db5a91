//! What a request found out about members while it looked for one that answers: whom it asked, what came of it, and who
//! was left out; for the record, and for nobody outside.

use crate::pool::{Health, MemberStatus};
use pingora::{Error, ErrorType};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Findings kept of one request: no pool allows more tries, and nobody reads on after so many members left out.
pub const MOST_FINDINGS: usize = 16;

/// What was found out about one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it listens.
    pub member: SocketAddr,
    /// In a word: what came of asking it, or why it was not asked.
    pub found: &'static str,
    /// How long it was asked; `None` if it was not.
    pub took: Option<Duration>,
}

impl Finding {
    /// A member that was asked for `took`, in vain.
    pub fn asked(member: SocketAddr, error: &Error, took: Duration) -> Self {
        Finding { member, found: word(error.etype()), took: Some(took) }
    }

    /// A member that was not asked.
    pub fn left_out(status: &MemberStatus) -> Self {
        let found = match (status.weight, status.health, status.ejected) {
            (0, _, _) => "drained",
            (_, Health::Unhealthy, _) => "unhealthy",
            (_, Health::Healthy | Health::Unknown, true) => "ejected",
            (_, health, false) => health.word(),
        };
        Finding { member: status.address, found, took: None }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { member, found, took } = self;
        match took {
            Some(took) => write!(f, "{member} {found} after {:.1} ms", took.as_secs_f64() * 1000.0),
            None => write!(f, "{member} {found}"),
        }
    }
}

/// What an error of the engine's comes to.
fn word(error: &ErrorType) -> &'static str {
    match error {
        ErrorType::ConnectRefused => "refused",
        ErrorType::ConnectTimedout => "connect-timed-out",
        ErrorType::ConnectNoRoute => "no-network-route",
        ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => "tls",
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => "timed-out",
        ErrorType::ConnectionClosed => "closed",
        ErrorType::ReadError | ErrorType::WriteError => "reset",
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error => "malformed-answer",
        // A name of the engine's own says more than a general word of ours.
        ErrorType::Custom(name) => name,
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_left_out_says_why() {
        let member = SocketAddr::from(([127, 0, 0, 1], 1));
        let found = |weight, health, ejected| {
            let status = MemberStatus { address: member, weight, health, since: None, in_flight: 0, ejected };
            Finding::left_out(&status).to_string()
        };
        assert_eq!(found(0, Health::Healthy, false), "127.0.0.1:1 drained");
        assert_eq!(found(1, Health::Unhealthy, true), "127.0.0.1:1 unhealthy");
        assert_eq!(found(1, Health::Unknown, true), "127.0.0.1:1 ejected");
    }

    #[test]
    fn a_member_that_was_asked_says_what_came_of_it() {
        let error = Error::new(ErrorType::ConnectRefused);
        let finding = Finding::asked(SocketAddr::from(([10, 0, 0, 1], 80)), &error, Duration::from_micros(1_250));
        assert_eq!(finding.to_string(), "10.0.0.1:80 refused after 1.2 ms");
    }
}
