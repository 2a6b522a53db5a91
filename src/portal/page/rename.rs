//! The page on which something is given another name; knows not what.

use super::part::{Field, Focus, Form, Input, Look, Notice, field, submit};
use super::shell::Shell;
use super::wording::Asked;
use maud::{Markup, html};

/// What [`rename`] shows.
#[derive(Clone, Copy, Debug)]
pub struct Rename<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// Sends [`field::LABEL`].
    pub form: Form<'a>,
    /// What it is called now.
    pub label: &'a str,
    /// Where one leaves with nothing changed.
    pub cancel: &'a str,
    /// Said above the form.
    pub notice: Option<Notice<'a>>,
}

/// One field with the name in it.
pub fn rename(view: &Rename) -> Markup {
    let label = Field {
        name: field::LABEL,
        label: "Name",
        input: Input::Label,
        value: view.label,
        hint: Some("For example where it is: Phone, Work laptop, Key in the safe."),
        notice: view.notice,
        focus: Focus::Here,
    };
    let content = html! {
        h1 { "Rename this passkey" }
        @if let Some(notice) = view.notice { (notice.draw(Asked::Label)) }
        (view.form.around(html! { (label.draw()) (submit("Save", Look::Primary)) }))
        ul.others { li { a href=(view.cancel) { "Cancel" } } }
    };
    Shell::form(view.portal, "Rename this passkey").around(content)
}
