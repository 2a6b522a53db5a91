//! Device authorization (RFC 8628): shows a code, and waits until a person approved it elsewhere; keeps nothing.

use super::aim::Origin;
use super::asking::{Asking, Http};
use super::discovery::Server;
use super::grant::{CLIENT, Granted};
use super::proof::ProofKey;
use super::step::Open;
use crate::cli::ending::Stopped;
use crate::cli::output::{Output, harmless};
use crate::stdx::clock::{Clock, SystemClock};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// The grant of RFC 8628 §3.4.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How long to wait between two questions if nobody says (RFC 8628 §3.2), and what `slow_down` adds (§3.5).
const USUAL_INTERVAL: Duration = Duration::from_secs(5);

/// The shortest and the longest that is waited between two questions.
const INTERVALS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The longest that a code is waited for: nobody is still there after an hour.
const LONGEST: Duration = Duration::from_secs(3600);

/// What the session behind the tokens must have proved (RFC 9470 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Levels, any of them.
    pub acr_values: Option<String>,
    /// The greatest age of the proofs, in seconds.
    pub max_age: Option<u64>,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// What the tokens are for.
    pub origin: &'a Origin,
    /// What must have been proved.
    pub need: &'a Need,
    /// The key that the tokens shall be bound to.
    pub key: Option<&'a ProofKey>,
}

#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

/// Asks for tokens, says where to approve that, and waits for them.
///
/// # Errors
/// If the answer is no, or nobody gave one in time, or the server cannot be asked.
pub async fn sign_in((http, server): (&mut Http, &Server), wish: &Wish<'_>, out: &Output) -> anyhow::Result<Granted> {
    let begun = begin((http, server), wish).await?;
    let life = Duration::from_secs(begun.expires_in).min(LONGEST);
    out.line(&Open {
        origin: wish.origin.as_str(),
        address: &begun.verification_uri,
        complete: begun.verification_uri_complete.as_deref(),
        code: &begun.user_code,
        life,
    })?;
    wait((http, server), (wish, &begun), Instant::now() + life).await
}

async fn begin((http, server): (&mut Http, &Server), wish: &Wish<'_>) -> anyhow::Result<Begun> {
    let Some(device) = &server.device else {
        anyhow::bail!("{} signs no programs in by a code", server.issuer);
    };
    let age = wish.need.max_age.map(|age| age.to_string());
    let mut form = vec![("client_id", CLIENT), ("resource", wish.origin.as_str())];
    form.extend(wish.need.acr_values.as_deref().map(|levels| ("acr_values", levels)));
    form.extend(age.as_deref().map(|age| ("max_age", age)));
    let answer = http.ask(&Asking { key: wish.key, ..Asking::post("a sign-in code", device, &form) }).await?;
    if answer.status != 200 {
        return Err(answer.unexpected());
    }
    let begun: Begun = answer.json()?;
    let addresses = std::iter::once(&begun.verification_uri).chain(&begun.verification_uri_complete);
    for text in addresses {
        // A person is sent there to prove who they are: nowhere else than where the tokens come from.
        if !Url::parse(text).is_ok_and(|url| server.issuer.has(&url)) {
            anyhow::bail!("{} sends people elsewhere to sign in: {}", server.issuer, harmless(text));
        }
    }
    Ok(begun)
}

/// Asks again and again whether it was approved.
async fn wait(
    (http, server): (&mut Http, &Server),
    (wish, begun): (&Wish<'_>, &Begun),
    deadline: Instant,
) -> anyhow::Result<Granted> {
    let form = [("grant_type", GRANT), ("client_id", CLIENT), ("device_code", begun.device_code.as_str())];
    let mut pace = Pace::of(begun.interval);
    loop {
        let next = Instant::now() + pace.0;
        if next > deadline {
            return Err(expired());
        }
        tokio::time::sleep_until(next).await;
        let asking = Asking { key: wish.key, ..Asking::post("tokens", &server.token, &form) };
        let answer = match http.ask(&asking).await {
            Ok(answer) => answer,
            // It may be back before the code expires (RFC 8628 §3.5).
            Err(error) if Instant::now() + pace.doubled().0 > deadline => return Err(error),
            Err(_) => {
                pace = pace.doubled();
                continue;
            }
        };
        match (answer.status, answer.refused().error.as_str()) {
            (200, _) => return Granted::read(&answer, wish.key, SystemClock.now()),
            (_, "authorization_pending") => {}
            (_, "slow_down") => pace = pace.slower(),
            (_, "access_denied") => return Err(Stopped::no("it was denied")),
            (_, "expired_token") => return Err(expired()),
            (429 | 500.., _) => pace = pace.doubled(),
            (_, _) => return Err(answer.unexpected()),
        }
    }
}

fn expired() -> anyhow::Error {
    Stopped::no("nobody approved it before the code expired")
}

/// How long is waited between two questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace(Duration);

impl Pace {
    fn of(seconds: Option<u64>) -> Self {
        let (shortest, longest) = INTERVALS;
        Pace(seconds.map_or(USUAL_INTERVAL, Duration::from_secs).clamp(shortest, longest))
    }

    fn slower(self) -> Self {
        Pace((self.0 + USUAL_INTERVAL).min(INTERVALS.1))
    }

    fn doubled(self) -> Self {
        Pace((self.0 * 2).min(INTERVALS.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_server_s_within_reason() {
        let secs = |pace: Pace| pace.0.as_secs();
        assert_eq!([None, Some(0), Some(7), Some(u64::MAX)].map(|given| secs(Pace::of(given))), [5, 1, 7, 60]);
        assert_eq!(secs(Pace::of(Some(5)).slower()), 10);
        assert_eq!(secs(Pace::of(Some(58)).slower()), 60);
        assert_eq!(secs(Pace::of(Some(3)).doubled()), 6);
    }
}
