//! The pages that say why a sign-in cannot go on, and what to do; knows not how it came to that.

use super::part::{Link, Look};
use super::shell::Shell;
use super::wording::span;
use maud::{Markup, html};
use std::borrow::Cow;
use std::time::Duration;

/// What [`message`] shows.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What happened.
    pub subject: Subject<'a>,
    /// The one thing to do next, if there is one.
    pub action: Option<Link<'a>>,
    /// `X-Request-Id`, for whoever is asked for help.
    pub request: &'a str,
}

/// Why a sign-in or set-up cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A link was followed that has expired, was used before or was withdrawn, or that never was one.
    LinkSpent,
    /// The sign-in was left lying too long, or ended elsewhere.
    AttemptEnded,
    /// There were too many attempts; the next is possible after this long.
    TooMany(Duration),
    /// More people sign in than can be served now.
    Busy,
    /// A form came from another site, or from a page that is out of date.
    FormStale,
    /// The browser keeps no cookies for this host.
    NoCookies(&'a str),
    /// A set-up that a link began was left lying too long, or ended elsewhere.
    SetUpEnded,
    /// The same, unless the browser keeps no cookies for this host: nothing tells the two apart.
    SetUpLost(&'a str),
    /// A form that waited for a proof was sent, or waited too long, or is another's.
    FormGone,
    /// The same as [`Subject::SetUpEnded`], of one that somebody began who is signed in.
    ChangeEnded,
}

/// A sentence or two and at most one thing to do.
pub fn message(view: &Message) -> Markup {
    let title = view.subject.title();
    let content = html! {
        h1 { (title) }
        p.lead { (view.subject.sentence()) }
        @if let Some(action) = view.action { (action.button(Look::Primary)) }
        (ids(&[("Request", Some(view.request))]))
    };
    Shell::form(view.portal, title).around(content)
}

/// Identifiers to quote when asking for help; those that are missing are left out.
pub(super) fn ids(ids: &[(&str, Option<&str>)]) -> Markup {
    html! {
        dl.ids {
            @for (name, id) in ids {
                @if let Some(id) = id { div { dt { (name) } dd { code { (id) } } } }
            }
        }
    }
}

/// What whoever came by a link can do.
const OPEN_AGAIN: &str = "Open your link again; it is good until you finish.";

impl Subject<'_> {
    /// No heading breaks at the hyphens in it.
    const fn title(self) -> &'static str {
        match self {
            Subject::LinkSpent => "This link no longer works",
            Subject::AttemptEnded => "This sign\u{2011}in has expired",
            Subject::TooMany(_) => "Too many attempts",
            Subject::Busy => "Please try again in a moment",
            Subject::FormStale => "That page was out of date",
            Subject::NoCookies(_) => "Please allow cookies",
            Subject::FormGone => "There is no form to send",
            Subject::SetUpLost(_) => "This set\u{2011}up cannot go on",
            Subject::SetUpEnded | Subject::ChangeEnded => "This set\u{2011}up has expired",
        }
    }

    fn sentence(self) -> Cow<'static, str> {
        match self {
            Subject::LinkSpent => {
                "It has expired, it was used before, or it was withdrawn. Ask your administrator for a new one.".into()
            }
            Subject::AttemptEnded => {
                "For your safety a sign-in must be finished within a few minutes. Start again; nothing is lost.".into()
            }
            Subject::TooMany(wait) => {
                format!("There were too many attempts to sign in. You can try again in {}.", span(wait)).into()
            }
            Subject::Busy => {
                "More people are signing in than we can serve at once. Wait a few seconds, then try again.".into()
            }
            Subject::FormStale => "The form you sent came from an old page or from another site, so nothing was \
                changed. Start again from here."
                .into(),
            Subject::NoCookies(host) => format!(
                "Your browser does not keep cookies for {host}, and nobody can sign in without them. Allow them and \
                 start again."
            )
            .into(),
            Subject::FormGone => "It was sent already, or waited for more than an hour. Nothing is sent twice.".into(),
            Subject::SetUpEnded => OPEN_AGAIN.into(),
            Subject::SetUpLost(host) => {
                format!("It has ended, or your browser does not keep cookies for {host}: allow them. {OPEN_AGAIN}")
                    .into()
            }
            Subject::ChangeEnded => {
                "It was left lying too long, or has ended already. You can begin again from your account.".into()
            }
        }
    }
}
