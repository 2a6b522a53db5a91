//! A certificate for the run, as all contenders with TLS get it: ECDSA P-256; trusted by nobody.

use anyhow::Result;
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

/// Certificate and key as files in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes one for a host.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn make(host: &str, folder: &Path) -> Result<Self> {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let certificate = CertificateParams::new(vec![host.to_owned()])?.self_signed(&pair)?;
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        fs::write(&cert, certificate.pem())?;
        fs::write(&key, pair.serialize_pem())?;
        Ok(Self { cert, key })
    }
}
