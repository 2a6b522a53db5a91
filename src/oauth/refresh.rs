//! Refresh tokens: each is good once and leaves another in its place; one that comes back ends its session (RFC 9700
//! §4.14.2). And how a program gives its tokens back (RFC 7009).

use super::grant::Record;
use super::limits::Counted;
use super::{ClientId, Fault, Granted, Grants, Setting, Void};
use crate::audit::Event;
use crate::identity::SessionId;
use crate::session::{SecretToken, Thumbprint};
use crate::store::OnceKind;

impl Grants {
    /// Exchanges a refresh token for new tokens.
    ///
    /// # Errors
    /// [`Fault::Grant`] if it is not good, not any more, or not this program's; a known one that was used before ends
    /// its session.
    pub async fn refresh(
        &self,
        token: &str,
        (client, bound): (&ClientId, Option<Thumbprint>),
        setting: &Setting<'_>,
    ) -> Result<Granted, Fault> {
        let token = SecretToken::parse(token.as_bytes()).ok_or(Fault::Grant(Void::Unknown))?;
        let (key, now) = (token.hash().0, setting.now);
        let Some(of) = self.once.peek(OnceKind::RefreshOf, key, now).await? else {
            return Err(Fault::Grant(Void::Unknown));
        };
        let (session, terms) = Record::read(&of).ok_or(Fault::Grant(Void::Unknown))?;
        // Somebody else's program, or one without the key, spends nothing.
        if terms.client != *client {
            return Err(Fault::Grant(Void::OtherClient));
        }
        if terms.bound.is_some() && terms.bound != bound {
            return Err(Fault::Grant(Void::OtherKey));
        }
        // Looked at before it is taken: whoever comes second ends the session, and the first gets an answer all the same.
        let live = self.alive(session, setting).await?;
        if self.once.take(OnceKind::Refresh, key, now).await?.is_none() {
            self.end_reused(&of, "refresh-token", setting).await?;
            return Err(Fault::Grant(Void::Reused));
        }
        self.issue(&live, &terms, setting).await
    }

    /// Ends the session that a token is of, if it is one and `client`'s (RFC 7009 §2.1). Nobody is told whether it was.
    ///
    /// No proof of a key is asked for, even if the token is bound to one: the programs that follow the standards send none
    /// here (RFC 9449 §5, §7), and whoever has stolen a bound token can do no more with it than end what it opens.
    ///
    /// # Errors
    /// [`Fault::Down`].
    pub async fn revoke(&self, token: &str, client: &ClientId, setting: &Setting<'_>) -> Result<(), Fault> {
        let Some(session) = self.session_of(token, client, setting).await? else { return Ok(()) };
        let Some(live) = self.reader.live(session, setting.now, setting.sessions).await? else { return Ok(()) };
        self.keeper.end(session).await?;
        let event = Event::SessionEnded { account: live.account.id, session, by: "revocation" };
        self.recorder.report(setting.now, event);
        Ok(())
    }

    async fn session_of(
        &self,
        token: &str,
        client: &ClientId,
        setting: &Setting<'_>,
    ) -> Result<Option<SessionId>, Fault> {
        if let Some(token) = SecretToken::parse(token.as_bytes()) {
            let of = self.once.peek(OnceKind::RefreshOf, token.hash().0, setting.now).await?;
            let of = of.and_then(|value| Record::read(&value));
            let theirs = of.filter(|(_, terms)| terms.client == *client);
            return Ok(theirs.map(|(session, _)| session));
        }
        let bearer = self.tokens.verify(setting.issuer, token.as_bytes(), setting.now);
        Ok(bearer.filter(|bearer| *bearer.client == *client.as_str()).map(|bearer| bearer.session))
    }

    /// Counts what was not good against its source.
    pub fn note_fault(&self, fault: &Fault, setting: &Setting<'_>) {
        if matches!(fault, Fault::Grant(_) | Fault::Client(_) | Fault::Proof) {
            self.limits.count(Counted::Failure, setting.source, setting.now);
        }
    }

    /// Makes a source wait that presented too much that was not good.
    ///
    /// # Errors
    /// [`Fault::Later`].
    pub fn check_source(&self, setting: &Setting<'_>) -> Result<(), Fault> {
        let wait = self.limits.wait(Counted::Failure, setting.source, setting.now);
        wait.map_or(Ok(()), |until| Err(Fault::Later(until)))
    }
}
