//! Where a person approves a device (RFC 8628 §3.3): types its code, proves who they are, and decides.

use super::{both, put_down, remark, setting};
use crate::edition::PortalPlan;
use crate::factor::Rejection;
use crate::identity::Need;
use crate::login::Stop;
use crate::oauth::{Asked, Fault, UserCode};
use crate::portal::account::{FRESHNESS, Held};
use crate::portal::ask::form_token;
use crate::portal::page::{self, APPROVE, Decide, Decided, EnterCode, Form, Notice, Place, Said, field};
use crate::portal::sign_in::TO;
use crate::portal::{Ask, Outcome, Portal, Trouble, respond};
use crate::reply::{Answer, Remark};
use crate::token::{Destination, Ticket};
use http::StatusCode;

const PATH: &str = "/device";

const WRONG: &str = "There is no such code, or not any more. Check it, or have the program begin again.";
const TOO_MANY: &str = "Too many codes were tried. Wait a little before you try another.";

impl Portal {
    /// The page to type the code on; with a code in the address, the one to decide on. A code that another site may have
    /// put there is not looked up before its form is sent: wrong ones are counted.
    pub(in crate::portal) async fn device(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let typed = ask.parameter(field::USER_CODE);
        let address = typed.as_ref().map_or_else(|| PATH.to_owned(), |typed| address(typed));
        let Some(held) = self.held(ask).await? else {
            return Ok(self.to_sign_in_for(ask, portal, (address, Need::MFA)));
        };
        match typed {
            None => Ok(self.code_page(portal, &held, ("", None))),
            Some(typed) if is_own_wish(ask) => self.device_asked(ask, portal, (&held, &typed)).await,
            Some(typed) => {
                let code = UserCode::parse(&typed).map(|code| code.to_string()).unwrap_or_default();
                Ok(self.code_page(portal, &held, (&code, None)))
            }
        }
    }

    /// A typed code, or a decision.
    pub(in crate::portal) async fn answer_device(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let held = self.held(ask).await?.ok_or(Stop::Gone)?;
        ask.check_form(&self.forms, &held.token, "")?;
        let typed = ask.form.text(field::USER_CODE);
        match ask.form.text(field::DECISION) {
            "" => self.device_asked(ask, portal, (&held, typed)).await,
            decision => self.decide_device(ask, portal, (&held, typed, decision)).await,
        }
    }

    async fn device_asked(&self, ask: &Ask<'_>, portal: &PortalPlan, (held, typed): (&Held, &str)) -> Outcome {
        let (code, asked) = match self.asked(ask, portal, (held, typed)).await? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        let need = self.approving(held, &asked.need).await?;
        if !need.is_met_by(&held.session.proofs, ask.now) {
            return self.prove_first(ask, portal, (held, address(&code.to_string()), need)).await;
        }
        let (csrf, code) = (form_token(&self.forms, &held.token, ""), code.to_string());
        let view = Decide {
            portal: &portal.name,
            form: Form { action: PATH, csrf: &csrf, carried: &[(field::USER_CODE, &code)] },
            account: held.session.account.name.as_str(),
            client: asked.client.as_str(),
            host: asked.resource.as_ref().map(|resource| &*resource.host),
            place: Place::Elsewhere { code: &code, address: asked.from, at: asked.at },
            now: ask.now,
        };
        let page = respond::page(StatusCode::OK, page::decide(&view), None).strict_transport(ask);
        Ok(put_down(page.with_remark(remark(asked.client.as_str(), None)), held))
    }

    async fn decide_device(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (held, typed, decision): (&Held, &str, &str),
    ) -> Outcome {
        let (code, asked) = match self.asked(ask, portal, (held, typed)).await? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        let setting = setting(ask, portal);
        if decision != APPROVE {
            let denied = self.grants.deny(&code, &held.session, &setting).await.map_err(trouble)?;
            return Ok(self.told(portal, (held, Said::Denied), denied));
        }
        let need = self.approving(held, &asked.need).await?;
        if !need.is_met_by(&held.session.proofs, ask.now) {
            return self.prove_first(ask, portal, (held, address(&code.to_string()), need)).await;
        }
        let approved = self.grants.approve(&code, &held.session, &setting).await.map_err(trouble)?;
        Ok(self.told(portal, (held, Said::Approved), approved))
    }

    /// What a typed code stands for, or the page to type another.
    async fn asked(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (held, typed): (&Held, &str),
    ) -> Result<Result<(UserCode, Asked), Answer>, Trouble> {
        let setting = setting(ask, portal);
        let fault = match self.grants.asked(typed, held.session.account.id, &setting).await {
            Ok(found) => return Ok(Ok(found)),
            Err(fault) => fault,
        };
        let wait = if let Fault::Later(until) = &fault { Some(Rejection::Wait(*until)) } else { None };
        if wait.is_none() && !matches!(fault, Fault::Grant(_)) {
            return Err(trouble(fault));
        }
        let (said, count) = match wait {
            Some(_) => ((StatusCode::TOO_MANY_REQUESTS, TOO_MANY), "throttled"),
            None => ((StatusCode::UNPROCESSABLE_ENTITY, WRONG), "wrong"),
        };
        let remark = Remark { counted: Some(("user_code", count)), ..remark("", Some(&fault)) };
        let page = self.code_page(portal, held, (typed, Some(said))).with_remark(remark);
        Ok(Err(put_down(page.retry_after(wait.as_ref(), ask.now), held)))
    }

    fn told(&self, portal: &PortalPlan, (held, said): (&Held, Said), asked: Option<Asked>) -> Answer {
        match asked {
            None => self.code_page(portal, held, ("", Some((StatusCode::GONE, WRONG)))),
            Some(asked) => {
                let view = Decided { portal: &portal.name, client: asked.client.as_str(), said };
                let page = respond::page(StatusCode::OK, page::decided(&view), None);
                let denied = matches!(said, Said::Denied).then_some(Fault::Denied);
                put_down(page.with_remark(remark(asked.client.as_str(), denied.as_ref())), held)
            }
        }
    }

    fn code_page(
        &self,
        portal: &PortalPlan,
        held: &Held,
        (code, mistake): (&str, Option<(StatusCode, &'static str)>),
    ) -> Answer {
        let csrf = form_token(&self.forms, &held.token, "");
        let form = Form { action: PATH, csrf: &csrf, carried: &[] };
        let notice = mistake.map(|(_, sentence)| Notice::Mistake(sentence));
        let view = EnterCode { portal: &portal.name, form, code, notice };
        let status = mistake.map_or(StatusCode::OK, |(status, _)| status);
        respond::page(status, page::enter_code(&view), None)
    }

    /// What whoever approves must have proved.
    pub(super) async fn approving(&self, held: &Held, asked: &Need) -> Result<Need, Trouble> {
        let strongest = self.login.strongest(held.session.account.id, FRESHNESS).await?;
        Ok(both(&strongest, asked))
    }

    /// The way to a fresh proof and back to an address of the portal's own.
    pub(super) async fn prove_first(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (held, path, need): (&Held, String, Need),
    ) -> Outcome {
        let ticket = self.way_back(ask, portal, (path, need.clone()));
        self.step_up(ask, &held.session, need, Some(ticket)).await
    }

    /// The way to a sign-in and back.
    pub(super) fn to_sign_in_for(&self, ask: &Ask<'_>, portal: &PortalPlan, back: (String, Need)) -> Answer {
        respond::see_other(&format!("/sign-in?{TO}={}", self.way_back(ask, portal, back)))
    }

    fn way_back(&self, ask: &Ask<'_>, portal: &PortalPlan, (path, need): (String, Need)) -> String {
        let (scheme, host) = (portal.scheme.to_owned(), portal.host.clone());
        let to = Destination { scheme, host, port: portal.port, path };
        // Within the portal's own host no browser has to be bound: no code is sent anywhere.
        self.tickets.seal(&Ticket { to, binding: [0; 32], need }, ask.now)
    }
}

/// Whether a browser says that no other site has led it here. One that does not say so has its person send the form.
fn is_own_wish(ask: &Ask<'_>) -> bool {
    ask.headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin" || site == "none")
}

fn address(typed: &str) -> String {
    let typed = percent_encoding::utf8_percent_encode(typed, percent_encoding::NON_ALPHANUMERIC);
    format!("{PATH}?{}={typed}", field::USER_CODE)
}

/// Where a person is concerned, only the store and their own haste can be in the way.
pub(super) fn trouble(fault: Fault) -> Trouble {
    if let Fault::Down(error) = fault {
        return error.into();
    }
    let Fault::Later(until) = fault else { return Stop::Gone.into() };
    Stop::Rejected(Rejection::Wait(until)).into()
}
