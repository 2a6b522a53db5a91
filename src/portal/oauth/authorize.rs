//! Where a person lets a program on their own machine act for them (RFC 6749 §4.1, RFC 8252): the browser comes from the
//! program and goes back to it. It is sent to no address that was not checked.

use super::device::trouble;
use super::{client, need, put_down, remark, setting, target};
use crate::edition::PortalPlan;
use crate::identity::Need;
use crate::login::Stop;
use crate::oauth::{Fault, Redirect, Wish};
use crate::portal::account::Held;
use crate::portal::ask::form_token;
use crate::portal::page::{self, APPROVE, Decide, Form, Place, field};
use crate::portal::{Ask, Form as Fields, Outcome, Portal, message, respond};
use crate::reply::Answer;
use crate::session::Thumbprint;
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;

const PATH: &str = "/oauth/authorize";

/// The parameters that are carried from the question to the answer.
const CARRIED: [&str; 10] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "acr_values",
    "max_age",
    "dpop_jkt",
];

/// The longest `state`: it goes into an address again.
const LONGEST_STATE: usize = 1024;

impl Portal {
    /// The question.
    pub(in crate::portal) async fn authorize(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let fields = Fields::parse(ask.query.unwrap_or_default().as_bytes());
        let (redirect, wish) = match wished(ask, &fields) {
            Ok(wished) => wished,
            Err(fault) => return Ok(unanswerable(ask, &fault)),
        };
        let wish = match wish {
            Ok(wish) => wish,
            Err(fault) => return Ok(back(portal, &redirect, &fields, Err(&fault))),
        };
        let address = format!("{PATH}?{}", ask.query.unwrap_or_default());
        let Some(held) = self.held(ask).await? else {
            return Ok(self.to_sign_in_for(ask, portal, (address, Need::MFA)));
        };
        let need = self.approving(&held, &wish.need).await?;
        if !need.is_met_by(&held.session.proofs, ask.now) {
            return self.prove_first(ask, portal, (&held, address, need)).await;
        }
        Ok(self.consent_page(ask, portal, (&held, &wish, &fields)))
    }

    /// The answer.
    pub(in crate::portal) async fn answer_authorize(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let held = self.held(ask).await?.ok_or(Stop::Gone)?;
        ask.check_form(&self.forms, &held.token, "")?;
        let (redirect, wish) = match wished(ask, &ask.form) {
            Ok((redirect, Ok(wish))) => (redirect, wish),
            Ok((_, Err(fault))) | Err(fault) => return Ok(unanswerable(ask, &fault)),
        };
        let setting = setting(ask, portal);
        if ask.form.text(field::DECISION) != APPROVE {
            self.grants.refuse(&wish.client, &held.session, &setting);
            return Ok(put_down(back(portal, &redirect, &ask.form, Err(&Fault::Denied)), &held));
        }
        let need = self.approving(&held, &wish.need).await?;
        if !need.is_met_by(&held.session.proofs, ask.now) {
            let address = format!("{PATH}?{}", query(&ask.form));
            return self.prove_first(ask, portal, (&held, address, need)).await;
        }
        let code = self.grants.consent(&wish, &held.session, &setting).await.map_err(trouble)?;
        let code = code.ok_or(Stop::Gone)?;
        Ok(put_down(back(portal, &redirect, &ask.form, Ok(&code.text())), &held))
    }

    fn consent_page(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (held, wish, fields): (&Held, &Wish, &Fields),
    ) -> Answer {
        let csrf = form_token(&self.forms, &held.token, "");
        let carried: Vec<(&str, &str)> = CARRIED.iter().map(|name| (*name, fields.text(name))).collect();
        let carried: Vec<(&str, &str)> = carried.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let view = Decide {
            portal: &portal.name,
            form: Form { action: PATH, csrf: &csrf, carried: &carried },
            account: held.session.account.name.as_str(),
            client: wish.client.as_str(),
            host: wish.resource.as_ref().map(|resource| &*resource.host),
            place: Place::Here,
            now: ask.now,
        };
        // The policy's grammar has no addresses of IPv6 (CSP 3 §2.3.1): there only the scheme can be named.
        let onward = if wish.redirect.origin().contains('[') { "http:" } else { wish.redirect.origin() };
        let page = Answer::page(StatusCode::OK, page::decide(&view).into_string(), Some(onward)).strict_transport(ask);
        put_down(page.with_remark(remark(wish.client.as_str(), None)), held)
    }
}

/// Where an answer goes, and what is wished for or what is wrong with it.
///
/// # Errors
/// If nobody can be sent anywhere.
fn wished(ask: &Ask<'_>, fields: &Fields) -> Result<(Redirect, Result<Wish, Fault>), Fault> {
    if fields.repeats() {
        return Err(Fault::Request("a parameter is there twice"));
    }
    let client = client(ask, fields.text("client_id"))?;
    let redirect = Redirect::parse(fields.text("redirect_uri"));
    let redirect = redirect.ok_or(Fault::Request("redirect_uri is no http address of this machine, by number"))?;
    if fields.text("state").len() > LONGEST_STATE {
        return Err(Fault::Request("state is too long"));
    }
    let wish = || {
        if fields.text("response_type") != "code" {
            return Err(Fault::Request("response_type is not code"));
        }
        if fields.text("code_challenge_method") != "S256" {
            return Err(Fault::Request("code_challenge_method is not S256"));
        }
        let challenge = BASE64URL_NOPAD.decode(fields.text("code_challenge").as_bytes()).ok();
        let challenge = challenge.and_then(|challenge| challenge.try_into().ok());
        let bound = match fields.text("dpop_jkt") {
            "" => None,
            text => Some(Thumbprint::parse(text).ok_or(Fault::Request("dpop_jkt is no thumbprint"))?),
        };
        Ok(Wish {
            client,
            redirect: redirect.clone(),
            resource: target(ask, fields.text("resource"))?,
            challenge: challenge.ok_or(Fault::Request("code_challenge is no SHA-256"))?,
            bound,
            need: need(fields.text("acr_values"), fields.text("max_age"))?,
        })
    };
    let wish = wish();
    Ok((redirect, wish))
}

/// Back to the program, with a code or a reason, its own `state`, and who answers (RFC 9207 §2).
fn back(portal: &PortalPlan, redirect: &Redirect, fields: &Fields, outcome: Result<&str, &Fault>) -> Answer {
    let mut parameters = match outcome {
        Ok(code) => vec![("code", code)],
        Err(fault) => {
            let (error, description) = fault.said();
            vec![("error", error), ("error_description", description)]
        }
    };
    if !fields.text("state").is_empty() {
        parameters.push(("state", fields.text("state")));
    }
    parameters.push(("iss", &portal.origin));
    let remark = remark(fields.text("client_id"), outcome.err());
    respond::see_other(&redirect.with(&parameters)).with_remark(remark)
}

/// The question as it was asked.
fn query(fields: &Fields) -> String {
    let encode = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let given = CARRIED.iter().filter(|name| !fields.text(name).is_empty());
    given.map(|name| format!("{name}={}", encode(fields.text(name)))).collect::<Vec<_>>().join("&")
}

/// A page for whoever came from a program that asks wrongly: nobody is sent on.
fn unanswerable(ask: &Ask<'_>, fault: &Fault) -> Answer {
    let (_, description) = fault.said();
    let sentence = format!("The program that sent you here asked in a way that cannot be answered: {description}.");
    message::refused(ask, StatusCode::BAD_REQUEST, Some(&sentence)).with_remark(remark("", Some(fault)))
}
