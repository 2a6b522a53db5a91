//! The pages for somebody who has lost something: what still works after a recovery, and what helps where a passkey is
//! asked for that is not here; knows not who may do what.

use super::account::{Way, rows_of};
use super::part::{Form, Link, Look, submit};
use super::passkey::News;
use super::shell::{Shell, Width};
use crate::stdx::clock::Time;
use maud::{Markup, html};

/// What [`which_lost`] shows.
#[derive(Clone, Copy, Debug)]
pub struct WhichLost<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What the account had before and that still works.
    pub ways: &'a [Way<'a>],
    /// The time now, from which times past are told.
    pub now: Time,
    /// Where one goes on who has lost none of them.
    pub onward: Link<'a>,
    /// What was done a moment ago.
    pub news: Option<News<'a>>,
}

/// Everything that still works after a recovery, to remove what was lost.
pub fn which_lost(view: &WhichLost) -> Markup {
    let content = html! {
        div.heading {
            h1 { "Which of these have you lost?" }
            p.lead {
                "You came in with a recovery code, and what you set up just now works from now on. These still work, too: "
                "remove what you have lost, or whoever finds it may sign in with it."
            }
        }
        @if let Some(news) = &view.news { (news.draw()) }
        section aria-label="What still works" {
            (rows_of(view.ways, view.now))
            div.actions { (view.onward.button(Look::Primary)) }
        }
    };
    let (title, script) = ("Which of these have you lost?", News::script(view.news.as_ref()));
    Shell { width: Width::Account, script, ..Shell::form(view.portal, title) }.around(content)
}

/// What [`without_passkey`] shows.
#[derive(Clone, Copy, Debug)]
pub struct WithoutPasskey<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// The host that asks for a passkey; `None`: the portal itself, before a change.
    pub host: Option<&'a str>,
    /// Signs out and begins again; `None` if the account has no recovery codes left.
    pub recover: Option<Form<'a>>,
    /// Where the passkey is asked for.
    pub back: &'a str,
}

/// What helps somebody whose passkey is not here.
pub fn without_passkey(view: &WithoutPasskey) -> Markup {
    let title = "You don’t have your passkey here?";
    let content = html! {
        h1 { (title) }
        p.lead {
            @match view.host {
                Some(host) => { strong { (host) } " asks for a passkey, and nothing else that you have counts there." }
                None => {
                    "Whoever changes how you sign in has to prove the strongest that your account has, and that is a "
                    "passkey."
                }
            }
            " If it is on another device, or on a security key, you can do it there."
        }
        @if let Some(form) = &view.recover {
            p.lead {
                "If it is lost: sign in again with your password, and choose “Use a recovery code instead”. Then you can "
                "set up another one, and remove the one you lost."
            }
            (form.around(submit("Sign in again", Look::Primary)))
        } @else {
            p.lead { "If it is lost: ask your administrator for a new enrolment link. You have no recovery codes left." }
        }
        ul.others {
            li { (Link { label: "Back to your passkey", href: view.back }.plain()) }
            li { (Link { label: "Go to your account", href: "/" }.plain()) }
        }
    };
    Shell::form(view.portal, title).around(content)
}
