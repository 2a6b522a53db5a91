//! What every engine promises of what it knows of keys.

use super::*;
use crate::store::SealedKey;

on_every_engine!(
    the_first_fingerprint_of_the_master_key_stays,
    of_a_hundred_who_add_the_next_signing_key_exactly_one_does,
    a_signing_key_comes_behind_the_newest_and_the_oldest_is_forgotten,
);

fn signing(number: u64) -> SealedKey {
    SealedKey { number, made: at(number), sealed: vec![0, number as u8] }
}

async fn the_first_fingerprint_of_the_master_key_stays(store: Store) -> Result<()> {
    assert_eq!(store.keys.master().await?, None);
    assert_eq!(store.keys.settle_master([1; 32]).await?, [1; 32]);
    assert_eq!(store.keys.settle_master([2; 32]).await?, [1; 32]);
    assert_eq!(store.keys.master().await?, Some([1; 32]));
    Ok(())
}

async fn of_a_hundred_who_add_the_next_signing_key_exactly_one_does(store: Store) -> Result<()> {
    let adds = all_at_once(100, |number| {
        let keys = store.keys.clone();
        async move { keys.add_signing(&SealedKey { sealed: vec![number as u8], ..signing(1) }, 2).await }
    });
    assert_eq!(adds.await?.into_iter().filter(|added| *added).count(), 1);
    assert_eq!(store.keys.signing().await?.len(), 1);
    Ok(())
}

async fn a_signing_key_comes_behind_the_newest_and_the_oldest_is_forgotten(store: Store) -> Result<()> {
    assert!(!store.keys.add_signing(&signing(2), 2).await?, "the first is 1");
    for number in 1..=3 {
        assert!(store.keys.add_signing(&signing(number), 2).await?);
        assert!(!store.keys.add_signing(&signing(number), 2).await?);
    }
    assert_eq!(store.keys.signing().await?, [signing(3), signing(2)]);
    Ok(())
}
