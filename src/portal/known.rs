//! The cookie in which a browser holds the marks of the accounts that signed in with it.

use super::{Ask, Outcome, Portal};
use crate::factor::Proven;
use crate::login::MARK_LIFE;
use crate::reply::Answer;
use crate::session::cookie::Name;

impl Portal {
    /// The answer after which the account was signed in to with this browser, if what was proven is enough for that.
    pub(super) async fn knowing_device(&self, answer: Answer, ask: &Ask<'_>, proven: &Proven) -> Outcome {
        Ok(match self.login.marked(ask.moment(), proven).await? {
            Some(marks) => answer.with_cookie(ask, Name::Device, &marks.text(), Some(MARK_LIFE)),
            None => answer,
        })
    }
}
