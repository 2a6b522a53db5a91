//! Passkeys as the portal sees them: what the script asks for, and a sign-in that needs no name; knows no ceremony's
//! inside.

use super::page::{Asked, field};
use super::sign_in::{TO, untied};
use super::{Ask, Outcome, Portal, Trouble};
use crate::edition::PortalPlan;
use crate::identity::Need;
use crate::login::{Ceremony, PasskeyOpening, Stop};
use crate::reply::{Answer, Body};
use crate::session::cookie::Name;
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;

impl Portal {
    /// Something for a browser to ask a passkey, for the form whose fields came along. Nothing is kept of it here.
    pub(super) async fn passkey_options(&self, ask: &Ask<'_>) -> Outcome {
        let ceremony = match ask.form.text(field::OCCASION) {
            "sign-in" => {
                let tie = ask.token(Name::Form).ok_or_else(|| untied(ask))?;
                ask.check_form(&self.forms, &tie, "")?;
                self.login.ask_anybody(&tie, ask.now).await?
            }
            "proof" => {
                let (token, begun) = self.under_way(ask).await?.ok_or(Stop::Gone)?;
                let tie = ask.token(Name::Form).ok_or(Trouble::Foreign)?;
                ask.check_form(&self.forms, &tie, &begun.attempt.account.to_string())?;
                self.login.ask_holder(&token, ask.now).await?
            }
            "enrolment" => {
                let (token, _) = self.step(ask).await?;
                ask.check_form(&self.forms, &token, "")?;
                self.login.ask_for_new(&token, ask.now).await?
            }
            _ => return Err(Trouble::Foreign),
        };
        Ok(in_json(&ceremony))
    }

    /// A passkey that says itself whose it is.
    pub(super) async fn first_passkey(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let tie = ask.token(Name::Form).ok_or_else(|| untied(ask))?;
        ask.check_form(&self.forms, &tie, "")?;
        let text = ask.form.text(TO);
        let ticket = self.tickets.open(text, ask.now);
        let opening = PasskeyOpening {
            answer: ask.form.secret(field::CREDENTIAL),
            ceremony: ask.form.text(field::CEREMONY),
            tie: &tie,
            ticket: ticket.is_some().then(|| text.to_owned()),
            need: ticket.as_ref().map_or(Need::MFA, |ticket| ticket.need.clone()),
        };
        match self.login.begin_with_passkey(opening, ask.moment()).await {
            Ok(progress) => self.progress(ask, portal, progress).await,
            Err(Stop::Rejected(rejection)) => {
                let text = ticket.is_some().then_some(text);
                let unknown = self.login.unknown_passkey(&ask.form.secret(field::CREDENTIAL)).await?;
                let unknown = unknown.map(|handle| BASE64URL_NOPAD.encode(&handle));
                let rejected = (Some((&rejection, Asked::Passkey)), unknown.as_deref());
                Ok(self.sign_in_page_for(ask, portal, (text, ticket.as_ref()), rejected))
            }
            Err(stop) => Err(stop.into()),
        }
    }
}

fn in_json(ceremony: &Ceremony) -> Answer {
    let body = format!(r#"{{"options":{},"ceremony":"{}"}}"#, ceremony.options, ceremony.sealed);
    let mut answer = Answer::new(StatusCode::OK, Body::Json("application/json", body));
    answer.field(http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer
}
