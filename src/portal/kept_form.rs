//! A form that had to wait for a proof: shown to its sender, and sent on once, by the sender's own browser.

use super::page::{self, SendForm, Subject};
use super::{Ask, Outcome, Portal, message, respond};
use crate::reply::{Answer, Body};
use crate::session::cookie::Name;
use crate::session::{KeptForm, Presenter, SecretToken};
use http::{StatusCode, header};

/// Where a kept form is shown, and below it by its name where it is sent on.
pub const KEPT_FORM_PATH: &str = "/.portcullis/form";

/// The query's parameter with a form's name.
const NAME: &str = "name";

impl Portal {
    /// Keeps a form; gives where its sender finds it again.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn keep_form(
        &self,
        form: &KeptForm,
        now: crate::stdx::clock::Time,
    ) -> Result<String, crate::login::Unavailable> {
        let name = self.kept_forms.keep(form, now).await?;
        Ok(format!("{KEPT_FORM_PATH}?{NAME}={}", name.text().as_str()))
    }

    /// Asks whether the form is still to be sent.
    pub(super) async fn show_form(&self, ask: &Ask<'_>) -> Outcome {
        let name = ask.parameter(NAME).and_then(|text| SecretToken::parse(text.as_bytes()));
        let Some((name, form)) = self.kept_form(ask, name).await? else { return Ok(gone(ask)) };
        let action = format!("{KEPT_FORM_PATH}/{}", name.text().as_str());
        let view = SendForm {
            portal: ask.plan.map_or("Portcullis", |portal| &portal.name),
            host: ask.host,
            path: form.path.split(['?', '#']).next().unwrap_or_default(),
            action: &action,
            fields: &form.fields,
            leave: &form.path,
        };
        Ok(respond::page(StatusCode::OK, page::send_form(&view), None).strict_transport(ask))
    }

    /// Has the browser send the form, which is its body here, on to where it was meant for. The name in the address is
    /// known to nobody but its sender, and is good once.
    pub(super) async fn send_form(&self, ask: &Ask<'_>, name: &str) -> Outcome {
        let name = SecretToken::parse(name.as_bytes()).filter(|_| ask.is_same_origin());
        let (Some(name), Some(session)) = (name, self.session(ask).await?) else { return Ok(gone(ask)) };
        let taken = self.kept_forms.take(&name, presenter(ask, session.id), ask.now).await?;
        let Some(form) = taken else { return Ok(gone(ask)) };
        // 307: the method and the body go along (RFC 9110 §15.4.8).
        let mut answer = Answer::new(StatusCode::TEMPORARY_REDIRECT, Body::Empty);
        answer.field(header::LOCATION, &form.path);
        Ok(answer)
    }

    async fn kept_form(
        &self,
        ask: &Ask<'_>,
        name: Option<SecretToken>,
    ) -> Result<Option<(SecretToken, KeptForm)>, super::Trouble> {
        let (Some(name), Some(session)) = (name, self.session(ask).await?) else { return Ok(None) };
        let form = self.kept_forms.look(&name, presenter(ask, session.id), ask.now).await?;
        Ok(form.map(|form| (name, form)))
    }
}

fn presenter<'a>(ask: &'a Ask<'_>, session: crate::identity::SessionId) -> Presenter<'a> {
    Presenter { host: ask.host, binding: ask.cookie(Name::Binding).unwrap_or_default(), session }
}

fn gone(ask: &Ask<'_>) -> Answer {
    message::subject(ask, StatusCode::GONE, Subject::FormGone)
}
