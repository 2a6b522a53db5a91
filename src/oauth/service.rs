//! Programs with an account of their own: they prove who they are with a key (RFC 7523 §2.2) or a client certificate (RFC
//! 8705 §2.2), and get a session without a person (RFC 6749 §4.4); knows no policy.

use super::grant::Terms;
use super::{ClientId, Fault, Granted, Grants, Resource, Setting, Unproven};
use crate::audit::Event;
use crate::factor::client_key::{self, Asserted, Expected, Wrong};
use crate::factor::{Proven, Verified};
use crate::identity::{Account, AccountKind, AccountName, Credential, Device, Proofs};
use crate::session::Thumbprint;
use crate::store::OnceKind;

/// What the account page and the commands call such a session.
const DEVICE: &str = "service account";

/// Sessions that a service account may have: every request for a token opens one, and many jobs may run at once.
const MOST_SESSIONS: usize = 10_000;

/// How a program says who it is.
#[derive(Clone, Copy, Debug)]
pub struct Identification<'a> {
    /// Its account's name, as it was sent.
    pub client: &'a str,
    /// With what it proves that.
    pub by: ProvedBy<'a>,
    /// For which host its tokens shall be; `None`: every one.
    pub resource: Option<&'a Resource>,
    /// The key that its tokens shall be bound to, which it has proved to hold.
    pub bound: Option<Thumbprint>,
    /// Where its assertion may be for, besides the issuer: the address it was sent to.
    pub endpoint: &'a str,
}

/// With what a program proves who it is.
#[derive(Clone, Copy, Debug)]
pub enum ProvedBy<'a> {
    /// A signed assertion.
    Assertion(&'a str),
    /// SHA-256 of the certificate that it showed in the TLS handshake.
    Certificate([u8; 32]),
}

impl Grants {
    /// Opens a session for a program that proves who it is, and issues a token for it: one that is bound to its
    /// certificate, if it came with one. There is no refresh token (RFC 6749 §4.4.3): a program proves itself again.
    ///
    /// # Errors
    /// [`Fault::Client`] for every reason why it does not count; [`Fault::Down`].
    pub async fn identify(&self, said: &Identification<'_>, setting: &Setting<'_>) -> Result<Granted, Fault> {
        let client = ClientId::parse(said.client).ok_or(Fault::Client(Unproven::NotTaken))?;
        let account = self.service_account(said.client).await?;
        let (account, credential, verified) = match self.proved(account.as_ref(), said, setting).await {
            Ok(proved) => proved,
            Err(fault) => {
                self.report_unproven((&client, account.as_ref()), &fault, setting);
                return Err(fault);
            }
        };
        let proven = Proven::new(account.id, Proofs::new(), &verified);
        let device = Device { name: DEVICE.to_owned(), address: setting.source };
        let opening = (None, Some(MOST_SESSIONS));
        let session = self.keeper.open_for_program(&proven, device, opening, setting.now).await?;
        let session = session.ok_or(Fault::Client(Unproven::Disabled))?;
        // Only for whoever looks when a key was last used: if another use is written at once, that one tells it too.
        self.credentials.advance(credential.id, credential.version, &credential.state, setting.now).await?;
        let (account, address) = (account.id, setting.source);
        self.recorder.report(setting.now, Event::ProgramSignedIn { account, session, address });
        let resource = said.resource.map(|resource| resource.origin.clone());
        let certificate = match said.by {
            ProvedBy::Assertion(_) => None,
            ProvedBy::Certificate(hash) => Some(Thumbprint(hash)),
        };
        let terms = Terms { client, resource, bound: said.bound };
        self.access_only(session, (&terms, certificate), setting).await
    }

    async fn service_account(&self, name: &str) -> Result<Option<Account>, Fault> {
        let Ok(name) = AccountName::parse(name) else { return Ok(None) };
        let account = self.accounts.by_name(&name).await?;
        Ok(account.filter(|account| account.kind == AccountKind::Service))
    }

    /// The account, and the key of its that fits.
    async fn proved<'a>(
        &self,
        account: Option<&'a Account>,
        said: &Identification<'_>,
        setting: &Setting<'_>,
    ) -> Result<(&'a Account, Credential, Verified), Fault> {
        let account = account.ok_or(Fault::Client(Unproven::Unknown))?;
        if account.disabled {
            return Err(Fault::Client(Unproven::Disabled));
        }
        let (credential, verified) = self.check(account, said, setting).await?;
        Ok((account, credential, verified))
    }

    /// The key that fits. An assertion that fits counts once: its name is marked before it is believed.
    async fn check(
        &self,
        account: &Account,
        said: &Identification<'_>,
        setting: &Setting<'_>,
    ) -> Result<(Credential, Verified), Fault> {
        let held = self.credentials.of(account.id).await?;
        let keys = held.into_iter().filter(|credential| credential.factor == client_key::NAME);
        let audiences = [setting.issuer, said.endpoint];
        let expected = Expected { client: account.name.as_str(), audiences: &audiences, now: setting.now };
        let mut why = match said.by {
            ProvedBy::Certificate(_) => Unproven::Certificate,
            ProvedBy::Assertion(_) => Unproven::Assertion(Wrong::Key),
        };
        for key in keys {
            match said.by {
                ProvedBy::Certificate(hash) => {
                    if let Some(verified) = client_key::verify_certificate(&key.state, &hash, setting.now) {
                        return Ok((key, verified));
                    }
                }
                ProvedBy::Assertion(text) => match client_key::verify_assertion(&key.state, text, expected) {
                    Ok(asserted) => return Ok((key, self.spend(asserted, setting).await?)),
                    // What another key did not sign tells less.
                    Err(Wrong::Key) => {}
                    Err(wrong) => why = Unproven::Assertion(wrong),
                },
            }
        }
        Err(Fault::Client(why))
    }

    async fn spend(&self, asserted: Asserted, setting: &Setting<'_>) -> Result<Verified, Fault> {
        let span = (setting.now, asserted.until);
        let first = self.once.mark(OnceKind::Spent, asserted.id, span).await?;
        if first { Ok(asserted.verified) } else { Err(Fault::Client(Unproven::Replayed)) }
    }

    /// Puts on record that a program did not prove who it is: the first time of its kind in a while.
    fn report_unproven(&self, (client, account): (&ClientId, Option<&Account>), fault: &Fault, setting: &Setting<'_>) {
        let Fault::Client(why) = fault else { return };
        let account = account.map(|account| account.id);
        if self.told.is_first((account, *why), setting.source, setting.now) {
            let (name, why, address) = (client.to_string(), why.word(), setting.source);
            self.recorder.report(setting.now, Event::ProgramSignInFailed { account, name, why, address });
        }
    }
}
