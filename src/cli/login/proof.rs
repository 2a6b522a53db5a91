//! The key that tokens are bound to, and proofs of holding it (RFC 9449 §4); knows no token endpoint and keeps no file.

use crate::stdx::clock::Time;
use crate::stdx::digest::sha256;
use crate::stdx::entropy;
use crate::stdx::secret::Secret;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::Method;
use jsonwebtoken::jwk::{CommonParameters, Jwk};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

/// The only algorithm that is used here.
pub const ALGORITHM: &str = "ES256";

/// `typ` of a proof (RFC 9449 §4.2).
const TYPE: &str = "dpop+jwt";

/// A key pair whose private half never leaves this machine.
pub struct ProofKey {
    pkcs8: Secret,
    key: EncodingKey,
    public: Jwk,
}

/// The request that is proved.
#[derive(Clone, Copy)]
pub struct Proving<'a> {
    /// How.
    pub method: &'a Method,
    /// Where; its query and fragment are not part of a proof.
    pub url: &'a Url,
    /// The access token that goes with it, if one does.
    pub token: Option<&'a Secret>,
    /// What the server wants to see again.
    pub nonce: Option<&'a str>,
    /// When.
    pub now: Time,
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: String,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl ProofKey {
    /// A new key.
    ///
    /// # Errors
    /// If none can be generated.
    pub fn fresh() -> anyhow::Result<Self> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| anyhow::anyhow!("a key for proofs could not be generated"))?;
        Self::open(pkcs8.as_ref().to_vec()).ok_or_else(|| anyhow::anyhow!("a key for proofs could not be used"))
    }

    /// Reads a key as [`ProofKey::text`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        BASE64.decode(text.as_bytes()).ok().and_then(Self::open)
    }

    /// PKCS #8 in base64, to be kept.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(self.pkcs8.expose()))
    }

    fn open(pkcs8: Vec<u8>) -> Option<Self> {
        let pkcs8 = Secret::new(pkcs8);
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose()).ok()?;
        let key = EncodingKey::from_ec_der(pkcs8.expose());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).ok()?;
        public.common = CommonParameters::default();
        Some(ProofKey { pkcs8, key, public })
    }

    /// A proof for one request, good once.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn prove(&self, proving: &Proving<'_>) -> anyhow::Result<String> {
        let mut url = proving.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let claims = Claims {
            jti: BASE64URL_NOPAD.encode(&entropy::bytes::<16>()),
            htm: proving.method.as_str(),
            htu: url.as_str(),
            iat: proving.now.secs(),
            ath: proving.token.map(|token| BASE64URL_NOPAD.encode(&sha256(token.expose()))),
            nonce: proving.nonce,
        };
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.jwk = Some(self.public.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| anyhow::anyhow!("a proof could not be signed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    fn read(proof: &str) -> (Value, Value) {
        let header = jsonwebtoken::decode_header(proof).expect("a header");
        let jwk = header.jwk.clone().expect("the key is in it");
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let key = DecodingKey::from_jwk(&jwk).expect("a key");
        let claims = jsonwebtoken::decode::<Value>(proof, &key, &validation).expect("it is signed by its key").claims;
        (serde_json::to_value(header).expect("JSON"), claims)
    }

    #[test]
    fn a_proof_is_about_one_request_and_one_token() {
        let key = ProofKey::parse(&ProofKey::fresh().expect("a key").text()).expect("it is read again");
        let url = Url::parse("https://app.example.com/a%20b?c=d").expect("an address");
        let token = Secret::new("abc");
        let proving = Proving {
            method: &Method::POST,
            url: &url,
            token: Some(&token),
            nonce: Some("n-1"),
            now: Time::from_secs(1_700_000_000),
        };
        let (header, claims) = read(&key.prove(&proving).expect("a proof"));
        assert_eq!((&header["typ"], &header["alg"]), (&"dpop+jwt".into(), &"ES256".into()));
        assert!(header["jwk"].get("d").is_none(), "the private half is not in it");
        assert_eq!((&claims["htm"], &claims["htu"]), (&"POST".into(), &"https://app.example.com/a%20b".into()));
        assert_eq!((&claims["nonce"], &claims["iat"]), (&"n-1".into(), &1_700_000_000.into()));
        assert_eq!(claims["ath"], "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    }

    #[test]
    fn no_two_proofs_are_the_same() {
        let key = ProofKey::fresh().expect("a key");
        let url = Url::parse("https://app.example.com/").expect("an address");
        let proving = Proving { method: &Method::GET, url: &url, token: None, nonce: None, now: Time::from_secs(1) };
        let [one, other] = [0, 1].map(|_| read(&key.prove(&proving).expect("a proof")).1["jti"].clone());
        assert_ne!(one, other);
    }

    #[test]
    fn what_is_no_key_is_not_read() {
        assert!(ProofKey::parse("").is_none() && ProofKey::parse("bm8=").is_none() && ProofKey::parse("%").is_none());
    }
}
