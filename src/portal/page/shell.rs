//! What surrounds every page: head, brand, landmarks, footer; knows no page.

use super::{SCRIPT_PATH, STYLE_PATH, icon, script_hash, style_hash};
use maud::{DOCTYPE, Markup, html};

/// A page without its content.
pub(super) struct Shell<'a> {
    /// The portal's name.
    pub(super) portal: &'a str,
    /// The page's title, without the portal's name.
    pub(super) title: &'a str,
    /// How wide the content may grow.
    pub(super) width: Width,
    /// At the end of the header: where one can leave.
    pub(super) aside: Option<Markup>,
    /// Whether it has the script.
    pub(super) script: Script,
}

/// Whether a page has the script that asks passkeys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    None,
    Passkeys,
}

/// How wide a page's content may grow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// One column of a form, on a card.
    Form,
    /// Lists, on the page itself.
    Account,
}

impl<'a> Shell<'a> {
    /// The shell of a page with one form or message.
    pub(super) fn form(portal: &'a str, title: &'a str) -> Self {
        Shell { portal, title, width: Width::Form, aside: None, script: Script::None }
    }

    /// The same, with the script that asks passkeys.
    pub(super) fn passkeys(portal: &'a str, title: &'a str) -> Self {
        Shell { script: Script::Passkeys, ..Self::form(portal, title) }
    }

    /// The whole document around `content`, which brings the one `h1`.
    pub(super) fn around(self, content: Markup) -> Markup {
        let width = match self.width {
            Width::Form => "narrow",
            Width::Account => "wide",
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                (self.head())
                body class=(width) {
                    a.skip href="#main" { "Skip to content" }
                    header.top {
                        p.brand { (icon::mark()) span { (self.portal) } }
                        @if let Some(aside) = &self.aside { nav aria-label="Account" { (aside) } }
                    }
                    main id="main" tabindex="-1" { (content) }
                    (footer(self.portal))
                }
            }
        }
    }

    fn head(&self) -> Markup {
        html! {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                meta name="format-detection" content="telephone=no";
                title { (self.title) " · " (self.portal) }
                link rel="icon" href=(icon::FAVICON);
                link rel="stylesheet" href={ (STYLE_PATH) "?v=" (style_hash()) };
                @if self.script == Script::Passkeys {
                    script src={ (SCRIPT_PATH) "?v=" (script_hash()) } defer {}
                }
            }
        }
    }
}

fn footer(portal: &str) -> Markup {
    html! {
        footer.bottom {
            p {
                "Nobody from " (portal) " will ever ask you for a password or a code. "
                "Can’t get in? Ask your administrator."
            }
            p { "Protected by Portcullis" }
        }
    }
}
