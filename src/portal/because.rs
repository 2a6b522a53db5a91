//! Why somebody is asked to prove or to set something up: what they are on the way to, what it asks for, and what of
//! theirs does not count there; decides nothing.

use super::KEPT_FORM_PATH;
use super::page::{Errand, Reason};
use crate::edition::PortalPlan;
use crate::factor::{message, passkey, password, recovery_code, totp};
use crate::identity::{Assurance, FactorName, Need, Proofs};
use crate::login::{Begun, Next, Purpose};
use crate::token::{Destination, Ticket};

/// The reason, for whoever wanted to go to the ticket's host and has proved this much; `None` if any of `choices` will
/// do and nothing was proved that does not count.
pub(super) fn because(ticket: &Ticket, choices: &[FactorName], proofs: &Proofs) -> Option<String> {
    let fits = |factor: &FactorName| fits(&ticket.need, *factor);
    let (fitting, useless): (Vec<FactorName>, Vec<FactorName>) = choices.iter().copied().partition(fits);
    let proved =
        proofs.iter().map(|proof| proof.factor).filter(|factor| is_second(*factor) && !fitting.contains(factor));
    let mut idle: Vec<FactorName> = proved.collect();
    idle.extend(useless.into_iter().filter(|factor| !idle.contains(factor)).collect::<Vec<_>>());
    let asked: Vec<&str> = fitting.iter().map(|factor| asked_for(*factor)).collect();
    let idle: Vec<&str> = idle.iter().map(|factor| had(*factor)).collect();
    if asked.is_empty() || (idle.is_empty() && proofs.has(recovery_code::NAME)) {
        return None;
    }
    let lacking = match idle.is_empty() {
        true => "what you have proved so far is not enough there".to_owned(),
        false => format!("{} do not count there", idle.join(" and ")),
    };
    let host = &ticket.to.host;
    Some(format!("{host} asks for {}; {lacking}. You will return to it.", asked.join(" or ")))
}

/// What somebody is on the way to with a ticket; `None` if that is a page about the account itself.
pub(super) fn errand<'a>(ticket: &'a Ticket, portal: &PortalPlan) -> Option<Errand<'a>> {
    let Destination { host, path, .. } = &ticket.to;
    match (*host == portal.host, path.starts_with(KEPT_FORM_PATH)) {
        (false, false) => Some(Errand::Host(host)),
        (false, true) => Some(Errand::Form(host)),
        (true, _) => (path.starts_with("/device") || path.starts_with("/oauth/")).then_some(Errand::Program),
    }
}

/// Why it is asked for; without a target, a step-up is on the way to the portal's own pages.
pub(super) fn reason(begun: &Begun, target: Option<Errand<'_>>) -> Reason {
    let attempt = &begun.attempt;
    match (&attempt.purpose, attempt.need.max_age) {
        // A recovery code is asked for where nothing else that the account holds counts.
        (Purpose::SignIn, _) if begun.next == Next::Ask(recovery_code::NAME) => Reason::Lapsed,
        (Purpose::SignIn, _) => Reason::SignIn,
        (Purpose::StepUp(_) | Purpose::Enrol(_), _) if target.is_none() => Reason::Change,
        (Purpose::StepUp(_) | Purpose::Enrol(_), Some(age)) if attempt.proofs.assurance() >= attempt.need.level => {
            Reason::Older(age)
        }
        (Purpose::StepUp(_) | Purpose::Enrol(_), _) => Reason::Stronger,
    }
}

/// Whether a proof of this factor brings somebody nearer to what is needed.
fn fits(need: &Need, factor: FactorName) -> bool {
    let strong = need.level < Assurance::PhishingResistant || factor == passkey::NAME;
    strong && need.accepts(factor) && (need.factors.is_empty() || need.factors.contains(&factor))
}

fn is_second(factor: FactorName) -> bool {
    factor != password::NAME && factor != recovery_code::NAME
}

fn asked_for(factor: FactorName) -> &'static str {
    match factor {
        passkey::NAME => "a passkey",
        totp::NAME => "an authenticator app",
        message::NAME => "a code that is sent to you",
        password::NAME => "a password",
        FactorName(other) => other,
    }
}

fn had(factor: FactorName) -> &'static str {
    match factor {
        passkey::NAME => "passkeys",
        totp::NAME => "codes from an app",
        message::NAME => "codes sent to you",
        FactorName(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Kind, Kinds, Proof};
    use crate::stdx::clock::Time;

    const SECOND: &[FactorName] = &[passkey::NAME, totp::NAME, message::NAME];

    fn said(need: Need, choices: &[FactorName], proved: &[FactorName]) -> Option<String> {
        let (scheme, host) = ("https".to_owned(), "app.example.com".to_owned());
        let to = Destination { scheme, host, port: None, path: "/".to_owned() };
        let proof = |factor: &FactorName| Proof {
            factor: *factor,
            kinds: Kinds::of(Kind::Possession),
            phishing_resistant: false,
            recovery: *factor == recovery_code::NAME,
            at: Time::EPOCH,
        };
        because(&Ticket { to, binding: [0; 32], need }, choices, &proved.iter().map(proof).collect())
    }

    #[test]
    fn whoever_must_set_something_up_reads_who_asks_for_what_and_what_does_not_count() {
        let strong = Need::of(Assurance::PhishingResistant, None);
        assert_eq!(
            said(strong.clone(), &[passkey::NAME], &[password::NAME, message::NAME]).as_deref(),
            Some("app.example.com asks for a passkey; codes sent to you do not count there. You will return to it.")
        );
        let refusing = Need { refuse: vec![message::NAME], ..Need::MFA };
        assert_eq!(
            said(refusing, &[passkey::NAME, totp::NAME], &[password::NAME, message::NAME]).as_deref(),
            Some(
                "app.example.com asks for a passkey or an authenticator app; codes sent to you do not count there. You \
                 will return to it."
            )
        );
        let alone = said(Need::MFA, SECOND, &[password::NAME]).unwrap_or_default();
        assert!(alone.contains("what you have proved so far is not enough there"), "{alone}");
    }

    #[test]
    fn after_a_recovery_it_is_said_which_of_the_choices_does_not_count() {
        let proved = [password::NAME, recovery_code::NAME];
        assert_eq!(said(Need::MFA, SECOND, &proved), None, "any of them will do");
        assert_eq!(
            said(Need::of(Assurance::PhishingResistant, None), SECOND, &proved).as_deref(),
            Some(
                "app.example.com asks for a passkey; codes from an app and codes sent to you do not count there. You \
                 will return to it."
            )
        );
    }
}
