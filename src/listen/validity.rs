//! From when until when a certificate may be used (RFC 5280 §4.1.2.5); asks no clock.

use super::der::{Der, GENERALIZED_TIME, SEQUENCE, UTC_TIME, body};
use crate::stdx::clock::Time;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt;
use std::time::Duration;

/// How long before its end a certificate is warned of: time enough for whoever has to ask somebody else for a new one.
const ENDS_SOON: Duration = Duration::from_secs(14 * DAY);

/// In seconds.
const DAY: u64 = 24 * 3600;

/// When a certificate may be used, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not before.
    pub from: Time,
    /// Not after.
    pub until: Time,
}

/// Why a certificate may not be used, or not for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfTime {
    /// Not before this.
    NotYet(Time),
    /// It ends within 14 days, after this long.
    Soon(Duration),
    /// It ended this long ago.
    Expired(Duration),
}

impl Validity {
    /// What is wrong with it now; `None` if nothing is.
    pub fn out_of_time(self, now: Time) -> Option<OutOfTime> {
        let left = self.until.since(now);
        match now {
            _ if now < self.from => Some(OutOfTime::NotYet(self.from)),
            _ if now > self.until => Some(OutOfTime::Expired(now.since(self.until))),
            _ => (left <= ENDS_SOON).then_some(OutOfTime::Soon(left)),
        }
    }
}

/// What is said of a certificate: `expired 3 days ago`.
impl fmt::Display for OutOfTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = |span: &Duration| match span.as_secs() / DAY {
            0 => "less than a day".to_owned(),
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        };
        match self {
            OutOfTime::NotYet(from) => write!(f, "may not be used before {from}"),
            OutOfTime::Soon(left) => write!(f, "expires in {}", days(left)),
            OutOfTime::Expired(ago) => write!(f, "expired {} ago", days(ago)),
        }
    }
}

/// The validity in a DER certificate; `None` if it cannot be read, or reaches beyond the year 9999.
pub(super) fn validity(certificate: &[u8]) -> Option<Validity> {
    // The algorithm, the issuer and the validity are the first three sequences of the body, whatever stands between.
    let (_, content) = body(certificate)?.filter(|(tag, _)| *tag == SEQUENCE).nth(2)?;
    let mut ends = Der(content);
    Some(Validity { from: time(ends.element()?)?, until: time(ends.element()?)? })
}

fn time((tag, content): (u8, &[u8])) -> Option<Time> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let written = match tag {
        GENERALIZED_TIME => text.to_owned(),
        // RFC 5280 §4.1.2.5.1: two digits from 50 on are of the century before.
        UTC_TIME if text < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        _ => return None,
    };
    let stamp = DateTime::strptime("%Y%m%d%H%M%S", written).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(u64::try_from(stamp.as_second()).map_or(Time::EPOCH, Time::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut wanted = rcgen::CertificateParams::new(vec!["app.example.com".to_owned()]).unwrap();
        wanted.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        wanted.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let key = rcgen::KeyPair::generate().unwrap();
        wanted.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn both_ways_of_writing_a_time_are_read() {
        let short = validity(&made((1999, 12, 31), (2030, 1, 2))).unwrap();
        assert_eq!(short.from.to_string(), "1999-12-31T00:00:00.000Z");
        assert_eq!(short.until.to_string(), "2030-01-02T00:00:00.000Z");
        let long = validity(&made((2049, 12, 31), (2050, 1, 1))).unwrap();
        assert_eq!(long.from.to_string(), "2049-12-31T00:00:00.000Z");
        assert_eq!(long.until.to_string(), "2050-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_last_14_days_and_whatever_follows_them_are_told_in_days() {
        let (from, until) = (Time::from_secs(100 * DAY), Time::from_secs(200 * DAY));
        let told = |now: Time| Validity { from, until }.out_of_time(now).map(|trouble| trouble.to_string());
        let days = |count: u64| Duration::from_secs(count * DAY);
        assert_eq!(told(from.minus(days(1))).as_deref(), Some("may not be used before 1970-04-11T00:00:00.000Z"));
        assert_eq!((told(from), told(until.minus(days(15)))), (None, None));
        assert_eq!(told(until.minus(days(14))).as_deref(), Some("expires in 14 days"));
        assert_eq!(told(until).as_deref(), Some("expires in less than a day"));
        assert_eq!(told(until.plus(days(1))).as_deref(), Some("expired 1 day ago"));
        assert_eq!(told(until.plus(days(3))).as_deref(), Some("expired 3 days ago"));
    }

    #[test]
    fn bytes_cut_short_never_panic() {
        let whole = made((2020, 1, 1), (2030, 1, 1));
        for end in 0..whole.len() {
            assert_eq!(validity(&whole[..end]), None);
        }
    }
}
