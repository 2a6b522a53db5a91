//! The pages on which a person lets a program act for them: typing its code, being told what it is, deciding; knows not
//! what it gets.

use super::part::{Field, Focus, Form, Input, Link, Look, Notice, field};
use super::shell::Shell;
use super::wording::{Asked, ago};
use crate::stdx::clock::Time;
use maud::{Markup, html};
use std::net::IpAddr;

/// What [`enter_code`] shows.
#[derive(Clone, Copy, Debug)]
pub struct EnterCode<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// Sends [`field::USER_CODE`].
    pub form: Form<'a>,
    /// The code as it was typed before; empty at first.
    pub code: &'a str,
    /// Said above the form.
    pub notice: Option<Notice<'a>>,
}

/// Where the code that a program shows is typed.
pub fn enter_code(view: &EnterCode) -> Markup {
    let code = Field {
        name: field::USER_CODE,
        label: "Code",
        input: Input::UserCode,
        value: view.code,
        hint: Some("Eight letters, as your program shows them."),
        notice: view.notice,
        focus: Focus::Here,
    };
    let content = html! {
        h1 { "Connect a program" }
        p.lead {
            "Type the code that a program on your own computer shows you. Nobody else may give you one: not by mail, not "
            "by phone, not in a chat."
        }
        @if let Some(notice) = view.notice { (notice.draw(Asked::FirstCode)) }
        (view.form.around(html! { (code.draw()) (super::part::submit("Continue", Look::Primary)) }))
        ul.others { li { a href="/" { "Cancel" } } }
    };
    Shell::form(view.portal, "Connect a program").around(content)
}

/// What [`decide`] shows.
#[derive(Clone, Copy, Debug)]
pub struct Decide<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// Sends [`field::DECISION`].
    pub form: Form<'a>,
    /// The account that the program would act for.
    pub account: &'a str,
    /// What the program calls itself.
    pub client: &'a str,
    /// The host it wants to use; `None`: every one.
    pub host: Option<&'a str>,
    /// Where it runs.
    pub place: Place<'a>,
    /// The time now.
    pub now: Time,
}

/// Where a program runs that asks.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Elsewhere, perhaps: it shows a code, and asked from an address at a time.
    Elsewhere {
        /// The code that the person compares.
        code: &'a str,
        /// The address.
        address: IpAddr,
        /// When.
        at: Time,
    },
    /// On the machine of this very browser.
    Here,
}

/// What is sent with the button that says yes.
pub const APPROVE: &str = "approve";

/// What is sent with the one that says no.
const DENY: &str = "deny";

/// Who asks for what, and a yes and a no.
pub fn decide(view: &Decide) -> Markup {
    let content = html! {
        h1 { "Connect this program?" }
        p.lead {
            "A program that calls itself " strong { (view.client) } " asks to act as " strong { (view.account) }
            @match view.host {
                Some(host) => { " on " strong { (host) } "." }
                None => { " on every site that you can reach here." }
            }
        }
        @match view.place {
            Place::Elsewhere { code, address, at } => {
                p { "It asked from " strong { (address) } ", " (ago(at, view.now)) ", and shows this code:" }
                code.key.large { (code) }
                p.lead {
                    "Go on only if you started it yourself, just now, and it shows this same code. Nobody may ask you to "
                    "approve one of theirs."
                }
            }
            Place::Here => {
                p { "It runs on this computer. Go on only if you started it yourself, just now." }
            }
        }
        (view.form.around(html! {
            button class=(Look::Primary.class()) type="submit" name=(field::DECISION) value=(APPROVE) { "Approve" }
            button class=(Look::Quiet.class()) type="submit" name=(field::DECISION) value=(DENY) { "Deny" }
        }))
    };
    Shell::form(view.portal, "Connect this program?").around(content)
}

/// What [`decided`] shows.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What the program calls itself.
    pub client: &'a str,
    /// What was said.
    pub said: Said,
}

/// What a person said to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Yes.
    Approved,
    /// No.
    Denied,
}

/// That it is done.
pub fn decided(view: &Decided) -> Markup {
    let (title, sentence) = match view.said {
        Said::Approved => (
            "The program is connected",
            html! {
                strong { (view.client) } " goes on by itself in a moment. You find it among your devices, where you can "
                "sign it out. You may close this page."
            },
        ),
        Said::Denied => (
            "The program was not connected",
            html! {
                strong { (view.client) } " got nothing. If you did not start it, somebody tried to use your account: "
                "tell your administrator."
            },
        ),
    };
    let content = html! {
        h1 { (title) }
        p.lead { (sentence) }
        (Link { label: "Go to your account", href: "/" }.button(Look::Quiet))
    };
    Shell::form(view.portal, title).around(content)
}
