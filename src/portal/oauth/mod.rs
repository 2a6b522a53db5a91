//! The authorization server's addresses (RFC 6749): what programs read and send, and what their people confirm; the rules
//! are `oauth`'s.

mod authorize;
mod device;
mod endpoint;
mod metadata;

pub(super) use metadata::{RESOURCE, resource, server};

use super::Ask;
use super::account::{FRESHNESS, Held};
use crate::edition::PortalPlan;
use crate::identity::{Assurance, Need};
use crate::oauth::{ClientId, Fault, Resource, Setting, Unproven};
use crate::reply::{Answer, Remark};
use std::time::Duration;

/// When and from where, and by which rules.
fn setting<'a>(ask: &'a Ask<'_>, portal: &'a PortalPlan) -> Setting<'a> {
    let plan = &ask.edition.plan.oauth;
    Setting {
        issuer: &portal.origin,
        access: plan.access,
        device_code: plan.device_code,
        sessions: ask.rules,
        now: ask.now,
        source: ask.client,
    }
}

/// The program that a request names.
fn client(ask: &Ask<'_>, name: &str) -> Result<ClientId, Fault> {
    if name.is_empty() {
        return Err(Fault::Request("client_id is missing"));
    }
    let client = ClientId::parse(name).ok_or(Fault::Client(Unproven::NotTaken))?;
    let known = ask.edition.plan.oauth.clients.as_ref().is_none_or(|clients| clients.contains(&client));
    if known { Ok(client) } else { Err(Fault::Client(Unproven::NotTaken)) }
}

/// What the log says of an answer to a program, or about one. A step that is still to come is no refusal.
fn remark(program: &str, fault: Option<&Fault>) -> Remark {
    let program = ClientId::parse(program).map(|name| name.to_string());
    let (refused, why) = match fault {
        None => (None, ""),
        Some(step) if step.is_step() => (None, step.said().0),
        Some(fault) => (Some(fault.said().0), fault.why()),
    };
    Remark { refused, why, program, ..Remark::default() }
}

/// The same answer, which the log puts down to whoever holds this session.
fn put_down(mut answer: Answer, held: &Held) -> Answer {
    let account = &held.session.account;
    answer.remark.get_or_insert_default().account = Some((account.id, account.name.clone()));
    answer
}

/// What tokens shall be for: one of our own hosts, or all of them.
fn target(ask: &Ask<'_>, text: &str) -> Result<Option<Resource>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let served = |resource: &Resource| ask.edition.plan.protects(&resource.host);
    Resource::parse(text).filter(served).map(Some).ok_or(Fault::Target)
}

/// What a session must have proved for a program (RFC 9470 §4): the first level that we know, and an age.
fn need(levels: &str, max_age: &str) -> Result<Need, Fault> {
    let known = levels.split(' ').find_map(|word| Assurance::parse(word).ok());
    if known.is_none() && !levels.is_empty() {
        return Err(Fault::Request("acr_values names no level that is known here"));
    }
    let age = match max_age {
        "" => None,
        text => Some(text.parse::<u32>().map_err(|_| Fault::Request("max_age is not a number of seconds"))?),
    };
    Ok(Need::of(known.unwrap_or(Assurance::None), age.map(|age| Duration::from_secs(age.into()))))
}

/// What whoever approves must have proved just now: all that they can, and what the program needs.
fn both(strongest: &Need, asked: &Need) -> Need {
    let age = asked.max_age.map_or(FRESHNESS, |age| age.clamp(SHORTEST, FRESHNESS));
    Need::of(strongest.level.max(asked.level), Some(age))
}

/// However lately a program wants the proof to be: nobody is quick enough for less.
const SHORTEST: Duration = Duration::from_secs(30);
