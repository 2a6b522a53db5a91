//! What the engine gets wrong about WebSockets, and how it is led to do right: from the request to the member's answer;
//! knows nothing of frames.
//!
//! The engine (0.9.1) has two faults here. It may learn that an empty body has ended only after the member switched
//! protocols, and takes that for the end of the WebSocket (its issue 946). And it takes what a client says before that
//! switch for the body of the request. So a body is announced, which cannot have ended by then; what comes of it is taken
//! out of the engine's hands and given back to the connection, which brings it again once protocols were switched. If
//! they are not, the connection brings what is missing of the body, and the request ends like any other.

use super::{Failure, Forwarding, Passage, Refusal};
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderValue};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};

/// Bytes that a client may say before its WebSocket is open, which RFC 6455 §4.1 does not even allow.
const MOST_EARLY: usize = 4 * 1024;

/// The length of the body that is announced: a byte more than anybody may say.
const ANNOUNCED: usize = MOST_EARLY + 1;

/// What is to become of bytes that a client sends with a request for a WebSocket.
#[derive(Debug)]
pub enum Early {
    /// They wait for the member's answer.
    Held(Vec<u8>),
    /// Protocols are not switched: they are nobody's.
    Unwanted,
}

impl Default for Early {
    fn default() -> Self {
        Early::Held(Vec::new())
    }
}

/// Announces a body that nobody sends on a request for a WebSocket, to the engine alone: [`super::Edge::stamp`] tells the
/// member that there is none.
///
/// # Errors
/// If the field cannot be written.
pub fn leave_open(request: &mut RequestHeader) -> std::result::Result<(), Refusal> {
    let announced = request.insert_header(header::CONTENT_LENGTH, HeaderValue::from(ANNOUNCED));
    announced.map_err(|_| Refusal::Broken(Failure::Internal))
}

impl Passage {
    /// Takes what a client says before its member has answered.
    ///
    /// # Errors
    /// If it says too much.
    pub fn hold_early(&mut self, body: &mut Option<Bytes>) -> Result<()> {
        let Some(Forwarding { early, .. }) = self.forwarding.as_mut() else { return Ok(()) };
        match early {
            Early::Held(held) => {
                // Nothing goes on to the member, and the body is not over.
                let said = body.replace(Bytes::new()).unwrap_or_default();
                if held.len() + said.len() > MOST_EARLY {
                    let flood = Error::explain(ErrorType::InvalidHTTPHeader, "too much was said before an upgrade");
                    return Err(flood.into_down());
                }
                held.extend_from_slice(&said);
            }
            Early::Unwanted => *body = None,
        }
        Ok(())
    }

    /// The member answered a request for a WebSocket with this status.
    pub fn settle_early(&mut self, status: StatusCode) {
        let (Some(arrival), Some(forwarding)) = (&self.arrival, self.forwarding.as_mut()) else { return };
        let interim = status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS;
        if !arrival.upgrade || interim {
            return;
        }
        let Early::Held(held) = std::mem::replace(&mut forwarding.early, Early::Unwanted) else { return };
        let switched = status == StatusCode::SWITCHING_PROTOCOLS;
        let missing = [0; ANNOUNCED];
        arrival.connection.give_back(match switched {
            true => &held,
            false => missing.get(held.len()..).unwrap_or_default(),
        });
    }
}
