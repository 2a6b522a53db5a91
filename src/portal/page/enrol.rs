//! The pages on which a person sets up ways to sign in, for the first time or anew; knows not which an account needs.

use super::icon;
use super::part::{Field, Focus, Form, Input, Link, Look, Notice, field, submit};
use super::shell::Shell;
use super::wording::{Asked, date};
use crate::stdx::clock::Time;
use maud::{Markup, html};

/// One step of setting up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// [`choose_password`].
    Password,
    /// [`scan_key`].
    Scan,
    /// [`confirm_app`].
    Confirm,
    /// [`super::choose_contact`].
    Contact,
    /// [`super::confirm_contact`].
    Sent,
    /// [`save_codes`].
    Codes,
    /// [`create_passkey`](super::create_passkey).
    Passkey,
    /// [`choose_way`](super::choose_way), and whatever is chosen there.
    Choice,
}

/// Why a person sets something up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The account is new, or begins anew.
    FirstTime,
    /// A recovery code let them in.
    Recovery(Before),
    /// They change something, or a page needs more than they have.
    Change,
}

/// What an account has of a kind that is set up in a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// None.
    Nothing,
    /// One or more, which the new one replaces.
    Replaced,
}

/// What a step belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Journey<'a> {
    /// Why.
    pub occasion: Occasion,
    /// The same in a sentence, where a service asked for it.
    pub because: Option<&'a str>,
    /// Where something else can be set up in its place; `None` if there is nothing else.
    pub instead: Option<&'a str>,
    /// The steps in order, shown as a list unless there is but one.
    pub steps: &'a [Step],
    /// Where one leaves it without a change, and what that is called; `None` if there is nowhere to go.
    pub leave: Option<Link<'a>>,
}

/// What [`choose_password`] shows.
#[derive(Clone, Copy, Debug)]
pub struct ChoosePassword<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What this step belongs to.
    pub journey: Journey<'a>,
    /// Sends [`field::NEW_PASSWORD`] and [`field::REPEATED`].
    pub form: Form<'a>,
    /// The account's name.
    pub account: &'a str,
    /// The fewest characters a password may have.
    pub least: usize,
    /// Said above the form.
    pub notice: Option<Notice<'a>>,
}

/// A new password, typed twice; in a first set-up also the welcome.
pub fn choose_password(view: &ChoosePassword) -> Markup {
    let rules = format!(
        "At least {} characters, of any kind: a few unrelated words work well. \
         Easily guessed passwords are refused.",
        view.least
    );
    let first = Field {
        name: field::NEW_PASSWORD,
        label: "New password",
        input: Input::NewPassword(view.least),
        value: "",
        hint: Some(&rules),
        notice: view.notice,
        focus: Focus::Here,
    };
    let again =
        Field { name: field::REPEATED, label: "The same once more", hint: None, focus: Focus::Elsewhere, ..first };
    let welcome = view.journey.occasion == Occasion::FirstTime;
    let app = view.journey.steps.contains(&Step::Scan);
    let title = if welcome { "Welcome" } else { "Choose a new password" };
    let content = html! {
        (progress(&view.journey, Step::Password))
        h1 { (title) }
        p.lead {
            @if welcome {
                "Set up the account " strong { (view.account) }
                @if app { ". It takes about three minutes and an authenticator app on your phone." }
                @else { ". It takes about three minutes." }
            }
            @else { "For the account " strong { (view.account) } "." }
        }
        @if let Some(notice) = view.notice { (notice.draw(Asked::NewPassword)) }
        (view.form.around(html! {
            input type="text" autocomplete="username" aria-label="User name" value=(view.account) readonly hidden;
            (first.draw())
            (again.draw())
            (submit(if welcome { "Continue" } else { "Change password" }, Look::Primary))
        }))
        (leave(&view.journey))
    };
    Shell::form(view.portal, title).around(content)
}

/// What [`scan_key`] shows.
#[derive(Clone, Copy, Debug)]
pub struct ScanKey<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What this step belongs to.
    pub journey: Journey<'a>,
    /// `otpauth://…`, drawn as a QR code.
    pub uri: &'a str,
    /// The key in base 32, in groups of four.
    pub key: &'a str,
    /// Where [`confirm_app`] is.
    pub next: &'a str,
}

/// A key for an authenticator app: to scan, to open on the same phone, or to type.
pub fn scan_key(view: &ScanKey) -> Markup {
    let on_phone = Some(view.uri).filter(|uri| uri.starts_with("otpauth://"));
    let content = html! {
        (progress(&view.journey, Step::Scan))
        h1 { "Connect your authenticator app" }
        (why(&view.journey))
        @if let Occasion::Recovery(before) = view.journey.occasion {
            p.lead {
                "You came in with a recovery code, which is used up now: connect an authenticator app to go on"
                @if before == Before::Replaced { ", and the one you had before stops working" } "."
            }
        }
        p.lead {
            "Scan this code with an authenticator app, such as the one built into your phone’s password manager."
        }
        @if let Some(code) = icon::qr(view.uri) { (code) }
        div.aside {
            @if let Some(uri) = on_phone { p.on-phone { a href=(uri) { "On this phone? Open your app" } } }
            p { "Can’t scan? Type this key into the app:" }
            code.key { (view.key) }
        }
        (Link { label: "Continue", href: view.next }.button(Look::Primary))
        (ways_out(&view.journey))
    };
    Shell::form(view.portal, "Connect your authenticator app").around(content)
}

/// What [`confirm_app`] shows.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmApp<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What this step belongs to.
    pub journey: Journey<'a>,
    /// Sends [`field::CODE`].
    pub form: Form<'a>,
    /// Where [`scan_key`] is.
    pub back: &'a str,
    /// Said above the form.
    pub notice: Option<Notice<'a>>,
}

/// The first code from the app, which shows that the key has arrived.
pub fn confirm_app(view: &ConfirmApp) -> Markup {
    let code = Field {
        name: field::CODE,
        label: "Code from your authenticator app",
        input: Input::Digits,
        value: "",
        hint: Some("The six digits the app shows now. They change every 30 seconds."),
        notice: view.notice,
        focus: Focus::Here,
    };
    let content = html! {
        (progress(&view.journey, Step::Confirm))
        h1 { "Check that it works" }
        p.lead { "Enter the code that your app shows for this account." }
        @if let Some(notice) = view.notice { (notice.draw(Asked::FirstCode)) }
        (view.form.around(html! { (code.draw()) (submit("Confirm", Look::Primary)) }))
        ul.others { li { a href=(view.back) { "Back to the QR code" } } }
        (ways_out(&view.journey))
    };
    Shell::form(view.portal, "Check that it works").around(content)
}

/// What [`save_codes`] shows.
#[derive(Clone, Copy, Debug)]
pub struct SaveCodes<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What this step belongs to.
    pub journey: Journey<'a>,
    /// Sends nothing but its hidden fields.
    pub form: Form<'a>,
    /// The account's name, for the printed page.
    pub account: &'a str,
    /// The codes.
    pub codes: &'a [String],
    /// When they were made, for the printed page.
    pub made: Time,
}

/// Recovery codes, shown this once; laid out to be copied or printed.
pub fn save_codes(view: &SaveCodes) -> Markup {
    let content = html! {
        (progress(&view.journey, Step::Codes))
        h1 { "Save your recovery codes" }
        p.lead {
            "If you lose " (lost(view.journey.steps)) ", one of these codes and your password let you set up a new one. "
            "Each works once."
            @if view.journey.occasion != Occasion::FirstTime { " They take the place of any codes you had before." }
        }
        ul.codes aria-label="Recovery codes" { @for code in view.codes { li { code { (code) } } } }
        p.hint {
            "Click the codes to select them all. Keep them in a password manager, or print this page: "
            "they will not be shown again."
        }
        p.printed { (view.portal) ", account " (view.account) ", " (date(view.made)) }
        (view.form.around(submit("I have saved them", Look::Primary)))
        (leave(&view.journey))
    };
    Shell::form(view.portal, "Save your recovery codes").around(content)
}

pub(super) fn progress(journey: &Journey, here: Step) -> Markup {
    let at = journey.steps.iter().position(|step| *step == here);
    let (Some(at), 2..) = (at, journey.steps.len()) else { return html! {} };
    html! {
        ol.steps aria-label="Progress" {
            @for (place, step) in journey.steps.iter().enumerate() {
                li class=[(place < at).then_some("done")] aria-current=[(place == at).then_some("step")] {
                    (step.label())
                    @if place < at { span.unseen { " (done)" } }
                }
            }
        }
    }
}

/// What asked for it, and why what the person has does not do.
pub(super) fn why(journey: &Journey) -> Markup {
    html! { @if let Some(because) = journey.because { p.lead { (because) } } }
}

/// What else can be set up, and where one leaves.
pub(super) fn ways_out(journey: &Journey) -> Markup {
    html! {
        @if let Some(href) = journey.instead { ul.others { li { a href=(href) { "Set up something else" } } } }
        (leave(journey))
    }
}

pub(super) fn leave(journey: &Journey) -> Markup {
    html! { @if let Some(link) = journey.leave { ul.others { li { (link.plain()) } } } }
}

/// What may be lost of what was set up on the way.
fn lost(steps: &[Step]) -> &'static str {
    match (steps.contains(&Step::Passkey), steps.contains(&Step::Scan), steps.contains(&Step::Contact)) {
        (true, _, _) => "your passkey",
        (false, true, _) => "your phone",
        (false, false, true) => "that number or address",
        (false, false, false) => "what you confirm it’s you with",
    }
}

impl Step {
    const fn label(self) -> &'static str {
        match self {
            Step::Password => "Password",
            Step::Scan => "Scan",
            Step::Confirm => "Confirm",
            Step::Contact => "Address",
            Step::Sent => "Confirm",
            Step::Codes => "Codes",
            Step::Passkey => "Passkey",
            Step::Choice => "Second step",
        }
    }
}
