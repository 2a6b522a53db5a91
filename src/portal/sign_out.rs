//! Signing out: the session ends in the store, so every host's cookie dies with it.

use super::ask::form_token;
use super::lost::onward;
use super::page::{self, Confirm, Ended, Form, Question, SignedOut};
use super::{Ask, Outcome, Portal, Trouble, respond};
use crate::audit::Event;
use crate::edition::PortalPlan;
use crate::reply::Answer;
use crate::session::cookie::Name;
use http::{StatusCode, header};

/// Asks the browser to forget what it kept of us (W3C Clear-Site-Data §3). Not `"cookies"`: that would take those of
/// every host of the domain along, and with them the mark by which a browser is known. Ours are removed by name.
const FORGET: &str = r#""cache", "storage""#;

/// What belongs to a session, or to a sign-in.
const OURS: [Name; 7] =
    [Name::Session, Name::Attempt, Name::Destination, Name::Form, Name::Binding, Name::Recovered, Name::News];

impl Portal {
    /// Asks first: a link or an image on another site must not sign anybody out.
    pub(super) async fn ask_sign_out(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let asked = self.question_of_sign_out(ask, portal, ("/sign-out", "/")).await?;
        Ok(asked.unwrap_or_else(|| respond::see_other("/signed-out")))
    }

    /// Asks on the service's own host, so that whoever thinks better of it is back there and nothing has to carry the
    /// way. A browser that the host does not know is asked at the portal.
    pub(super) async fn ask_sign_out_here(&self, ask: &Ask<'_>) -> Outcome {
        let Some(portal) = ask.plan else { return Ok(respond::see_other("/")) };
        let before = page_before(ask).unwrap_or("/".to_owned());
        let asked = self.question_of_sign_out(ask, portal, ("/.portcullis/sign-out", &before)).await?;
        Ok(asked.unwrap_or_else(|| respond::see_other(&format!("{}/sign-out", portal.origin))))
    }

    /// `None` if there is no session here that could be ended.
    async fn question_of_sign_out(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (action, cancel): (&str, &str),
    ) -> Result<Option<Answer>, Trouble> {
        let held = self.session(ask).await?.zip(ask.token(Name::Session));
        let Some((session, token)) = held else { return Ok(None) };
        let csrf = form_token(&self.forms, &token, "");
        let view = Confirm {
            portal: &portal.name,
            form: Form { action, csrf: &csrf, carried: &[] },
            question: Question::SignOut(session.account.name.as_str()),
            cancel,
        };
        Ok(Some(Answer::page(StatusCode::OK, page::confirm(&view).into_string(), Some(&portal.origin))))
    }

    /// Ends the session.
    pub(super) async fn sign_out(&self, ask: &Ask<'_>, _: &PortalPlan) -> Outcome {
        let Some(token) = ask.token(Name::Session) else { return Ok(respond::see_other("/signed-out")) };
        ask.check_form(&self.forms, &token, "")?;
        self.end_own(ask).await?;
        // Whoever leaves to come in by another way goes on with what they came for.
        let next = self.carried(ask).map_or_else(|| "/signed-out".to_owned(), |text| onward("/sign-in", Some(&text)));
        Ok(forgetting(respond::see_other(&next), ask))
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

    /// That it ended. Whoever is signed in all the same, perhaps in another tab since, is not told so.
    pub(super) async fn signed_out(&self, ask: &Ask<'_>, portal: &PortalPlan, ended: Ended) -> Outcome {
        if self.session(ask).await?.is_some() {
            return Ok(respond::see_other("/"));
        }
        let view = SignedOut { portal: &portal.name, ended, sign_in: "/sign-in" };
        Ok(respond::page(StatusCode::OK, page::signed_out(&view), None))
    }
}

/// The address of the page of this very host on which somebody followed a link to here, if the browser tells and the
/// page is not one of these. A whole address of our own origin leads nowhere else, whatever its path looks like.
fn page_before(ask: &Ask<'_>) -> Option<String> {
    let address = ask.field(header::REFERER)?;
    let path = address.strip_prefix(&ask.origin()).filter(|path| path.starts_with('/'))?;
    (!super::own::is_own(path)).then(|| address.to_owned())
}

/// The answer after which a browser holds nothing of ours on this host.
pub(super) fn forgetting(answer: Answer, ask: &Ask<'_>) -> Answer {
    let mut answer = OURS.into_iter().fold(answer, |answer, name| answer.without_cookie(ask, name));
    answer.field(header::HeaderName::from_static("clear-site-data"), FORGET);
    answer
}
