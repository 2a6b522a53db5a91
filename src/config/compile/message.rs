//! `[factor.message]` and `[notice]`: what is sent, and by which ways.

use crate::config::raw::{At, Fetched, Reading};
use crate::config::words::Main;
use crate::config::words::message::{Message, Smtp, Webhook};
use crate::courier::{SmtpPlan, SmtpTls, WebhookPlan};
use crate::edition::MessagePlan;
use crate::identity::Channel;

/// The codes, if they are on and something can deliver them.
pub fn compile(main: &Main, reading: &Reading<'_>) -> Option<MessagePlan> {
    let At { place, value: message } = main.factor.value.message.as_ref()?;
    if message.webhook.is_none() && message.smtp.is_none() {
        reading
            .problem(place, "nothing delivers the codes; give [factor.message.webhook], [factor.message.smtp] or both");
        return None;
    }
    let channels = channels(message, reading);
    let (webhook, smtp) = (message.webhook.as_ref(), message.smtp.as_ref());
    let (webhook, smtp) = (webhook.map(|of| self::webhook(of, reading)), smtp.map(|of| self::smtp(of, reading)));
    if webhook.as_ref().is_some_and(Option::is_none) || smtp.as_ref().is_some_and(Option::is_none) {
        return None;
    }
    Some(MessagePlan {
        webhook: webhook.flatten(),
        smtp: smtp.flatten(),
        channels,
        digits: message.digits.value,
        per_source: message.per_source.value,
        text: message.text.value.0.clone(),
        subject: message.subject.value.0.clone(),
    })
}

/// Where news go.
pub fn notice(main: &Main, reading: &Reading<'_>) -> Option<WebhookPlan> {
    let At { value: notice, .. } = main.notice.as_ref()?;
    webhook(notice.webhook.as_ref()?, reading)
}

fn channels(message: &Message, reading: &Reading<'_>) -> Vec<Channel> {
    let Some(written) = &message.channels else {
        let served: &[Channel] = if message.webhook.is_some() { &Channel::ALL } else { &[Channel::Mail] };
        return served.to_vec();
    };
    if written.value.is_empty() && !reading.report.blames(written.place.file(), written.place.key()) {
        reading.problem(&written.place, "it is empty; name \"sms\", \"mail\" or both");
    }
    let mut channels = Vec::new();
    for At { place, value: channel } in &written.value {
        if *channel == Channel::Sms && message.webhook.is_none() {
            reading.problem(place, "nothing delivers text messages; give [factor.message.webhook]");
        }
        if channels.contains(channel) {
            reading.problem(place, "it is already there");
        }
        channels.push(*channel);
    }
    channels
}

fn webhook(At { value: webhook, .. }: &At<Webhook>, reading: &Reading<'_>) -> Option<WebhookPlan> {
    let token = webhook.token.as_ref().and_then(|token| {
        let secret = token.value.open(&token.place, reading)?.or_stand_in();
        if let Some(fault) = WebhookPlan::fault(&secret) {
            reading.problem(&token.place, fault);
        }
        Some(secret)
    });
    Some(WebhookPlan { url: webhook.url.as_ref()?.value.clone(), token: token? })
}

fn smtp(At { place, value: smtp }: &At<Smtp>, reading: &Reading<'_>) -> Option<SmtpPlan> {
    let tls = smtp.tls.value;
    let here = smtp.server.as_ref().is_none_or(|server| server.value.is_here());
    if tls == SmtpTls::None && !here {
        reading.problem(
            &smtp.tls.place,
            "codes would cross the network in the clear; none is for a server on this machine",
        );
    }
    warn_of_port(smtp, reading);
    let password = smtp.password.as_ref().map(|password| password.value.open(&password.place, reading));
    let password = password.map(|password| password.map(Fetched::or_stand_in));
    let login = match (&smtp.user, password) {
        (Some(user), Some(password)) => Some((user.value.clone(), password?)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            reading.problem(place, "user and password go together; give both or neither");
            return None;
        }
    };
    let (server, from) = (&smtp.server.as_ref()?.value, smtp.from.as_ref()?.value.clone());
    Some(SmtpPlan { host: server.host.clone(), port: server.port, tls, from, login })
}

/// Warns of a port that is for the other way to protect a connection (RFC 8314 §3.3, RFC 6409 §3.1): each side would wait
/// for the other to begin.
fn warn_of_port(smtp: &Smtp, reading: &Reading<'_>) {
    let Some(At { place, value: server }) = &smtp.server else { return };
    let other = match (server.port, smtp.tls.value) {
        (465, SmtpTls::StartTls) => "TLS from the first byte: write tls = \"implicit\"",
        (587, SmtpTls::Implicit) => "TLS after a word in the clear: write tls = \"starttls\"",
        (_, SmtpTls::Implicit | SmtpTls::StartTls | SmtpTls::None) => return,
    };
    reading.warn(place, format!("servers use port {} for {other}, or another port", server.port));
}
