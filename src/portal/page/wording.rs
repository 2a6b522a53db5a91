//! What is said to people about rejected answers and times; knows no page.

use crate::factor::{Rejection, Weakness};
use crate::stdx::clock::Time;
use maud::{Markup, html};
use std::time::Duration;

/// What a person had been asked for when an answer was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An account's name and its password.
    NameAndPassword,
    /// The password of an account already named.
    Password,
    /// A code from an authenticator app.
    AuthenticatorCode,
    /// A recovery code.
    RecoveryCode,
    /// A password to choose.
    NewPassword,
    /// The first code of an authenticator app being set up.
    FirstCode,
    /// A code that was sent.
    MessageCode,
    /// Where codes shall be sent.
    Contact,
    /// The first code sent there.
    FirstMessageCode,
    /// A passkey.
    Passkey,
    /// A passkey being set up.
    NewPasskey,
    /// What a credential is to be called.
    Label,
}

/// The sentence for a rejected answer. It is the same whether or not the account, or the factor, exists.
pub fn sentence(rejection: &Rejection, asked: Asked, now: Time) -> String {
    match rejection {
        Rejection::Wrong => wrong(asked).to_owned(),
        Rejection::Weak(weakness) => weak(*weakness),
        Rejection::NotAllowed => not_allowed(asked).to_owned(),
        Rejection::Copied => COPIED.to_owned(),
        Rejection::Clock => CLOCK.to_owned(),
        Rejection::Busy if is_sent(asked) => {
            "The code could not be sent at this moment. Please try again in a minute, or use another way.".to_owned()
        }
        Rejection::Wait(until) if is_sent(asked) => {
            format!("Not so fast, or too often. Please try again in {}.", span(until.since(now)))
        }
        Rejection::Busy => {
            "Too many people are signing in at this moment. Please try again in a few seconds.".to_owned()
        }
        Rejection::Wait(until) => format!("Too many wrong answers. Please try again in {}.", span(until.since(now))),
        Rejection::Locked => locked(asked).to_owned(),
    }
}

/// Whether what was asked for has to be sent first.
const fn is_sent(asked: Asked) -> bool {
    matches!(asked, Asked::MessageCode | Asked::Contact | Asked::FirstMessageCode)
}

const COPIED: &str = "This passkey was refused: it seems that there is a copy of it. Use another way to sign in, and \
                      tell your administrator.";

const CLOCK: &str = "That code is right, but this server’s clock was ahead when you last used one, and no code counts \
                     again before then. Use another way to sign in, or tell your administrator.";

const fn not_allowed(asked: Asked) -> &'static str {
    match asked {
        Asked::NewPasskey => {
            "Passkeys of this kind are not accepted here. Use another device or security key, or ask your administrator \
             which ones are."
        }
        Asked::NameAndPassword
        | Asked::Password
        | Asked::AuthenticatorCode
        | Asked::RecoveryCode
        | Asked::NewPassword
        | Asked::FirstCode
        | Asked::MessageCode
        | Asked::Contact
        | Asked::FirstMessageCode
        | Asked::Passkey
        | Asked::Label => {
            "This passkey is no longer accepted here. Use another way to sign in, or ask your administrator for one."
        }
    }
}

const fn wrong(asked: Asked) -> &'static str {
    match asked {
        Asked::NameAndPassword => "The user name or the password is not right.",
        Asked::Password => "That password is not right.",
        Asked::AuthenticatorCode => {
            "That code is not right, or was used before. Wait for your app to show the next one, then enter that."
        }
        Asked::RecoveryCode => "That recovery code is not right, or was used before.",
        Asked::NewPassword => "That password could not be set. Please try again.",
        Asked::MessageCode | Asked::FirstMessageCode => {
            "That code is not right, was used before, or is too old. Only the last one that was sent counts, and after \
             five wrong answers none does: have another one sent."
        }
        Asked::Contact => {
            "Codes cannot be sent there. Check what you typed; a phone number begins with + and its country code."
        }
        Asked::Passkey => "That passkey was not accepted. Please try again, or use another way.",
        Asked::NewPasskey => {
            "That passkey could not be set up. Please try again; if it is in use already, take another device or key."
        }
        Asked::Label => "That name could not be used. Please choose another.",
        Asked::FirstCode => {
            "That code does not match this key. If your app has several entries for this account, use the newest one. \
             Check that your phone sets its own clock, then enter the next code."
        }
    }
}

fn weak(weakness: Weakness) -> String {
    match weakness {
        Weakness::TooShort(least) => format!("That password is too short. Use at least {least} characters."),
        Weakness::TooLong(most) => format!("That password is too long. Use at most {most} characters."),
        Weakness::Common => "That password is too easy to guess. Choose another one.".to_owned(),
        Weakness::Same => "That is the password you have now. Choose another one.".to_owned(),
    }
}

const fn locked(asked: Asked) -> &'static str {
    match asked {
        Asked::NameAndPassword | Asked::Password | Asked::NewPassword => {
            "Signing in with this password is locked after too many wrong answers. Ask your administrator to unlock it."
        }
        Asked::Passkey | Asked::NewPasskey | Asked::Label => "This is locked. Ask your administrator to unlock it.",
        Asked::AuthenticatorCode | Asked::FirstCode => {
            "Codes from the app are locked after too many wrong ones. Use another way below, or ask your administrator."
        }
        Asked::MessageCode | Asked::Contact | Asked::FirstMessageCode => {
            "Codes that are sent are locked after too many wrong ones. Use another way below, or ask your administrator."
        }
        Asked::RecoveryCode => {
            "Recovery codes are locked after too many wrong ones. Use another way below, or ask your administrator."
        }
    }
}

/// A sentence in which whatever stands between backticks is code, as the problems that programs read write it.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A length of time in its largest fitting unit, rounded up: `40 seconds`, `10 minutes`, `2 hours`, `3 days`.
pub fn span(length: Duration) -> String {
    let secs = u64::try_from(length.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    match secs {
        0..=1 => "1 second".to_owned(),
        2..=90 => format!("{secs} seconds"),
        _ if secs <= 90 * MINUTE => counted(secs.div_ceil(MINUTE), "minute"),
        _ if secs <= 36 * HOUR => counted(secs.div_ceil(HOUR), "hour"),
        _ => counted(secs.div_ceil(DAY), "day"),
    }
}

/// How long ago something may have been, as people say it before `ago`: `a minute`, `10 minutes`, `an hour`.
pub(super) fn age(most: Duration) -> String {
    match most.as_secs() {
        MINUTE => "a minute".to_owned(),
        HOUR => "an hour".to_owned(),
        DAY => "a day".to_owned(),
        _ => span(most),
    }
}

/// `then` as people say it, in a `time` element that also holds the exact time: `just now`, `12 minutes ago`,
/// `yesterday`, or the date in UTC once that is a month past.
pub fn ago(then: Time, now: Time) -> Markup {
    let secs = now.since(then).as_secs();
    let said = match secs {
        0..MINUTE => "just now".to_owned(),
        MINUTE..HOUR => format!("{} ago", counted(secs / MINUTE, "minute")),
        HOUR..DAY => format!("{} ago", counted(secs / HOUR, "hour")),
        _ if secs < 2 * DAY => "yesterday".to_owned(),
        _ if secs < 31 * DAY => format!("{} ago", counted(secs / DAY, "day")),
        _ => on(then),
    };
    html! { time datetime=(then.to_string()) title=(then.to_string()) { (said) } }
}

/// The date in UTC: `14 November 2023`.
pub(super) fn date(then: Time) -> String {
    formatted(then, "%-d %B %Y")
}

/// The time of day: `22:13 UTC`.
pub(super) fn clock(then: Time) -> String {
    formatted(then, "%H:%M UTC")
}

/// Date and time: `14 November 2023 at 22:13:20 UTC`.
pub(super) fn stamp(then: Time) -> String {
    formatted(then, "%-d %B %Y at %H:%M:%S UTC")
}

fn formatted(then: Time, format: &str) -> String {
    let millis = i64::try_from(then.millis()).unwrap_or(i64::MAX);
    let stamp = jiff::Timestamp::from_millisecond(millis);
    stamp.map_or_else(|_| "never".to_owned(), |stamp| stamp.strftime(format).to_string())
}

fn on(then: Time) -> String {
    format!("on {}", date(then))
}

fn counted(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_700_000_000);

    fn said(secs: u64) -> String {
        let markup = ago(NOW.minus(Duration::from_secs(secs)), NOW).into_string();
        markup.split(['<', '>']).nth(2).unwrap_or_default().to_owned()
    }

    #[test]
    fn a_time_is_said_as_people_say_it() {
        assert_eq!(said(5), "just now");
        assert_eq!(said(60), "1 minute ago");
        assert_eq!(said(12 * 60 + 59), "12 minutes ago");
        assert_eq!(said(3 * 3600), "3 hours ago");
        assert_eq!(said(30 * 3600), "yesterday");
        assert_eq!(said(3 * 86_400), "3 days ago");
        assert_eq!(said(60 * 86_400), "on 15 September 2023");
        assert!(ago(NOW, NOW).into_string().contains(r#"datetime="2023-11-14T22:13:20.000Z""#));
    }

    #[test]
    fn a_time_to_wait_is_never_said_too_short() {
        assert_eq!(span(Duration::from_millis(10)), "1 second");
        assert_eq!(span(Duration::from_secs(90)), "90 seconds");
        assert_eq!(span(Duration::from_secs(121)), "3 minutes");
        assert_eq!(span(Duration::from_secs(600)), "10 minutes");
        assert_eq!(span(Duration::from_secs(12 * 3600)), "12 hours");
    }

    #[test]
    fn how_old_a_proof_may_be_is_said_as_people_say_it() {
        let said = [60, 600, 3600, 12 * 3600, 86_400].map(|secs| age(Duration::from_secs(secs)));
        assert_eq!(said, ["a minute", "10 minutes", "an hour", "12 hours", "a day"]);
    }

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(prose("it has `%2F`, or `<b>`").into_string(), "it has <code>%2F</code>, or <code>&lt;b&gt;</code>");
        assert_eq!(prose("plain").into_string(), "plain");
    }

    #[test]
    fn a_wrong_answer_does_not_tell_which_half_was_wrong() {
        let said = sentence(&Rejection::Wrong, Asked::NameAndPassword, NOW);
        assert!(said.contains("user name or the password"), "{said}");
    }

    #[test]
    fn a_person_who_must_wait_is_told_how_long() {
        let until = NOW.plus(Duration::from_secs(300));
        let said = sentence(&Rejection::Wait(until), Asked::AuthenticatorCode, NOW);
        assert_eq!(said, "Too many wrong answers. Please try again in 5 minutes.");
    }
}
