//! How the portal's answers are made: pages under a strict policy, redirects after forms, cookies; knows no page's
//! content.

use super::Ask;
use crate::reply::{Answer, Body};
use crate::session::cookie::{self, Name, Transport};
use crate::token::Destination;
use http::{StatusCode, header};
use maud::Markup;
use std::time::Duration;

/// A page, whose form may lead to the origin of `onward` besides our own.
pub fn page(status: StatusCode, markup: Markup, onward: Option<&Destination>) -> Answer {
    Answer::page(status, markup.into_string(), onward.map(Destination::origin).as_deref())
}

/// 303: whatever the method was, the browser goes on with a GET.
pub fn see_other(address: &str) -> Answer {
    let mut answer = Answer::new(StatusCode::SEE_OTHER, Body::Empty);
    answer.field(header::LOCATION, address);
    answer
}

impl Answer {
    /// Sets a cookie of ours.
    pub(super) fn with_cookie(mut self, ask: &Ask<'_>, name: Name, value: &str, life: Option<Duration>) -> Self {
        self.field(header::SET_COOKIE, &cookie::set(name, ask.transport, value, life));
        self
    }

    /// Removes a cookie of ours.
    pub(super) fn without_cookie(mut self, ask: &Ask<'_>, name: Name) -> Self {
        self.field(header::SET_COOKIE, &cookie::clear(name, ask.transport));
        self
    }

    /// On encrypted connections: never again without encryption, for a year (RFC 6797 §6.1).
    pub(super) fn strict_transport(mut self, ask: &Ask<'_>) -> Self {
        if ask.transport == Transport::Secure {
            self.field(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
        }
        self
    }
}
