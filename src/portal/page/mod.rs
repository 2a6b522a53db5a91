//! The pages people see, as pure functions from a view to markup; knows no request, no store and no time of its own.
//!
//! A view holds exactly what its page shows. No page has an inline style, an inline script or anything of another origin,
//! so a strict content security policy holds: `default-src 'none'; style-src 'self'; img-src 'self' data:`. Pages that ask
//! a passkey have one script of ours besides; without it they say what is missing, and every other way works.

mod account;
mod confirm;
mod enrol;
mod icon;
mod lost;
mod message;
mod message_code;
mod part;
mod passkey;
mod program;
mod refused;
mod rename;
mod send_form;
mod shell;
mod sign_in;
mod wording;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod sample;

pub use account::{Actions, MyAccount, Sessions, SignInRecord, Sort, Way, Ways, my_account};
pub use confirm::{Confirm, Ended, Question, SignedOut, confirm, signed_out};
pub use enrol::{
    Before, ChoosePassword, ConfirmApp, Journey, Occasion, SaveCodes, ScanKey, Step, choose_password, confirm_app,
    save_codes, scan_key,
};
pub use lost::{WhichLost, WithoutPasskey, which_lost, without_passkey};
pub use message::{Message, Subject, message};
pub use message_code::{
    ChooseContact, ConfirmContact, MessageCode, Sent, State, choose_contact, confirm_contact, message_code,
};
pub use part::{Form, Link, MOST_LETTERS, Notice, field};
pub use passkey::{ChooseWay, CreatePasskey, Gone, News, WayToChoose, choose_way, create_passkey, passkey_proof};
pub use program::{APPROVE, Decide, Decided, EnterCode, Place, Said, decide, decided, enter_code};
pub use refused::{FRONT_PAGE, Finding, Refused, refused, way_on, words_for};
pub use rename::{Rename, rename};
pub use send_form::{SendForm, send_form};
pub use sign_in::{Errand, Prompt, Reason, SignIn, authenticator_code, password_again, recovery_code, sign_in};
pub use wording::{Asked, ago, sentence, span};

use crate::stdx::digest::sha256;
use std::sync::LazyLock;

/// The one stylesheet, served as `text/css` at [`STYLE_PATH`] on every host.
pub const STYLE: &str = include_str!("style.css");

/// Where pages expect the stylesheet, on whichever host they are shown.
pub const STYLE_PATH: &str = "/.portcullis/style.css";

/// The one script, which asks passkeys, served as `text/javascript` at [`SCRIPT_PATH`] on every host.
pub const SCRIPT: &str = include_str!("passkey.js");

/// Where pages expect the script.
pub const SCRIPT_PATH: &str = "/.portcullis/passkey.js";

/// A short hash of [`STYLE`]: the `v` in pages' links to it, so that it may be cached for ever.
pub fn style_hash() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| short_hash(STYLE));
    &HASH
}

/// The same of [`SCRIPT`].
pub fn script_hash() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| short_hash(SCRIPT));
    &HASH
}

fn short_hash(text: &str) -> String {
    let hex = data_encoding::HEXLOWER.encode(&sha256(text.as_bytes()));
    // 64 bits tell the versions of one file apart.
    hex.chars().take(16).collect()
}
