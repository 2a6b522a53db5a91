//! The page that asks whether a form that had to wait is to be sent now; knows not why it waited.

use super::part::{Look, submit};
use super::shell::Shell;
use maud::{Markup, html};

/// What [`send_form`] shows.
#[derive(Clone, Copy, Debug)]
pub struct SendForm<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// The service's host.
    pub host: &'a str,
    /// The path that the form was sent to, without its query.
    pub path: &'a str,
    /// Where this page sends it.
    pub action: &'a str,
    /// The form's own fields, in order.
    pub fields: &'a [(String, String)],
    /// Where it is thrown away, by POST.
    pub discard: &'a str,
}

/// The question, with the form's own fields unseen in it.
pub fn send_form(view: &SendForm) -> Markup {
    let content = html! {
        h1 { "Send your form now?" }
        p.lead {
            "You had to confirm who you are before your form could be sent to " strong { (view.host) (view.path) }
            ". What you typed was kept and has not been sent yet."
        }
        form method="post" action=(view.action) {
            @for (name, value) in view.fields { input type="hidden" name=(name) value=(value); }
            (submit("Send it", Look::Primary))
        }
        form method="post" action=(view.discard) { (submit("Do not send it", Look::Quiet)) }
    };
    Shell::form(view.portal, "Send your form").around(content)
}
