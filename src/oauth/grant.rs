//! A session that a person lends to a program, and the tokens for it; knows not how the person was asked.

use super::{ClientId, Fault, Grants, Resource, Setting, Void, written};
use crate::audit::Event;
use crate::factor::Proven;
use crate::identity::{AccountId, AccountName, Device, SessionId};
use crate::session::{LiveSession, SecretToken, Thumbprint};
use crate::store::OnceKind;
use crate::token::Grant;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Under which terms tokens are issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// To whom.
    pub client: ClientId,
    /// For what; `None`: every host of the gateway.
    pub resource: Option<String>,
    /// The key that must be proved with every use.
    pub bound: Option<Thumbprint>,
}

/// What a program gets.
pub struct Granted {
    /// The access token.
    pub access: Zeroizing<String>,
    /// The refresh token; none for a program that can prove itself again.
    pub refresh: Option<Zeroizing<String>>,
    /// How long the access token is good for.
    pub life: Duration,
    /// The key that must be proved with every use.
    pub bound: Option<Thumbprint>,
    /// Whose session it is.
    pub account: (AccountId, AccountName),
}

/// What a refresh token stands for.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub session: String,
    pub client: String,
    resource: Option<String>,
    bound: Option<String>,
}

impl Record {
    /// The session and the terms; `None` if the record is not what we write.
    pub fn read(value: &[u8]) -> Option<(SessionId, Terms)> {
        let Record { session, client, resource, bound } = serde_json::from_slice(value).ok()?;
        let bound = match bound {
            None => None,
            Some(text) => Some(Thumbprint::parse(&text)?),
        };
        Some((SessionId::parse(&session).ok()?, Terms { client: ClientId::parse(&client)?, resource, bound }))
    }
}

impl Grants {
    /// Opens the session that a program gets by the approval of whoever has the other one: with its proofs, each as old
    /// as it is. `None` if that account may open none.
    pub(super) async fn lend(
        &self,
        approving: &LiveSession,
        (client, resource): (&ClientId, Option<&Resource>),
        from: IpAddr,
        setting: &Setting<'_>,
    ) -> Result<Option<SessionId>, Fault> {
        let Some(proven) = Proven::lent(approving.account.id, approving.proofs.clone()) else { return Ok(None) };
        let device = Device { name: format!("{client} on the command line"), address: from };
        let opening = (Some(approving.id), Some(setting.sessions.per_account));
        let opened = self.keeper.open_for_program(&proven, device, opening, setting.now).await?;
        if let Some(session) = opened {
            let event = Event::ProgramApproved {
                account: approving.account.id,
                session,
                client: client.to_string(),
                resource: resource.map(|resource| resource.origin.clone()),
                address: from,
            };
            self.recorder.report(setting.now, event);
        }
        Ok(opened)
    }

    /// Issues tokens for a session, which must be alive: it counts as used.
    ///
    /// # Errors
    /// [`Fault::Grant`] if it is not, [`Fault::Down`].
    pub async fn grant(&self, session: SessionId, terms: &Terms, setting: &Setting<'_>) -> Result<Granted, Fault> {
        let live = self.alive(session, setting).await?;
        self.issue(&live, terms, setting).await
    }

    /// A session that is alive.
    pub(super) async fn alive(&self, session: SessionId, setting: &Setting<'_>) -> Result<Arc<LiveSession>, Fault> {
        self.reader.live(session, setting.now, setting.sessions).await?.ok_or(Fault::Grant(Void::Ended))
    }

    pub(super) async fn issue(
        &self,
        live: &Arc<LiveSession>,
        terms: &Terms,
        setting: &Setting<'_>,
    ) -> Result<Granted, Fault> {
        let (account, expires) = (live.account.id, live.created.plus(setting.sessions.absolute));
        let (record, refresh) = (Self::record(live.id, terms)?, SecretToken::fresh());
        // What tells of its reuse is there before it is.
        for kind in [OnceKind::RefreshOf, OnceKind::Refresh] {
            self.once.put(kind, refresh.hash().0, Some(account), &record, expires).await?;
        }
        let access = self.access(live, (terms, None), setting)?;
        self.reader.note_use(live, setting.now);
        let refresh = Some(refresh.text());
        Ok(Granted { access, refresh, life: setting.access, bound: terms.bound, account: named(live) })
    }

    /// Issues an access token for a session and nothing to renew it with.
    pub(super) async fn access_only(
        &self,
        session: SessionId,
        (terms, certificate): (&Terms, Option<Thumbprint>),
        setting: &Setting<'_>,
    ) -> Result<Granted, Fault> {
        let live = self.alive(session, setting).await?;
        let access = self.access(&live, (terms, certificate), setting)?;
        Ok(Granted { access, refresh: None, life: setting.access, bound: terms.bound, account: named(&live) })
    }

    fn access(
        &self,
        live: &LiveSession,
        (terms, certificate): (&Terms, Option<Thumbprint>),
        setting: &Setting<'_>,
    ) -> Result<Zeroizing<String>, Fault> {
        // The portal may have moved to a host that this was granted for: as an audience, its origin is every host.
        if terms.resource.as_deref() == Some(setting.issuer) {
            return Err(Fault::Target);
        }
        let grant = Grant {
            issuer: setting.issuer,
            resource: terms.resource.as_deref(),
            client: terms.client.as_str(),
            bound: terms.bound,
            certificate,
            life: setting.access,
        };
        let access = self.tokens.issue(live, &grant, setting.now);
        Ok(access.ok_or_else(|| super::Unavailable("a token could not be signed".to_owned()))?.into())
    }

    /// Ends a session whose secret was presented a second time: one of the two who have it should not.
    pub(super) async fn end_reused(
        &self,
        value: &[u8],
        what: &'static str,
        setting: &Setting<'_>,
    ) -> Result<(), Fault> {
        let Some((session, terms)) = Record::read(value) else { return Ok(()) };
        let live = self.reader.live(session, setting.now, setting.sessions).await?;
        self.keeper.end(session).await?;
        if let Some(live) = live {
            let (account, client, address) = (live.account.id, terms.client.to_string(), setting.source);
            self.recorder.report(setting.now, Event::SecretReused { account, session, client, what, address });
        }
        Ok(())
    }

    /// The record of what a secret stands for.
    pub(super) fn record(session: SessionId, terms: &Terms) -> Result<Vec<u8>, Fault> {
        Ok(written(&Record {
            session: session.to_string(),
            client: terms.client.to_string(),
            resource: terms.resource.clone(),
            bound: terms.bound.map(|bound| bound.to_string()),
        })?)
    }
}

fn named(session: &LiveSession) -> (AccountId, AccountName) {
    (session.account.id, session.account.name.clone())
}
