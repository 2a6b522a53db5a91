//! Somebody who has lost something: what still works after a recovery, and what helps where a passkey is asked for that
//! is not here; who may change what is the account's pages' to say.

use super::account::{Held, Row, once_told};
use super::ask::form_token;
use super::page::{self, Form, Link, WhichLost, WithoutPasskey};
use super::sign_in::TO;
use super::{Ask, Outcome, Portal, respond};
use crate::edition::PortalPlan;
use crate::factor::{passkey, password, recovery_code};
use crate::identity::{Credential, SessionId};
use crate::login::Wanted;
use crate::reply::Answer;
use crate::stdx::clock::Time;
use crate::token::Ticket;
use http::StatusCode;

/// Where somebody who came in with a recovery code says what else is lost.
pub(super) const LOST: &str = "/account/lost";

/// Where somebody goes on whose passkey is not here.
pub(super) const ANOTHER: &str = "/sign-in/another";

impl Portal {
    /// Where a session goes after its recovery: to what still works besides, if there is anything, then onward.
    pub(super) async fn after_recovery(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (session, text, ticket): (SessionId, Option<String>, Option<Ticket>),
        held: &[Credential],
    ) -> Outcome {
        let before = held.iter().any(|own| is_from_before(own, ask.now));
        match before {
            true => Ok(respond::see_other(&onward(LOST, text.as_deref()))),
            false => self.go_on(ask, portal, session, ticket).await,
        }
    }

    /// Everything that the account had before its recovery and that still works, to remove what is lost.
    pub(super) async fn which_lost(&self, ask: &Ask<'_>, portal: &PortalPlan, held: &Held) -> Outcome {
        let text = ask.parameter(TO).filter(|text| self.tickets.open(text, ask.now).is_some());
        let ticket = text.as_deref().and_then(|text| self.tickets.open(text, ask.now));
        let next = text.as_deref().map_or_else(|| "/".to_owned(), |text| onward("/sign-in", Some(text)));
        let Some(since) = self.recovered(ask, held.session.id) else { return Ok(respond::see_other(&next)) };
        let credentials = self.login.credentials(held.session.account.id).await?;
        let mut rows = self.rows(&credentials);
        rows.retain(|row| credentials.iter().any(|own| own.id == row.id && is_from_before(own, since)));
        if rows.is_empty() {
            return Ok(respond::see_other(&next));
        }
        rows.iter_mut().for_each(|row| row.leads_back(text.as_deref()));
        let ways: Vec<page::Way<'_>> = rows.iter().map(Row::way).collect();
        let host = ticket.as_ref().map(|ticket| ticket.to.host.as_str()).filter(|host| *host != portal.host);
        let label = host.map_or_else(|| "Go on to your account".to_owned(), |host| format!("Go on to {host}"));
        let told = self.news(ask, held.session.id);
        let view = WhichLost {
            portal: &portal.name,
            ways: &ways,
            now: ask.now,
            onward: Link { label: &label, href: &next },
            news: told.as_ref().map(|told| told.view(rp(ask))),
        };
        let onward = ticket.as_ref().map(|ticket| &ticket.to);
        let answer = respond::page(StatusCode::OK, page::which_lost(&view), onward).strict_transport(ask);
        Ok(once_told(answer, ask, told.as_ref()))
    }

    /// A passkey is asked for that is not here. Whoever has just recovered may create another one; for everybody else
    /// that takes a passkey, or a recovery.
    pub(super) async fn another_way(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let text = ask.parameter(TO).filter(|text| self.tickets.open(text, ask.now).is_some());
        let Some(held) = self.held(ask).await? else {
            return Ok(respond::see_other(&onward("/sign-in", text.as_deref())));
        };
        if self.recovered(ask, held.session.id).is_none() {
            return self.without_passkey(ask, portal, (&held, text)).await;
        }
        match self.stale(ask, portal, &held).await? {
            Some(answer) => Ok(answer),
            None => self.begin_enrolment(ask, &held.session, Wanted::AnyOf(&[passkey::NAME]), text).await,
        }
    }

    async fn without_passkey(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (held, text): (&Held, Option<String>),
    ) -> Outcome {
        let ticket = text.as_deref().and_then(|text| self.tickets.open(text, ask.now));
        let credentials = self.login.credentials(held.session.account.id).await?;
        let codes = credentials.iter().any(has_codes);
        let csrf = form_token(&self.forms, &held.token, "");
        let carried: Vec<(&str, &str)> = text.iter().map(|text| (TO, text.as_str())).collect();
        let form = Form { action: "/sign-out", csrf: &csrf, carried: &carried };
        let host = ticket.as_ref().map(|ticket| ticket.to.host.as_str()).filter(|host| *host != portal.host);
        let back = onward("/sign-in", text.as_deref());
        let view = WithoutPasskey { portal: &portal.name, host, recover: codes.then_some(form), back: &back };
        Ok(respond::page(StatusCode::OK, page::without_passkey(&view), None).strict_transport(ask))
    }
}

/// The domain that passkeys are bound to.
pub(super) fn rp<'a>(ask: &Ask<'a>) -> &'a str {
    ask.edition.plan.factors.passkey.as_ref().map_or("", |plan| &plan.rp_id)
}

/// An address with the sealed ticket, if there is one.
pub(super) fn onward(address: &str, text: Option<&str>) -> String {
    text.map_or_else(|| address.to_owned(), |text| format!("{address}?{TO}={text}"))
}

/// Whether it was there before a recovery that ended `since`, and is something that can be lost.
fn is_from_before(own: &Credential, since: Time) -> bool {
    own.created < since && own.factor != password::NAME && own.factor != recovery_code::NAME
}

fn has_codes(own: &Credential) -> bool {
    own.factor == recovery_code::NAME && recovery_code::RecoveryCode::left(&own.state) > 0
}

/// Where a removal leads to: after a recovery back to what else may be lost.
pub(super) fn after_removal(text: Option<&str>, recovered: Option<Time>) -> Answer {
    match recovered {
        Some(_) => respond::see_other(&onward(LOST, text)),
        None => respond::see_other("/"),
    }
}

impl Row {
    /// Has its removal lead back to the page of what is lost.
    fn leads_back(&mut self, text: Option<&str>) {
        if let Some(remove) = self.remove.take() {
            self.remove = Some(onward(&remove, text));
        }
        self.change = None;
    }
}
