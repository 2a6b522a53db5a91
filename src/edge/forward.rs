//! From an admission to a member: the pick, the peer, and what is noted when a member does not answer.

use super::tether::Ended;
use super::upgrade::Early;
use super::{Failure, Forwarding, Passage};
use crate::pool::{Lapse, NoMember, peer};
use crate::stdx::clock::Time;
use crate::stdx::descriptors;
use pingora::upstreams::peer::HttpPeer;
use pingora::{BError, Error, ErrorSource, ErrorType, Result};

/// How far a request had come with the member that failed it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Whether its connection was kept from an earlier request: then it may have been closed before this one came.
    pub kept: bool,
    /// Whether the client sent all of the request: only then is a silence, or an end, the member's.
    pub whole: bool,
    /// Whether it may be sent again: its method may be repeated, its body is still at hand, and the client was told
    /// nothing yet.
    pub repeatable: bool,
}

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
        // The old pick is let go first: its member is not busy with us any more. It stays where it is for the record, if
        // nobody else is found.
        if let Some(pick) = forwarding.pick.as_mut() {
            pick.answered();
        }
        // What the client said already is told again to whoever is asked next.
        forwarding.early = Early::default();
        self.body = 0;
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
            pick.failed(Lapse::Unreachable, now);
        }
        forwarding.tried.add(&pick);
        forwarding.take_retry()
    }

    /// A member was reached and then did not answer, or not to the end. `true` if the request may be sent again: on
    /// another connection if this one was kept (as often as the engine tries at all), else to another member.
    pub fn answer_failed(&mut self, error: &Error, exchange: Exchange, now: Time) -> bool {
        if *error.esource() == ErrorSource::Downstream {
            self.client_failed(exchange, now);
            return false;
        }
        self.failure = Some(match error.etype() {
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => Failure::TimedOut,
            ErrorType::InternalError if *error.esource() != ErrorSource::Upstream => Failure::Internal,
            _ => Failure::Unreachable,
        });
        let Some(forwarding) = self.forwarding.as_mut() else { return false };
        forwarding.give_up(error, self.began);
        let Some(pick) = forwarding.pick.as_ref().filter(|_| forwarding.answered.is_none()) else { return false };
        let broke_off = broke_off(error);
        if broke_off && exchange.kept {
            return exchange.repeatable;
        }
        let again = broke_off && exchange.repeatable && forwarding.retries_left > 0;
        match (is_members_fault(error, exchange), again) {
            // The request itself may be what nobody can answer: the next one to be asked will show it.
            (true, true) => forwarding.tried.suspect(pick),
            (true, false) if broke_off && forwarding.tried.has_suspects() => {}
            (true, false) => pick.failed(Lapse::Unanswered, now),
            (false, true) => forwarding.tried.add(pick),
            (false, false) => {}
        }
        again && forwarding.take_retry()
    }

    /// The client did not go on, which says nothing of the member; unless its connection was cut because the member of a
    /// stream, which no timeout watches, had not begun to answer in time.
    fn client_failed(&self, exchange: Exchange, now: Time) {
        let Some(forwarding) = self.forwarding.as_ref().filter(|_| exchange.whole) else { return };
        let ended = forwarding.tether.as_ref().and_then(super::tether::Tether::ended);
        if let Some(pick) = forwarding.pick.as_ref().filter(|_| ended == Some(Ended::Unanswered)) {
            pick.failed(Lapse::Unanswered, now);
        }
    }

    /// A member was reached.
    pub fn connected(&mut self) {
        self.failure = None;
    }
}

/// Whether a member ended the connection.
fn broke_off(error: &Error) -> bool {
    let ended = matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError);
    ended && *error.esource() == ErrorSource::Upstream
}

/// Whether that a request was not answered is held against its member.
fn is_members_fault(error: &Error, exchange: Exchange) -> bool {
    let fault = match error.etype() {
        ErrorType::ReadTimedout => exchange.whole,
        ErrorType::WriteTimedout | ErrorType::InvalidHTTPHeader | ErrorType::H1Error => true,
        _ => broke_off(error) && exchange.whole,
    };
    fault && *error.esource() == ErrorSource::Upstream && !is_our_own_lack(error)
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

    /// A request that its member never answered, on a fresh connection.
    const UNANSWERED: Exchange = Exchange { kept: false, whole: true, repeatable: true };

    #[test]
    fn what_a_member_does_is_held_against_it_and_what_others_do_is_not() {
        use ErrorType::{ConnectionClosed, InternalError, InvalidHTTPHeader, ReadError, ReadTimedout, WriteTimedout};
        for error in [ConnectionClosed, ReadError, ReadTimedout, WriteTimedout, InvalidHTTPHeader] {
            let fails = |error: BError| is_members_fault(&error, UNANSWERED);
            assert!(fails(Error::new_up(error.clone())), "{error:?}");
            assert!(!fails(Error::new_down(error.clone())), "{error:?} of the client");
            assert!(!fails(Error::new_in(error.clone())), "{error:?} of ours");
        }
        assert!(!is_members_fault(&Error::new_up(InternalError), UNANSWERED));
        let lack = Error::because(ReadError, "reading", io::Error::from_raw_os_error(105)).into_up();
        assert!(!is_members_fault(&lack, UNANSWERED), "ENOBUFS");
    }

    #[test]
    fn a_member_may_be_silent_or_end_while_the_client_has_not_said_everything() {
        use ErrorType::{ConnectionClosed, ReadError, ReadTimedout, WriteError};
        for error in [ReadTimedout, ConnectionClosed, ReadError, WriteError] {
            let gone = Error::new_up(error);
            assert!(!is_members_fault(&gone, Exchange { whole: false, ..UNANSWERED }), "{gone}");
        }
    }

    #[test]
    fn having_no_descriptor_left_is_not_held_against_the_member() {
        assert!(is_our_own_lack(&unconnected(24)), "EMFILE");
        assert!(!is_our_own_lack(&unconnected(111)), "ECONNREFUSED");
    }
}
