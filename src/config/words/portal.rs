//! The keys of signing in: `[portal]`, `[session]`, `[factor.*]`.

use super::message::Message;
use crate::config::raw::{FilePath, Flag, List, Number, Parse, Span, Sub, Text, table};
use crate::identity::SessionRules;
use crate::oauth::ClientId;
use crate::route::CanonicalHost;
use std::time::Duration;
use uuid::Uuid;

table! {
    /// Where people sign in, enrol, and look after their sessions. It answers every request on its host.
    Portal {
        /// Its origin: `https`, or `http` on `localhost` and below it.
        origin: Text<Origin>, required, r#""https://auth.example.com""#;
        /// What its pages call the organisation.
        name: Text<String>, or("Portcullis".to_owned()), r#""Example Corp""#;
    }
}

table! {
    /// Programs: how command lines and API clients come by tokens. The portal is an OAuth 2 authorization server for the
    /// gateway's own hosts.
    Oauth {
        /// The names that programs may go by; any if it is not given. Nothing vouches for a name: this keeps out
        /// mistakes, not strangers.
        clients: List<Text<ClientId>>, optional, r#"["portcullis"]"#;
        /// How long an access token is good for. Its session may end it sooner, at once.
        access: Span<1_000>, or(Duration::from_secs(600)), r#""10m""#;
        /// How long somebody may take to approve a program that shows a code.
        device_code: Span<1_000>, or(Duration::from_secs(600)), r#""10m""#;
    }
}

table! {
    /// When sessions end. NIST SP 800-63B-4 advises at most 1 h unused and 24 h in all where MFA is needed.
    Session {
        /// Unused for longer than this, a session ends.
        idle: Span, or(SessionRules::DEFAULT.idle), r#""30m""#;
        /// However much it is used, a session ends this long after it was opened.
        absolute: Span, or(SessionRules::DEFAULT.absolute), r#""12h""#;
        /// Sessions that an account may have at once. One more ends the one that was used longest ago.
        per_account: Number<1, 10_000>, or(SessionRules::DEFAULT.per_account as u32), "5";
    }
}

table! {
    /// Ways of proving identity. Each is on if its table is there, even an empty one.
    Factors {
        /// A password.
        password: Sub<Password>, optional, "";
        /// Codes of an authenticator app.
        totp: Sub<Totp>, optional, "";
        /// Passkeys and security keys.
        passkey: Sub<Passkey>, optional, "";
        /// Codes sent to a phone or a mailbox.
        message: Sub<Message>, optional, "";
        /// Codes for a lost device.
        recovery_code: Sub<RecoveryCode>, optional, "";
    }
}

table! {
    /// A password, kept as an Argon2id hash.
    Password {
        /// The fewest characters that a new password may have.
        min_length: Number<8, 64>, or(12), "15";
    }
}

table! {
    /// Codes of an authenticator app (RFC 6238).
    Totp {
        /// What the app shows beside the code; the portal's name if it is not given.
        issuer: Text<String>, optional, r#""Example Corp""#;
    }
}

table! {
    /// Passkeys and security keys (W3C WebAuthn). What is allowed here is asked at every use, not only at enrolment.
    Passkey {
        /// The domain that passkeys are bound to for ever: the portal's host, or a parent domain of it. If it is not
        /// given: the portal's host.
        rp_id: Text<String>, optional, r#""example.com""#;
        /// Whether passkeys count that are copied between their holder's devices.
        synced: Flag, or(true), "false";
        /// Only these models count, by AAGUID. Without `attestation` a model is what an authenticator says of itself.
        models: List<Text<Uuid>>, optional, r#"["2fc0579f-8113-47ea-b116-bb5a8db9202a"]"#;
        /// These models do not count, by AAGUID.
        refuse_models: List<Text<Uuid>>, or(Vec::new()), r#"["00000000-0000-0000-0000-000000000000"]"#;
        /// Certificates of makers, PEM: only authenticators count that one of them attests. A reload reads it again.
        attestation: FilePath, optional, r#""/etc/portcullis/attestation.pem""#;
    }
}

table! {
    /// Codes that are shown once at enrolment. With the password, one of them lets a person enrol a new device.
    RecoveryCode {}
}

/// `scheme://host[:port]`, canonical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// The host.
    pub host: String,
    /// The port, if it is not the scheme's.
    pub port: Option<u16>,
}

impl Origin {
    fn is_local(&self) -> bool {
        self.host == "localhost" || self.host.ends_with(".localhost")
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Parse for Origin {
    fn allowed() -> String {
        "an origin such as \"https://auth.example.com\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (scheme, usual, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => ("https", 443, rest),
            (None, Some(rest)) => ("http", 80, rest),
            (None, None) => return Err(format!("allowed is {}", <Self as Parse>::allowed())),
        };
        if rest.contains(['/', '?', '#']) {
            return Err(format!(
                "an origin ends after the host or port, without even a /: {}",
                <Self as Parse>::allowed()
            ));
        }
        let host = CanonicalHost::parse(rest.as_bytes())
            .map_err(|fault| format!("{fault}; allowed is {}", <Self as Parse>::allowed()))?;
        let port = host.port().filter(|port| *port != usual);
        let origin = Origin { scheme, host: host.name().to_owned(), port };
        if scheme == "http" && !origin.is_local() {
            return Err(
                "sign-in needs https; http is allowed only for localhost and names that end in .localhost".to_owned()
            );
        }
        Ok(origin)
    }

    fn write(&self) -> String {
        format!("\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_https_or_local_and_has_no_path() {
        let written = |text: &str| <Origin as Parse>::parse(text).map(|origin| origin.to_string());
        assert_eq!(written("https://Auth.Example.com:443").as_deref(), Ok("https://auth.example.com"));
        assert_eq!(written("http://auth.localhost:8080").as_deref(), Ok("http://auth.localhost:8080"));
        for text in
            ["auth.example.com", "https://a/", "https://a/b", "http://a.example", "https://a@b", "https://", "ftp://a"]
        {
            assert!(written(text).is_err(), "{text}");
        }
    }
}
