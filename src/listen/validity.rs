//! From when until when a certificate may be used (RFC 5280 §4.1.2.5); asks no clock.

use super::der::{Der, GENERALIZED_TIME, SEQUENCE, UTC_TIME, body};
use crate::stdx::clock::Time;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// When a certificate may be used, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not before.
    pub from: Time,
    /// Not after.
    pub until: Time,
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
    fn bytes_cut_short_never_panic() {
        let whole = made((2020, 1, 1), (2030, 1, 1));
        for end in 0..whole.len() {
            assert_eq!(validity(&whole[..end]), None);
        }
    }
}
