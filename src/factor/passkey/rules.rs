//! Which passkeys count: synced ones, models, attested ones; asked at every use, so that a rule made today holds for
//! what was enrolled yesterday.

use super::kept::Kept;
use uuid::Uuid;
use webauthn_rs::prelude::AttestationCaList;

/// Which passkeys count.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Whether those count that are copied between devices.
    pub synced: bool,
    /// Only these models; any if it is `None`.
    pub models: Option<Vec<Uuid>>,
    /// Never these models.
    pub refuse_models: Vec<Uuid>,
    /// Only authenticators that are attested under one of these; any if it is `None`.
    pub attestation: Option<Roots>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { synced: true, models: None, refuse_models: Vec::new(), attestation: None }
    }
}

impl Rules {
    /// Whether a passkey counts.
    pub(super) fn admit(&self, kept: &Kept) -> bool {
        let model = &kept.model;
        (self.synced || !kept.is_synced())
            && self.models.as_ref().is_none_or(|models| models.contains(model))
            && !self.refuse_models.contains(model)
            && self.attestation.as_ref().is_none_or(|roots| roots.attest(kept))
    }

    /// Whether an authenticator has to say what it is: without being asked, browsers make security keys nameless.
    pub(super) fn ask_for_model(&self) -> bool {
        self.models.is_some() || !self.refuse_models.is_empty() || self.attestation.is_some()
    }
}

/// Certificates under which authenticators are attested.
#[derive(Clone, Debug, PartialEq)]
pub struct Roots(AttestationCaList);

/// A file that holds no certificates, or others besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it holds no certificate in PEM that could be read")]
pub struct InvalidRoots;

/// What ends each certificate of a file.
const END: &str = "-----END CERTIFICATE-----";

impl Roots {
    /// Reads PEM certificates, one behind another.
    ///
    /// # Errors
    /// If there is none, or one of them cannot be read.
    pub fn parse(pem: &[u8]) -> Result<Self, InvalidRoots> {
        let text = std::str::from_utf8(pem).map_err(|_| InvalidRoots)?;
        let mut all = AttestationCaList::default();
        for piece in text.split_inclusive(END).filter(|piece| piece.contains(END)) {
            let start = piece.find("-----BEGIN").ok_or(InvalidRoots)?;
            let certificate = piece.get(start..).ok_or(InvalidRoots)?;
            all.union(&AttestationCaList::try_from(certificate.as_bytes()).map_err(|_| InvalidRoots)?);
        }
        if all.is_empty() { Err(InvalidRoots) } else { Ok(Roots(all)) }
    }

    /// Whether one of them stands behind what the authenticator said of itself at its registration. The signature of its
    /// statement was checked then.
    fn attest(&self, kept: &Kept) -> bool {
        matches!(kept.credential().verify_attestation(&self.0), Ok(Some(_)))
    }
}
