//! Pages for what did not work, each with a way on; says nothing that a stranger should not know.

use super::page::{self, Finding, Link, Message, Refused, Subject};
use super::sign_in::TO;
use super::{Ask, Trouble, respond};
use crate::factor::Rejection;
use crate::login::Stop;
use crate::policy::Line;
use crate::reply::Answer;
use crate::session::cookie::Name;
use http::{StatusCode, header};

/// The condition that another account may fulfil.
const GROUPS: &str = "groups";

/// The condition that programs alone fulfil: a person who came by is better off elsewhere on the site.
const BOUND: &str = "bound";

/// The page of a refusal by the gateway, for the edge, which knows no pages.
pub fn refusal(
    (portal, status): (&str, u16),
    sentence: Option<&str>,
    lines: &[Line],
    (decision, request): (Option<&str>, &str),
) -> String {
    let (title, usual) = page::words_for(status);
    let failed: Vec<&Line> = lines.iter().filter(|line| !line.holds).collect();
    let said: Vec<(String, String, String)> = failed
        .iter()
        .map(|line| (capitalised(line.condition), needed(line), capitalised(&line.remedy) + "."))
        .collect();
    let findings: Vec<Finding<'_>> = failed
        .iter()
        .zip(&said)
        .map(|(line, (condition, needs, remedy))| Finding {
            condition,
            has: &line.has,
            needs,
            remedy: (!line.remedy.is_empty()).then_some(remedy),
        })
        .collect();
    // Where a policy said no the findings say it all.
    let detail = sentence.filter(|_| findings.is_empty() && (status == 400 || status == 503));
    let detail = detail.map(|sentence| capitalised(sentence) + ".");
    let fails = |condition| failed.iter().any(|line| line.condition == condition);
    let action = match (fails(GROUPS), fails(BOUND)) {
        (true, _) => Some(Link { label: "Use another account", href: "/.portcullis/sign-out" }),
        (false, true) => Some(page::FRONT_PAGE),
        (false, false) => page::way_on(status),
    };
    let view = Refused {
        portal,
        status,
        title,
        sentence: usual,
        detail: detail.as_deref(),
        findings: &findings,
        decision,
        request,
        action,
    };
    page::refused(&view).into_string()
}

/// What a condition needs, in words for people who have never seen a policy.
fn needed(line: &Line) -> String {
    let groups = line.needs.strip_prefix("any of ").filter(|names| line.condition == GROUPS && !names.is_empty());
    match groups {
        Some(names) if names.contains(", ") => format!("one of the groups {names}"),
        Some(name) => format!("the group {name}"),
        None => line.needs.clone(),
    }
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

/// The answer to what a page's logic gave up on.
pub(super) fn trouble(ask: &Ask<'_>, trouble: Trouble) -> Answer {
    match trouble {
        Trouble::Stop(stop) => stopped(ask, &stop),
        Trouble::Foreign => subject(ask, StatusCode::FORBIDDEN, Subject::FormStale),
        Trouble::NoCookies => subject(ask, StatusCode::FORBIDDEN, Subject::NoCookies(ask.host)),
        Trouble::SetUpEnded => subject(ask, StatusCode::GONE, Subject::SetUpEnded),
        Trouble::SetUpLost => subject(ask, StatusCode::FORBIDDEN, Subject::SetUpLost(ask.host)),
        Trouble::ChangeEnded => subject(ask, StatusCode::GONE, Subject::ChangeEnded),
        Trouble::NoPage => refused(ask, StatusCode::NOT_FOUND, None),
        Trouble::NoMethod(allowed) => {
            let mut answer = refused(ask, StatusCode::METHOD_NOT_ALLOWED, None);
            answer.field(header::ALLOW, allowed);
            answer
        }
    }
}

fn stopped(ask: &Ask<'_>, stop: &Stop) -> Answer {
    match stop {
        Stop::Gone => subject(ask, StatusCode::GONE, Subject::AttemptEnded),
        Stop::Rejected(rejection) => rejected(ask, rejection),
        Stop::Down(_) => {
            let mut answer = refused(ask, StatusCode::SERVICE_UNAVAILABLE, Some(DOWN));
            answer.field(header::RETRY_AFTER, "5");
            answer
        }
    }
}

const DOWN: &str = "Nobody can sign in or change anything at the moment. Please try again shortly.";

fn rejected(ask: &Ask<'_>, rejection: &Rejection) -> Answer {
    let (status, said) = match rejection {
        Rejection::Wait(until) => (StatusCode::TOO_MANY_REQUESTS, Subject::TooMany(until.since(ask.now))),
        Rejection::Busy => (StatusCode::SERVICE_UNAVAILABLE, Subject::Busy),
        Rejection::Wrong
        | Rejection::Weak(_)
        | Rejection::NotAllowed
        | Rejection::Copied
        | Rejection::Clock
        | Rejection::Locked => (StatusCode::UNPROCESSABLE_ENTITY, Subject::AttemptEnded),
    };
    subject(ask, status, said).retry_after(Some(rejection), ask.now)
}

/// A message with a way to start again.
pub(super) fn subject(ask: &Ask<'_>, status: StatusCode, subject: Subject<'_>) -> Answer {
    let (portal, home) = (portal_name(ask), home(ask));
    let action = match subject {
        Subject::LinkSpent => Some(Link { label: "Sign in", href: &home }),
        // Whoever is being enrolled has nothing to sign in with: the link is the only way on.
        Subject::SetUpEnded | Subject::SetUpLost(_) => None,
        Subject::FormGone => Some(Link { label: "Go on", href: "/" }),
        Subject::ChangeEnded => Some(Link { label: "Go to your account", href: "/" }),
        Subject::AttemptEnded | Subject::TooMany(_) | Subject::Busy | Subject::FormStale | Subject::NoCookies(_) => {
            Some(Link { label: "Start again", href: &home })
        }
    };
    respond::page(status, page::message(&Message { portal, subject, action, request: &ask.request }), None)
}

/// A page for a status.
pub(super) fn refused(ask: &Ask<'_>, status: StatusCode, sentence: Option<&str>) -> Answer {
    let (portal, home) = (portal_name(ask), home(ask));
    let (title, usual) = page::words_for(status.as_u16());
    let again = Some(Link { label: "Start again", href: &home });
    let view = Refused {
        portal,
        status: status.as_u16(),
        title,
        sentence: sentence.unwrap_or(usual),
        detail: None,
        findings: &[],
        decision: None,
        request: &ask.request,
        action: page::way_on(status.as_u16()).filter(|_| sentence.is_none()).or(again),
    };
    respond::page(status, page::refused(&view), None)
}

fn portal_name<'a>(ask: &Ask<'a>) -> &'a str {
    ask.plan.map_or("Portcullis", |portal| &portal.name)
}

/// Where one starts again: on the portal a sign-in, on the way to where the last one was going.
fn home(ask: &Ask<'_>) -> String {
    let way = ask.cookie(Name::Destination).and_then(|text| std::str::from_utf8(text).ok());
    // Only what a ticket can be made of: the cookie may be anybody's.
    let sealed = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    match (ask.portal, way.filter(sealed)) {
        (Some(_), Some(text)) => format!("/sign-in?{TO}={text}"),
        (Some(_), None) => "/sign-in".to_owned(),
        (None, _) => "/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(condition: &'static str, needs: &str) -> String {
        let (has, remedy) = (String::new(), String::new());
        needed(&Line { condition, holds: false, has, needs: needs.to_owned(), remedy })
    }

    #[test]
    fn people_read_which_group_they_lack_and_no_word_of_a_policy() {
        assert_eq!(said("groups", "any of admin"), "the group admin");
        assert_eq!(said("groups", "any of admin, boss"), "one of the groups admin, boss");
        assert_eq!(said("groups", "any of "), "any of ");
        assert_eq!(said("networks", "any of 10.0.0.0/8"), "any of 10.0.0.0/8");
    }
}
