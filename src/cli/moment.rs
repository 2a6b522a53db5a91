//! Times as people read them; asks no clock.

use crate::stdx::clock::Time;
use crate::stdx::span::written;
use std::time::Duration;

/// `2026-03-01 14:05 UTC`.
pub fn date(at: Time) -> String {
    let stamp = at.to_string();
    match (stamp.get(..10), stamp.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        (None, _) | (_, None) => stamp,
    }
}

/// `2026-03-01 14:05:09 UTC`, for records.
pub fn exact(at: Time) -> String {
    let stamp = at.to_string();
    match (stamp.get(..10), stamp.get(11..19)) {
        (Some(day), Some(second)) => format!("{day} {second} UTC"),
        (None, _) | (_, None) => stamp,
    }
}

/// `3h 12m ago`, `just now`.
pub fn ago(now: Time, at: Time) -> String {
    match now.since(at) {
        past if past < Duration::from_secs(1) => "just now".to_owned(),
        past => format!("{} ago", span(past)),
    }
}

/// The two largest units of a span: `3h 12m`, `4d 2h`, `9s`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let unit = match seconds {
        0..3_600 => 1,
        3_600..172_800 => 60,
        172_800.. => 3_600,
    };
    written(Duration::from_secs(seconds - seconds % unit))
}

/// Reads `2026-03-01T14:05:00Z`.
///
/// # Errors
/// How a time is written, if this is none.
pub fn parse(text: &str) -> Result<Time, String> {
    let stamp: jiff::Timestamp = text.parse().map_err(|_| "a time is written like 2026-03-01T14:05:00Z".to_owned())?;
    u64::try_from(stamp.as_millisecond()).map(Time::from_millis).map_err(|_| "that is before 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        let spans = [9, 61, 3_600, 11_520, 11_559, 86_400, 356_459].map(|secs| span(Duration::from_secs(secs)));
        assert_eq!(spans, ["9s", "1m 1s", "1h", "3h 12m", "3h 12m", "24h", "4d 3h"]);
    }

    #[test]
    fn times_are_dates_in_utc() {
        let at = Time::from_millis(1_700_000_000_123);
        assert_eq!((date(at), exact(at)), ("2023-11-14 22:13 UTC".to_owned(), "2023-11-14 22:13:20 UTC".to_owned()));
        assert_eq!(ago(at.plus(Duration::from_secs(65)), at), "1m 5s ago");
        assert_eq!(ago(at, at), "just now");
        assert_eq!(parse(&at.to_string()), Ok(at));
        assert!(parse("yesterday").is_err());
    }
}
