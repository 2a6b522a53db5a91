//! The keys of what is sent to people: `[factor.message]` and `[notice]`.

use crate::config::raw::{Item, Kind, List, Number, Parse, SecretSource, Sub, Text, one_of, table, words};
use crate::courier::{SmtpTls, WebhookPlan};
use crate::factor::message::Template;
use crate::identity::Channel;
use lettre::message::Mailbox;
use url::Url;

table! {
    /// Codes sent to a phone or a mailbox. They are never phishing-resistant, and whoever takes over a phone number gets
    /// them: offer something better beside them. At least one of `webhook` and `smtp` is given.
    Message {
        /// Your service that passes text messages on and, without `smtp`, mail too.
        webhook: Sub<Webhook>, optional, "";
        /// The server that mail is sent through.
        smtp: Sub<Smtp>, optional, "";
        /// Where codes may be sent; all that `webhook` and `smtp` serve if it is not given.
        channels: List<Text<Channel>>, optional, r#"["mail"]"#;
        /// Digits of a code.
        digits: Number<6, 8>, or(6), "8";
        /// Codes that may be sent within an hour for one source: an IPv4 address, or an IPv6 /64. More where many people
        /// come from behind one address.
        per_source: Number<1, 100_000>, or(20), "200";
        /// What is sent, with the places `{code}`, `{portal}`, `{host}` and `{minutes}`.
        text: Text<CodeText>, or(CodeText(Template::text())), r#""{portal}: your code is {code}""#;
        /// What mail has above it, with the same places.
        subject: Text<Subject>, or(Subject(Template::subject())), r#""Code for {host}""#;
    }
}

table! {
    /// A service of yours. It gets JSON by POST, signed as the Standard Webhooks specification has it.
    Webhook {
        /// Its address: `https`, or `http` on this machine.
        url: WebhookUrl, required, r#""https://sms.example.com/portcullis""#;
        /// The secret that requests are signed with: `whsec_` and base 64, or any bytes.
        token: SecretSource, required, r#"{ credential = "sms-token" }"#;
    }
}

table! {
    /// A mail server.
    Smtp {
        /// Its name and port.
        server: Text<Server>, required, r#""mail.example.com:465""#;
        /// How the connection is protected; `none` only to a server on this machine.
        tls: Text<SmtpTls>, or(SmtpTls::Implicit), r#""starttls""#;
        /// From whom mail is.
        from: Text<Mailbox>, required, r#""Example Corp <no-reply@example.com>""#;
        /// The user to log in as; without one nobody logs in.
        user: Text<String>, optional, r#""portcullis""#;
        /// That user's password.
        password: SecretSource, optional, r#"{ file = "/etc/portcullis/smtp-password" }"#;
    }
}

table! {
    /// News for people about their own accounts: a new or removed way to sign in, a recovery, a new device, a reset.
    Notice {
        /// Your service that passes them on. A place where codes are sent gets them too.
        webhook: Sub<Webhook>, required, "";
    }
}

/// The text of a code.
#[derive(Clone, Debug)]
pub struct CodeText(pub Template);

impl Parse for CodeText {
    fn allowed() -> String {
        "a text with the place {code}".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let template = Template::parse(text)?;
        if template.has("code") { Ok(CodeText(template)) } else { Err("it must have the place {code}".to_owned()) }
    }

    fn write(&self) -> String {
        format!("{:?}", self.0.as_str())
    }
}

/// What mail has above it: one line of its header.
#[derive(Clone, Debug)]
pub struct Subject(pub Template);

impl Parse for Subject {
    fn allowed() -> String {
        "a text with places in braces".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("a subject is one line, without control characters".to_owned());
        }
        Template::parse(text).map(Subject)
    }

    fn write(&self) -> String {
        format!("{:?}", self.0.as_str())
    }
}

/// An address that a code may be sent to. What is written there may hold a password or a provider's key, so that no problem
/// shows it.
pub struct WebhookUrl;

impl Kind for WebhookUrl {
    type Value = Url;

    fn allowed() -> String {
        "an address such as \"https://sms.example.com/portcullis\"".to_owned()
    }

    fn read(item: &Item<'_>) -> Option<Url> {
        let url = item.text().and_then(|text| Url::parse(text).ok()).filter(WebhookPlan::is_safe);
        if url.is_none() {
            let (allowed, but) = (Self::allowed(), "http only on this machine, and no user, password or # in it");
            item.problem(format!("allowed is {allowed}; {but}"));
        }
        url
    }

    fn write(value: &Url) -> String {
        format!("\"{value}\"")
    }
}

/// `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Server {
    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl Parse for Server {
    fn allowed() -> String {
        "a server and its port such as \"mail.example.com:465\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once(':').and_then(|(host, port)| {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let plain =
                !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
            let whole = plain && (bare.contains(':') == host.starts_with('['));
            Some(Server { host: bare.to_owned(), port: port.parse().ok().filter(|port| *port != 0)? }).filter(|_| whole)
        });
        parsed.ok_or_else(|| format!("allowed is {}", <Self as Parse>::allowed()))
    }

    fn write(&self) -> String {
        format!("\"{}:{}\"", self.host, self.port)
    }
}

impl Parse for SmtpTls {
    fn allowed() -> String {
        words(&Self::ALL)
    }

    fn parse(text: &str) -> Result<Self, String> {
        one_of(text, &Self::ALL)
    }

    fn write(&self) -> String {
        format!("\"{}\"", Self::ALL.iter().find(|(_, tls)| tls == self).map_or("", |(word, _)| word))
    }
}

impl Parse for Mailbox {
    fn allowed() -> String {
        "a sender such as \"Example Corp <no-reply@example.com>\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("allowed is {}", <Self as Parse>::allowed()))
    }

    fn write(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Parse for Channel {
    fn allowed() -> String {
        words(&Self::ALL.map(|channel| (channel.word(), channel)))
    }

    fn parse(text: &str) -> Result<Self, String> {
        one_of(text, &Self::ALL.map(|channel| (channel.word(), channel)))
    }

    fn write(&self) -> String {
        format!("\"{}\"", self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_name_and_a_port() {
        let server = |text: &str| <Server as Parse>::parse(text).map(|server| (server.host, server.port)).ok();
        assert_eq!(server("mail.example.com:465"), Some(("mail.example.com".to_owned(), 465)));
        assert_eq!(server("[::1]:25"), Some(("::1".to_owned(), 25)));
        for text in ["mail.example.com", ":25", "a:0", "a:b", "::1", "::1:25", "smtp://a:25", "a b:25", "[a]:25x"] {
            assert_eq!(server(text), None, "{text}");
        }
        let here = |text: &str| <Server as Parse>::parse(text).is_ok_and(|server| server.is_here());
        assert!(here("localhost:25") && here("127.0.0.9:25") && here("[::1]:25") && !here("10.0.0.1:25"));
    }
}
