//! That a recovery code let a session in a while ago: a signed mark in its browser, good for that session alone. With it,
//! what was lost is mended by what was set up since; without it, as for everybody, by the strongest that an account has,
//! which may be the very thing that was lost.

use super::account::FRESHNESS;
use super::{Ask, Portal, Trouble};
use crate::identity::{Assurance, Need, SessionId};
use crate::reply::Answer;
use crate::session::LiveSession;
use crate::session::cookie::Name;
use crate::stdx::clock::Time;
use crate::stdx::digest::{Mac, same};
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;

/// How long a mark is good: as long as a set-up may take, so that whoever has lost several things gets through all.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// Bytes of a mark: the millisecond it was made, and a tag.
const LENGTH: usize = 8 + 32;

impl Portal {
    /// When the session's recovery ended, if that was a while ago.
    pub(super) fn recovered(&self, ask: &Ask<'_>, session: SessionId) -> Option<Time> {
        let mark = BASE64URL_NOPAD.decode(ask.cookie(Name::Recovered)?).ok()?;
        read(&self.forms, (&mark, session), ask.now)
    }

    /// The answer after which it did, now.
    pub(super) fn recovering(&self, answer: Answer, ask: &Ask<'_>, session: SessionId) -> Answer {
        let mark = BASE64URL_NOPAD.encode(&mark(&self.forms, session, ask.now));
        answer.with_cookie(ask, Name::Recovered, &mark, Some(LIFE))
    }

    /// What must be proven, and lately, to change how an account signs in: all that it can, or after a recovery two
    /// factors, which is what the recovery ended with.
    pub(super) async fn need_to_change(&self, ask: &Ask<'_>, session: &LiveSession) -> Result<Need, Trouble> {
        match self.recovered(ask, session.id) {
            Some(_) => Ok(Need::of(Assurance::Mfa, Some(FRESHNESS))),
            None => Ok(self.login.strongest(session.account.id, FRESHNESS).await?),
        }
    }
}

fn mark(key: &Mac, session: SessionId, at: Time) -> [u8; LENGTH] {
    let mut mark = [0; LENGTH];
    let (stamp, tag) = mark.split_at_mut(8);
    stamp.copy_from_slice(&at.millis().to_be_bytes());
    tag.copy_from_slice(&key.tag(&[b"recovered", &session.bits(), stamp]));
    mark
}

/// When a mark was made, if it is this session's and young enough.
fn read(key: &Mac, (own, session): (&[u8], SessionId), now: Time) -> Option<Time> {
    let at = Time::from_millis(u64::from_be_bytes(*own.first_chunk::<8>()?));
    let young = at <= now && now < at.plus(LIFE);
    (young && same(own, &mark(key, session, at))).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_one_session_for_half_an_hour() {
        let (key, own, other) = (Mac::new(&[1; 32]), SessionId::new([1; 16]), SessionId::new([2; 16]));
        let at = Time::from_secs;
        let made = mark(&key, own, at(1_000));
        assert_eq!(read(&key, (&made, own), at(1_000 + 30 * 60 - 1)), Some(at(1_000)));
        assert_eq!(read(&key, (&made, own), at(1_000 + 30 * 60)), None, "too old");
        assert_eq!(read(&key, (&made, own), at(999)), None, "from tomorrow");
        assert_eq!(read(&key, (&made, other), at(1_000)), None);
        assert_eq!(read(&Mac::new(&[2; 32]), (&made, own), at(1_000)), None);
        let mut later = made;
        later[7] ^= 1;
        assert_eq!(read(&key, (&later, own), at(2_000)), None, "its time is under its tag");
    }
}
