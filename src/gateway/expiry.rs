//! Which certificates are about to end or have ended, and what of it was said already; asks no clock and writes no log.

use crate::listen::{Certified, OutOfTime};
use crate::stdx::clock::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often it is said of a certificate that it expired.
const REPEAT_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What was said so far.
#[derive(Default)]
pub(super) struct Expiry {
    /// When it was last said that a certificate expires soon or has expired. One that was loaded again is the same.
    said: BTreeMap<Which, Said>,
    /// The number of the edition whose certificates were last looked at.
    edition: u64,
}

/// A certificate, by its names and its end.
type Which = (String, Time);

/// What was said of one certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    ExpiresSoon,
    Expired(Time),
}

/// Something to say of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Its names, or that it has none.
    pub names: String,
    /// Its end.
    pub until: Time,
    /// What is wrong.
    pub what: OutOfTime,
}

impl Expiry {
    /// What is to be said now of the certificates of this edition. That one expires soon is said when that begins, once;
    /// that it expired when it does, and then once a day. What the load of the edition warned of is not said again.
    pub fn look(&mut self, (edition, certificates): (u64, &[Arc<Certified>]), now: Time) -> Vec<Notice> {
        let before = std::mem::take(&mut self.said);
        let is_new = std::mem::replace(&mut self.edition, edition) != edition;
        let mut notices = Vec::new();
        for certified in certificates {
            let Some(validity) = certified.validity() else { continue };
            let Some(what) = validity.out_of_time(now) else { continue };
            let which = (named(certified), validity.until);
            let said = before.get(&which).copied();
            let (is_due, saying) = match (what, said) {
                (OutOfTime::NotYet(_), _) => continue,
                (OutOfTime::Soon(_), _) => (said.is_none() && !is_new, Said::ExpiresSoon),
                (OutOfTime::Expired(_), Some(Said::Expired(at))) if now.since(at) < REPEAT_EVERY => {
                    (false, Said::Expired(at))
                }
                (OutOfTime::Expired(_), _) => (true, Said::Expired(now)),
            };
            let is_first = self.said.insert(which.clone(), saying).is_none();
            if is_due && is_first {
                notices.push(Notice { names: which.0, until: which.1, what });
            }
        }
        notices
    }
}

/// What a certificate is called in a sentence: `the certificate for a.test, b.test`.
fn named(certified: &Certified) -> String {
    let names: Vec<&str> = certified.names().collect();
    if names.is_empty() { "no name".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::secret::Secret;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// A certificate that ends at the beginning of 2030.
    fn certified(name: &str) -> Arc<Certified> {
        let mut wanted = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
        wanted.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let made = wanted.self_signed(&key).expect("a certificate");
        let key = Secret::new(key.serialize_pem().into_bytes());
        Arc::new(Certified::parse(made.pem().as_bytes(), &key).expect("it fits"))
    }

    fn end(certified: &Certified) -> Time {
        certified.validity().expect("it is written").until
    }

    #[test]
    fn a_certificate_is_warned_of_once_in_its_last_14_days_and_once_a_day_from_its_end_on() {
        let certificates = [certified("a.test")];
        let until = end(&certificates[0]);
        let mut expiry = Expiry::default();
        let mut said = Vec::new();
        let hours = |count: u32| Duration::from_secs(3600) * count;
        for hour in 0..20 * 24 {
            let now = until.minus(15 * DAY).plus(hours(hour));
            let notices = expiry.look((1, &certificates), now);
            said.extend(notices.into_iter().map(|notice| (hour, notice.what.to_string())));
        }
        let said: Vec<_> = said.iter().map(|(hour, what)| (*hour, what.as_str())).collect();
        let end = 15 * 24;
        assert_eq!(
            said,
            [
                (24, "expires in 14 days"),
                (end + 1, "expired less than a day ago"),
                (end + 25, "expired 1 day ago"),
                (end + 49, "expired 2 days ago"),
                (end + 73, "expired 3 days ago"),
                (end + 97, "expired 4 days ago"),
            ]
        );
    }

    #[test]
    fn what_a_load_warned_of_is_not_said_again_but_an_expired_one_is_always_an_error() {
        let (one, other) = ([certified("a.test")], [certified("b.test")]);
        let until = end(&one[0]);
        let mut expiry = Expiry::default();
        let soon = until.minus(DAY);
        assert_eq!(expiry.look((1, &one), soon), [], "the load said it");
        assert_eq!(expiry.look((1, &one), soon), []);
        assert_eq!(expiry.look((2, &other), soon), [], "so did the reload");
        let late = until.plus(3 * DAY);
        let [notice] = &expiry.look((3, &one), late)[..] else { panic!("it is said") };
        assert_eq!((notice.names.as_str(), notice.what), ("a.test", OutOfTime::Expired(3 * DAY)));
        assert_eq!(expiry.look((4, &one), late), [], "it is the same one in the next edition");
    }
}
