//! The keys that sign assertions: kept as files, rotated by age, the previous one still published; knows no claim.

use crate::stdx::clock::Time;
use crate::stdx::digest::sha256;
use arc_swap::ArcSwap;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a key signs before the next one takes over.
pub const KEY_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Keys kept and published: the one that signs and the one before it.
const PUBLISHED: usize = 2;

const PREFIX: &str = "assertion-";
const SUFFIX: &str = ".p8";

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("signing keys in {}: {why}", .path.display())]
pub struct KeyFailure {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// One signing key.
pub struct SigningKey {
    /// Its name in headers and in the published set: RFC 7638's thumbprint of the public key.
    pub kid: String,
    /// What signs.
    pub key: EncodingKey,
    public: Jwk,
    made: Time,
}

/// The signing keys, newest first.
///
/// Written by `rotate` alone, read by whoever signs or publishes.
pub struct Keyring {
    directory: PathBuf,
    keys: ArcSwap<Vec<Arc<SigningKey>>>,
}

impl Keyring {
    /// Opens the keys in `directory`, making the directory and a first key where there is none.
    ///
    /// # Errors
    /// If the directory or a key in it cannot be read or written.
    pub fn open(directory: &Path, now: Time) -> Result<Self, KeyFailure> {
        let failed = |error: std::io::Error| KeyFailure { path: directory.to_owned(), why: error.to_string() };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let ring = Keyring { directory: directory.to_owned(), keys: ArcSwap::default() };
        ring.rotate(now)?;
        Ok(ring)
    }

    /// Reads the keys again, makes a new one if the newest is due, and forgets those beyond the previous one.
    ///
    /// # Errors
    /// If the directory or a key in it cannot be read or written; then the keys in use stay.
    pub fn rotate(&self, now: Time) -> Result<(), KeyFailure> {
        let mut keys = self.read()?;
        let due = keys.first().is_none_or(|newest| now.since(newest.made) >= KEY_LIFE);
        if due {
            self.make(now)?;
            keys = self.read()?;
        }
        for old in keys.split_off(keys.len().min(PUBLISHED)) {
            // A file that cannot be removed is read and passed over again the next time.
            let _ = fs::remove_file(self.path_of(old.made));
        }
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    /// The key that signs.
    pub fn current(&self) -> Arc<SigningKey> {
        self.keys.load().first().cloned().expect("a ring that opened has a key")
    }

    /// The public keys (RFC 7517 §5).
    pub fn published(&self) -> JwkSet {
        JwkSet { keys: self.keys.load().iter().map(|key| key.public.clone()).collect() }
    }

    fn read(&self) -> Result<Vec<Arc<SigningKey>>, KeyFailure> {
        let failed = |error: std::io::Error| KeyFailure { path: self.directory.clone(), why: error.to_string() };
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let made = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
            if let Some(made) = made {
                keys.push(Arc::new(SigningKey::read(&entry.path(), Time::from_secs(made))?));
            }
        }
        keys.sort_by_key(|key| std::cmp::Reverse(key.made));
        Ok(keys)
    }

    fn make(&self, now: Time) -> Result<(), KeyFailure> {
        let path = self.path_of(now);
        let failed = |why: String| KeyFailure { path: path.clone(), why };
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| failed("no key could be generated".to_owned()))?;
        // Written beside and renamed, so that another process never reads half a key.
        let beside = path.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(pkcs8.as_ref())?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        write().map_err(|error| failed(error.to_string()))
    }

    fn path_of(&self, made: Time) -> PathBuf {
        self.directory.join(format!("{PREFIX}{}{SUFFIX}", made.secs()))
    }
}

impl SigningKey {
    fn read(path: &Path, made: Time) -> Result<Self, KeyFailure> {
        let failed = |why: &str| KeyFailure { path: path.to_owned(), why: why.to_owned() };
        let pkcs8 = fs::read(path).map_err(|error| failed(&error.to_string()))?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
            .map_err(|_| failed("not an EC P-256 key in PKCS #8"))?;
        let key = EncodingKey::from_ec_der(&pkcs8);
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256)
            .map_err(|_| failed("the public key cannot be derived from it"))?;
        let kid = Self::thumbprint(&public).ok_or_else(|| failed("the public key has no JSON form"))?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_algorithm = Some(KeyAlgorithm::ES256);
        Ok(SigningKey { kid, key, public, made })
    }

    /// RFC 7638 §3: SHA-256 over the required members in lexicographic order.
    fn thumbprint(public: &Jwk) -> Option<String> {
        let value = serde_json::to_value(public).ok()?;
        let member = |name: &str| value.get(name).and_then(|member| member.as_str());
        let text = format!(
            r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#,
            member("crv")?,
            member("kty")?,
            member("x")?,
            member("y")?
        );
        Some(BASE64URL_NOPAD.encode(&sha256(text.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_replaced_when_due_and_the_previous_one_stays_published() {
        let directory = tempfile::tempdir().expect("a directory");
        let start = Time::from_secs(1_000_000);
        let ring = Keyring::open(directory.path(), start).expect("a ring");
        let first = ring.current().kid.clone();
        ring.rotate(start.plus(KEY_LIFE / 2)).expect("nothing to do");
        assert_eq!(ring.current().kid, first);
        ring.rotate(start.plus(KEY_LIFE)).expect("a second key");
        let kids = || ring.published().keys.iter().filter_map(|key| key.common.key_id.clone()).collect::<Vec<_>>();
        assert_eq!(kids(), vec![ring.current().kid.clone(), first.clone()]);
        ring.rotate(start.plus(KEY_LIFE * 2)).expect("a third key");
        assert_eq!(kids().len(), PUBLISHED);
        assert!(!kids().contains(&first));
    }

    #[test]
    fn a_second_opening_signs_with_the_same_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let now = Time::from_secs(1_000_000);
        let first = Keyring::open(directory.path(), now).expect("a ring").current().kid.clone();
        assert_eq!(Keyring::open(directory.path(), now).expect("a ring").current().kid, first);
    }

    #[test]
    fn a_broken_key_file_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("assertion-5.p8"), b"junk").expect("written");
        let error = Keyring::open(directory.path(), Time::from_secs(9)).err().expect("a failure");
        assert!(error.to_string().contains("assertion-5.p8"), "{error}");
    }
}
