//! An authenticator in software, with one passkey: it does what a browser and a security key do together, and lies about
//! whatever a test wants.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde_cbor_2::Value as Cbor;
use serde_json::{Value, json};

/// The flags of authenticator data (WebAuthn §6.1).
pub const PRESENT: u8 = 0x01;
pub const VERIFIED: u8 = 0x04;
pub const SYNCABLE: u8 = 0x08;
pub const SYNCED: u8 = 0x10;
const ATTESTED: u8 = 0x40;

/// One passkey and what holds it.
pub struct Authenticator {
    key: EcdsaKeyPair,
    pub id: Vec<u8>,
    /// The origin that the browser stands on.
    pub origin: String,
    /// User handle of the account it is for, once registered.
    pub user: Option<String>,
    /// Counts every use; stays 0 if it begins there.
    pub counter: u32,
    pub flags: u8,
    /// The AAGUID.
    pub model: [u8; 16],
    pub transports: &'static [&'static str],
    /// What stands behind it: a key and its certificate, DER.
    pub maker: Option<(EcdsaKeyPair, Vec<u8>)>,
}

/// What is untrue in one answer.
#[derive(Clone, Default)]
pub struct Lies {
    pub origin: Option<&'static str>,
    pub rp_id: Option<&'static str>,
    pub kind: Option<&'static str>,
    pub algorithm: Option<i128>,
    pub flags: Option<u8>,
    pub counter: Option<u32>,
    pub user: Option<String>,
    pub id: Option<Vec<u8>>,
    pub framed: bool,
    pub nameless: bool,
}

impl Authenticator {
    /// A fresh one, which counts and does not copy its passkey.
    pub fn new(origin: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let id = digest(&SHA256, key.public_key().as_ref()).as_ref().to_vec();
        let (origin, flags, model) = (origin.to_owned(), PRESENT | VERIFIED, [0; 16]);
        let transports = &["internal"];
        Authenticator { key, id, origin, user: None, counter: 1, flags, model, transports, maker: None }
    }

    /// Answers creation options, as `PublicKeyCredential.toJSON` writes it.
    pub fn create(&mut self, options: &Value, lies: &Lies) -> String {
        self.user = Some(text(&options["user"]["id"]));
        let rp_id = lies.rp_id.map_or_else(|| text(&options["rp"]["id"]), str::to_owned);
        let client = self.client_data(("webauthn.create", options), lies);
        let mut data = self.data(&rp_id, lies.flags.unwrap_or(self.flags) | ATTESTED, self.counter);
        data.extend_from_slice(&self.model);
        data.extend_from_slice(&u16::try_from(self.id.len()).expect("a short id").to_be_bytes());
        data.extend_from_slice(&self.id);
        data.extend(serde_cbor_2::to_vec(&self.public_key(lies.algorithm.unwrap_or(-7))).expect("CBOR"));
        let (format, statement) = self.statement(&data, &client);
        let object = map([("fmt", Cbor::Text(format)), ("attStmt", statement), ("authData", Cbor::Bytes(data))]);
        let object = serde_cbor_2::to_vec(&object).expect("CBOR");
        let response = json!({
            "attestationObject": b64(&object), "clientDataJSON": b64(&client), "transports": self.transports,
        });
        self.credential(&self.id, &response)
    }

    /// Answers request options.
    pub fn get(&mut self, options: &Value, lies: &Lies) -> String {
        if self.counter > 0 {
            self.counter += 1;
        }
        let rp_id = lies.rp_id.map_or_else(|| text(&options["rpId"]), str::to_owned);
        let client = self.client_data(("webauthn.get", options), lies);
        let data = self.data(&rp_id, lies.flags.unwrap_or(self.flags), lies.counter.unwrap_or(self.counter));
        let signed = [&data[..], digest(&SHA256, &client).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("a signature");
        let user = lies.user.clone().or(self.user.clone()).filter(|_| !lies.nameless);
        let response = json!({
            "authenticatorData": b64(&data), "clientDataJSON": b64(&client), "signature": b64(signature.as_ref()),
            "userHandle": user,
        });
        self.credential(lies.id.as_deref().unwrap_or(&self.id), &response)
    }

    fn credential(&self, id: &[u8], response: &Value) -> String {
        let id = b64(id);
        let attachment = "platform";
        json!({
            "id": id, "rawId": id, "type": "public-key", "response": response,
            "authenticatorAttachment": attachment, "clientExtensionResults": {},
        })
        .to_string()
    }

    fn client_data(&self, (kind, options): (&str, &Value), lies: &Lies) -> Vec<u8> {
        json!({
            "type": lies.kind.unwrap_or(kind), "challenge": options["challenge"],
            "origin": lies.origin.unwrap_or(&self.origin), "crossOrigin": lies.framed,
        })
        .to_string()
        .into_bytes()
    }

    fn data(&self, rp_id: &str, flags: u8, counter: u32) -> Vec<u8> {
        [digest(&SHA256, rp_id.as_bytes()).as_ref(), &[flags], &counter.to_be_bytes()].concat()
    }

    /// The key as COSE has it (RFC 9053 §7.1).
    fn public_key(&self, algorithm: i128) -> Cbor {
        let point = self.key.public_key().as_ref();
        let members = [
            (1, Cbor::Integer(2)),
            (3, Cbor::Integer(algorithm)),
            (-1, Cbor::Integer(1)),
            (-2, Cbor::Bytes(point[1..33].to_vec())),
            (-3, Cbor::Bytes(point[33..65].to_vec())),
        ];
        Cbor::Map(members.into_iter().map(|(name, value)| (Cbor::Integer(name), value)).collect())
    }

    /// Format and statement: none, or packed with its maker's certificate (WebAuthn §8.2).
    fn statement(&self, data: &[u8], client: &[u8]) -> (String, Cbor) {
        let Some((key, certificate)) = &self.maker else { return ("none".to_owned(), map([])) };
        let signed = [data, digest(&SHA256, client).as_ref()].concat();
        let signature = key.sign(&SystemRandom::new(), &signed).expect("a signature");
        let chain = Cbor::Array(vec![Cbor::Bytes(certificate.clone())]);
        let signature = Cbor::Bytes(signature.as_ref().to_vec());
        ("packed".to_owned(), map([("alg", Cbor::Integer(-7)), ("sig", signature), ("x5c", chain)]))
    }
}

fn map<const N: usize>(members: [(&str, Cbor); N]) -> Cbor {
    Cbor::Map(members.into_iter().map(|(name, value)| (Cbor::Text(name.to_owned()), value)).collect())
}

fn b64(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
