//! The browsers that an account signed in with, by a mark that each holds itself, so that nothing has to be kept here. A
//! mark admits nobody: its browser is no news, and strangers' wrong answers do not keep it waiting.

use super::{Login, Moment, Stop};
use crate::factor::{Proven, password};
use crate::identity::{AccountId, Assurance};
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

    /// The mark of an account as text, if there is a good one that was made no earlier than `since`.
    fn of(&self, key: &Mac, account: AccountId, (since, now): (Time, Time)) -> Option<String> {
        let young = |mark: &&Mark| made(mark).is_some_and(|secs| secs >= since.secs());
        let good = self.0.iter().flatten().filter(young).find(|mark| is_good(key, mark, account, now));
        good.map(|mark| BASE64URL_NOPAD.encode(mark))
    }

    /// These and a new one of an account, in place of what it had.
    fn with(&self, key: &Mac, account: AccountId, now: Time) -> Self {
        let others = self.0.iter().flatten().filter(|mark| !is_good(key, mark, account, now));
        std::iter::once(mark(key, account, now.secs())).chain(others.copied()).collect()
    }
}

impl Login {
    /// Whether an account was signed in to with this browser before, and nothing of how it signs in began anew since.
    ///
    /// # Errors
    /// [`Stop::Down`].
    pub async fn knows(&self, moment: Moment, account: AccountId) -> Result<bool, Stop> {
        Ok(self.mark(moment, account).await?.is_some())
    }

    /// The marks of a browser in which this was proven now; `None` if they stay as they are: it has a mark of the account,
    /// or this is less than the account can, up to two factors. Whoever has but the password shall not come by counters
    /// of their own.
    ///
    /// # Errors
    /// [`Stop::Down`].
    pub async fn marked(&self, moment: Moment, proven: &Proven) -> Result<Option<Marks>, Stop> {
        let (account, proofs) = (proven.account(), proven.proofs());
        let enough = self.strongest(account, MARK_LIFE).await?.level.min(Assurance::Mfa);
        if proofs.only_enrol() || proofs.assurance() < enough || self.knows(moment, account).await? {
            return Ok(None);
        }
        Ok(Some(moment.marks.with(&self.seals.devices, account, moment.now)))
    }

    /// The mark that a browser has of an account. One from before its password was chosen is void, or where there is
    /// none, from before all that it has now: a reset or another password throws an intruder's browser out as well.
    pub(super) async fn mark(&self, moment: Moment, account: AccountId) -> Result<Option<String>, Stop> {
        if moment.marks.0.iter().all(Option::is_none) {
            return Ok(None);
        }
        let held = self.credentials(account).await?;
        let chosen = held.iter().filter(|held| held.factor == password::NAME).map(|held| held.created).max();
        let since = chosen.or_else(|| held.iter().map(|held| held.created).min());
        let mark = |since| moment.marks.of(&self.seals.devices, account, (since, moment.now));
        Ok(since.and_then(mark))
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

/// The second a mark says it was made in.
fn made(mark: &Mark) -> Option<u64> {
    mark.first_chunk::<8>().map(|stamp| u64::from_be_bytes(*stamp))
}

fn is_good(key: &Mac, own: &Mark, account: AccountId, now: Time) -> bool {
    let Some(secs) = made(own) else { return false };
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
        let known = |since| -> Vec<u8> {
            (0..=9).filter(|number| marks.of(&key, account(*number), (since, now)).is_some()).collect()
        };
        assert_eq!(known(now), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(known(Time::from_secs(1_001)), [0; 0], "all are from before");
    }
}
