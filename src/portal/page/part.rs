//! The parts pages are made of: forms, fields, notices, links; knows no page.

use super::icon::Icon;
use super::wording::{Asked, sentence};
use crate::factor::Rejection;
use crate::stdx::clock::Time;
use maud::{Markup, html};

/// The names under which forms send what people typed.
pub mod field {
    /// Proves that the form came from us; in every form.
    pub const CSRF: &str = "csrf";
    /// The account's name.
    pub const NAME: &str = "name";
    /// The password in use.
    pub const PASSWORD: &str = "password";
    /// A password being chosen.
    pub const NEW_PASSWORD: &str = "new_password";
    /// The password being chosen, typed a second time.
    pub const REPEATED: &str = "new_password_again";
    /// A code from an authenticator app (white space is to be forgiven), or a recovery code.
    pub const CODE: &str = "code";
    /// The code that a program shows.
    pub const USER_CODE: &str = "user_code";
    /// What is said to a program that asks.
    pub const DECISION: &str = "decision";
    /// The session to end.
    pub const SESSION: &str = "session";
    /// Where codes shall be sent: a phone number or a mail address.
    pub const CONTACT: &str = "contact";
    /// To which of the places that are known a code shall be sent.
    pub const PLACE: &str = "place";
    /// What a passkey answered, as JSON; written by the script.
    pub const CREDENTIAL: &str = "credential";
    /// What it was asked, sealed; written by the script.
    pub const CEREMONY: &str = "ceremony";
    /// What a passkey is asked for; the script sends it with the question.
    pub const OCCASION: &str = "occasion";
    /// The factor to set up.
    pub const FACTOR: &str = "factor";
    /// What a credential is to be called.
    pub const LABEL: &str = "label";
}

/// Where a form goes, by POST, and what it carries unseen.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// The address it is sent to.
    pub action: &'a str,
    /// The value of [`field::CSRF`].
    pub csrf: &'a str,
    /// Further hidden fields by name, for example the sealed address to return to.
    pub carried: &'a [(&'a str, &'a str)],
}

impl Form<'_> {
    pub(super) fn around(&self, content: Markup) -> Markup {
        html! {
            form method="post" action=(self.action) {
                input type="hidden" name=(field::CSRF) value=(self.csrf);
                @for (name, value) in self.carried { input type="hidden" name=(name) value=(value); }
                (content)
            }
        }
    }
}

/// A place to go.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// What it is called.
    pub label: &'a str,
    /// Its address, which is ours and never a stranger's.
    pub href: &'a str,
}

impl Link<'_> {
    pub(super) fn plain(&self) -> Markup {
        html! { a href=(self.href) { (self.label) } }
    }

    pub(super) fn button(&self, look: Look) -> Markup {
        html! { a class=(look.class()) href=(self.href) { (self.label) } }
    }
}

/// How much a button asks to be pressed.
#[derive(Clone, Copy)]
pub(super) enum Look {
    /// What the page is for.
    Primary,
    /// What one may also do.
    Quiet,
    /// What cannot be undone.
    Danger,
}

impl Look {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Look::Primary => "button",
            Look::Quiet => "button quiet",
            Look::Danger => "button danger",
        }
    }
}

/// A button that sends its form.
pub(super) fn submit(label: &str, look: Look) -> Markup {
    html! { button class=(look.class()) type="submit" { (label) } }
}

/// Something said above a page's content.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// Good or neutral news, in a sentence.
    Told(&'a str),
    /// A mistake that no factor sees, in a sentence: the two new passwords differ.
    Mistake(&'a str),
    /// The last answer did not count; the time is now.
    Rejected(&'a Rejection, Time),
}

/// Names the notice for the fields that it is about.
const NOTICE_ID: &str = "notice";

impl Notice<'_> {
    pub(super) fn draw(&self, asked: Asked) -> Markup {
        let said = match self {
            Notice::Told(text) => return told(text),
            Notice::Mistake(text) => (*text).to_owned(),
            Notice::Rejected(rejection, now) => sentence(rejection, asked, *now),
        };
        html! {
            div.notice.bad id=(NOTICE_ID) role="alert" tabindex="-1" { (Icon::Alert.draw()) p { (said) } }
        }
    }

    /// Whether the fields' contents are to blame, rather than how often or when they were sent.
    fn blames_fields(&self) -> bool {
        match self {
            Notice::Told(_) => false,
            Notice::Mistake(_) => true,
            Notice::Rejected(rejection, _) => match rejection {
                Rejection::Wrong | Rejection::Weak(_) | Rejection::NotAllowed | Rejection::Copied => true,
                Rejection::Clock | Rejection::Busy | Rejection::Wait(_) | Rejection::Locked => false,
            },
        }
    }
}

fn told(text: &str) -> Markup {
    html! { div.notice.good id=(NOTICE_ID) role="status" { (Icon::Check.draw()) p { (text) } } }
}

/// One labelled input.
pub(super) struct Field<'a> {
    pub(super) name: &'static str,
    pub(super) label: &'a str,
    pub(super) input: Input,
    pub(super) value: &'a str,
    pub(super) hint: Option<&'a str>,
    pub(super) notice: Option<Notice<'a>>,
    pub(super) focus: Focus,
}

/// What an input takes.
#[derive(Clone, Copy)]
pub(super) enum Input {
    /// An account's name.
    Name,
    /// An account's name, or a passkey that the browser offers in its place.
    NameOrPasskey,
    /// The password in use.
    Password,
    /// A new password of at least so many characters.
    NewPassword(usize),
    /// Six digits.
    Digits,
    /// A recovery code.
    RecoveryCode,
    /// The code that a program shows.
    UserCode,
    /// The digits of a code that was sent.
    SentCode,
    /// A phone number.
    Telephone,
    /// A mail address.
    Mailbox,
    /// Either of the two.
    Contact,
    /// What something is called.
    Label,
}

/// Letters of a credential's label: as much as fits on a line of a phone or two.
pub const MOST_LETTERS: usize = 64;

/// Whether the cursor begins in a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    Here,
    Elsewhere,
}

impl Field<'_> {
    pub(super) fn draw(&self) -> Markup {
        let words = self.input.words();
        let hint = self.hint.map(|_| format!("{}-hint", self.name));
        let blamed = self.notice.filter(Notice::blames_fields);
        let described =
            [blamed.map(|_| NOTICE_ID), hint.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        html! {
            div.field {
                label for=(self.name) { (self.label) }
                input id=(self.name) name=(self.name) type=(words.kind) class=[words.class] value=[some(self.value)]
                    autocomplete=(words.autocomplete) inputmode=[words.inputmode]
                    pattern=[words.pattern] title=[words.title] minlength=[words.minlength]
                    maxlength=[words.maxlength]
                    aria-describedby=[some(&described)] aria-invalid=[blamed.map(|_| "true")]
                    autocapitalize="none" autocorrect="off" spellcheck="false"
                    autofocus[self.focus == Focus::Here] required;
                @if let (Some(id), Some(hint)) = (&hint, self.hint) { p.hint id=(id) { (hint) } }
            }
        }
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// An input's attributes.
struct Words {
    kind: &'static str,
    autocomplete: &'static str,
    class: Option<&'static str>,
    inputmode: Option<&'static str>,
    pattern: Option<&'static str>,
    title: Option<&'static str>,
    minlength: Option<usize>,
    maxlength: Option<usize>,
}

impl Input {
    fn words(self) -> Words {
        let plain = Words {
            kind: "password",
            autocomplete: "off",
            class: None,
            inputmode: None,
            pattern: None,
            title: None,
            minlength: None,
            maxlength: None,
        };
        match self {
            Input::Name => Words { kind: "text", autocomplete: "username", ..plain },
            Input::NameOrPasskey => Words { kind: "text", autocomplete: "username webauthn", ..plain },
            Input::Label => Words { kind: "text", maxlength: Some(MOST_LETTERS), ..plain },
            Input::Password => Words { autocomplete: "current-password", ..plain },
            Input::NewPassword(least) => Words { autocomplete: "new-password", minlength: Some(least), ..plain },
            Input::Digits => Words {
                kind: "text",
                autocomplete: "one-time-code",
                class: Some("digits"),
                inputmode: Some("numeric"),
                pattern: Some(r"\s*([0-9]\s*){6}"),
                title: Some("six digits"),
                ..plain
            },
            Input::UserCode => Words { kind: "text", class: Some("code"), ..plain },
            Input::RecoveryCode => Words { kind: "text", class: Some("code"), ..plain },
            Input::SentCode => Words {
                kind: "text",
                autocomplete: "one-time-code",
                class: Some("digits"),
                inputmode: Some("numeric"),
                pattern: Some(r"\s*([0-9]\s*){6,8}"),
                title: Some("six to eight digits"),
                ..plain
            },
            Input::Telephone => Words { kind: "tel", autocomplete: "tel", ..plain },
            Input::Mailbox => Words { kind: "email", autocomplete: "email", ..plain },
            Input::Contact => Words { kind: "text", ..plain },
        }
    }
}
