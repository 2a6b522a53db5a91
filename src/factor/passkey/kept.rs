//! What is kept of a passkey: whose it is, its model, and what webauthn-rs needs to check it. None of it is secret.

use serde::{Deserialize, Serialize};
use serde_cbor_2::Value as Cbor;
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{Credential, Passkey, PublicKeyCredential};

/// The base point of P-256, whose discrete logarithm is 1: any point of the curve would do for work's sake.
const DECOY: (&str, &str) =
    ("axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU");

/// Where the model stands in authenticator data, behind hash, flags and counter (WebAuthn §6.5.1).
const MODEL: std::ops::Range<usize> = 37..53;

/// A passkey.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The user handle: the account's id.
    pub user: Uuid,
    /// The AAGUID: the model of the authenticator, or zeros if it does not say.
    pub model: Uuid,
    /// The ways in which it is reached (WebAuthn §5.8.4), as it said at its registration.
    pub transports: Vec<String>,
    /// Key, counter, backup flags, attestation.
    pub passkey: Passkey,
}

impl Kept {
    /// Reads a state.
    pub fn read(state: &[u8]) -> Option<Self> {
        super::read(state)
    }

    /// A key that no assertion fits, for the work's sake.
    pub fn decoy() -> Self {
        let credential = json!({
            "cred_id": "", "counter": 0, "transports": null, "user_verified": true, "backup_eligible": false,
            "backup_state": false, "registration_policy": "required",
            "cred": { "type_": "ES256", "key": { "EC_EC2": { "curve": "SECP256R1", "x": DECOY.0, "y": DECOY.1 } } },
            "extensions": {}, "attestation": { "data": "None", "metadata": "None" }, "attestation_format": "none",
        });
        let credential: Credential = serde_json::from_value(credential).expect("a fixed text of the form it has");
        Kept { user: Uuid::nil(), model: Uuid::nil(), transports: Vec::new(), passkey: credential.into() }
    }

    /// The same key under the name and for the user that an assertion gives.
    pub fn called(&self, given: &PublicKeyCredential) -> Self {
        let mut credential = self.credential();
        given.get_credential_id().clone_into(&mut credential.cred_id);
        let user = given.get_user_unique_id().and_then(|user| Uuid::from_slice(user).ok());
        Kept { user: user.unwrap_or(self.user), passkey: credential.into(), ..self.clone() }
    }

    /// Its id, by which it is presented.
    pub fn id(&self) -> &[u8] {
        self.passkey.cred_id()
    }

    /// What webauthn-rs keeps of it.
    pub fn credential(&self) -> Credential {
        self.passkey.clone().into()
    }

    /// Whether it may be, or is, copied between devices (WebAuthn §6.1.3).
    pub fn is_synced(&self) -> bool {
        self.credential().backup_eligible
    }

    /// As a challenge names it.
    pub fn described(&self) -> Value {
        json!({ "type": "public-key", "id": super::text_of(self.id()), "transports": self.transports })
    }

    /// What it may be called, by the ways in which it is reached.
    pub fn label(&self) -> &'static str {
        let has = |way: &str| self.transports.iter().any(|own| own == way);
        match (has("internal"), has("usb") || has("nfc") || has("ble"), has("hybrid")) {
            (false, true, _) => "Security key",
            (false, false, true) => "Passkey on a phone",
            (true, _, _) | (false, false, false) => "Passkey",
        }
    }
}

/// Transports as the library reads them, in words; unknown ones are left out.
pub(super) fn transports(read: &Value) -> Vec<String> {
    let words = read.as_array().into_iter().flatten().filter_map(Value::as_str);
    words.filter(|word| *word != "unknown").map(str::to_owned).collect()
}

/// The model in an attestation object that was verified; `None` if it has none.
pub(super) fn model(attestation: &[u8]) -> Option<Uuid> {
    let Ok(Cbor::Map(object)) = serde_cbor_2::from_slice(attestation) else { return None };
    let Some(Cbor::Bytes(data)) = object.get(&Cbor::Text("authData".to_owned())) else { return None };
    Uuid::from_slice(data.get(MODEL)?).ok()
}
