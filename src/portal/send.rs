//! Having a code sent at a sign-in: by a form alone, so that no address that somebody is led to sends anything.

use super::page::{self, MessageCode, Prompt, Sent, State, field};
use super::sign_in::{to_address, to_step};
use super::steps::{address_of, factor_of};
use super::{Ask, Outcome, Portal, THROTTLED, Trouble};
use crate::edition::PortalPlan;
use crate::factor::{Rejection, Show, message};
use crate::identity::{Credential, CredentialId, FactorName};
use crate::login::{Attempt, Begun, Stop, Wish};
use crate::reply::Remark;
use crate::session::cookie::Name;
use maud::Markup;

/// Where a code is sent.
const SEND: &str = "/sign-in/message/send";

/// The query of the page on which one was sent in the place of another.
const AGAIN: &str = "again";

impl Portal {
    /// The button that has a code sent.
    pub(super) async fn send_code(&self, ask: &Ask<'_>, portal: &PortalPlan, step: &str) -> Outcome {
        let factor = factor_of(step).filter(|factor| *factor == message::NAME).ok_or(Trouble::NoPage)?;
        let Some((token, mut begun)) = self.under_way(ask).await? else { return self.overtaken(ask).await };
        let tie = ask.token(Name::Form).ok_or(Trouble::Foreign)?;
        ask.check_form(&self.forms, &tie, &begun.attempt.account.to_string())?;
        let wish = Wish { factor, credential: CredentialId::parse(ask.form.text(field::PLACE)).ok() };
        let again = begun.attempt.asked(factor, ask.now).is_some();
        match self.login.send(&token, wish, ask.moment()).await {
            Ok(token) if again => Ok(to_address(ask, &token, &format!("{}?{AGAIN}", address_of(factor)))),
            Ok(token) => Ok(to_step(ask, &token, factor)),
            Err(Stop::Rejected(rejection)) => {
                begun.attempt.ticket = self.carried(ask);
                let page = self.ask_for(ask, portal, (&begun, factor), Some(&rejection)).await?;
                if !matches!(rejection, Rejection::Wait(_)) {
                    return Ok(page);
                }
                let why = "too many codes were sent lately";
                let account = Some((begun.attempt.account, begun.attempt.name));
                Ok(page.with_remark(Remark { refused: Some(THROTTLED), why, account, ..Remark::default() }))
            }
            Err(Stop::Gone) => self.overtaken(ask).await,
            Err(stop) => Err(stop.into()),
        }
    }

    /// The page that asks for a factor, with what it has to know of what the account holds.
    pub(super) async fn ask_for(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (begun, factor): (&Begun, FactorName),
        rejection: Option<&Rejection>,
    ) -> Outcome {
        let mut posted = Posted { places: Vec::new(), worth: Worth::Good };
        if factor == message::NAME {
            posted.places = self.login.credentials(begun.attempt.account).await?;
            posted.places.retain(|credential| credential.factor == factor);
            if self.login.is_void(&begun.attempt, ask.now).await? {
                posted.worth = Worth::Void;
            }
        }
        Ok(self.prompt(ask, portal, (begun, factor, &posted), rejection))
    }
}

/// What the page has to know besides the attempt.
pub(super) struct Posted {
    /// Where codes can be sent.
    places: Vec<Credential>,
    /// What the code that was sent is worth.
    worth: Worth,
}

/// What a code that was sent is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// It may be typed.
    Good,
    /// Too many answers to it were wrong.
    Void,
}

/// The page: a button for each place, and the field once a code is on its way.
pub(super) fn page(prompt: &Prompt<'_>, (attempt, posted): (&Attempt, &Posted), ask: &Ask<'_>) -> Markup {
    let (now, places) = (ask.now, &posted.places);
    let ids: Vec<String> = places.iter().map(|credential| credential.id.to_string()).collect();
    let places: Vec<(&str, &str)> =
        ids.iter().zip(places).map(|(id, credential)| (id.as_str(), credential.label.as_str())).collect();
    let sent = attempt.asked(message::NAME, now).and_then(|asked| match &asked.show {
        Show::Sent { to, channel } => {
            let minutes = asked.expires().since(now).as_secs().div_ceil(60);
            let again = (ask.query == Some(AGAIN)).then_some(asked.at);
            Some(Sent { to, channel: *channel, minutes, again })
        }
        Show::Nothing | Show::Authenticator { .. } | Show::Codes(_) | Show::Contact { .. } | Show::Passkey { .. } => {
            None
        }
    });
    let state = match (sent, posted.worth) {
        (None, _) => State::None,
        (Some(_), Worth::Void) => State::Void,
        (Some(sent), Worth::Good) => State::Sent(sent),
    };
    page::message_code(&MessageCode { prompt: *prompt, state, send: SEND, places: &places })
}
