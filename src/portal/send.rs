//! Having a code sent at a sign-in: by a form alone, so that no address that somebody is led to sends anything.

use super::page::{self, MessageCode, Prompt, Sent, field};
use super::sign_in::to_step;
use super::steps::factor_of;
use super::{Ask, Outcome, Portal, THROTTLED, Trouble};
use crate::edition::PortalPlan;
use crate::factor::{Rejection, Show, message};
use crate::identity::{Credential, CredentialId, FactorName};
use crate::login::{Attempt, Begun, Stop, Wish};
use crate::reply::Remark;
use crate::session::cookie::Name;
use crate::stdx::clock::Time;
use maud::Markup;

/// Where a code is sent.
const SEND: &str = "/sign-in/message/send";

impl Portal {
    /// The button that has a code sent.
    pub(super) async fn send_code(&self, ask: &Ask<'_>, portal: &PortalPlan, step: &str) -> Outcome {
        let factor = factor_of(step).filter(|factor| *factor == message::NAME).ok_or(Trouble::NoPage)?;
        let Some((token, mut begun)) = self.under_way(ask).await? else { return self.overtaken(ask).await };
        let tie = ask.token(Name::Form).ok_or(Trouble::Foreign)?;
        ask.check_form(&self.forms, &tie, &begun.attempt.account.to_string())?;
        let wish = Wish { factor, credential: CredentialId::parse(ask.form.text(field::PLACE)).ok() };
        match self.login.send(&token, wish, ask.moment()).await {
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
        let mut places = Vec::new();
        if factor == message::NAME {
            places = self.login.credentials(begun.attempt.account).await?;
            places.retain(|credential| credential.factor == factor);
        }
        Ok(self.prompt(ask, portal, (begun, factor, &places), rejection))
    }
}

/// The page: a button for each place, and the field once a code is on its way.
pub(super) fn page(prompt: &Prompt<'_>, (attempt, places): (&Attempt, &[Credential]), now: Time) -> Markup {
    let ids: Vec<String> = places.iter().map(|credential| credential.id.to_string()).collect();
    let places: Vec<(&str, &str)> =
        ids.iter().zip(places).map(|(id, credential)| (id.as_str(), credential.label.as_str())).collect();
    let sent = attempt.asked(message::NAME, now).and_then(|asked| match &asked.show {
        Show::Sent { to, channel } => {
            let minutes = asked.expires().since(now).as_secs().div_ceil(60);
            Some(Sent { to, channel: *channel, minutes })
        }
        Show::Nothing | Show::Authenticator { .. } | Show::Codes(_) | Show::Contact { .. } | Show::Passkey { .. } => {
            None
        }
    });
    page::message_code(&MessageCode { prompt: *prompt, sent, send: SEND, places: &places })
}
