//! What asks a passkey for something, and the pages on which one is set up; knows no ceremony's inside.

use super::enrol::{Before, Journey, Occasion, Step, leave, progress, ways_out, why};
use super::icon::Icon;
use super::part::{Form, Look, Notice, field, submit};
use super::shell::{Script, Shell};
use super::sign_in::{Prompt, prompt_with};
use super::wording::Asked;
use maud::{Markup, html};

/// A form that the script fills with what a passkey answers.
pub(super) struct Asking<'a> {
    pub(super) form: Form<'a>,
    /// What it is asked for, in the portal's word.
    pub(super) occasion: &'a str,
    pub(super) kind: Kind,
    /// On its button.
    pub(super) label: &'a str,
    pub(super) look: Look,
    /// Said above the buttons, where there are any: without the script there are none.
    pub(super) above: Markup,
}

/// What a passkey is asked to do.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// To prove who holds it.
    Get(Start),
    /// To come into being.
    Create,
}

/// When it is asked.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// When the button is pressed.
    Pressed,
    /// Then, and meanwhile the browser offers passkeys in the name field.
    WithName,
    /// At once, if the browser allows it, or when the button is pressed.
    AtOnce,
}

impl Kind {
    /// The words that the script knows.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Get(Start::Pressed) => ("get", "pressed"),
            Kind::Get(Start::WithName) => ("get", "with-name"),
            Kind::Get(Start::AtOnce) => ("get", "at-once"),
            Kind::Create => ("create", "pressed"),
        }
    }
}

const NO_SCRIPT: &str = "Passkeys need JavaScript, which is turned off in this browser.";

/// The form. Without the script its buttons are hidden, and it says what is missing.
pub(super) fn ceremony(asking: &Asking) -> Markup {
    let (kind, start) = asking.kind.words();
    let content = html! {
        input type="hidden" name=(field::OCCASION) value=(asking.occasion);
        input type="hidden" name=(field::CREDENTIAL);
        input type="hidden" name=(field::CEREMONY);
        div.trouble aria-live="assertive" {}
        template { (Icon::Alert.draw()) }
        div.buttons hidden {
            (asking.above)
            (submit(asking.label, asking.look))
            @if let Kind::Create = asking.kind {
                button class=(Look::Quiet.class()) type="submit" data-authenticator="security-key" {
                    "Use a security key instead"
                }
            }
        }
        noscript { p.hint { (NO_SCRIPT) } }
    };
    html! { div.passkey data-passkey=(kind) data-start=(start) { (asking.form.around(content)) } }
}

/// A passkey as one more proof of an account already named.
pub fn passkey_proof(view: &Prompt) -> Markup {
    // Whoever has just been refused is not asked again before they want to be.
    let start = if view.notice.is_none() { Start::AtOnce } else { Start::Pressed };
    let form = ceremony(&Asking {
        form: view.form,
        occasion: "proof",
        kind: Kind::Get(start),
        label: "Use your passkey",
        look: Look::Primary,
        above: html! {
            p.hint { "Your device will ask for your fingerprint, your face or its PIN, or for your security key." }
        },
    });
    prompt_with(view, ("Use your passkey", Asked::Passkey), form)
}

/// What [`create_passkey`] shows.
#[derive(Clone, Copy, Debug)]
pub struct CreatePasskey<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What this step belongs to.
    pub journey: Journey<'a>,
    /// Sends what the new passkey says.
    pub form: Form<'a>,
    /// Said above the form.
    pub notice: Option<Notice<'a>>,
}

/// A new passkey, on this device or a security key.
pub fn create_passkey(view: &CreatePasskey) -> Markup {
    let content = html! {
        (progress(&view.journey, Step::Passkey))
        h1 { "Create a passkey" }
        (why(&view.journey))
        @if let Occasion::Recovery(before) = view.journey.occasion {
            p.lead {
                "You came in with a recovery code, which is used up now: create a passkey to go on"
                @if before == Before::Replaced { ", and those you had before stop working" } "."
            }
        }
        p.lead {
            "A passkey lets you sign in with your fingerprint, face, PIN or security key, and no other site can "
            "make you give it away."
        }
        @if let Some(notice) = view.notice { (notice.draw(Asked::NewPasskey)) }
        (ceremony(&Asking {
            form: view.form,
            occasion: "enrolment",
            kind: Kind::Create,
            label: "Create a passkey",
            look: Look::Primary,
            above: html! {},
        }))
        (ways_out(&view.journey))
    };
    Shell::passkeys(view.portal, "Create a passkey").around(content)
}

/// What [`choose_way`] shows.
#[derive(Clone, Copy, Debug)]
pub struct ChooseWay<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What this step belongs to.
    pub journey: Journey<'a>,
    /// Sends [`field::FACTOR`].
    pub form: Form<'a>,
    /// What can be chosen, the one to advise first.
    pub ways: &'a [WayToChoose],
}

/// Something that can be set up.
#[derive(Clone, Copy, Debug)]
pub struct WayToChoose {
    /// Its factor's word.
    pub factor: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// What it is, in a sentence.
    pub hint: &'static str,
}

/// Which of several ways to sign in is set up.
pub fn choose_way(view: &ChooseWay) -> Markup {
    let content = html! {
        (progress(&view.journey, Step::Choice))
        h1 { "Choose how to confirm it’s you" }
        (why(&view.journey))
        @if let Occasion::Recovery(_) = view.journey.occasion {
            p.lead { "You came in with a recovery code, which is used up now: set up one of these to go on." }
        } @else {
            p.lead { "You will use it to sign in. You can add the others later, on your account page." }
        }
        (view.form.around(html! {
            ul.choices {
                @for way in view.ways {
                    li {
                        button.choice type="submit" name=(field::FACTOR) value=(way.factor) {
                            (way.icon().draw())
                            span.what {
                                strong { (way.label) }
                                " "
                                span.hint { (way.hint) }
                            }
                        }
                    }
                }
            }
        }))
        (leave(&view.journey))
    };
    Shell::form(view.portal, "Choose how to confirm it’s you").around(content)
}

impl WayToChoose {
    fn icon(self) -> Icon {
        match self.factor {
            "passkey" => Icon::Key,
            "message" => Icon::Message,
            _ => Icon::Phone,
        }
    }
}

/// A passkey that is not known here any more, for the browser to be told (WebAuthn Level 3, `signalUnknownCredential`).
#[derive(Clone, Copy, Debug)]
pub struct Gone<'a> {
    /// The domain it is bound to.
    pub rp: &'a str,
    /// What it is known by, in base64url.
    pub credential: &'a str,
}

impl Gone<'_> {
    /// What the script reads; nobody sees it.
    pub(super) fn draw(&self) -> Markup {
        html! { div hidden data-gone=(self.credential) data-rp=(self.rp) {} }
    }
}

/// What was done a moment ago.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// In words.
    pub notice: Notice<'a>,
    /// The passkey that went, if one did.
    pub gone: Option<Gone<'a>>,
}

impl News<'_> {
    pub(super) fn draw(&self) -> Markup {
        html! {
            (self.notice.draw(Asked::Passkey))
            @if let Some(gone) = &self.gone { (gone.draw()) }
        }
    }

    /// Whether the page needs the script.
    pub(super) fn script(news: Option<&Self>) -> Script {
        if news.is_some_and(|news| news.gone.is_some()) { Script::Passkeys } else { Script::None }
    }
}
