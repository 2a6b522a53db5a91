//! The page a browser gets when the gateway says no: what failed, what helps, which ids to quote; decides nothing.

use super::message::ids;
use super::part::{Link, Look};
use super::shell::Shell;
use super::wording::prose;
use maud::{Markup, html};

/// What [`refused`] shows.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// The HTTP status of the response.
    pub status: u16,
    /// What happened, in a few words; [`words_for`] has them for each status.
    pub title: &'a str,
    /// What it means for the person, in a sentence or two.
    pub sentence: &'a str,
    /// What exactly is wrong, in a sentence with code between backticks; `None` if there is no more to say.
    pub detail: Option<&'a str>,
    /// The conditions that failed; empty where the reason is not the person's to know.
    pub findings: &'a [Finding<'a>],
    /// What `portcullis explain` resolves; `None` if nothing was decided.
    pub decision: Option<&'a str>,
    /// `X-Request-Id`.
    pub request: &'a str,
    /// The one thing to do next, if there is one.
    pub action: Option<Link<'a>>,
}

/// One condition that failed, in words for the person.
#[derive(Clone, Copy, Debug)]
pub struct Finding<'a> {
    /// What is asked for, for example `Groups`.
    pub condition: &'a str,
    /// What the request had.
    pub has: &'a str,
    /// What it needs.
    pub needs: &'a str,
    /// What would help; `None` if nothing the person can do.
    pub remedy: Option<&'a str>,
}

/// A refusal or failure.
pub fn refused(view: &Refused) -> Markup {
    // Where conditions failed, whoever can change that comes first.
    let look = if view.findings.is_empty() { Look::Primary } else { Look::Quiet };
    let content = html! {
        p.status { "Error " (view.status) }
        h1 { (view.title) }
        p.lead { (view.sentence) }
        @if let Some(detail) = view.detail { p.detail { (prose(detail)) } }
        @if !view.findings.is_empty() {
            ul.findings { @for finding in view.findings { (found(finding)) } }
        }
        @if let Some(action) = view.action { (action.button(look)) }
        p.hint {
            @if view.status < 500 { "If you think this is wrong" } @else { "If it stays like this" }
            ", tell your administrator and quote the "
            @if view.decision.is_some() { "decision" } @else { "request" } " below."
        }
        (ids(&[("Decision", view.decision), ("Request", Some(view.request))]))
    };
    Shell::form(view.portal, view.title).around(content)
}

fn found(finding: &Finding) -> Markup {
    html! {
        li {
            h2 { (finding.condition) }
            dl {
                div { dt { "Needed" } dd { (finding.needs) } }
                div { dt { "You have" } dd { (finding.has) } }
            }
            @if let Some(remedy) = finding.remedy { p { (remedy) } }
        }
    }
}

/// The title and sentence for an HTTP status: what happened, and what the person can do. They tell nothing of routes,
/// pools or members.
pub const fn words_for(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => (
            "This request can’t be read",
            "It is written in a way that two servers could read differently, so it was stopped here. Check the \
             address, or go back and take another way to this page.",
        ),
        401 => ("Please sign in", "This page is for people who are signed in."),
        403 => (
            "You don’t have access to this page",
            "You are signed in, but this page asks for something your account or your connection does not have.",
        ),
        404 => ("There is nothing here", "The address may be mistyped, or the page may have moved."),
        405 => (
            "That can’t be done here",
            "This address does not take the kind of request that was sent. Go back, and try again from the page before.",
        ),
        408 => ("That took too long", "The request did not arrive in time. Please try again."),
        413 => ("That is too large", "What was sent is larger than this page accepts."),
        414 => (
            "This address is too long",
            "It is longer than any page here needs. Check it, or go back and take another way to this page.",
        ),
        421 => (
            "This site isn’t served here",
            "The name in the address leads here, but no site of that name is served. Check the address.",
        ),
        429 => (
            "Too many requests",
            "More requests came than this page accepts. Nothing is wrong with your account: wait a little, then try \
             again.",
        ),
        431 => (
            "This request is too large",
            "It carries more headers or cookies than are accepted. Clearing the cookies of this site may help.",
        ),
        502 => (
            "The service gave no proper answer",
            "Your request was allowed, but the service behind it failed to answer. Please try again in a moment.",
        ),
        503 => (
            "This service is not available now",
            "Nothing is wrong with your account or your request. Please try again in a moment.",
        ),
        504 => (
            "The service did not answer in time",
            "Your request was allowed, but the service behind it took too long. Please try again in a moment.",
        ),
        _ if status < 500 => ("This request was refused", "It can’t be answered as it was sent."),
        _ => (
            "Something went wrong here",
            "It is our fault, not yours, and it has been recorded. Please try again in a moment.",
        ),
    }
}

/// The one thing to do next, if a link can do it: once more where the trouble may pass, else the front page where the
/// site exists.
pub const fn way_on(status: u16) -> Option<Link<'static>> {
    match status {
        408 | 429 | 500..=599 => Some(Link { label: "Try again", href: SAME_ADDRESS }),
        400 | 404 | 405 | 414 => Some(FRONT_PAGE),
        _ => None,
    }
}

/// The front page of the site.
pub const FRONT_PAGE: Link = Link { label: "Go to the front page", href: "/" };

/// A reference to the page that holds it (RFC 3986 §4.4).
const SAME_ADDRESS: &str = "";
