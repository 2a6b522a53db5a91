//! The pages for codes that are sent: having one sent and typing it, at a sign-in and when a number or address is added;
//! knows not how anything is sent.

use super::enrol::{Journey, Step, progress, ways_out, why as because};
use super::part::{Field, Focus, Form, Input, Look, Notice, field, submit};
use super::shell::Shell;
use super::sign_in::{Prompt, Reason, who, why};
use super::wording::{Asked, clock};
use crate::identity::Channel;
use crate::stdx::clock::Time;
use maud::{Markup, html};

/// What [`message_code`] shows.
#[derive(Clone, Copy, Debug)]
pub struct MessageCode<'a> {
    /// What it has in common with other proofs; its form sends [`field::CODE`].
    pub prompt: Prompt<'a>,
    /// How it stands with the code.
    pub state: State<'a>,
    /// Where one is sent, by a form that may send [`field::PLACE`].
    pub send: &'a str,
    /// Where it can be sent: the credential's name in forms and what the person knows it by.
    pub places: &'a [(&'a str, &'a str)],
}

/// How it stands with a code.
#[derive(Clone, Copy, Debug)]
pub enum State<'a> {
    /// None was sent yet.
    None,
    /// One was sent, and waits to be typed.
    Sent(Sent<'a>),
    /// One was sent, and too many answers to it were wrong.
    Void,
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
    /// When it took the place of one before it, if it did.
    pub again: Option<Time>,
}

/// A button that sends a code or, once one was sent, the field to type it in.
pub fn message_code(view: &MessageCode) -> Markup {
    let prompt = &view.prompt;
    let title = match (prompt.reason, &view.state) {
        (Reason::SignIn | Reason::Lapsed, State::Sent(_)) => "Enter your code",
        (Reason::SignIn | Reason::Lapsed, State::None | State::Void) => "Have a code sent",
        (Reason::Older(_) | Reason::Stronger | Reason::Change, _) => "Confirm it’s you",
    };
    let notice = prompt.notice.filter(|_| !matches!(view.state, State::Void));
    let content = html! {
        h1 { (title) }
        (why(prompt))
        (who(prompt))
        @if let Some(notice) = notice { (notice.draw(Asked::MessageCode)) }
        @match &view.state {
            State::Sent(sent) => {
                (on_its_way(sent))
                (prompt.form.around(html! {
                    (typed(sent, prompt.notice))
                    (submit("Continue", Look::Primary))
                }))
                p.hint { "Nothing came? Half a minute after the last one you can have another code." }
                (places(view, "Send it again", Look::Quiet))
            }
            State::None => (places(view, "Send a code", Look::Primary)),
            State::Void => {
                (Notice::Mistake(VOID).draw(Asked::MessageCode))
                (places(view, "Send another code", Look::Primary))
            }
        }
        @if !prompt.others.is_empty() {
            ul.others { @for other in prompt.others { li { (other.plain()) } } }
        }
    };
    Shell::form(prompt.portal, title).around(content)
}

/// What is said of a code that too many answers were wrong to.
const VOID: &str = "That code is void after five wrong tries. Have another one sent.";

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
    html! {
        @if let Some(at) = sent.again {
            p.lead { "A new code was sent to " strong { (sent.to) } " at " (clock(at)) ". " (good(sent.minutes)) }
        } @else {
            p.lead { (way) strong { (sent.to) } ". " (good(sent.minutes)) }
        }
    }
}

fn good(minutes: u64) -> String {
    format!("The code is good for {minutes} minute{}.", if minutes == 1 { "" } else { "s" })
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
        (because(&view.journey))
        p.lead { "When you sign in, you can have a code sent there and type it in." }
        @if let Some(notice) = view.notice { (notice.draw(Asked::Contact)) }
        (view.form.around(html! { (contact.draw()) (submit("Send a code", Look::Primary)) }))
        (ways_out(&view.journey))
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
        (ways_out(&view.journey))
    };
    Shell::form(view.portal, "Check that it arrives").around(content)
}
