//! How the portal's answers are made: pages under a strict policy, redirects after forms, cookies; knows no page's
//! content.

use super::Ask;
use crate::factor::Rejection;
use crate::reply::{Answer, Body};
use crate::session::cookie::{self, Name, Transport};
use crate::stdx::clock::Time;
use crate::token::Destination;
use http::{StatusCode, header};
use maud::Markup;
use std::time::Duration;

/// How soon to come back who found every hashing thread taken: a queue of them is done with in about this time.
const BUSY: Duration = Duration::from_secs(2);

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

    /// Says when to come back, if the rejection passes by itself; rounded up, so that nobody comes back too soon.
    pub(super) fn retry_after(mut self, rejection: Option<&Rejection>, now: Time) -> Self {
        let wait = match rejection {
            Some(Rejection::Wait(until)) => until.since(now),
            Some(Rejection::Busy) => BUSY,
            Some(
                Rejection::Wrong
                | Rejection::Weak(_)
                | Rejection::NotAllowed
                | Rejection::Copied
                | Rejection::Clock
                | Rejection::Locked,
            )
            | None => return self,
        };
        self.field(header::RETRY_AFTER, &wait.as_millis().div_ceil(1000).max(1).to_string());
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

/// A page with a rejection is no success: programs see it, browsers show the page all the same.
pub(super) fn status_of(rejection: Option<&Rejection>) -> StatusCode {
    match rejection {
        None => StatusCode::OK,
        Some(Rejection::Wrong | Rejection::Weak(_) | Rejection::NotAllowed | Rejection::Copied | Rejection::Clock) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Some(Rejection::Wait(_) | Rejection::Locked) => StatusCode::TOO_MANY_REQUESTS,
        Some(Rejection::Busy) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
