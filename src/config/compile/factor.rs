//! `[factor.*]`, and how strongly people can sign in with what is configured.

use crate::config::raw::{At, Reading};
use crate::config::words::Main;
use crate::edition::{FactorPlan, PasswordPlan, TotpPlan};
use crate::factor::{message, password, totp};
use crate::identity::{Assurance, Kind, Kinds, Need, Proof, Proofs};
use crate::stdx::clock::Time;

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
        password: factors
            .password
            .as_ref()
            .map(|password| PasswordPlan { min_length: password.value.min_length.value as usize }),
        totp: factors.totp.as_ref().map(|totp| TotpPlan { issuer: issuer(main, totp.value.issuer.as_ref()) }),
        message: super::message::compile(main, reading),
        recovery_code: factors.recovery_code.is_some(),
    };
    let any = plan.password.is_some() || plan.totp.is_some() || factors.message.is_some() || plan.recovery_code;
    if any && main.portal.is_none() {
        reading.warn(place, "factors without a [portal] are asked for nowhere");
    }
    plan
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
        let counting: Vec<&str> = self
            .proofs
            .iter()
            .map(|proof| proof.factor)
            .filter(|name| need.accepts(*name))
            .map(|name| name.0)
            .collect();
        let missing =
            need.factors.iter().filter(|name| !counting.contains(&name.0)).map(|name| format!("[factor.{name}]"));
        let reach = all.assurance_of(|proof| need.accepts(proof.factor));
        Some(match counting.as_slice() {
            _ if reach >= need.level => {
                format!(
                    "none of the factors it asks for is configured; give {}",
                    missing.collect::<Vec<_>>().join(" or ")
                )
            }
            _ if need.level > Assurance::Mfa => {
                "nothing that counts here is phishing-resistant; give [factor.passkey]".to_owned()
            }
            [] => "no factor is configured; give [factor.password] and [factor.totp]".to_owned(),
            some => format!(
                "only {} counts here; two kinds are needed: [factor.password] and [factor.totp]",
                some.join(", ")
            ),
        })
    }
}
