//! The keys that sign tokens: kept in the store, sealed, rotated by age, published before they sign and after;
//! knows no claim.

use super::key::PublicKey;
use crate::stdx::clock::Time;
use crate::stdx::seal::Seal;
use crate::store::{Keys, SealedKey, Unavailable};
use arc_swap::ArcSwap;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a key signs before the next one takes over.
pub const KEY_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a key is published before it signs: until then every process on this store, and every service that fetches
/// the keys now and then, has seen it.
const KEY_LEAD: Duration = Duration::from_secs(5 * 60);

/// Keys kept and published: the newest and the one before it, one of which signs.
const PUBLISHED: usize = 2;

/// How often a key is made again because another process was faster: each time one of them has made one.
const TRIES: usize = 8;

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFailure {
    /// The store cannot be asked.
    #[error("signing keys: {0}")]
    Down(#[from] Unavailable),
    /// One is not what it should be.
    #[error("signing key {number} in the store: {why}")]
    Broken {
        /// Which.
        number: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// One signing key.
pub struct SigningKey {
    /// Its name in headers and in the published set: RFC 7638's thumbprint of the public key.
    pub kid: String,
    /// What signs.
    pub key: EncodingKey,
    /// What verifies.
    pub(super) public: PublicKey,
    published: Jwk,
    made: Time,
}

/// The signing keys.
///
/// Written by `rotate` alone, read by whoever signs or publishes.
pub struct Keyring {
    store: Arc<dyn Keys>,
    /// Opens what the store keeps.
    seal: Seal,
    ring: ArcSwap<Ring>,
}

/// The keys as they were last read.
struct Ring {
    signing: Arc<SigningKey>,
    /// Newest first.
    published: Vec<Arc<SigningKey>>,
}

impl Keyring {
    /// Opens the keys in `store`, sealed under `seal`; makes a first one where there is none.
    ///
    /// # Errors
    /// If the store cannot be asked, or a key in it cannot be opened.
    pub async fn open(store: Arc<dyn Keys>, seal: Seal, now: Time) -> Result<Self, KeyFailure> {
        let ring = current(&store, &seal, now).await?;
        Ok(Keyring { store, seal, ring: ArcSwap::from_pointee(ring) })
    }

    /// Reads the keys again, and makes a new one if the newest is due. Of several processes that find it due at once,
    /// one makes it and all have it.
    ///
    /// # Errors
    /// If the store cannot be asked, or a key in it cannot be opened; then the keys in use stay.
    pub async fn rotate(&self, now: Time) -> Result<(), KeyFailure> {
        self.ring.store(Arc::new(current(&self.store, &self.seal, now).await?));
        Ok(())
    }

    /// The key that signs.
    pub fn current(&self) -> Arc<SigningKey> {
        self.ring.load().signing.clone()
    }

    /// The public keys (RFC 7517 §5).
    pub fn published(&self) -> JwkSet {
        JwkSet { keys: self.ring.load().published.iter().map(|key| key.published.clone()).collect() }
    }

    /// The published key of that name.
    pub(super) fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.ring.load().published.iter().find(|key| key.kid == kid).cloned()
    }
}

/// The keys that are to be used now.
async fn current(store: &Arc<dyn Keys>, seal: &Seal, now: Time) -> Result<Ring, KeyFailure> {
    let mut number = 1;
    for _ in 0..TRIES {
        let kept = store.signing().await?;
        if let Some(newest) = kept.first() {
            if now.since(newest.made) < KEY_LIFE {
                return Ring::of(&kept, seal, now);
            }
            number = newest.number.saturating_add(1);
        }
        // If another process was faster, its key is read in the next round.
        store.add_signing(&fresh(number, seal, now)?, PUBLISHED).await?;
    }
    Err(KeyFailure::Broken { number, why: "it is due, and no process came to make the next one" })
}

/// A new key, sealed.
fn fresh(number: u64, seal: &Seal, now: Time) -> Result<SealedKey, KeyFailure> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| KeyFailure::Broken { number, why: "it could not be generated" })?;
    Ok(SealedKey { number, made: now, sealed: seal.seal(&binding(number), pkcs8.as_ref()) })
}

/// What a key is sealed for: its own row and no other.
fn binding(number: u64) -> Vec<u8> {
    [&b"signing key 1 "[..], &number.to_be_bytes()].concat()
}

impl Ring {
    /// The newest key signs, unless it is so new that not everybody has seen it.
    fn of(kept: &[SealedKey], seal: &Seal, now: Time) -> Result<Self, KeyFailure> {
        let published: Vec<_> =
            kept.iter().map(|sealed| SigningKey::open(sealed, seal).map(Arc::new)).collect::<Result<_, _>>()?;
        let seen = published.iter().find(|key| now.since(key.made) >= KEY_LEAD);
        let signing = seen.or(published.last()).cloned();
        let signing = signing.ok_or(KeyFailure::Broken { number: 1, why: "it is gone" })?;
        Ok(Ring { signing, published })
    }
}

impl SigningKey {
    fn open(sealed: &SealedKey, seal: &Seal) -> Result<Self, KeyFailure> {
        let failed = |why| KeyFailure::Broken { number: sealed.number, why };
        let pkcs8 = seal.open(&binding(sealed.number), &sealed.sealed);
        let pkcs8 = Zeroizing::new(pkcs8.ok_or_else(|| failed("it was altered, or sealed with another master key"))?);
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
            .map_err(|_| failed("not an EC P-256 key in PKCS #8"))?;
        let key = EncodingKey::from_ec_der(&pkcs8);
        let mut published = Jwk::from_encoding_key(&key, Algorithm::ES256)
            .map_err(|_| failed("the public key cannot be derived from it"))?;
        let members = serde_json::to_value(&published).ok();
        let public = members.as_ref().and_then(|members| PublicKey::from_jwk(members.as_object()?));
        let public = public.ok_or_else(|| failed("the public key has no JSON form"))?;
        let kid = public.thumbprint().to_string();
        published.common.key_id = Some(kid.clone());
        published.common.public_key_use = Some(PublicKeyUse::Signature);
        published.common.key_algorithm = Some(KeyAlgorithm::ES256);
        Ok(SigningKey { kid, key, public, published, made: sealed.made })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::seal::MasterKey;
    use crate::store::memory;

    const START: Time = Time::from_secs(1_000_000);

    fn seal() -> Seal {
        MasterKey::new([1; 32]).seal("signing-key")
    }

    async fn opened(store: &Arc<dyn Keys>, now: Time) -> Keyring {
        Keyring::open(store.clone(), seal(), now).await.expect("a ring")
    }

    fn kids(ring: &Keyring) -> Vec<String> {
        ring.published().keys.iter().filter_map(|key| key.common.key_id.clone()).collect()
    }

    #[tokio::test]
    async fn a_key_is_published_before_it_signs_and_after() {
        let store = memory::open().keys;
        let ring = opened(&store, START).await;
        let first = ring.current().kid.clone();
        ring.rotate(START.plus(KEY_LIFE / 2)).await.expect("nothing to do");
        assert_eq!(kids(&ring), std::slice::from_ref(&first));
        let due = START.plus(KEY_LIFE);
        ring.rotate(due).await.expect("a second key");
        assert_eq!((kids(&ring).len(), &ring.current().kid), (2, &first), "published, and not yet signing");
        ring.rotate(due.plus(KEY_LEAD)).await.expect("it takes over");
        let second = ring.current().kid.clone();
        assert_eq!(kids(&ring), [second.clone(), first.clone()]);
        ring.rotate(due.plus(KEY_LIFE)).await.expect("a third key");
        assert_eq!((kids(&ring).len(), &ring.current().kid), (PUBLISHED, &second));
        assert!(!kids(&ring).contains(&first));
    }

    #[tokio::test]
    async fn a_second_opening_signs_with_the_same_key() {
        let store = memory::open().keys;
        let (one, other) = (opened(&store, START).await, opened(&store, START).await);
        assert_eq!(one.current().kid, other.current().kid);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_processes_that_rotate_at_once_make_one_key_and_both_have_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("portcullis.db");
        let open = async || crate::store::embedded::open(&path, |_| None).await.expect("the store opens").keys;
        let (one, other) = (open().await, open().await);
        let (one, other) = tokio::join!(opened(&one, START), opened(&other, START));
        assert_eq!((kids(&one).len(), kids(&one)), (1, kids(&other)), "they begin with one key");
        for life in 1..=5 {
            let due = START.plus(KEY_LIFE * life);
            let (first, second) = tokio::join!(one.rotate(due), other.rotate(due));
            first.and(second).expect("both have the new key");
            assert_eq!((kids(&one).len(), kids(&one)), (2, kids(&other)));
            assert_eq!(one.current().kid, other.current().kid);
        }
    }

    #[tokio::test]
    async fn a_key_that_another_master_key_sealed_is_not_replaced_in_silence() {
        let store = memory::open().keys;
        opened(&store, START).await;
        let failure = Keyring::open(store.clone(), MasterKey::new([2; 32]).seal("signing-key"), START).await.err();
        let text = failure.expect("a failure").to_string();
        assert!(text.contains("signing key 1") && text.contains("another master key"), "{text}");
        assert_eq!(store.signing().await.expect("memory").len(), 1);
    }

    #[tokio::test]
    async fn a_key_opens_in_no_other_s_place() {
        let store = memory::open().keys;
        opened(&store, START).await;
        let first = store.signing().await.expect("memory").remove(0);
        let moved = SealedKey { number: 2, made: START.plus(KEY_LIFE), ..first };
        store.add_signing(&moved, PUBLISHED).await.expect("memory");
        assert!(Keyring::open(store, seal(), START.plus(KEY_LIFE)).await.is_err());
    }
}
