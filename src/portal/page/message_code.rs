//! The pages for codes that are sent: having one sent and typing it, at a sign-in and when a number or address is added;
//! knows not how anything is sent.

use super::enrol::{Journey, Step, leave, progress};
use super::part::{Field, Focus, Form, Input, Look, Notice, field, submit};
use super::shell::Shell;
use super::sign_in::{Prompt, Reason, who, why};
use super::wording::Asked;
use crate::identity::Channel;
use maud::{Markup, html};

/// What [`message_code`] shows.
#[derive(Clone, Copy, Debug)]
pub struct MessageCode<'a> {
    /// What it has in common with other proofs; its form sends [`field::CODE`].
    pub prompt: Prompt<'a>,
    /// The code that was sent, if one was.
    pub sent: Option<Sent<'a>>,
    /// Where one is sent, by a form that may send [`field::PLACE`].
    pub send: &'a str,
    /// Where it can be sent: the credential's name in forms and what the person knows it by.
    pub places: &'a [(&'a str, &'a str)],
}

/// A code that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// To which number or address.
    pub to: &'a str,
    /// By which way.
    pub channel: Channel,
    /// For how many minutes it is good.
    pub minutes: u64,
}

/// A button that sends a code or, once one was sent, the field to type it in.
pub fn message_code(view: &MessageCode) -> Markup {
    let prompt = &view.prompt;
    let title = match prompt.reason {
        Reason::SignIn | Reason::Lapsed => "Enter your code",
        Reason::Older(_) | Reason::Stronger | Reason::Change => "Confirm it’s you",
    };
    let content = html! {
        h1 { (title) }
        (why(prompt))
        (who(prompt))
        @if let Some(notice) = prompt.notice { (notice.draw(Asked::MessageCode)) }
        @match &view.sent {
            Some(sent) => {
                (on_its_way(sent))
                (prompt.form.around(html! {
                    (typed(sent, prompt.notice))
                    (submit("Continue", Look::Primary))
                }))
                p.hint { "Nothing came? Half a minute after the last one you can have another code." }
                (places(view, "Send it again", Look::Quiet))
            }
            None => (places(view, "Send a code", Look::Primary)),
        }
        @if !prompt.others.is_empty() {
            ul.others { @for other in prompt.others { li { (other.plain()) } } }
        }
    };
    Shell::form(prompt.portal, title).around(content)
}

/// One button for each place.
fn places(view: &MessageCode, label: &str, look: Look) -> Markup {
    html! {
        @for (id, place) in view.places {
            (Form { action: view.send, ..view.prompt.form }.around(html! {
                input type="hidden" name=(field::PLACE) value=(id);
                button class=(look.class()) type="submit" { (label) " to " (place) }
            }))
        }
    }
}

fn on_its_way(sent: &Sent) -> Markup {
    let way = match sent.channel {
        Channel::Sms => "A text message with a code is on its way to ",
        Channel::Mail => "An e-mail with a code is on its way to ",
    };
    html! { p.lead { (way) strong { (sent.to) } ". The code is good for " (sent.minutes) " minutes." } }
}

fn typed<'a>(sent: &Sent<'a>, notice: Option<Notice<'a>>) -> Markup {
    let label = match sent.channel {
        Channel::Sms => "Code from the text message",
        Channel::Mail => "Code from the e-mail",
    };
    let hint = Some("The digits alone; it does not matter how you group them.");
    Field { name: field::CODE, label, input: Input::SentCode, value: "", hint, notice, focus: Focus::Here }.draw()
}

/// What [`choose_contact`] shows.
#[derive(Clone, Copy, Debug)]
pub struct ChooseContact<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What this step belongs to.
    pub journey: Journey<'a>,
    /// Sends [`field::CONTACT`].
    pub form: Form<'a>,
    /// By which ways codes can be sent.
    pub channels: &'a [Channel],
    /// What was typed before; empty at first.
    pub typed: &'a str,
    /// Said above the form.
    pub notice: Option<Notice<'a>>,
}

/// Where codes shall be sent.
pub fn choose_contact(view: &ChooseContact) -> Markup {
    let (label, hint, input) = match view.channels {
        [Channel::Sms] => ("Phone number", "With its country code, such as +49 151 2345678.", Input::Telephone),
        [Channel::Mail] => ("E-mail address", "One that only you can read.", Input::Mailbox),
        _ => (
            "Phone number or e-mail address",
            "A phone number with its country code, such as +49 151 2345678, or an address that only you can read.",
            Input::Contact,
        ),
    };
    let contact = Field {
        name: field::CONTACT,
        label,
        input,
        value: view.typed,
        hint: Some(hint),
        notice: view.notice,
        focus: Focus::Here,
    };
    let content = html! {
        (progress(&view.journey, Step::Contact))
        h1 { "Where shall codes be sent?" }
        p.lead { "When you sign in, you can have a code sent there and type it in." }
        @if let Some(notice) = view.notice { (notice.draw(Asked::Contact)) }
        (view.form.around(html! { (contact.draw()) (submit("Send a code", Look::Primary)) }))
        (leave(&view.journey))
    };
    Shell::form(view.portal, "Where shall codes be sent?").around(content)
}

/// What [`confirm_contact`] shows.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmContact<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// What this step belongs to.
    pub journey: Journey<'a>,
    /// Sends [`field::CODE`], or [`field::CONTACT`] to have another code sent.
    pub form: Form<'a>,
    /// The code that was sent.
    pub sent: Sent<'a>,
    /// Said above the form.
    pub notice: Option<Notice<'a>>,
}

/// The first code, which shows that codes arrive there.
pub fn confirm_contact(view: &ConfirmContact) -> Markup {
    let change = Field {
        name: field::CONTACT,
        label: "Send it again, or somewhere else",
        input: Input::Contact,
        value: view.sent.to,
        hint: None,
        notice: None,
        focus: Focus::Elsewhere,
    };
    let content = html! {
        (progress(&view.journey, Step::Sent))
        h1 { "Check that it arrives" }
        (on_its_way(&view.sent))
        @if let Some(notice) = view.notice { (notice.draw(Asked::FirstMessageCode)) }
        (view.form.around(html! { (typed(&view.sent, view.notice)) (submit("Confirm", Look::Primary)) }))
        details {
            summary { "Nothing came, or that is not right?" }
            (view.form.around(html! { (change.draw()) (submit("Send a code", Look::Quiet)) }))
        }
        (leave(&view.journey))
    };
    Shell::form(view.portal, "Check that it arrives").around(content)
}
