//! What an account's credentials are worth as things are: configured, accepted, held back by wrong answers; proves nothing
//! and changes nothing.

use crate::edition::{PasskeyPlan, Plan};
use crate::factor::passkey::{self, Passkey};
use crate::factor::{Factor, message, password, recovery_code, totp};
use crate::identity::{Credential, FactorName, Kind, Kinds, Proof};
use crate::login;
use crate::stdx::clock::Time;
use crate::store::{Reserved, Store, Throttled};

/// What a configuration makes of credentials.
#[derive(Clone, Debug)]
pub struct Worth {
    configured: Vec<FactorName>,
    passkey: Option<(PasskeyPlan, String)>,
}

/// What one credential is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is in use.
    InUse,
    /// Its factor is not configured.
    NotConfigured,
    /// The rules for passkeys do not accept it.
    NotAccepted,
    /// Too many answers were wrong: it waits.
    Waits(Time),
    /// Too many answers were wrong in a row.
    Locked,
}

impl Worth {
    /// By this configuration.
    pub fn of(plan: &Plan) -> Self {
        let factors = &plan.factors;
        let configured = [
            (factors.passkey.is_some(), passkey::NAME),
            (factors.password.is_some(), password::NAME),
            (factors.totp.is_some(), totp::NAME),
            (factors.message.is_some(), message::NAME),
            (factors.recovery_code, recovery_code::NAME),
        ];
        let configured = configured.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
        let origin = plan.portal.as_ref().map(|portal| portal.origin.clone());
        Worth { configured, passkey: factors.passkey.clone().zip(origin) }
    }

    /// What a credential is worth by the configuration alone.
    pub fn of_credential(&self, credential: &Credential) -> Standing {
        match credential.factor {
            name if !self.configured.contains(&name) => Standing::NotConfigured,
            passkey::NAME if !self.accepts(&credential.state) => Standing::NotAccepted,
            _ => Standing::InUse,
        }
    }

    /// The same, and by the wrong answers there were. A store that cannot be asked holds nothing back.
    pub async fn of_held(&self, store: &Store, credential: &Credential, now: Time) -> Standing {
        let standing = self.of_credential(credential);
        let rule = login::rule_for(credential.factor).filter(|_| standing == Standing::InUse);
        let Some(rule) = rule else { return standing };
        let whose = Throttled::Account(credential.account, credential.factor);
        match store.throttles.look(&whose, rule, now).await {
            Ok(Reserved::Wait(until)) => Standing::Waits(until),
            Ok(Reserved::Locked) => Standing::Locked,
            Ok(Reserved::Go) | Err(_) => standing,
        }
    }

    fn accepts(&self, state: &[u8]) -> bool {
        let Some((PasskeyPlan { rp_id, rules }, origin)) = &self.passkey else { return false };
        let (rp_id, rules, name) = (rp_id.clone(), rules.clone(), origin.clone());
        let passkey = Passkey::new(&passkey::Settings { rp_id, origin: origin.clone(), name, rules });
        passkey.is_ok_and(|passkey| passkey.counts(state))
    }
}

/// What a proof of a factor shows; `None` for those that prove nothing at a route.
pub fn proof(factor: FactorName, at: Time) -> Option<Proof> {
    let (kinds, phishing_resistant) = match factor {
        passkey::NAME => (Kinds::of(Kind::Possession).and(Kind::Inherence), true),
        password::NAME => (Kinds::of(Kind::Knowledge), false),
        totp::NAME | message::NAME => (Kinds::of(Kind::Possession), false),
        _ => return None,
    };
    Some(Proof { factor, kinds, phishing_resistant, recovery: false, at })
}
