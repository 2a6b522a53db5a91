//! Public keys and certificates of programs, as files bring them and as they are kept; checks no signature.

use crate::stdx::digest::sha256;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, ThumbprintHash};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

/// The shortest RSA modulus, in bytes: 2048 bits (NIST SP 800-131A).
const RSA_LEAST: usize = 256;

/// What is kept of a program's key.
pub(super) enum Kept {
    /// A public key that assertions are signed with.
    Key(Box<Jwk>),
    /// SHA-256 of a client certificate.
    Certificate([u8; 32]),
}

/// A file that holds no key or certificate that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It holds the half that nobody else should have.
    #[error(
        "it holds a private key; give its public half (`openssl pkey -in KEY -pubout`), and keep this one to the program"
    )]
    Private,
    /// It is something else, or of a kind that is not taken.
    #[error(
        "allowed are a public key or a certificate in PEM, or a public JWK: EC P-256 or P-384, Ed25519, or RSA from 2048 bits"
    )]
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Record {
    Jwk(Box<Jwk>),
    Certificate(String),
}

/// Reads a file with a public key or a certificate; gives the state to keep.
///
/// # Errors
/// What is wrong with it.
pub fn read(file: &[u8]) -> Result<Vec<u8>, Unfit> {
    if PrivateKeyDer::from_pem_slice(file).is_ok() {
        return Err(Unfit::Private);
    }
    if let Ok(certificate) = CertificateDer::from_pem_slice(file) {
        return Ok(Record::Certificate(HEXLOWER.encode(&sha256(&certificate))).written());
    }
    let jwk = match serde_json::from_slice::<serde_json::Value>(file) {
        Ok(value) if value.get("d").is_some() => return Err(Unfit::Private),
        Ok(value) => serde_json::from_value(value).map_err(|_| Unfit::Unknown)?,
        Err(_) => from_pem(file).ok_or(Unfit::Unknown)?,
    };
    if is_fit(&jwk) { Ok(Record::Jwk(Box::new(jwk)).written()) } else { Err(Unfit::Unknown) }
}

/// What a kept key is called: its kind and the beginning of its fingerprint; empty if it is damaged.
pub fn label(state: &[u8]) -> String {
    let print = fingerprint(state);
    match Kept::parse(state) {
        Some(Kept::Key(jwk)) => format!("{} key {}", kind(&jwk), print.get(..12).unwrap_or_default()),
        Some(Kept::Certificate(_)) => format!("certificate {}", print.get(..16).unwrap_or_default()),
        None => String::new(),
    }
}

/// What a kept key is told from all others by: the thumbprint of a public key (RFC 7638, SHA-256, base 64 for URLs), or the
/// SHA-256 of a certificate in hexadecimal; empty if it is damaged.
pub fn fingerprint(state: &[u8]) -> String {
    match Kept::parse(state) {
        Some(Kept::Key(jwk)) => jwk.thumbprint(ThumbprintHash::SHA256).unwrap_or_default(),
        Some(Kept::Certificate(hash)) => HEXLOWER.encode(&hash),
        None => String::new(),
    }
}

impl Kept {
    /// Reads what [`read`] gave.
    pub(super) fn parse(state: &[u8]) -> Option<Self> {
        match serde_json::from_slice(state).ok()? {
            Record::Jwk(jwk) => Some(Kept::Key(jwk)),
            Record::Certificate(hex) => Some(Kept::Certificate(HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?)),
        }
    }
}

impl Record {
    fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record of strings has a JSON form")
    }
}

fn from_pem(file: &[u8]) -> Option<Jwk> {
    let key = DecodingKey::from_ec_pem(file).or_else(|_| DecodingKey::from_ed_pem(file));
    let key = key.or_else(|_| DecodingKey::from_rsa_pem(file)).ok()?;
    Jwk::from_decoding_key(&key, None).ok()
}

fn is_fit(jwk: &Jwk) -> bool {
    let length = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_or(0, |bytes| bytes.len());
    match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => length(&key.x) == 32 && length(&key.y) == 32,
            EllipticCurve::P384 => length(&key.x) == 48 && length(&key.y) == 48,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(key) => key.curve == EllipticCurve::Ed25519 && length(&key.x) == 32,
        AlgorithmParameters::RSA(key) => length(&key.n) >= RSA_LEAST,
        // Foreign enums that may grow: what is not known is not fit.
        _ => false,
    }
}

fn kind(jwk: &Jwk) -> &'static str {
    match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => "P-384",
        AlgorithmParameters::EllipticCurve(_) => "P-256",
        AlgorithmParameters::OctetKeyPair(_) => "Ed25519",
        AlgorithmParameters::RSA(_) => "RSA",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::PublicKeyData;

    const KINDS: [(&rcgen::SignatureAlgorithm, &str); 3] = [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "P-256"),
        (&rcgen::PKCS_ECDSA_P384_SHA384, "P-384"),
        (&rcgen::PKCS_ED25519, "Ed25519"),
    ];

    fn public_pem(key: &rcgen::KeyPair) -> String {
        let body = data_encoding::BASE64.encode(&key.subject_public_key_info());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    #[test]
    fn public_keys_and_certificates_are_kept_and_have_a_name() {
        for (algorithm, kind) in KINDS {
            let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
            let state = read(public_pem(&key).as_bytes()).unwrap_or_else(|why| panic!("{kind}: {why}"));
            assert!(label(&state).starts_with(&format!("{kind} key ")), "{}", label(&state));
            assert_eq!(fingerprint(&state).len(), 43, "SHA-256 in base 64");
            assert!(label(&state).ends_with(&fingerprint(&state)[..12]));
            let certificate = rcgen::CertificateParams::new(vec!["ci".to_owned()]).expect("names");
            let pem = certificate.self_signed(&key).expect("a certificate").pem();
            assert!(label(&read(pem.as_bytes()).expect("a certificate")).starts_with("certificate "));
        }
        assert_eq!(label(b"garbage"), "");
    }

    #[test]
    fn the_private_half_is_told_apart_and_not_kept() {
        let key = rcgen::KeyPair::generate().expect("a key");
        assert_eq!(read(key.serialize_pem().as_bytes()), Err(Unfit::Private));
        let jwk = r#"{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"c"}"#;
        assert_eq!(read(jwk.as_bytes()), Err(Unfit::Private));
    }

    #[test]
    fn whatever_else_is_no_key() {
        let short = BASE64URL_NOPAD.encode(&[0xff; 128]);
        for text in [
            "",
            "garbage",
            "{}",
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
            r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#,
            &format!(r#"{{"kty":"RSA","n":"{short}","e":"AQAB"}}"#),
        ] {
            assert_eq!(read(text.as_bytes()), Err(Unfit::Unknown), "{text}");
        }
    }
}
