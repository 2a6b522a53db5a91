//! Passkeys and security keys (W3C WebAuthn Level 3): a touch that no look-alike site can relay; knows no page.
//!
//! A challenge is asked anew each time, of one account or of whoever holds a passkey, and its pending state travels with
//! the caller. Discoverable or not, every assertion is checked against one credential and one challenge.

mod kept;
mod rules;

#[cfg(test)]
pub(in crate::factor) mod tests;

pub use rules::{InvalidRoots, Roots, Rules};

use super::{Against, Begun, Enrolled, Factor, Holder, Rejection, Show, Verified};
use crate::identity::{AccountId, FactorName, Kind, Kinds, Proof};
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use async_trait::async_trait;
use data_encoding::BASE64URL_NOPAD;
use kept::Kept;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Webauthn,
    WebauthnBuilder, WebauthnError,
};

/// The word in configuration and records.
pub const NAME: FactorName = FactorName("passkey");

/// The longest answer that is looked at: a registration with a chain of attestation certificates has about 6 KiB.
const LONGEST: usize = 32 * 1024;

/// The first byte of every state and pending state.
const VERSION: u8 = 1;

/// Where passkeys are for, and which of them count.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The domain that passkeys are bound to: the portal's host or a parent domain of it.
    pub rp_id: String,
    /// The portal's origin, the only one that answers may come from.
    pub origin: String,
    /// What devices show beside the account.
    pub name: String,
    /// Which passkeys count.
    pub rules: Rules,
}

/// These settings name no place where passkeys could work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("passkeys need an origin with a host name, and an rp_id that is this name or a parent domain of it")]
pub struct InvalidPlace;

/// The passkey factor.
pub struct Passkey {
    webauthn: Webauthn,
    rules: Rules,
    /// What assertions are checked against where there is no credential: a key that nobody holds.
    decoy: Kept,
}

impl Passkey {
    /// The factor.
    ///
    /// # Errors
    /// If no browser would use a passkey of this domain on this origin.
    pub fn new(settings: &Settings) -> Result<Self, InvalidPlace> {
        let origin = Url::parse(&settings.origin).map_err(|_| InvalidPlace)?;
        let builder = WebauthnBuilder::new(&settings.rp_id, &origin).map_err(|_| InvalidPlace)?;
        let webauthn = builder.rp_name(&settings.name).build().map_err(|_| InvalidPlace)?;
        Ok(Passkey { webauthn, rules: settings.rules.clone(), decoy: Kept::decoy() })
    }

    /// A touch with user verification is something held, and something one is or knows (NIST SP 800-63B-4 §3.1.7).
    fn proof(&self, verification: Verification, at: Time) -> Proof {
        let (kinds, phishing_resistant) = match verification {
            Verification::Done => (self.kinds(), true),
            Verification::Missing => (Kinds::of(Kind::Possession), false),
        };
        Proof { factor: NAME, kinds, phishing_resistant, recovery: false, at }
    }
}

/// Whether the authenticator made sure of its user.
#[derive(Clone, Copy)]
enum Verification {
    Done,
    Missing,
}

impl Verification {
    fn of(done: bool) -> Self {
        if done { Verification::Done } else { Verification::Missing }
    }
}

#[async_trait]
impl Factor for Passkey {
    fn name(&self) -> FactorName {
        NAME
    }

    fn kinds(&self) -> Kinds {
        Kinds::of(Kind::Possession).and(Kind::Inherence)
    }

    fn phishing_resistant(&self) -> bool {
        true
    }

    fn counts(&self, state: &[u8]) -> bool {
        Kept::read(state).is_some_and(|kept| self.rules.admit(&kept))
    }

    async fn challenge(&self, of: Option<Holder<'_>>, _: Time) -> Result<Begun, Rejection> {
        let (asked, state) = self.webauthn.start_discoverable_authentication().map_err(|_| Rejection::Wrong)?;
        let mut options = serde_json::to_value(&asked.public_key).map_err(|_| Rejection::Wrong)?;
        if let Some(holder) = of {
            let held: Vec<Value> =
                held(holder).filter(|kept| self.rules.admit(kept)).map(|kept| kept.described()).collect();
            if held.is_empty() {
                return Err(Rejection::Wrong);
            }
            set(&mut options, "allowCredentials", json!(held));
        }
        // Nothing is done with what extensions would tell.
        set(&mut options, "extensions", json!({}));
        Ok(Begun { pending: write(&state), show: Show::Passkey { options: options.to_string() } })
    }

    async fn verify(&self, against: Against<'_>, answer: &Secret, now: Time) -> Result<Verified, Rejection> {
        let given: PublicKeyCredential = parse(answer).ok_or(Rejection::Wrong)?;
        let asked: DiscoverableAuthentication = against.challenge.and_then(read).ok_or(Rejection::Wrong)?;
        let kept = against.state.and_then(|bytes| Kept::read(bytes).or_else(|| super::unreadable(NAME)));
        let mut kept = kept.unwrap_or_else(|| self.decoy.called(&given));
        let another = given.get_user_unique_id().is_some_and(|user| user != kept.user.as_bytes());
        if another || is_framed(&given) || kept.id() != given.get_credential_id() || given.type_ != "public-key" {
            return Err(Rejection::Wrong);
        }
        let result = self.webauthn.finish_discoverable_authentication_v2(&given, asked, &kept.passkey);
        let result = result.map_err(|error| match error {
            // The signature was right: whoever made it holds this key, or a copy of it.
            WebauthnError::CredentialPossibleCompromise => Rejection::Copied,
            _ => Rejection::Wrong,
        })?;
        if !self.rules.admit(&kept) {
            return Err(Rejection::NotAllowed);
        }
        kept.passkey.update_credential(&result);
        let proof = self.proof(Verification::of(result.user_verified()), now);
        Ok(Verified::new(proof, Some(write(&kept))))
    }

    async fn begin(&self, holder: Holder<'_>) -> Result<Begun, Rejection> {
        let user = Uuid::from_bytes(holder.id.bits());
        let taken = held(holder).map(|kept| kept.id().to_vec()).collect();
        let name = holder.name.as_str();
        let begun = self.webauthn.start_passkey_registration(user, name, name, Some(taken));
        let (asked, state) = begun.map_err(|_| Rejection::Wrong)?;
        let mut options = serde_json::to_value(&asked.public_key).map_err(|_| Rejection::Wrong)?;
        // Without a place of its own in the authenticator it could not be found without a name.
        set(
            &mut options,
            "authenticatorSelection",
            json!({
                "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
            }),
        );
        if self.rules.ask_for_model() {
            set(&mut options, "attestation", json!("direct"));
        }
        let pending = Pending { user, asked: state };
        Ok(Begun { pending: write(&pending), show: Show::Passkey { options: options.to_string() } })
    }

    async fn finish(&self, pending: &[u8], answer: &Secret, now: Time) -> Result<Enrolled, Rejection> {
        let given: RegisterPublicKeyCredential = parse(answer).ok_or(Rejection::Wrong)?;
        let Pending { user, asked } = read(pending).ok_or(Rejection::Wrong)?;
        let passkey = self.webauthn.finish_passkey_registration(&given, &asked).map_err(|_| Rejection::Wrong)?;
        let model = kept::model(&given.response.attestation_object).ok_or(Rejection::Wrong)?;
        let transports = kept::transports(&json!(given.response.transports));
        let kept = Kept { user, model, transports, passkey };
        if !self.rules.admit(&kept) {
            return Err(Rejection::NotAllowed);
        }
        // User verification is required of every registration.
        let verified = Some(Verified::new(self.proof(Verification::Done, now), None));
        let (handle, label) = (Some(kept.id().to_vec()), kept.label().to_owned());
        Ok(Enrolled { state: write(&kept), handle, label, verified })
    }
}

/// What an answer says of itself, before anything of it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The credential that made it.
    pub handle: Vec<u8>,
    /// Whose the authenticator says it is.
    pub account: AccountId,
}

impl Claim {
    /// Reads it from an answer to a challenge that was asked of anybody; `None` if it names no account.
    pub fn of(answer: &Secret) -> Option<Self> {
        let given: PublicKeyCredential = parse(answer)?;
        let account = AccountId::new(given.get_user_unique_id()?.try_into().ok()?);
        Some(Claim { handle: given.get_credential_id().to_vec(), account })
    }
}

/// Whether a passkey is copied between its holder's devices; `None` if the state cannot be read.
pub fn is_synced(state: &[u8]) -> Option<bool> {
    Kept::read(state).map(|kept| kept.is_synced())
}

/// A registration that was asked for.
#[derive(Serialize, Deserialize)]
struct Pending {
    /// For whom.
    user: Uuid,
    asked: PasskeyRegistration,
}

/// The passkeys that somebody holds.
fn held(holder: Holder<'_>) -> impl Iterator<Item = Kept> {
    let own = holder.held.iter().filter(|credential| credential.factor == NAME);
    own.filter_map(|credential| Kept::read(&credential.state))
}

/// An answer as browsers write it.
fn parse<T: DeserializeOwned>(answer: &Secret) -> Option<T> {
    let text = answer.expose();
    (text.len() <= LONGEST).then(|| serde_json::from_slice(text).ok())?
}

/// Whether the browser says that the page which asked stood in a frame of another site (WebAuthn §7.2, step 15). The
/// library looks at this only where something is registered.
fn is_framed(given: &PublicKeyCredential) -> bool {
    #[derive(Deserialize)]
    struct ClientData {
        #[serde(default, rename = "crossOrigin")]
        cross_origin: bool,
    }
    let data: Option<ClientData> = serde_json::from_slice(&given.response.client_data_json).ok();
    data.is_none_or(|data| data.cross_origin)
}

/// What [`write`] wrote.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes.strip_prefix(&[VERSION])?).ok()
}

fn write<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, value).expect("keys, numbers and strings have a JSON form");
    bytes
}

fn set(options: &mut Value, name: &str, value: Value) {
    if let Some(members) = options.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// A credential's name as WebAuthn writes it in JSON.
fn text_of(id: &[u8]) -> String {
    BASE64URL_NOPAD.encode(id)
}
