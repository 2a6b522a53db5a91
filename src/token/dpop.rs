//! Proofs of possession (RFC 9449): that whoever sends a request holds the key that a token is bound to; knows neither
//! the token's claims nor any header field.

use super::jws::Jws;
use super::key::PublicKey;
use super::replay::{Replays, Use};
use super::strict::{seconds, text};
use crate::session::Thumbprint;
use crate::stdx::clock::Time;
use crate::stdx::digest::{Mac, same, sha256};
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;

/// `typ` of a proof (RFC 9449 §4.2).
const TYPE: &str = "dpop+jwt";

/// How old a proof may be, and how far ahead its maker's clock.
const AGE: Duration = Duration::from_secs(60);

/// How long one nonce is handed out; it is good for as long again.
const NONCE_WINDOW: Duration = Duration::from_secs(120);

/// Proofs remembered in each window of twice [`AGE`], some twenty bytes each: more than eight thousand requests a second.
const REMEMBERED: usize = 1_000_000;

/// The longest `jti`: a random one has some thirty characters.
const LONGEST_ID: usize = 256;

/// The request that a proof must be about.
#[derive(Clone, Copy, Debug)]
pub struct Proved<'a> {
    /// Its method.
    pub method: &'a str,
    /// `https` or `http`, as the client used it.
    pub scheme: &'a str,
    /// Its canonical host.
    pub host: &'a str,
    /// The port, if it named one.
    pub port: Option<u16>,
    /// Its path as it came, without the query.
    pub path: &'a str,
    /// The access token that goes with it; `None` where one is asked for.
    pub token: Option<&'a [u8]>,
    /// When.
    pub now: Time,
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofFault {
    /// It is malformed, about another request, too old, or was used before.
    Invalid,
    /// It lacks the nonce, or has an old one: with a fresh one it may do.
    Nonce,
    /// So many were used lately that no more can be remembered.
    Full,
}

/// Checks proofs.
pub struct Proofs {
    nonces: Mac,
    seen: Replays,
}

impl Proofs {
    /// Proofs whose nonces are made with a key.
    pub fn new(nonces: Mac) -> Self {
        Proofs { nonces, seen: Replays::new(AGE * 2, REMEMBERED) }
    }

    /// The nonce to hand out now.
    pub fn nonce(&self, now: Time) -> String {
        self.nonce_of(window(now))
    }

    /// The key that a proof proves to be held by whoever sent this very request; `bound` is the only one that will do.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn check(
        &self,
        proof: &[u8],
        proved: &Proved<'_>,
        bound: Option<Thumbprint>,
    ) -> Result<Thumbprint, ProofFault> {
        let (key, proof) = read(proof, proved).ok_or(ProofFault::Invalid)?;
        if bound.is_some_and(|bound| bound != key) {
            return Err(ProofFault::Invalid);
        }
        match proof.claims.get("nonce") {
            None => return Err(ProofFault::Nonce),
            Some(nonce) if !self.is_fresh(nonce.as_str().ok_or(ProofFault::Invalid)?, proved.now) => {
                return Err(ProofFault::Nonce);
            }
            Some(_) => {}
        }
        let id = text(&proof.claims, "jti").ok_or(ProofFault::Invalid)?;
        match self.seen.take(name(key, id), proved.now) {
            Use::First => Ok(key),
            Use::Again => Err(ProofFault::Invalid),
            Use::Full => Err(ProofFault::Full),
        }
    }

    fn is_fresh(&self, nonce: &str, now: Time) -> bool {
        let window = window(now);
        [window, window.saturating_sub(1)]
            .iter()
            .any(|window| same(nonce.as_bytes(), self.nonce_of(*window).as_bytes()))
    }

    fn nonce_of(&self, window: u64) -> String {
        BASE64URL_NOPAD.encode(&self.nonces.tag(&[b"dpop", &window.to_be_bytes()])[..18])
    }
}

fn window(now: Time) -> u64 {
    now.secs() / NONCE_WINDOW.as_secs()
}

/// What a proof is remembered by. 128 bits of SHA-256: nobody finds two that are the same.
fn name(key: Thumbprint, id: &str) -> [u8; 16] {
    let hash = sha256(&[&key.0[..], id.as_bytes()].concat());
    std::array::from_fn(|at| hash[at])
}

/// RFC 9449 §4.3, all but the nonce and whether it was used before.
fn read<'p>(proof: &'p [u8], proved: &Proved<'_>) -> Option<(Thumbprint, Jws<'p>)> {
    let proof = Jws::parse(proof, TYPE)?;
    let key = PublicKey::from_jwk(proof.header.get("jwk")?.as_object()?)?;
    let claims = &proof.claims;
    let made = Time::from_secs(seconds(claims, "iat")?);
    let recent = made <= proved.now.plus(AGE) && proved.now <= made.plus(AGE);
    let id = text(claims, "jti")?;
    let about = text(claims, "htm")? == proved.method && is_address(text(claims, "htu")?, proved);
    let hash = |token: &[u8]| BASE64URL_NOPAD.encode(&sha256(token));
    let of_token = match proved.token {
        Some(token) => same(text(claims, "ath")?.as_bytes(), hash(token).as_bytes()),
        None => true,
    };
    let sound = recent && about && of_token && (1..=LONGEST_ID).contains(&id.len());
    (sound && proof.is_signed_by(&key)).then(|| (key.thumbprint(), proof))
}

/// Whether `htu` is the request's address; its query and fragment are not looked at (RFC 9449 §4.3, 9).
fn is_address(htu: &str, proved: &Proved<'_>) -> bool {
    let Some((scheme, rest)) = htu.split_once("://") else { return false };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let usual = if proved.scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
            Ok(port) => (host, port),
            Err(_) => return false,
        },
        Some(_) | None => (authority, usual),
    };
    scheme.eq_ignore_ascii_case(proved.scheme)
        && host.eq_ignore_ascii_case(proved.host)
        && port == proved.port.unwrap_or(usual)
        && (path == proved.path || (path.is_empty() && proved.path == "/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// RFC 9449 §4.1 and §7.1.
    const EXAMPLES: [&str; 2] = [
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
    ];
    const TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const NOW: Time = Time::from_secs(1_562_262_620);

    const AT_SERVER: Proved<'static> = Proved {
        method: "POST",
        scheme: "https",
        host: "server.example.com",
        port: None,
        path: "/token",
        token: None,
        now: NOW,
    };
    const AT_RESOURCE: Proved<'static> = Proved {
        method: "GET",
        host: "resource.example.org",
        path: "/protectedresource",
        token: Some(TOKEN),
        ..AT_SERVER
    };

    fn proofs() -> Proofs {
        Proofs::new(Mac::new(&[1; 32]))
    }

    fn check(example: usize, proved: Proved<'_>) -> Result<Thumbprint, ProofFault> {
        proofs().check(EXAMPLES[example].as_bytes(), &proved, None)
    }

    #[test]
    fn the_published_proofs_lack_nothing_but_a_nonce() {
        assert_eq!(check(0, AT_SERVER), Err(ProofFault::Nonce));
        assert_eq!(check(1, AT_RESOURCE), Err(ProofFault::Nonce));
    }

    #[test]
    fn a_proof_is_good_for_its_own_request_alone() {
        let invalid = Err(ProofFault::Invalid);
        for other in [
            Proved { method: "GET", ..AT_SERVER },
            Proved { method: "post", ..AT_SERVER },
            Proved { scheme: "http", ..AT_SERVER },
            Proved { host: "server.example.org", ..AT_SERVER },
            Proved { port: Some(8443), ..AT_SERVER },
            Proved { path: "/token/", ..AT_SERVER },
            Proved { token: Some(TOKEN), ..AT_SERVER },
            Proved { now: NOW.plus(Duration::from_secs(57)), ..AT_SERVER },
            Proved { now: NOW.minus(Duration::from_secs(65)), ..AT_SERVER },
        ] {
            assert_eq!(check(0, other), invalid, "{other:?}");
        }
        assert_eq!(check(0, Proved { now: NOW.plus(Duration::from_secs(56)), ..AT_SERVER }), Err(ProofFault::Nonce));
        assert_eq!(check(0, Proved { port: Some(443), ..AT_SERVER }), Err(ProofFault::Nonce), "the usual port");
        assert_eq!(check(1, Proved { token: Some(b"another"), ..AT_RESOURCE }), invalid);
    }

    #[test]
    fn an_address_is_compared_without_query_and_by_what_it_means() {
        let same = |htu| is_address(htu, &AT_SERVER);
        for one in [
            "https://server.example.com/token",
            "HTTPS://Server.Example.com:443/token",
            "https://server.example.com/token?a=b",
            "https://server.example.com/token#part",
        ] {
            assert!(same(one), "{one}");
        }
        for other in [
            "https://server.example.com/Token",
            "https://server.example.com//token",
            "https://server.example.com/%74oken",
            "https://server.example.com:444/token",
            "https://server.example.com:x/token",
            "https://a@server.example.com/token",
            "server.example.com/token",
            "",
        ] {
            assert!(!same(other), "{other}");
        }
        let root = Proved { path: "/", port: Some(81), host: "[::1]", ..AT_SERVER };
        assert!(is_address("https://[::1]:81", &root) && !is_address("https://[::1]", &root));
    }

    /// A key of a program's own.
    struct Holder(EcdsaKeyPair);

    impl Holder {
        fn fresh() -> Self {
            let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
            Holder(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).expect("a key"))
        }

        fn header(&self) -> Value {
            let point = self.0.public_key().as_ref();
            let part = |part: &[u8]| BASE64URL_NOPAD.encode(part);
            let jwk = json!({ "kty": "EC", "crv": "P-256", "x": part(&point[1..33]), "y": part(&point[33..]) });
            json!({ "typ": TYPE, "alg": "ES256", "jwk": jwk })
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
            format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        }
    }

    fn claims(nonce: &str) -> Value {
        let (htm, htu) = ("POST", "https://server.example.com/token");
        json!({ "jti": "one", "htm": htm, "htu": htu, "iat": NOW.secs(), "nonce": nonce })
    }

    #[test]
    fn a_proof_with_a_fresh_nonce_works_once_and_for_its_own_key() {
        let (proofs, holder) = (proofs(), Holder::fresh());
        let proof = holder.sign(&holder.header(), &claims(&proofs.nonce(NOW)));
        let check = |bound, now| proofs.check(proof.as_bytes(), &Proved { now, ..AT_SERVER }, bound);
        assert_eq!(
            check(Some(Thumbprint([0; 32])), NOW),
            Err(ProofFault::Invalid),
            "another key, and it is not used up"
        );
        let key = check(None, NOW).expect("a good proof");
        assert_eq!(check(Some(key), NOW), Err(ProofFault::Invalid), "a second time");
        assert_eq!(check(None, NOW.plus(AGE)), Err(ProofFault::Invalid), "nor at its very end");
    }

    #[test]
    fn a_nonce_is_good_for_its_window_and_the_next() {
        let (proofs, holder) = (proofs(), Holder::fresh());
        let check = |id: &str, nonce: &str| {
            let mut claims = claims(nonce);
            claims["jti"] = id.into();
            proofs.check(holder.sign(&holder.header(), &claims).as_bytes(), &AT_SERVER, None).map(drop)
        };
        let before = |windows| proofs.nonce(NOW.minus(NONCE_WINDOW * windows));
        assert_eq!(check("1", &before(1)), Ok(()));
        assert_eq!(check("2", &before(2)), Err(ProofFault::Nonce));
        assert_eq!(check("2", &proofs.nonce(NOW.plus(NONCE_WINDOW))), Err(ProofFault::Nonce));
        assert_eq!(check("2", "made up"), Err(ProofFault::Nonce));
        let others = Proofs::new(Mac::new(&[2; 32]));
        assert_eq!(check("2", &others.nonce(NOW)), Err(ProofFault::Nonce));
    }

    #[test]
    fn every_part_of_a_proof_must_be_there_and_be_what_it_is() {
        let (proofs, holder, other) = (proofs(), Holder::fresh(), Holder::fresh());
        let (header, good) = (holder.header(), claims(&proofs.nonce(NOW)));
        let check = |proof: String| proofs.check(proof.as_bytes(), &AT_SERVER, None);
        for (name, value) in [
            ("iat", json!("1562262620")),
            ("iat", json!(1_562_262_620.0)),
            ("iat", json!(-1)),
            ("htm", json!(["POST"])),
            ("htu", json!(null)),
            ("jti", json!("")),
            ("jti", json!(1)),
            ("jti", json!("a".repeat(LONGEST_ID + 1))),
            ("nonce", json!(1)),
        ] {
            let mut claims = good.clone();
            claims[name] = value;
            assert_eq!(check(holder.sign(&header, &claims)), Err(ProofFault::Invalid), "{claims}");
            claims.as_object_mut().expect("an object").remove(name);
            let without = check(holder.sign(&header, &claims));
            assert!(without.is_err(), "{claims}");
        }
        for (name, value) in [
            ("typ", json!("JWT")),
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("jwk", json!(null)),
            ("jwk", other.header()["jwk"].clone()),
            ("crit", json!(["b64"])),
        ] {
            let mut header = header.clone();
            header[name] = value;
            assert_eq!(check(holder.sign(&header, &good)), Err(ProofFault::Invalid), "{header}");
        }
        let mut private = header.clone();
        private["jwk"]["d"] = json!("AA");
        assert_eq!(check(holder.sign(&private, &good)), Err(ProofFault::Invalid));
        assert!(check(holder.sign(&header, &good)).is_ok(), "none of them used it up");
    }

    proptest! {
        #[test]
        fn no_made_up_proof_panics(proof in proptest::collection::vec(any::<u8>(), 0..300), htu in ".{0,80}") {
            let _ = proofs().check(&proof, &AT_SERVER, None);
            let _ = is_address(&htu, &AT_SERVER);
        }
    }
}
