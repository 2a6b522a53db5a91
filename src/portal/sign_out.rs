//! Signing out: the session ends in the store, so every host's cookie dies with it.

use super::ask::form_token;
use super::page::{self, Confirm, Form, Question, SignedOut};
use super::{Ask, Outcome, Portal, Trouble, respond};
use crate::audit::Event;
use crate::edition::PortalPlan;
use crate::reply::Answer;
use crate::session::cookie::Name;
use http::{StatusCode, header};

/// Asks the browser to forget what it kept of us (W3C Clear-Site-Data §3).
const FORGET: &str = r#""cache", "cookies", "storage""#;

impl Portal {
    /// Asks first: a link or an image on another site must not sign anybody out.
    pub(super) async fn ask_sign_out(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let (Some(session), Some(token)) = (self.session(ask).await?, ask.token(Name::Session)) else {
            return Ok(respond::see_other("/signed-out"));
        };
        let csrf = form_token(&self.forms, &token);
        let view = Confirm {
            portal: &portal.name,
            form: Form { action: "/sign-out", csrf: &csrf, carried: &[] },
            question: Question::SignOut(session.account.name.as_str()),
            cancel: "/",
        };
        Ok(respond::page(StatusCode::OK, page::confirm(&view), None))
    }

    /// Ends the session.
    pub(super) async fn sign_out(&self, ask: &Ask<'_>, _: &PortalPlan) -> Outcome {
        let Some(token) = ask.token(Name::Session) else { return Ok(respond::see_other("/signed-out")) };
        ask.check_form(&self.forms, &token)?;
        self.end_own(ask).await?;
        Ok(forgetting(respond::see_other("/signed-out"), ask))
    }

    /// The same from a service's own page: a POST to `/.portcullis/sign-out` on the service's host.
    pub(super) async fn sign_out_here(&self, ask: &Ask<'_>) -> Outcome {
        let signed_out = ask.plan.map_or_else(|| "/".to_owned(), |portal| format!("{}/signed-out", portal.origin));
        if !ask.is_same_origin() {
            return Err(Trouble::Foreign);
        }
        self.end_own(ask).await?;
        Ok(forgetting(respond::see_other(&signed_out), ask))
    }

    async fn end_own(&self, ask: &Ask<'_>) -> Result<(), Trouble> {
        if let Some(session) = self.session(ask).await? {
            self.keeper.end(session.id).await?;
            let event = Event::SessionEnded { account: session.account.id, session: session.id, by: "sign-out" };
            self.recorder.report(ask.now, event);
        }
        Ok(())
    }

    pub(super) fn signed_out(portal: &PortalPlan) -> Answer {
        let view = SignedOut { portal: &portal.name, sign_in: "/sign-in" };
        respond::page(StatusCode::OK, page::signed_out(&view), None)
    }
}

/// The answer after which a browser holds nothing of ours on this host.
pub(super) fn forgetting(answer: Answer, ask: &Ask<'_>) -> Answer {
    let mut answer = answer.without_cookie(ask, Name::Session).without_cookie(ask, Name::Attempt);
    answer.field(header::HeaderName::from_static("clear-site-data"), FORGET);
    answer
}
