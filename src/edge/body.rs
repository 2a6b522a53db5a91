//! How slowly a request's body may come, and what is said of one that cannot be read; knows nothing of what is in it.

use super::{Fault, Passage};
use crate::stdx::clock::Time;
use http::header::CONTENT_TYPE;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};
use std::time::Duration;

/// How long a body may take in any case.
const GRACE: Duration = Duration::from_secs(30);

/// Bytes a second that a body must bring beyond that: what Kestrel asks too, far below the worst uplink. A body holds a
/// member's connection for as long as it comes.
const LEAST_RATE: u64 = 240;

/// The engine's name for an error of ours.
const TOO_SLOW: ErrorType = ErrorType::new("BodyTooSlow");

/// Names of the engine's for a body that does not keep to RFC 9112 §7.1.
const BROKEN: [ErrorType; 2] = [ErrorType::new("InvalidChunk"), ErrorType::new("InvalidTrailerEnd")];

impl Passage {
    /// Notes that so much more of the body came.
    ///
    /// # Errors
    /// If that was too slow. Calls that stream in both directions (gRPC) may be silent for as long as they like.
    pub fn body_came(&mut self, bytes: usize, request: &RequestHeader, now: Time) -> Result<()> {
        let Some(arrival) = &self.arrival else { return Ok(()) };
        self.body = self.body.saturating_add(bytes as u64);
        let allowed = GRACE + Duration::from_secs(self.body / LEAST_RATE);
        if now <= arrival.now.plus(allowed) || is_grpc(request) {
            return Ok(());
        }
        Err(Error::explain(TOO_SLOW, "a body came too slowly").into_down())
    }
}

fn is_grpc(request: &RequestHeader) -> bool {
    request.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// What a client did wrong with its body, if that is why its request ended.
pub fn fault(error: &Error) -> Option<Fault> {
    match error.etype() {
        etype if *etype == TOO_SLOW => Some(Fault::BodyLate),
        etype if BROKEN.contains(etype) => Some(Fault::Framing("the body's chunks cannot be read")),
        _ => None,
    }
}
