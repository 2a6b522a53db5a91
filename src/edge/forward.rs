//! From an admission to a member: the pick, the peer, and what is noted when a member does not answer.

use super::upgrade::Early;
use super::{Failure, Forwarding, Passage};
use crate::pool::{NoMember, peer};
use crate::stdx::clock::Time;
use crate::stdx::descriptors;
use pingora::upstreams::peer::HttpPeer;
use pingora::{BError, Error, ErrorSource, ErrorType, Result};

impl Passage {
    /// Picks a member for the admitted request.
    ///
    /// # Errors
    /// If none can be used; then [`Passage::failure`] says which members there are.
    pub fn pick(&mut self, now: Time) -> Result<Box<HttpPeer>> {
        let Some(ready) = self.admission.as_ref().and_then(|admission| self.edition.ready(&admission.route)) else {
            self.failure = Some(Failure::Internal);
            return Err(internal("a request without an admission reached its forwarding"));
        };
        let retries_left = ready.pool.plan().retries;
        let forwarding = self.forwarding.get_or_insert_with(|| Forwarding { retries_left, ..Forwarding::default() });
        // The old pick is let go first: its member is not busy with us any more.
        forwarding.pick = None;
        // What the client said already is told again to whoever is asked next.
        forwarding.early = Early::default();
        match ready.pool.pick(now, &forwarding.tried) {
            Ok(pick) => {
                let stream = self.arrival.as_ref().is_some_and(|arrival| arrival.upgrade || arrival.events);
                let protocol = if stream { peer::Protocol::Stream } else { peer::Protocol::Http };
                let peer = peer::peer(&pick, protocol);
                forwarding.pick = Some(pick);
                forwarding.tries += 1;
                Ok(peer)
            }
            Err(none) => {
                forwarding.leave_out(&ready.pool.status(now));
                self.failure = Some(after(none));
                Err(Error::explain(ErrorType::HTTPStatus(503), "no member can be used"))
            }
        }
    }

    /// A member could not be reached; nothing was sent. `true` if another one may be tried.
    pub fn connect_failed(&mut self, error: &Error, now: Time) -> bool {
        self.failure = Some(Failure::Unreachable);
        let Some(forwarding) = self.forwarding.as_mut() else { return false };
        forwarding.give_up(error, self.began);
        let Some(pick) = forwarding.pick.take() else { return false };
        if !is_our_own_lack(error) {
            pick.connect_failed(now);
        }
        forwarding.tried.add(&pick);
        let again = forwarding.retries_left > 0;
        forwarding.retries_left = forwarding.retries_left.saturating_sub(1);
        again
    }

    /// A member was reached and then did not answer, or not to the end; if it was the client that did not go on, there
    /// is nothing to note.
    pub fn answer_failed(&mut self, error: &Error) {
        if *error.esource() == ErrorSource::Downstream {
            return;
        }
        self.failure = Some(match error.etype() {
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => Failure::TimedOut,
            _ => Failure::Unreachable,
        });
        if let Some(forwarding) = self.forwarding.as_mut() {
            forwarding.give_up(error, self.began);
        }
    }

    /// A member was reached.
    pub fn connected(&mut self) {
        self.failure = None;
        if let Some(pick) = self.forwarding.as_ref().and_then(|forwarding| forwarding.pick.as_ref()) {
            pick.connected();
        }
    }
}

/// Whether nobody was asked, for want of a descriptor or of memory for it: that says nothing of the member.
fn is_our_own_lack(error: &Error) -> bool {
    descriptors::are_exhausted(error.root_cause())
}

/// What to say when no member is left: one that was tried is unreachable, the others were not usable to begin with.
fn after(none: NoMember) -> Failure {
    if none.tried > 0 { Failure::Unreachable } else { Failure::NoMember(none) }
}

pub(super) fn internal(what: &'static str) -> BError {
    tracing::error!(what, "an invariant does not hold; the request is refused");
    Error::explain(ErrorType::InternalError, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// As the engine wraps it.
    fn unconnected(code: i32) -> BError {
        let socket = Error::because(ErrorType::SocketError, "socket", io::Error::from_raw_os_error(code));
        Error::because(ErrorType::InternalError, "connecting", socket)
    }

    #[test]
    fn having_no_descriptor_left_is_not_held_against_the_member() {
        assert!(is_our_own_lack(&unconnected(24)), "EMFILE");
        assert!(!is_our_own_lack(&unconnected(111)), "ECONNREFUSED");
    }
}
