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
