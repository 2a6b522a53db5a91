//! Carrying a session from the portal's host to another, and its arrival there.

use super::{Ask, Outcome, Portal, message, respond};
use crate::audit::Event;
use crate::identity::SessionId;
use crate::reply::Answer;
use crate::session::cookie::Name;
use crate::session::{HandOff, HandOffCode, Presented, Reading};
use crate::token::Ticket;
use http::StatusCode;

/// What a person reads whose hand-off did not work. Going on by itself could go in circles for ever.
const NOT_ENTERED: &str = "The last step of signing in did not work: it took too long, was used before, or this \
                           browser does not keep cookies. Please try once more.";

impl Portal {
    /// Sends the browser to the ticket's host with a one-use code.
    pub(super) async fn hand_off(&self, ask: &Ask<'_>, session: SessionId, ticket: Ticket) -> Outcome {
        let (origin, Ticket { to, binding, .. }) = (ticket.to.origin(), ticket);
        let code = self.hand_offs.put(&HandOff { session, host: to.host, binding, path: to.path }, ask.now).await?;
        Ok(respond::see_other(&format!("{origin}/.portcullis/enter?code={}", code.text().as_str())))
    }

    /// The other end: the code becomes a cookie of this host's own, for the same session.
    pub(super) async fn enter(&self, ask: &Ask<'_>) -> Outcome {
        let code = ask.parameter("code").and_then(|code| HandOffCode::parse(code.as_bytes()));
        let Some(code) = code else { return Ok(not_entered(ask)) };
        // Without a binding no code enters, but it is spent: it lies in the history of a browser it was not made for.
        let binding = ask.cookie(Name::Binding).unwrap_or_default();
        let hand_off = match self.hand_offs.take(&code, ask.host, binding, ask.now).await? {
            Presented::Entered(hand_off) => hand_off,
            Presented::Unknown => return Ok(not_entered(ask)),
            // Only this is worth keeping: a stranger can make up codes by the thousand.
            Presented::Stolen => {
                let event = Event::EntryRefused { host: ask.host.to_owned(), address: ask.client };
                self.recorder.report(ask.now, event);
                return Ok(not_entered(ask));
            }
        };
        let Some(token) = self.keeper.lend(hand_off.session, ask.host).await? else {
            return Ok(not_entered(ask));
        };
        let reading = Reading { token: &token.hash(), host: ask.host, now: ask.now, rules: ask.rules };
        let Some(live) = self.reader.read(reading).await? else {
            return Ok(not_entered(ask));
        };
        let (account, session, host) = (live.account.id, live.id, ask.host.to_owned());
        self.recorder.report(ask.now, Event::Entered { account, session, host });
        // The binding stays: another tab of this browser may still be on its way.
        Ok(respond::see_other(&hand_off.path).with_cookie(ask, Name::Session, &token.text(), None))
    }
}

fn not_entered(ask: &Ask<'_>) -> Answer {
    message::refused(ask, StatusCode::BAD_REQUEST, Some(NOT_ENTERED))
}
