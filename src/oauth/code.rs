//! Authorization codes (RFC 6749 §4.1) with a proof of who asked for one (PKCE, RFC 7636): good once, for a minute, for
//! one program at one address.

use super::grant::Record;
use super::{ClientId, Fault, Granted, Grants, Redirect, Resource, Setting, Terms, Void, written};
use crate::audit::Event;
use crate::identity::Need;
use crate::session::{LiveSession, SecretToken, Thumbprint};
use crate::stdx::digest::{same, sha256};
use crate::store::OnceKind;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a code is good for: one redirect on one machine, and a request.
const LIFE: Duration = Duration::from_secs(60);

/// How long a code that was used is known as such.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What a program asks a person for by way of their browser.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who asks.
    pub client: ClientId,
    /// Where the code goes.
    pub redirect: Redirect,
    /// What the tokens are for; `None`: every host.
    pub resource: Option<Resource>,
    /// SHA-256 of what the program keeps to itself.
    pub challenge: [u8; 32],
    /// The key that the tokens shall be bound to.
    pub bound: Option<Thumbprint>,
    /// What the session must have proved.
    pub need: Need,
}

/// A code as a program presents it.
#[derive(Clone, Copy, Debug)]
pub struct Redeeming<'a> {
    /// The code.
    pub code: &'a str,
    /// Who presents it.
    pub client: &'a ClientId,
    /// Where it was sent.
    pub redirect: &'a str,
    /// What the program kept to itself.
    pub verifier: &'a str,
    /// The key that was proved with the request.
    pub bound: Option<Thumbprint>,
}

/// What a code must fit.
#[derive(Serialize, Deserialize)]
struct Bond {
    redirect: String,
    challenge: String,
}

impl Grants {
    /// Approves what a program asked for: opens its session and gives the code that stands for it. `None` if whoever
    /// approves may open no session.
    ///
    /// # Errors
    /// [`Fault::Down`].
    pub async fn consent(
        &self,
        wish: &Wish,
        approving: &LiveSession,
        setting: &Setting<'_>,
    ) -> Result<Option<SecretToken>, Fault> {
        let asks = (&wish.client, wish.resource.as_ref());
        let Some(session) = self.lend(approving, asks, setting.source, setting).await? else { return Ok(None) };
        let terms = Terms {
            client: wish.client.clone(),
            resource: wish.resource.as_ref().map(|resource| resource.origin.clone()),
            bound: wish.bound,
        };
        let bond =
            Bond { redirect: wish.redirect.as_str().to_owned(), challenge: BASE64URL_NOPAD.encode(&wish.challenge) };
        let (code, account) = (SecretToken::fresh(), Some(approving.account.id));
        let (key, now) = (code.hash().0, setting.now);
        let of = Self::record(session, &terms)?;
        self.once.put(OnceKind::AuthorizationCode, used(key), account, &of, now.plus(REMEMBERED)).await?;
        self.once.put(OnceKind::AuthorizationCode, key, account, &written(&bond)?, now.plus(LIFE)).await?;
        Ok(Some(code))
    }

    /// Exchanges a code for tokens. One that is presented twice, or by whom it was not made for, ends the session that it
    /// stands for.
    ///
    /// # Errors
    /// [`Fault::Grant`] if it is not good, or not any more.
    pub async fn redeem(&self, redeeming: &Redeeming<'_>, setting: &Setting<'_>) -> Result<Granted, Fault> {
        let code = SecretToken::parse(redeeming.code.as_bytes()).ok_or(Fault::Grant(Void::Unknown))?;
        let (key, now) = (code.hash().0, setting.now);
        let of =
            self.once.peek(OnceKind::AuthorizationCode, used(key), now).await?.ok_or(Fault::Grant(Void::Unknown))?;
        let (session, mut terms) = Record::read(&of).ok_or(Fault::Grant(Void::Unknown))?;
        // Looked at before it is taken: whoever comes second ends the session, and the first gets an answer all the same.
        let live = self.alive(session, setting).await?;
        let bond = self.once.take(OnceKind::AuthorizationCode, key, now).await?;
        let void = match bond {
            None => Some(Void::Reused),
            Some(_) if terms.client != *redeeming.client => Some(Void::OtherClient),
            Some(_) if terms.bound.is_some() && terms.bound != redeeming.bound => Some(Void::OtherKey),
            Some(bond) => (!Bond::fits(&bond, redeeming)).then_some(Void::Unfit),
        };
        if let Some(void) = void {
            self.end_reused(&of, "authorization-code", setting).await?;
            return Err(Fault::Grant(void));
        }
        terms.bound = redeeming.bound;
        self.issue(&live, &terms, setting).await
    }

    /// A person said no.
    pub fn refuse(&self, client: &ClientId, session: &LiveSession, setting: &Setting<'_>) {
        let (account, client) = (session.account.id, client.to_string());
        let event = Event::ProgramDenied { account, client, address: setting.source };
        self.recorder.report(setting.now, event);
    }
}

impl Bond {
    fn fits(value: &[u8], redeeming: &Redeeming<'_>) -> bool {
        let Ok(bond) = serde_json::from_slice::<Bond>(value) else { return false };
        let challenge = BASE64URL_NOPAD.encode(&sha256(redeeming.verifier.as_bytes()));
        bond.redirect == redeeming.redirect && same(bond.challenge.as_bytes(), challenge.as_bytes())
    }
}

/// Where it is kept which session a code stands for, used or not.
fn used(key: [u8; 32]) -> [u8; 32] {
    sha256(&[b"of ", &key[..]].concat())
}
