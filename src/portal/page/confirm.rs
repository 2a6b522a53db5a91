//! The pages that ask before something ends, and the one that says it has; knows not how anything ends.

use super::part::{Form, Link, Look, submit};
use super::shell::Shell;
use maud::{Markup, html};

/// What [`confirm`] shows.
#[derive(Clone, Copy, Debug)]
pub struct Confirm<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// Sends nothing but its hidden fields: does what is asked.
    pub form: Form<'a>,
    /// What is asked.
    pub question: Question<'a>,
    /// Where one leaves with nothing changed.
    pub cancel: &'a str,
}

/// What a person is asked to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// To remove the way to sign in with this label.
    Remove(&'a str),
    /// To remove all recovery codes.
    RemoveCodes,
    /// To end this many other sessions.
    EndOthers(usize),
    /// To sign this account out here.
    SignOut(&'a str),
    /// To end every session of this account, this one too.
    SignOutEverywhere(&'a str),
}

/// A question with one button; without JavaScript and without a change until it is pressed.
pub fn confirm(view: &Confirm) -> Markup {
    let words = view.question.words();
    let content = html! {
        h1 { (words.title) }
        p.lead { (words.sentence) }
        (view.form.around(submit(words.button, words.look)))
        ul.others { li { a href=(view.cancel) { "Cancel" } } }
    };
    Shell::form(view.portal, words.title).around(content)
}

/// What [`signed_out`] shows.
#[derive(Clone, Copy, Debug)]
pub struct SignedOut<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What ended.
    pub ended: Ended,
    /// Where to sign in again.
    pub sign_in: &'a str,
}

/// What ended with a sign-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The session of this browser.
    Here,
    /// Every session of the account.
    Everywhere,
}

/// That the session has ended, or all of them.
pub fn signed_out(view: &SignedOut) -> Markup {
    let (title, sentence) = match view.ended {
        Ended::Here => ("You are signed out", "Your session has ended for every service you used with it."),
        Ended::Everywhere => {
            ("You are signed out everywhere", "All your sessions have ended, on this device and on every other one.")
        }
    };
    let content = html! {
        h1 { (title) }
        p.lead { (sentence) }
        (Link { label: "Sign in again", href: view.sign_in }.button(Look::Quiet))
    };
    Shell::form(view.portal, "Signed out").around(content)
}

struct Words {
    title: &'static str,
    sentence: Markup,
    button: &'static str,
    look: Look,
}

impl Question<'_> {
    fn words(&self) -> Words {
        match self {
            Question::Remove(label) => Words {
                title: "Remove this way to sign in?",
                sentence: html! {
                    strong { (label) } " will stop working at once, and your other devices will be signed out."
                },
                button: "Remove",
                look: Look::Danger,
            },
            Question::RemoveCodes => Words {
                title: "Remove your recovery codes?",
                sentence: html! {
                    "They will stop working at once, and your other devices will be signed out. If you lose what you "
                    "sign in with after that, only your administrator can let you in again."
                },
                button: "Remove",
                look: Look::Danger,
            },
            Question::EndOthers(count) => Words {
                title: "Sign out all other devices?",
                sentence: html! { (others(*count)) " will have to sign in again. You stay signed in here." },
                button: "Sign them out",
                look: Look::Danger,
            },
            Question::SignOut(account) => Words {
                title: "Sign out?",
                sentence: html! {
                    "You are signed in as " strong { (account) }
                    ". Signing out ends this session for every service you use with it."
                },
                button: "Sign out",
                look: Look::Primary,
            },
            Question::SignOutEverywhere(account) => Words {
                title: "Sign out everywhere?",
                sentence: html! {
                    "Every session of " strong { (account) } " will end, on all devices and on this one too."
                },
                button: "Sign out everywhere",
                look: Look::Danger,
            },
        }
    }
}

fn others(count: usize) -> String {
    if count == 1 { "One other device".to_owned() } else { format!("{count} other devices") }
}
