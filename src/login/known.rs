//! The browsers that an account signed in with, by a mark that each holds itself, so that nothing has to be kept here. A
//! mark admits nobody: its browser is no news, and strangers' wrong answers do not keep it waiting.

use crate::identity::AccountId;
use crate::stdx::clock::Time;
use crate::stdx::digest::{Mac, same};
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;

/// How long a mark lasts: as long as browsers keep any cookie.
pub const MARK_LIFE: Duration = Duration::from_secs(400 * 24 * 3600);

/// Marks in one browser: so many people share a device at most, as far as we can tell.
const MOST: usize = 8;

/// Bytes of a mark: the second it was made, and half of a tag.
const LENGTH: usize = 8 + 16;

/// Between two marks.
const SEPARATOR: u8 = b'.';

type Mark = [u8; LENGTH];

/// The marks that a browser holds, each of one account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks([Option<Mark>; MOST]);

impl Marks {
    /// What a cookie says; of what is no mark, nothing.
    pub fn parse(cookie: &[u8]) -> Self {
        let mark = |text: &[u8]| BASE64URL_NOPAD.decode(text).ok()?.try_into().ok();
        cookie.split(|byte| *byte == SEPARATOR).take(MOST).filter_map(mark).collect()
    }

    /// What the cookie says.
    pub fn text(&self) -> String {
        let marks: Vec<String> = self.0.iter().flatten().map(|mark| BASE64URL_NOPAD.encode(mark)).collect();
        marks.join(".")
    }

    /// The mark of an account as text, if there is a good one.
    pub(super) fn of(&self, key: &Mac, account: AccountId, now: Time) -> Option<String> {
        let good = self.0.iter().flatten().find(|mark| is_good(key, mark, account, now));
        good.map(|mark| BASE64URL_NOPAD.encode(mark))
    }

    /// These and a new one of an account, in place of what it had.
    pub(super) fn with(&self, key: &Mac, account: AccountId, now: Time) -> Self {
        let others = self.0.iter().flatten().filter(|mark| !is_good(key, mark, account, now));
        std::iter::once(mark(key, account, now.secs())).chain(others.copied()).collect()
    }
}

impl FromIterator<Mark> for Marks {
    fn from_iter<I: IntoIterator<Item = Mark>>(marks: I) -> Self {
        let mut all = Marks::default();
        all.0.iter_mut().zip(marks).for_each(|(place, mark)| *place = Some(mark));
        all
    }
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
    let young = secs <= now.secs() && now.secs() - secs < MARK_LIFE.as_secs();
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
        assert!(is_good(&key, &made, alice, at(1_000)) && is_good(&key, &made, alice, at(999 + MARK_LIFE.as_secs())));
        assert!(!is_good(&key, &made, alice, at(1_000 + MARK_LIFE.as_secs())), "too old");
        assert!(!is_good(&key, &made, alice, at(999)), "from tomorrow");
        assert!(!is_good(&key, &made, bob, at(1_000)));
        assert!(!is_good(&Mac::new(&[2; 32]), &made, alice, at(1_000)));
        let mut later = made;
        later[7] ^= 1;
        assert!(!is_good(&key, &later, alice, at(2_000)), "its time is under its tag");
    }

    #[test]
    fn a_browser_holds_one_mark_of_each_of_the_last_eight_accounts() {
        let (key, now) = (Mac::new(&[1; 32]), Time::from_secs(1_000));
        let account = |number: u8| AccountId::new([number; 16]);
        let mut marks = Marks::parse(b"no.marks..at-all");
        assert_eq!(marks.text(), "");
        for number in [0, 1, 2, 2, 3, 4, 5, 6, 7, 8] {
            marks = Marks::parse(marks.with(&key, account(number), now).text().as_bytes());
        }
        let known: Vec<u8> = (0..=9).filter(|number| marks.of(&key, account(*number), now).is_some()).collect();
        assert_eq!(known, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
