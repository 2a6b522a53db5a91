//! The cookie in which a browser holds the marks of the accounts that signed in with it.

use super::{Ask, Portal};
use crate::identity::AccountId;
use crate::login::MARK_LIFE;
use crate::reply::Answer;
use crate::session::cookie::Name;

impl Portal {
    /// The answer after which the account was signed in to with this browser.
    pub(super) fn knowing_device(&self, answer: Answer, ask: &Ask<'_>, account: AccountId) -> Answer {
        let marks = self.login.marked(ask.moment(), account);
        answer.with_cookie(ask, Name::Device, &marks.text(), Some(MARK_LIFE))
    }
}
