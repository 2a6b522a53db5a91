//! Sessions that an operator ended while the store could not be written: refused for as long as this process lives;
//! makes nothing durable.

use super::LiveSession;
use crate::identity::{AccountId, SessionId};
use crate::stdx::clock::Time;
use dashmap::DashMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whose sessions are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// This one.
    Session(SessionId),
    /// All that the account has by now; one that it opens later is not among them.
    Account(AccountId),
}

/// What is refused, whatever the store says. It grows by an operator's orders alone, and the process ends it.
#[derive(Default)]
pub(super) struct Bars {
    /// Set by the first order, read by each request: as long as there was none, that is all a request pays.
    any: AtomicBool,
    /// Written by orders, read by requests; never held across an await.
    sessions: DashMap<SessionId, ()>,
    /// Until when a barred session was opened. Written by orders, read by requests; never held across an await.
    accounts: DashMap<AccountId, Time>,
}

impl Bars {
    /// Refuses from now on.
    pub fn add(&self, barred: Barred, now: Time) {
        match barred {
            Barred::Session(session) => drop(self.sessions.insert(session, ())),
            Barred::Account(account) => drop(self.accounts.insert(account, now)),
        }
        self.any.store(true, Ordering::Release);
    }

    /// Whether a session is refused.
    pub fn hold(&self, session: &LiveSession) -> bool {
        self.any.load(Ordering::Acquire)
            && (self.sessions.contains_key(&session.id)
                || self.accounts.get(&session.account.id).is_some_and(|until| session.created <= *until))
    }

    /// Refuses a session no longer by an order about it.
    pub fn lift_session(&self, session: SessionId) {
        // `any` stays set: an order that comes at this moment must not be overlooked.
        self.sessions.remove(&session);
    }

    /// The same for an account, if its order is still the one about sessions opened until then.
    pub fn lift_account(&self, account: AccountId, until: Time) {
        self.accounts.remove_if(&account, |_, ordered| *ordered == until);
    }

    /// The orders about accounts, each with until when a barred session was opened.
    pub fn accounts(&self) -> Vec<(AccountId, Time)> {
        self.accounts.iter().map(|order| (*order.key(), *order.value())).collect()
    }

    /// How many orders are in force.
    pub fn len(&self) -> usize {
        self.sessions.len() + self.accounts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Account, AccountKind, AccountName, Device, Proofs, Session};

    fn opened(at: u64) -> LiveSession {
        let name = AccountName::parse("alice").expect("a valid name");
        let id = AccountId::new([1; 16]);
        let account =
            Account { id, name, groups: Vec::new(), kind: AccountKind::Person, disabled: false, created: Time::EPOCH };
        let device = Device { name: "curl".to_owned(), address: [127, 0, 0, 1].into() };
        let at = Time::from_secs(at);
        let id = SessionId::new([2; 16]);
        let session = Session { id, account: account.id, proofs: Proofs::new(), created: at, used: at, device };
        LiveSession::new(session, account)
    }

    #[test]
    fn an_account_s_bar_holds_the_sessions_it_had_and_none_that_came_later() {
        let bars = Bars::default();
        assert!(!bars.hold(&opened(5)) && bars.len() == 0);
        bars.add(Barred::Account(AccountId::new([1; 16])), Time::from_secs(5));
        assert!(bars.hold(&opened(4)) && bars.hold(&opened(5)) && !bars.hold(&opened(6)));
    }

    #[test]
    fn an_order_is_let_go_of_but_not_one_that_came_after_it() {
        let (bars, account) = (Bars::default(), AccountId::new([1; 16]));
        bars.add(Barred::Account(account), Time::from_secs(5));
        assert_eq!(bars.accounts(), [(account, Time::from_secs(5))]);
        bars.add(Barred::Account(account), Time::from_secs(7));
        bars.lift_account(account, Time::from_secs(5));
        assert!(bars.hold(&opened(6)), "the later one stays");
        bars.lift_account(account, Time::from_secs(7));
        assert!(!bars.hold(&opened(4)) && bars.len() == 0);
        bars.add(Barred::Session(SessionId::new([2; 16])), Time::from_secs(8));
        bars.lift_session(SessionId::new([2; 16]));
        assert!(!bars.hold(&opened(4)) && bars.len() == 0);
    }

    #[test]
    fn a_session_s_bar_holds_it_alone() {
        let bars = Bars::default();
        bars.add(Barred::Session(SessionId::new([3; 16])), Time::from_secs(5));
        assert!(!bars.hold(&opened(4)));
        bars.add(Barred::Session(SessionId::new([2; 16])), Time::from_secs(5));
        assert!(bars.hold(&opened(4)) && bars.len() == 2);
    }
}
