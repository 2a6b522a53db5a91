//! `[factor.*]`, and how strongly people can sign in with what is configured.

use crate::config::raw::{At, Reading};
use crate::config::words::Main;
use crate::config::words::portal::Passkey;
use crate::edition::{FactorPlan, PasskeyPlan, PasswordPlan, TotpPlan};
use crate::factor::passkey::Rules;
use crate::factor::{message, passkey, password, recovery_code, totp};
use crate::identity::{Assurance, FactorName, Kind, Kinds, Need, Proof, Proofs};
use crate::stdx::clock::Time;
use std::net::IpAddr;
use uuid::Uuid;

/// What authenticator apps show where there is no portal to take a name from.
const ISSUER: &str = "Portcullis";

/// The factors.
pub fn compile(main: &Main, reading: &Reading<'_>) -> FactorPlan {
    let At { place, value: factors } = &main.factor;
    if let (Some(code), None) = (&factors.recovery_code, &factors.password) {
        reading.problem(
            &code.place,
            "a recovery code is asked for together with the password; give [factor.password] too",
        );
    }
    let plan = FactorPlan {
        passkey: factors.passkey.as_ref().and_then(|passkey| self::passkey(main, passkey, reading)),
        password: factors
            .password
            .as_ref()
            .map(|password| PasswordPlan { min_length: password.value.min_length.value as usize }),
        totp: factors.totp.as_ref().map(|totp| TotpPlan { issuer: issuer(main, totp.value.issuer.as_ref()) }),
        message: super::message::compile(main, reading),
        recovery_code: factors.recovery_code.is_some(),
    };
    let second = plan.totp.is_some() || factors.passkey.is_some() || factors.message.is_some();
    let any = plan.password.is_some() || second || plan.recovery_code;
    if any && main.portal.is_none() {
        reading.warn(place, "factors without a [portal] are asked for nowhere");
    }
    plan
}

/// Passkeys; `None` if there is nowhere to use them, which is told of elsewhere, or something about them is wrong.
fn passkey(main: &Main, At { place, value: passkey }: &At<Passkey>, reading: &Reading<'_>) -> Option<PasskeyPlan> {
    let values = |list: &[At<Uuid>]| list.iter().map(|At { value, .. }| *value).collect();
    check_models(passkey, reading);
    let attestation = passkey.attestation.as_ref().map(|file| {
        let read = reading.bytes(&file.value).map_err(|what| reading.problem(&file.place, what)).ok()?;
        let refused = |error| reading.problem(&file.place, format!("{}: {error}", file.value.display()));
        passkey::Roots::parse(&read).map_err(refused).ok()
    });
    let host = &main.portal.as_ref()?.value.origin.as_ref()?.value.host;
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        reading.problem(place, format!("browsers use no passkey of an address: [portal] needs a name, not {host}"));
        return None;
    }
    let rp_id = passkey.rp_id.as_ref().map_or(host, |rp_id| &rp_id.value);
    let is_parent = rp_id.contains('.') && host.strip_suffix(rp_id.as_str()).is_some_and(|rest| rest.ends_with('.'));
    if let Some(written) = passkey.rp_id.as_ref().filter(|_| rp_id != host && !is_parent) {
        let what = format!("allowed is the portal's host, {host:?}, or a parent domain of it");
        reading.problem(&written.place, what);
        return None;
    }
    let rules = Rules {
        synced: passkey.synced.value,
        models: passkey.models.as_ref().map(|models| values(&models.value)),
        refuse_models: values(&passkey.refuse_models.value),
        attestation: match attestation {
            Some(roots) => Some(roots?),
            None => None,
        },
    };
    Some(PasskeyPlan { rp_id: rp_id.clone(), rules })
}

/// Reports lists of models by which no passkey, or nobody knows which one, would count.
fn check_models(passkey: &Passkey, reading: &Reading<'_>) {
    let Some(At { place, value: models }) = &passkey.models else { return };
    if models.is_empty() && !reading.report.blames(place.file(), place.key()) {
        reading.problem(place, "an empty list lets no passkey count; name at least one model, or leave the key out");
    }
    for refused in &passkey.refuse_models.value {
        if let Some(model) = models.iter().find(|model| model.value == refused.value) {
            reading
                .problem(&refused.place, format!("it is in models too, at {}: it counts, or it does not", model.place));
        }
    }
}

fn issuer(main: &Main, own: Option<&At<String>>) -> String {
    let portal = main.portal.as_ref().map(|portal| &portal.value.name.value);
    own.map(|issuer| &issuer.value).or(portal).cloned().unwrap_or_else(|| ISSUER.to_owned())
}

/// How people can sign in.
pub struct SignIn {
    /// Whether there is anywhere to do it.
    pub portal: bool,
    /// A proof of each factor that counts, made at once.
    pub proofs: Vec<Proof>,
}

impl SignIn {
    /// What is configured. Wrong values count as if they were right: they are told of at their own place.
    pub fn new(main: &Main, factors: &FactorPlan, reading: &Reading<'_>) -> Self {
        let blamed = |key| reading.report.blames(main.factor.place.file(), key);
        let password = factors.password.is_some() || blamed("factor.password");
        let totp = factors.totp.is_some() || blamed("factor.totp");
        let passkey = main.factor.value.passkey.is_some() || blamed("factor.passkey");
        let message = factors.message.is_some() || blamed("factor.message");
        // A recovery code gives no assurance: it only lets its holder enrol again.
        let proof = |factor, kinds, phishing_resistant| Proof {
            factor,
            kinds,
            phishing_resistant,
            recovery: false,
            at: Time::EPOCH,
        };
        let configured = [
            (password, proof(password::NAME, Kinds::of(Kind::Knowledge), false)),
            (totp, proof(totp::NAME, Kinds::of(Kind::Possession), false)),
            (passkey, proof(passkey::NAME, Kinds::of(Kind::Possession).and(Kind::Inherence), true)),
            (message, proof(message::NAME, Kinds::of(Kind::Possession), false)),
        ];
        let portal = main.portal.is_some() || reading.report.blames(main.factor.place.file(), "portal");
        let proofs = configured.into_iter().filter(|(is, _)| *is).map(|(_, proof)| proof).collect();
        SignIn { portal, proofs }
    }

    /// What keeps people from meeting `need`, in words that follow `needs …, but`; `None` if nothing does.
    pub fn lacks(&self, need: &Need) -> Option<String> {
        if !self.portal {
            return Some("there is no [portal] where anybody could sign in".to_owned());
        }
        let all: Proofs = self.proofs.iter().copied().collect();
        let ageless = Need { max_age: None, ..need.clone() };
        if ageless.is_met_by(&all, Time::EPOCH) {
            return None;
        }
        let reach = all.assurance_of(|proof| need.accepts(proof.factor));
        Some(if reach >= need.level { Self::unnamed(need) } else { self.too_little(need) })
    }

    /// That the level is reached, and by none of the factors that are asked for.
    fn unnamed(need: &Need) -> String {
        let useful = need.factors.iter().filter(|name| need.accepts(**name) && **name != recovery_code::NAME);
        let useful: Vec<String> = useful.map(|name| format!("[factor.{name}]")).collect();
        match useful.as_slice() {
            [] => "a recovery code proves nothing at a route: it only lets its holder enrol; ask for another factor"
                .to_owned(),
            some => format!("none of the factors it asks for is configured; give {}", some.join(" or ")),
        }
    }

    /// That the level is not reached.
    fn too_little(&self, need: &Need) -> String {
        let names = self.proofs.iter().map(|proof| proof.factor);
        let (counting, refused): (Vec<FactorName>, Vec<FactorName>) = names.partition(|name| need.accepts(*name));
        let [counting, refused] = [counting, refused].map(|names| names.iter().map(|name| name.0).collect::<Vec<_>>());
        match (counting.as_slice(), refused.as_slice()) {
            (_, refused) if need.level > Assurance::Mfa && refused.contains(&passkey::NAME.0) => {
                "only a passkey is phishing-resistant, and refuse_factors leaves it out".to_owned()
            }
            _ if need.level > Assurance::Mfa => {
                "nothing that counts here is phishing-resistant; give [factor.passkey]".to_owned()
            }
            ([], []) => "no factor is configured; give [factor.password] and [factor.totp]".to_owned(),
            ([], refused) => format!("refuse_factors leaves out all that is configured: {}", refused.join(", ")),
            (some, []) => format!(
                "only {} counts here; two kinds are needed: [factor.password] and [factor.totp]",
                some.join(", ")
            ),
            (some, refused) => format!(
                "only {} counts here, for refuse_factors leaves out {}; two kinds are needed",
                some.join(", "),
                refused.join(", ")
            ),
        }
    }

    /// Whether a need that can be met cannot without a code that is sent.
    pub fn waits_for_messages(&self, need: &Need) -> bool {
        let others: Proofs = self.proofs.iter().copied().filter(|proof| proof.factor != message::NAME).collect();
        let ageless = Need { max_age: None, ..need.clone() };
        self.lacks(need).is_none() && !ageless.is_met_by(&others, Time::EPOCH)
    }
}
