//! Which accounts a browser has signed in to: a signed mark in the browser itself, so that nothing has to be kept here.
//! It admits nobody; a browser without it is called new.

use super::{Ask, Portal};
use crate::identity::AccountId;
use crate::reply::Answer;
use crate::session::cookie::Name;
use crate::stdx::clock::Time;
use crate::stdx::digest::{Mac, same};
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;

/// How long a mark lasts: as long as browsers keep any cookie.
const LIFE: Duration = Duration::from_secs(400 * 24 * 3600);

/// Marks in one browser: so many people share a device at most, as far as we can tell.
const MOST: usize = 8;

/// Bytes of a mark: the second it was made, and half of a tag, which nobody gains anything by forging.
const LENGTH: usize = 8 + 16;

/// Between two marks.
const SEPARATOR: u8 = b'.';

type Mark = [u8; LENGTH];

impl Portal {
    /// Whether the account was signed in to with this browser before.
    pub(super) fn knows_device(&self, ask: &Ask<'_>, account: AccountId) -> bool {
        marks(ask).iter().any(|mark| is_good(&self.devices, mark, account, ask.now))
    }

    /// The answer after which it was.
    pub(super) fn knowing_device(&self, answer: Answer, ask: &Ask<'_>, account: AccountId) -> Answer {
        let mut kept = marks(ask);
        kept.retain(|mark| !is_good(&self.devices, mark, account, ask.now));
        kept.insert(0, mark(&self.devices, account, ask.now.secs()));
        let marks: Vec<String> = kept.iter().take(MOST).map(|mark| BASE64URL_NOPAD.encode(mark)).collect();
        answer.with_cookie(ask, Name::Device, &marks.join("."), Some(LIFE))
    }
}

fn marks(ask: &Ask<'_>) -> Vec<Mark> {
    let value = ask.cookie(Name::Device).unwrap_or_default();
    let mark = |text: &[u8]| BASE64URL_NOPAD.decode(text).ok()?.try_into().ok();
    value.split(|byte| *byte == SEPARATOR).take(MOST).filter_map(mark).collect()
}

fn mark(key: &Mac, account: AccountId, secs: u64) -> Mark {
    let mut mark = [0; LENGTH];
    let (stamp, half) = mark.split_at_mut(8);
    stamp.copy_from_slice(&secs.to_be_bytes());
    let tag = key.tag(&[b"device", &account.bits(), stamp]);
    half.copy_from_slice(&tag[..LENGTH - 8]);
    mark
}

fn is_good(key: &Mac, own: &Mark, account: AccountId, now: Time) -> bool {
    let Some(stamp) = own.first_chunk::<8>() else { return false };
    let secs = u64::from_be_bytes(*stamp);
    let young = secs <= now.secs() && now.secs() - secs < LIFE.as_secs();
    young && same(own, &mark(key, account, secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_one_account_for_four_hundred_days() {
        let (key, alice, bob) = (Mac::new(&[1; 32]), AccountId::new([1; 16]), AccountId::new([2; 16]));
        let made = mark(&key, alice, 1_000);
        let at = |secs| Time::from_secs(secs);
        assert!(is_good(&key, &made, alice, at(1_000)) && is_good(&key, &made, alice, at(999 + LIFE.as_secs())));
        assert!(!is_good(&key, &made, alice, at(1_000 + LIFE.as_secs())), "too old");
        assert!(!is_good(&key, &made, alice, at(999)), "from tomorrow");
        assert!(!is_good(&key, &made, bob, at(1_000)));
        assert!(!is_good(&Mac::new(&[2; 32]), &made, alice, at(1_000)));
        let mut later = made;
        later[7] ^= 1;
        assert!(!is_good(&key, &later, alice, at(2_000)), "its time is under its tag");
    }
}
