//! The pages that ask for one proof each: their addresses, and how they name one another.

use super::page::Link;
use crate::factor::{message, passkey, password, recovery_code, totp};
use crate::identity::FactorName;
use crate::login::{Begun, Next, Purpose};

/// A page that asks for one proof.
struct Page {
    /// The last part of its address.
    step: &'static str,
    /// Its whole address.
    address: &'static str,
    /// The factor that it asks for.
    factor: FactorName,
    /// How another page calls it.
    instead: &'static str,
}

const STEPS: [Page; 5] = [
    Page { step: "passkey", address: "/sign-in/passkey", factor: passkey::NAME, instead: "Use your passkey instead" },
    Page {
        step: "password",
        address: "/sign-in/password",
        factor: password::NAME,
        instead: "Use your password instead",
    },
    Page { step: "code", address: "/sign-in/code", factor: totp::NAME, instead: "Use your authenticator app instead" },
    Page { step: "message", address: "/sign-in/message", factor: message::NAME, instead: "Have a code sent instead" },
    Page {
        step: "recovery",
        address: "/sign-in/recovery",
        factor: recovery_code::NAME,
        instead: "Use a recovery code instead",
    },
];

/// What the page of this name asks for.
pub(super) fn factor_of(step: &str) -> Option<FactorName> {
    STEPS.iter().find(|page| page.step == step).map(|page| page.factor)
}

/// Where it is asked for.
pub(super) fn address_of(factor: FactorName) -> &'static str {
    STEPS.iter().find(|page| page.factor == factor).map_or("/sign-in/password", |page| page.address)
}

/// What the person may answer with instead of `factor`: what is asked for first, the others, and a recovery code; and
/// where `another` passkey is to be had.
pub(super) fn ways_instead<'a>(begun: &Begun, factor: FactorName, another: &'a str) -> Vec<Link<'a>> {
    let first = match begun.next {
        Next::Ask(first) => Some(first),
        Next::Done | Next::Enrol(_) | Next::Lapsed | Next::Impossible => None,
    };
    let recovery = begun.recoverable.then_some(recovery_code::NAME);
    let all = first.into_iter().chain(begun.others.iter().copied()).chain(recovery).filter(|other| *other != factor);
    let link = |other| STEPS.iter().find(|page| page.factor == other);
    let mut links: Vec<Link<'a>> =
        all.filter_map(link).map(|page| Link { label: page.instead, href: page.address }).collect();
    // In a sign-in a recovery code is the way on; whoever is signed in goes on to what helps, or back.
    if let (Purpose::StepUp(_), passkey::NAME, true) = (&begun.attempt.purpose, factor, links.is_empty()) {
        links.push(Link { label: "I don’t have it here", href: another });
        links.push(Link { label: "Go to your account", href: "/" });
    }
    links
}
