//! Tokens from the token endpoint: read, exchanged for new ones, and given back (RFC 6749 §5 and §6, RFC 7009); keeps
//! nothing.

use super::asking::{Answer, Asking, Http};
use super::discovery::Server;
use super::proof::ProofKey;
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use std::time::Duration;

/// The name that this program goes by.
pub const CLIENT: &str = "portcullis";

/// How long a token is taken to be good for if nobody says.
const USUAL_LIFE: Duration = Duration::from_secs(60 * 5);

/// The longest that is believed: a year.
const LONGEST_LIFE: u64 = 365 * 24 * 3600;

/// Tokens as they were granted.
pub struct Granted {
    /// What requests carry.
    pub access: Secret,
    /// What new ones are exchanged for; good once.
    pub refresh: Option<Secret>,
    /// When the access token ends.
    pub until: Time,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
}

impl Granted {
    /// Reads an answer with tokens, which must be bound if a key was proved.
    ///
    /// # Errors
    /// If it holds none, or others than were asked for.
    pub fn read(answer: &Answer, key: Option<&ProofKey>, now: Time) -> anyhow::Result<Self> {
        let Tokens { access_token, token_type, expires_in, refresh_token } = answer.json()?;
        let wanted = if key.is_some() { "DPoP" } else { "Bearer" };
        if !token_type.eq_ignore_ascii_case(wanted) {
            anyhow::bail!("the gateway granted a {:?} token where a {wanted} token was asked for", token_type);
        }
        // Whatever else could end a header's line.
        let plain = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain(&access_token) || !refresh_token.iter().all(plain) {
            anyhow::bail!("the gateway granted a token that is none: it has spaces or control characters");
        }
        let life = expires_in.map_or(USUAL_LIFE, |secs| Duration::from_secs(secs.min(LONGEST_LIFE)));
        Ok(Granted {
            access: Secret::new(access_token),
            refresh: refresh_token.map(Secret::new),
            until: now.plus(life),
        })
    }
}

/// Exchanges a refresh token. `None` if it is not good any more.
///
/// # Errors
/// If the server does not answer, or not as it should.
pub async fn refresh(
    (http, server): (&mut Http, &Server),
    token: &Secret,
    key: Option<&ProofKey>,
    now: Time,
) -> anyhow::Result<Option<Granted>> {
    let form = [("grant_type", "refresh_token"), ("client_id", CLIENT), ("refresh_token", token.expose_text()?)];
    let answer = http.ask(&Asking { key, ..Asking::post("new tokens", &server.token, &form) }).await?;
    match answer.status {
        200 => Granted::read(&answer, key, now).map(Some),
        400 | 401 if answer.refused().error == "invalid_grant" => Ok(None),
        _ => Err(answer.unexpected()),
    }
}

/// Whose an access token is, if that can be read in it: the name (OpenID Connect Core §5.1), else the subject (RFC 9068
/// §2.2). Nothing vouches for it here.
pub fn holder(access: &Secret) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
        preferred_username: Option<String>,
    }
    let claims = access.expose_text().ok()?.split('.').nth(1)?;
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.preferred_username.unwrap_or(claims.sub))
}

/// Gives a token back, and with it the session behind it.
///
/// # Errors
/// If the server takes none back, or does not answer.
pub async fn revoke((http, server): (&mut Http, &Server), token: &Secret) -> anyhow::Result<()> {
    let Some(revocation) = &server.revocation else {
        anyhow::bail!("{} takes no tokens back", server.issuer);
    };
    let form = [("client_id", CLIENT), ("token", token.expose_text()?)];
    let answer = http.ask(&Asking::post("the end of the session", revocation, &form)).await?;
    if answer.status == 200 { Ok(()) } else { Err(answer.unexpected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_name_goes_by_it() {
        let token = |claims: &str| Secret::new(format!("e30.{}.AA", BASE64URL_NOPAD.encode(claims.as_bytes())));
        let named = token(r#"{"sub":"acc_1","preferred_username":"alice"}"#);
        assert_eq!(holder(&named).as_deref(), Some("alice"));
        assert_eq!(holder(&token(r#"{"sub":"acc_1"}"#)).as_deref(), Some("acc_1"));
        assert_eq!(holder(&Secret::new("opaque")), None);
    }
}
