//! `[factor.*]`, and how strongly people can sign in with what is configured.

use crate::config::raw::{At, Reading};
use crate::config::words::Main;
use crate::edition::{FactorPlan, PasswordPlan, TotpPlan};
use crate::factor::{password, totp};
use crate::identity::{Assurance, Kind, Kinds};

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
        recovery_code: factors.recovery_code.is_some(),
    };
    let any = plan.password.is_some() || plan.totp.is_some() || plan.recovery_code;
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
    /// How strongly.
    pub reach: Assurance,
    /// The factors that count, in words.
    pub factors: Vec<&'static str>,
}

impl SignIn {
    /// What is configured. Wrong values count as if they were right: they are told of at their own place.
    pub fn new(main: &Main, factors: &FactorPlan, reading: &Reading<'_>) -> Self {
        let blamed = |key| reading.report.blames(main.factor.place.file(), key);
        let password = factors.password.is_some() || blamed("factor.password");
        let totp = factors.totp.is_some() || blamed("factor.totp");
        // A recovery code gives no assurance: it only lets its holder enrol again.
        let configured = [(password, password::NAME, Kind::Knowledge), (totp, totp::NAME, Kind::Possession)];
        let present = || configured.iter().filter(|(is, _, _)| *is);
        let kinds = present().fold(Kinds::NONE, |kinds, (_, _, kind)| kinds.and(*kind));
        let reach = match kinds.count() {
            0 => Assurance::None,
            1 => Assurance::OneFactor,
            _ => Assurance::Mfa,
        };
        let portal = main.portal.is_some() || reading.report.blames(main.factor.place.file(), "portal");
        SignIn { portal, reach, factors: present().map(|(_, name, _)| name.0).collect() }
    }

    /// What keeps people from reaching `level`, in words that follow `needs …, but`; `None` if nothing does.
    pub fn lacks(&self, level: Assurance) -> Option<String> {
        if level > Assurance::Mfa {
            return Some("no factor of this build is phishing-resistant; the strongest level is \"mfa\"".to_owned());
        }
        if !self.portal {
            return Some("there is no [portal] where anybody could sign in".to_owned());
        }
        if self.reach >= level {
            return None;
        }
        Some(match self.factors.as_slice() {
            [] => "no factor is configured; give [factor.password] and [factor.totp]".to_owned(),
            some => format!(
                "only {} is configured; two kinds are needed: [factor.password] and [factor.totp]",
                some.join(", ")
            ),
        })
    }
}
