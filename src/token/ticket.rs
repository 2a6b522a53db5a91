//! The ticket: where a refused navigation wanted to go and what it lacks, sealed into the portal's address, so that the
//! edge needs no store to send people to sign in; it opens nothing by itself.

use crate::identity::{FactorName, Need};
use crate::stdx::clock::Time;
use crate::stdx::seal::Seal;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a ticket is honoured: a sign-in page left open over a coffee still leads back.
pub const TICKET_LIFE: Duration = Duration::from_secs(3600);

/// Longer tickets are not read: an address of 8 KiB, sealed, is shorter.
const LONGEST: usize = 16 * 1024;

const BINDING: &[u8] = b"ticket/1";

/// Where to go back to. Made by the gateway from a host it serves, never from an address somebody sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// `https`, or `http` on `localhost`.
    pub scheme: String,
    /// Canonical, without a port.
    pub host: String,
    /// The port, if the address named one.
    pub port: Option<u16>,
    /// Path and query.
    pub path: String,
}

impl Destination {
    /// `scheme://host[:port]`.
    pub fn origin(&self) -> String {
        match self.port {
            Some(port) => format!("{}://{}:{port}", self.scheme, self.host),
            None => format!("{}://{}", self.scheme, self.host),
        }
    }
}

/// What a refused navigation takes to the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where to go back to.
    pub to: Destination,
    /// SHA-256 of the binding cookie that the browser got with the refusal.
    pub binding: [u8; 32],
    /// What the session must have proved there.
    pub need: Need,
}

#[derive(Serialize, Deserialize)]
struct Record {
    to: Destination,
    binding: String,
    need: String,
    expires: u64,
}

/// Seals and opens tickets.
pub struct Tickets {
    seal: Seal,
    /// Finds a factor by its word.
    named: fn(&str) -> Option<FactorName>,
}

impl Tickets {
    /// Sealed with `seal`; `named` finds a factor by its word.
    pub fn new(seal: Seal, named: fn(&str) -> Option<FactorName>) -> Self {
        Tickets { seal, named }
    }

    /// The ticket as text for an address.
    pub fn seal(&self, ticket: &Ticket, now: Time) -> String {
        let record = Record {
            to: ticket.to.clone(),
            binding: HEXLOWER.encode(&ticket.binding),
            need: ticket.need.to_text(),
            expires: now.plus(TICKET_LIFE).millis(),
        };
        let text = serde_json::to_vec(&record).expect("a record of strings and numbers has a JSON form");
        BASE64URL_NOPAD.encode(&self.seal.seal(BINDING, &text))
    }

    /// Opens a ticket; `None` if it is not ours or expired.
    pub fn open(&self, text: &str, now: Time) -> Option<Ticket> {
        if text.len() > LONGEST {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let record: Record = serde_json::from_slice(&self.seal.open(BINDING, &sealed)?).ok()?;
        if Time::from_millis(record.expires) <= now {
            return None;
        }
        let binding = HEXLOWER.decode(record.binding.as_bytes()).ok()?.try_into().ok()?;
        Some(Ticket { to: record.to, binding, need: Need::parse(&record.need, self.named)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Assurance;
    use crate::stdx::seal::MasterKey;

    fn named(word: &str) -> Option<FactorName> {
        (word == "totp").then_some(FactorName("totp"))
    }

    fn ticket() -> Ticket {
        let to =
            Destination { scheme: "https".into(), host: "app.example.com".into(), port: None, path: "/a?b=c".into() };
        let factors = vec![FactorName("totp")];
        let need = Need { factors, ..Need::of(Assurance::Mfa, Some(Duration::from_secs(600))) };
        Ticket { to, binding: [3; 32], need }
    }

    #[test]
    fn a_ticket_opens_until_it_expires() {
        let tickets = Tickets::new(MasterKey::new([1; 32]).seal("ticket"), named);
        let now = Time::from_secs(1000);
        let text = tickets.seal(&ticket(), now);
        assert_eq!(tickets.open(&text, now), Some(ticket()));
        assert_eq!(tickets.open(&text, now.plus(TICKET_LIFE)), None);
    }

    #[test]
    fn nothing_but_our_own_ticket_opens() {
        let tickets = Tickets::new(MasterKey::new([1; 32]).seal("ticket"), named);
        let others = Tickets::new(MasterKey::new([2; 32]).seal("ticket"), named);
        let now = Time::from_secs(1000);
        for text in ["", "//evil.test", "https://evil.test", &others.seal(&ticket(), now), &"A".repeat(20_000)] {
            assert_eq!(tickets.open(text, now), None, "{text}");
        }
    }
}
