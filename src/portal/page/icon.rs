//! Small drawings, inline so that no page loads a picture; all are decoration and hidden from assistive technology.

use maud::{Markup, html};
use qrcode::{Color, QrCode};

/// The mark beside the portal's name: an arch closed by a portcullis.
pub(super) fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 32 32" width="28" height="28" fill="none" stroke="currentColor" aria-hidden="true"
            focusable="false" {
            path stroke-width="2.5" stroke-linecap="round" d="M5 28V15a11 11 0 0 1 22 0v13" {}
            path stroke-width="2" d="M10.5 5v18.5M16 4v19.5M21.5 5v18.5M5 13.5h22M5 19.5h22" {}
            path fill="currentColor" stroke="none"
                d="M8.9 23h3.2l-1.6 4.6zM14.4 23h3.2l-1.6 4.6zM19.9 23h3.2l-1.6 4.6z" {}
        }
    }
}

/// The mark as an address for `rel="icon"`.
pub(super) const FAVICON: &str = concat!(
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32' ",
    "fill='none' stroke='%232a8f85'%3E",
    "%3Cpath stroke-width='3' stroke-linecap='round' d='M5 28V15a11 11 0 0 1 22 0v13'/%3E",
    "%3Cpath stroke-width='2.5' d='M10.5 5.5v20.5M16 4v22M21.5 5.5v20.5M5 13.5h22M5 19.5h22'/%3E%3C/svg%3E"
);

/// The line drawings, on a grid of 24.
#[derive(Clone, Copy)]
pub(super) enum Icon {
    Alert,
    Check,
    Codes,
    Key,
    Message,
    Phone,
    Screen,
    Secret,
}

impl Icon {
    pub(super) fn draw(self) -> Markup {
        html! {
            svg.icon viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.75"
                stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false" {
                path d=(self.path()) {}
            }
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Icon::Alert => "M12 8v5M12 16.5v.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
            Icon::Check => "M8 12.5l2.7 2.7L16 9.5M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
            Icon::Codes => {
                "M6 3h12a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM9 8h6M9 12h6M9 16h3"
            }
            Icon::Key => "M15.5 4a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM12.3 11.7L4 20M7 17l2.5 2.5",
            Icon::Message => {
                "M4 5h16a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zM3.5 6.5L12 13l8.5-6.5"
            }
            Icon::Phone => "M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM11 18h2",
            Icon::Screen => {
                "M4 4.5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-10a1 1 0 0 1 1-1zM9 20h6M12 16.5V20"
            }
            Icon::Secret => {
                "M6 11h12a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-8a1 1 0 0 1 1-1zM8 11V7.5a4 4 0 0 1 8 0V11"
            }
        }
    }
}

/// `text` as a QR code, always dark on light so that every scanner reads it; `None` if it is too long for one.
pub(super) fn qr(text: &str) -> Option<Markup> {
    let code = QrCode::new(text).ok()?;
    let side = code.width();
    let mut path = String::new();
    for (y, line) in code.to_colors().chunks(side).enumerate() {
        let mut x = 0;
        for run in line.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                path.push_str(&format!("M{x} {y}h{width}v1h-{width}z", width = run.len()));
            }
            x += run.len();
        }
    }
    // ISO/IEC 18004 asks for a quiet zone of four modules on each side.
    let (start, full) = (-4, side + 8);
    Some(html! {
        svg.qr viewBox={ (start) " " (start) " " (full) " " (full) } shape-rendering="crispEdges" role="img"
            aria-label="QR code for your authenticator app" {
            rect x=(start) y=(start) width=(full) height=(full) fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    })
}
