//! `[portal]` and `[session]`.

use crate::config::raw::{At, Reading};
use crate::config::words::Main;
use crate::config::words::portal::{Oauth, Session};
use crate::edition::{OauthPlan, PortalPlan};
use crate::identity::SessionRules;
use crate::stdx::span;
use std::time::Duration;

/// NIST SP 800-63B-4 §2.2.3: at AAL2 a session ends after 24 h at the latest, and after 1 h without use.
const ADVISED: SessionRules =
    SessionRules { idle: Duration::from_secs(3600), absolute: Duration::from_secs(24 * 3600), ..SessionRules::DEFAULT };

/// Access tokens that are good for longer give pause.
const LONGEST_ACCESS: Duration = Duration::from_secs(3600);

/// The portal, if there is one and its origin can be used.
pub fn compile(main: &Main, reading: &Reading<'_>) -> Option<PortalPlan> {
    let At { place, value: portal } = main.portal.as_ref()?;
    let factors = &main.factor;
    let some = factors.value.password.is_some() || factors.value.totp.is_some() || factors.value.passkey.is_some();
    if !some && !reading.report.blames(factors.place.file(), factors.place.key()) {
        reading.problem(place, "nobody can sign in: no factor is configured; give [factor.password] and [factor.totp]");
    }
    let origin = &portal.origin.as_ref()?.value;
    Some(PortalPlan {
        scheme: origin.scheme,
        host: origin.host.clone(),
        port: origin.port,
        origin: origin.to_string(),
        name: portal.name.value.clone(),
    })
}

/// How programs come by tokens.
pub fn oauth(At { value: oauth, .. }: &At<Oauth>, reading: &Reading<'_>) -> OauthPlan {
    let clients = oauth.clients.as_ref();
    if let Some(clients) = clients.filter(|clients| clients.value.is_empty()) {
        reading.problem(&clients.place, "an empty list lets no program in; name at least one, or leave the key out");
    }
    if oauth.access.value > LONGEST_ACCESS {
        let what = "a token that is used nowhere for so long should not be good for so long; programs get a new one by themselves";
        reading.warn(&oauth.access.place, what);
    }
    OauthPlan {
        clients: clients.map(|clients| clients.value.iter().map(|client| client.value.clone()).collect()),
        access: oauth.access.value,
        device_code: oauth.device_code.value,
    }
}

/// When sessions end.
pub fn sessions(At { place, value: session }: &At<Session>, reading: &Reading<'_>) -> SessionRules {
    let shown = span::written;
    let per_account = session.per_account.value as usize;
    let rules = SessionRules { idle: session.idle.value, absolute: session.absolute.value, per_account };
    if rules.absolute <= rules.idle {
        let (absolute, idle) = (shown(rules.absolute), shown(rules.idle));
        // What was not written stands where its table does.
        let is_written = session.absolute.place.at() != place.at();
        match is_written {
            true => {
                let what = format!("{absolute} must be longer than idle, which is {idle}; else idle ends no session");
                reading.problem(&session.absolute.place, what);
            }
            false => {
                let what = format!("{idle} must be shorter than absolute, which is {absolute} if it is not given");
                reading.problem(&session.idle.place, what);
            }
        }
    }
    if rules.idle > ADVISED.idle {
        reading.warn(&session.idle.place, "NIST SP 800-63B-4 advises at most 1h without use where MFA is needed");
    }
    if rules.absolute > ADVISED.absolute {
        reading.warn(&session.absolute.place, "NIST SP 800-63B-4 advises at most 24h where MFA is needed");
    }
    rules
}
