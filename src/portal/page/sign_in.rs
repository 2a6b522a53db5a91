//! The pages on which a person proves who they are, at a sign-in or again later; knows not what proof is enough.

use super::part::{Field, Focus, Form, Input, Link, Look, Notice, field, submit};
use super::passkey::{self, Asking, Gone, Kind, Start};
use super::shell::Shell;
use super::wording::{Asked, age};
use maud::{Markup, html};
use std::time::Duration;

/// What [`sign_in`] shows.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// Sends [`field::NAME`] and [`field::PASSWORD`]; `None` if there are no passwords here.
    pub form: Option<Form<'a>>,
    /// Sends what a passkey answers; `None` if there are no passkeys here.
    pub passkey: Option<Form<'a>>,
    /// What the person is on the way to; `None` if that is the portal itself.
    pub errand: Option<Errand<'a>>,
    /// What was typed as a name before; empty at first.
    pub name: &'a str,
    /// Said above the form.
    pub notice: Option<Notice<'a>>,
    /// What it is about.
    pub asked: Asked,
    /// A passkey that was tried and is not known here.
    pub gone: Option<Gone<'a>>,
}

/// What somebody is on the way to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand<'a> {
    /// A page of this host.
    Host(&'a str),
    /// To send a form to this host, which is kept meanwhile.
    Form(&'a str),
    /// To let a program act for them.
    Program,
}

/// User name and password: how a sign-in begins.
pub fn sign_in(view: &SignIn) -> Markup {
    let focus = if view.name.is_empty() { (Focus::Here, Focus::Elsewhere) } else { (Focus::Elsewhere, Focus::Here) };
    let name = Field {
        name: field::NAME,
        label: "User name",
        input: if view.passkey.is_some() { Input::NameOrPasskey } else { Input::Name },
        value: view.name,
        hint: None,
        notice: view.notice,
        focus: focus.0,
    };
    let password =
        Field { name: field::PASSWORD, label: "Password", input: Input::Password, value: "", focus: focus.1, ..name };
    // Whoever has just been refused is not offered the same again before they want it.
    let refused = view.asked == Asked::Passkey && view.notice.is_some();
    let start = if view.form.is_some() && !refused { Start::WithName } else { Start::Pressed };
    let content = html! {
        h1 { "Sign in" }
        (towards(view.errand))
        @if let Some(notice) = view.notice { (notice.draw(view.asked)) }
        @if let Some(gone) = &view.gone { (gone.draw()) }
        @if let Some(form) = &view.form {
            (form.around(html! { (name.draw()) (password.draw()) (submit("Sign in", Look::Primary)) }))
        }
        @if let Some(form) = view.passkey {
            (passkey::ceremony(&Asking {
                form,
                occasion: "sign-in",
                kind: Kind::Get(start),
                label: "Sign in with a passkey",
                look: if view.form.is_some() { Look::Quiet } else { Look::Primary },
                above: html! { @if view.form.is_some() { p.or { span { "or" } } } },
            }))
        }
    };
    let shell = if view.passkey.is_some() { Shell::passkeys } else { Shell::form };
    shell(view.portal, "Sign in").around(content)
}

/// What the pages for one more proof of an account already named show.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// Sends [`field::PASSWORD`] or [`field::CODE`].
    pub form: Form<'a>,
    /// What the person is on the way to; `None` if that is the portal itself.
    pub errand: Option<Errand<'a>>,
    /// The account's name as typed at the start.
    pub account: &'a str,
    /// Why this proof is asked for.
    pub reason: Reason,
    /// Other ways to give it, for example `Use a recovery code instead`.
    pub others: &'a [Link<'a>],
    /// Where somebody else starts again.
    pub restart: &'a str,
    /// Said above the form.
    pub notice: Option<Notice<'a>>,
}

/// Why one more proof is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It completes a sign-in.
    SignIn,
    /// The page asked for needs a proof no older than this.
    Older(Duration),
    /// The page asked for needs a stronger proof than the session has.
    Stronger,
    /// The person is about to change how they sign in.
    Change,
    /// What the account confirmed a sign-in with is not accepted any more.
    Lapsed,
}

/// Six digits from an authenticator app.
pub fn authenticator_code(view: &Prompt) -> Markup {
    let code = Field {
        name: field::CODE,
        label: "Code from your authenticator app",
        input: Input::Digits,
        value: "",
        hint: Some("The six digits shown for this account. They change every 30 seconds."),
        notice: view.notice,
        focus: Focus::Here,
    };
    prompt(view, "Enter your code", Asked::AuthenticatorCode, &code)
}

/// A recovery code, for somebody who has lost what else is asked for.
pub fn recovery_code(view: &Prompt) -> Markup {
    let code = Field {
        name: field::CODE,
        label: "Recovery code",
        input: Input::RecoveryCode,
        value: "",
        hint: Some(
            "One of the codes you saved at set-up. It works once, and lets you set up a new way to confirm it’s you.",
        ),
        notice: view.notice,
        focus: Focus::Here,
    };
    prompt(view, "Use a recovery code", Asked::RecoveryCode, &code)
}

/// The password once more, for a session whose password has grown too old.
pub fn password_again(view: &Prompt) -> Markup {
    let password = Field {
        name: field::PASSWORD,
        label: "Password",
        input: Input::Password,
        value: "",
        hint: None,
        notice: view.notice,
        focus: Focus::Here,
    };
    prompt(view, "Enter your password", Asked::Password, &password)
}

pub(super) fn prompt_with(view: &Prompt, (title, asked): (&'static str, Asked), form: Markup) -> Markup {
    let title = match view.reason {
        Reason::SignIn | Reason::Lapsed => title,
        Reason::Older(_) | Reason::Stronger | Reason::Change => "Confirm it’s you",
    };
    let content = html! {
        h1 { (title) }
        (why(view))
        (who(view))
        @if let Some(notice) = view.notice { (notice.draw(asked)) }
        (form)
        @if !view.others.is_empty() {
            ul.others { @for other in view.others { li { (other.plain()) } } }
        }
    };
    let shell = if asked == Asked::Passkey { Shell::passkeys } else { Shell::form };
    shell(view.portal, title).around(content)
}

fn prompt(view: &Prompt, title: &'static str, asked: Asked, answer: &Field) -> Markup {
    let form = view.form.around(html! {
        // Password managers look for the name beside the password; the person sees it above.
        @if asked == Asked::Password {
            input type="text" autocomplete="username" aria-label="User name" value=(view.account) readonly hidden;
        }
        (answer.draw())
        (submit("Continue", Look::Primary))
    });
    prompt_with(view, (title, asked), form)
}

pub(super) fn why(view: &Prompt) -> Markup {
    let sentence = match view.reason {
        Reason::SignIn => return towards(view.errand),
        Reason::Older(most) => {
            format!("This page asks you to sign in again if that was more than {} ago.", age(most))
        }
        Reason::Stronger => "This page needs a stronger proof than the one you signed in with.".to_owned(),
        Reason::Lapsed => {
            "What you confirmed your sign-in with is not accepted here any more. With a recovery code you can set up \
             something else."
                .to_owned()
        }
        Reason::Change => "Before you change how you sign in, prove once more that it is you.".to_owned(),
    };
    html! {
        p.lead {
            (sentence)
            @match view.errand {
                Some(Errand::Host(host)) => { " You will return to " strong { (host) } "." }
                Some(Errand::Form(host)) => { " You will return to " strong { (host) } ". " (KEPT) }
                Some(Errand::Program) | None => {}
            }
        }
    }
}

/// Said while a form waits.
const KEPT: &str = "Your form is kept and can be sent afterwards.";

fn towards(errand: Option<Errand>) -> Markup {
    html! {
        @match errand {
            Some(Errand::Host(host)) => { p.lead { "to continue to " strong { (host) } } }
            Some(Errand::Form(host)) => { p.lead { "to continue to " strong { (host) } ". " (KEPT) } }
            Some(Errand::Program) => { p.lead { "to connect a program" } }
            None => {}
        }
    }
}

pub(super) fn who(view: &Prompt) -> Markup {
    let initial = view.account.chars().next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    html! {
        div.who {
            span.initial aria-hidden="true" { (initial) }
            span.name { (view.account) }
            a href=(view.restart) { "Not you?" span.unseen { " Start again" } }
        }
    }
}
