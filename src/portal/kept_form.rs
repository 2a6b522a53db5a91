//! A form that had to wait for a proof: shown to its sender, and sent on once by the sender's own browser, or thrown
//! away.

use super::page::{self, SendForm, Subject};
use super::{Ask, Outcome, Portal, Trouble, message, respond};
use crate::identity::SessionId;
use crate::reply::{Answer, Body};
use crate::session::cookie::Name;
use crate::session::{KeptForm, Presenter, SecretToken};
use crate::stdx::clock::Time;
use http::{StatusCode, header};
use std::net::IpAddr;

/// Where a kept form is shown, and below it by its name where it is sent on.
pub const KEPT_FORM_PATH: &str = "/.portcullis/form";

/// Below a form's name: where it is thrown away.
const DISCARD: &str = "discard";

/// The query's parameter with a form's name.
const NAME: &str = "name";

/// Fields of a form that is kept: no form that a person fills in has more, and each is a line of the page that asks.
const MOST_FIELDS: usize = 1000;

impl Portal {
    /// Keeps a form that came from an address; gives where its sender finds it again. `None` if it is none that a page of
    /// ours could give back.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn keep_form(
        &self,
        form: KeptForm,
        (from, now): (IpAddr, Time),
    ) -> Option<Result<String, crate::login::Unavailable>> {
        fields(&form.body)?;
        let name = self.kept_forms.keep(&form, (from, now)).await;
        Some(name.map(|name| format!("{KEPT_FORM_PATH}?{NAME}={}", name.text().as_str())))
    }

    /// Asks whether the form is still to be sent.
    pub(super) async fn show_form(&self, ask: &Ask<'_>) -> Outcome {
        let name = ask.parameter(NAME).and_then(|text| SecretToken::parse(text.as_bytes()));
        let Some((name, form)) = self.kept_form(ask, name).await? else { return Ok(gone(ask)) };
        let Some(fields) = fields(&form.body) else { return Ok(gone(ask)) };
        let action = format!("{KEPT_FORM_PATH}/{}", name.text().as_str());
        let view = SendForm {
            portal: ask.plan.map_or("Portcullis", |portal| &portal.name),
            host: ask.host,
            path: form.path.split(['?', '#']).next().unwrap_or_default(),
            action: &action,
            fields: &fields,
            discard: &format!("{action}/{DISCARD}"),
        };
        let mut answer = respond::page(StatusCode::OK, page::send_form(&view), None).strict_transport(ask);
        // The form goes on from here to the service, which need not read its name; `Origin` stays as it is.
        answer.replace(header::REFERRER_POLICY, "origin");
        Ok(answer)
    }

    /// What is done with a form by the address below which its name stands.
    pub(super) async fn answer_form(&self, ask: &Ask<'_>, rest: &str) -> Outcome {
        match rest.split_once('/') {
            None => self.send_form(ask, rest).await,
            Some((name, DISCARD)) => self.discard_form(ask, name).await,
            Some(_) => Err(Trouble::NoPage),
        }
    }

    /// Has the browser send the form, which is its body here, on to where it was meant for. The name in the address is
    /// known to nobody but its sender, and is good once.
    async fn send_form(&self, ask: &Ask<'_>, name: &str) -> Outcome {
        let Some(form) = self.take_form(ask, name).await? else { return Ok(gone(ask)) };
        // 307: the method and the body go along (RFC 9110 §15.4.8).
        let mut answer = Answer::new(StatusCode::TEMPORARY_REDIRECT, Body::Empty);
        answer.field(header::LOCATION, &here(ask, &form.path));
        Ok(answer)
    }

    /// Throws the form away, and leads back to the page it was on.
    async fn discard_form(&self, ask: &Ask<'_>, name: &str) -> Outcome {
        let Some(form) = self.take_form(ask, name).await? else { return Ok(gone(ask)) };
        Ok(respond::see_other(&here(ask, form.page.as_deref().unwrap_or("/"))))
    }

    async fn take_form(&self, ask: &Ask<'_>, name: &str) -> Result<Option<KeptForm>, Trouble> {
        let name = SecretToken::parse(name.as_bytes()).filter(|_| ask.is_same_origin());
        let (Some(name), Some(session)) = (name, self.session(ask).await?) else { return Ok(None) };
        Ok(self.kept_forms.take(&name, presenter(ask, session.id), ask.now).await?)
    }

    async fn kept_form(
        &self,
        ask: &Ask<'_>,
        name: Option<SecretToken>,
    ) -> Result<Option<(SecretToken, KeptForm)>, Trouble> {
        let (Some(name), Some(session)) = (name, self.session(ask).await?) else { return Ok(None) };
        let form = self.kept_forms.look(&name, presenter(ask, session.id), ask.now).await?;
        Ok(form.map(|form| (name, form)))
    }
}

/// The fields of a form, in order; `None` if they are too many, or not text, which no page of ours could give back.
fn fields(body: &[u8]) -> Option<Vec<(String, String)>> {
    let odd = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    let fields = url::form_urlencoded::parse(body).into_owned().take(MOST_FIELDS + 1);
    let fields: Option<Vec<_>> =
        fields.map(|(name, value)| (!odd(&name) && !odd(&value)).then_some((name, value))).collect();
    fields.filter(|fields| fields.len() <= MOST_FIELDS)
}

/// A whole address of this very host: whatever its path looks like, it leads nowhere else.
fn here(ask: &Ask<'_>, path: &str) -> String {
    format!("{}{path}", ask.origin())
}

fn presenter<'a>(ask: &'a Ask<'_>, session: SessionId) -> Presenter<'a> {
    Presenter { host: ask.host, binding: ask.cookie(Name::Binding).unwrap_or_default(), session }
}

fn gone(ask: &Ask<'_>) -> Answer {
    message::subject(ask, StatusCode::GONE, Subject::FormGone)
}
