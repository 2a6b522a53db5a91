//! A password, known to the person alone: what may be chosen, how it is kept, checked; knows no account but by name.

mod common;
mod hash;
mod workers;

use super::{Against, Begun, Enrolled, Factor, Holder, Rejection, Show, Verified, Weakness};
use crate::identity::{AccountName, FactorName, Kind, Kinds, Proof};
use crate::stdx::clock::Time;
use crate::stdx::digest::Mac;
use crate::stdx::secret::Secret;
use argon2::Params;
use async_trait::async_trait;
use common::Common;
use hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;
use workers::Workers;
use zeroize::Zeroizing;

/// The word in configuration and records.
pub const NAME: FactorName = FactorName("password");

/// The longest password, in bytes of UTF-8. Any 64 characters fit, which is what NIST SP 800-63B-4 §3.1.1.2 wants
/// accepted; nobody makes the gateway normalise a megabyte.
pub const MAX_BYTES: usize = 256;

/// What a pending state begins with; the account's name follows.
const PENDING: &[u8] = b"1 ";

/// What an operator decides about passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The fewest characters, within [`Settings::MIN_LENGTHS`]; a number beyond an end counts as that end.
    pub min_length: usize,
    /// Words that, alone or lightly dressed up, are no password here: the portal's name, the company's, its products'.
    pub block_list: Vec<String>,
}

impl Settings {
    /// Eight is the least that NIST SP 800-63B-4 §3.1.1.2 allows where a second factor is asked for as well. Nobody may
    /// ask for more than 64, because the same section wants any password of 64 accepted.
    pub const MIN_LENGTHS: RangeInclusive<usize> = 8..=64;
}

/// Twelve characters: routes want MFA unless they say otherwise, so eight would do; but a password alone opens the way
/// to enrolment and to `one-factor` routes, and common passwords of twelve characters are few.
impl Default for Settings {
    fn default() -> Self {
        Settings { min_length: 12, block_list: Vec::new() }
    }
}

/// The password factor, with its own threads for hashing; dropping it ends them.
pub struct Password {
    min_length: usize,
    common: Arc<Common>,
    hasher: Arc<Hasher>,
    /// What answers are checked against where there is no password: a hash that nothing fits.
    decoy: Hash,
    workers: Workers,
}

impl Password {
    /// The factor. `pepper` is a key kept apart from the store, without which a stolen store cannot be guessed at.
    pub fn new(settings: Settings, pepper: Mac) -> Self {
        Self::with_cost(settings, pepper, hash::default_cost())
    }

    /// The same factor, which also knows passwords kept under `pepper`; each moves to the current one when it is typed.
    pub fn with_previous(mut self, pepper: Mac) -> Self {
        Arc::make_mut(&mut self.hasher).add_previous(pepper);
        self
    }

    fn with_cost(settings: Settings, pepper: Mac, cost: Params) -> Self {
        let (least, most) = Settings::MIN_LENGTHS.into_inner();
        let hasher = Hasher::new(cost, pepper);
        Password {
            min_length: settings.min_length.clamp(least, most),
            common: Arc::new(Common::new(settings.block_list)),
            decoy: hasher.decoy(),
            workers: Workers::start(workers::default_threads(), hasher.blocks()),
            hasher: Arc::new(hasher),
        }
    }

    fn proof(&self, at: Time) -> Proof {
        Proof { factor: NAME, kinds: self.kinds(), phishing_resistant: false, recovery: false, at }
    }
}

#[async_trait]
impl Factor for Password {
    fn name(&self) -> FactorName {
        NAME
    }

    fn kinds(&self) -> Kinds {
        Kinds::of(Kind::Knowledge)
    }

    async fn verify(&self, against: Against<'_>, answer: &Secret, now: Time) -> Result<Verified, Rejection> {
        let kept = against.state.and_then(|bytes| self.hasher.parse(bytes).or_else(|| super::unreadable(NAME)));
        let kept = kept.unwrap_or_else(|| self.decoy.clone());
        // What nobody could have chosen costs the same work, as the empty password, of which no hash was ever kept.
        let password = normalised(answer).unwrap_or_default();
        let hasher = self.hasher.clone();
        let right = self.workers.run(move |memory| {
            let fits = hasher.fits(&kept, &password, memory);
            fits.then(|| (!hasher.is_current(&kept)).then(|| hasher.make(&password, memory).to_state()))
        });
        let next = right.await?.ok_or(Rejection::Wrong)?;
        Ok(Verified::new(self.proof(now), next))
    }

    async fn begin(&self, holder: Holder<'_>) -> Result<Begun, Rejection> {
        Ok(Begun { pending: [PENDING, holder.name.as_str().as_bytes()].concat(), show: Show::Nothing })
    }

    async fn finish(&self, pending: &[u8], answer: &Secret, now: Time) -> Result<Enrolled, Rejection> {
        let account = begun_for(pending).ok_or(Rejection::Wrong)?;
        if answer.expose().len() > MAX_BYTES {
            return Err(Rejection::Weak(Weakness::TooLong(MAX_BYTES)));
        }
        let password = normalised(answer).ok_or(Rejection::Wrong)?;
        if password.chars().count() < self.min_length {
            return Err(Rejection::Weak(Weakness::TooShort(self.min_length)));
        }
        let (common, hasher) = (self.common.clone(), self.hasher.clone());
        let chosen = self
            .workers
            .run(move |memory| (!common.has(&password, &account)).then(|| hasher.make(&password, memory).to_state()));
        let state = chosen.await?.ok_or(Rejection::Weak(Weakness::Common))?;
        Ok(Enrolled::plain(state, Some(Verified::new(self.proof(now), None))))
    }
}

/// The account that a pending state was begun for.
fn begun_for(pending: &[u8]) -> Option<AccountName> {
    let name = std::str::from_utf8(pending.strip_prefix(PENDING)?).ok()?;
    AccountName::parse(name).ok()
}

/// The typed password in Unicode's form C, so that every keyboard's way of writing it is the same password; `None` if
/// it is not text, or is longer than any that may be chosen.
fn normalised(answer: &Secret) -> Option<Zeroizing<String>> {
    let text = answer.expose_text().ok().filter(|text| text.len() <= MAX_BYTES)?;
    // Form C grows UTF-8 at most threefold (UAX #15): no reallocation leaves a copy behind.
    let mut out = Zeroizing::new(String::with_capacity(3 * text.len()));
    out.extend(text.nfc());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::AccountId;

    fn name(text: &str) -> AccountName {
        AccountName::parse(text).expect("a name")
    }

    fn holder(name: &AccountName) -> Holder<'_> {
        Holder { id: AccountId::new([1; 16]), name, held: &[] }
    }

    const NOW: Time = Time::from_secs(1_700_000_000);

    fn cheap(settings: Settings) -> Password {
        Password::with_cost(settings, Mac::new(&[1; 32]), hash::tests::cheap_cost(1))
    }

    async fn choose(factor: &Password, password: &str) -> Result<Vec<u8>, Rejection> {
        let begun = factor.begin(holder(&name("alice.liddell@example.com"))).await?;
        Ok(factor.finish(&begun.pending, &Secret::new(password), NOW).await?.state)
    }

    async fn opens(factor: &Password, state: &[u8], password: &str) -> bool {
        factor.verify(Against::state(state), &Secret::new(password), NOW).await.is_ok()
    }

    #[tokio::test]
    async fn a_password_is_the_same_however_its_accents_were_typed() {
        let factor = cheap(Settings::default());
        let state = choose(&factor, "caf\u{e9} au lait 47").await.expect("may be chosen");
        assert!(opens(&factor, &state, "cafe\u{301} au lait 47").await);
        assert!(!opens(&factor, &state, "cafe au lait 47").await);
    }

    #[tokio::test]
    async fn every_character_counts_and_none_is_cut_off() {
        let factor = cheap(Settings::default());
        let long = "vexing-quartz ".repeat(18) + "done";
        assert_eq!(long.len(), MAX_BYTES);
        let state = choose(&factor, &long).await.expect("may be chosen");
        assert!(opens(&factor, &state, &long).await);
        assert!(!opens(&factor, &state, &long[..MAX_BYTES - 1]).await);
        assert!(!opens(&factor, &state, &(long.clone() + "!")).await);
        assert_eq!(choose(&factor, &(long + "!")).await, Err(Rejection::Weak(Weakness::TooLong(MAX_BYTES))));
    }

    #[tokio::test]
    async fn length_is_counted_in_characters_not_bytes() {
        let factor = cheap(Settings { min_length: 8, ..Settings::default() });
        let short = Err(Rejection::Weak(Weakness::TooShort(8)));
        assert_eq!(choose(&factor, "щъфыжюк").await, short);
        assert!(choose(&factor, "щ7ъфыжюк").await.is_ok());
        assert_eq!(choose(&factor, &"e\u{301}".repeat(7)).await, short);
    }

    #[tokio::test]
    async fn a_least_length_outside_what_is_allowed_counts_as_the_nearer_end() {
        let lax = cheap(Settings { min_length: 0, ..Settings::default() });
        assert_eq!(choose(&lax, "xK4#vq7").await, Err(Rejection::Weak(Weakness::TooShort(8))));
        let strict = cheap(Settings { min_length: 1000, ..Settings::default() });
        assert_eq!(choose(&strict, "xK4#vq7").await, Err(Rejection::Weak(Weakness::TooShort(64))));
    }

    #[tokio::test]
    async fn common_words_and_the_names_around_may_not_be_chosen() {
        let factor = cheap(Settings { block_list: vec!["Umbrella Works".into()], ..Settings::default() });
        for password in ["password1234", "alice.liddell@example.com", "Umbrella Works1"] {
            let common = Err(Rejection::Weak(Weakness::Common));
            assert_eq!(choose(&factor, password).await, common, "{password}");
        }
    }

    #[tokio::test]
    async fn choosing_a_password_proves_it() {
        let factor = cheap(Settings::default());
        let begun = factor.begin(holder(&name("alice"))).await.expect("begins");
        let enrolled = factor.finish(&begun.pending, &Secret::new("vexing quartz 81"), NOW).await.expect("fits");
        let proof = enrolled.verified.expect("a proof").proof;
        assert_eq!((proof.factor, proof.at, proof.recovery), (NAME, NOW, false));
    }

    #[tokio::test]
    async fn a_hash_at_an_old_cost_is_replaced_when_its_password_is_typed() {
        let state = choose(&cheap(Settings::default()), "vexing quartz 81").await.expect("may be chosen");
        let raised = Password::with_cost(Settings::default(), Mac::new(&[1; 32]), hash::tests::cheap_cost(2));
        let answer = Secret::new("vexing quartz 81");
        let next =
            raised.verify(Against::state(&state), &answer, NOW).await.expect("right").state.expect("a new state");
        assert_ne!(next, state);
        assert_eq!(raised.verify(Against::state(&next), &answer, NOW).await.expect("right").state, None);
        assert!(!opens(&raised, &state, "vexing quartz 82").await);
    }

    #[tokio::test]
    async fn a_changed_pepper_locks_nobody_out_while_the_previous_is_known() {
        let state = choose(&cheap(Settings::default()), "vexing quartz 81").await.expect("may be chosen");
        let changed = || Password::with_cost(Settings::default(), Mac::new(&[2; 32]), hash::tests::cheap_cost(1));
        let both = changed().with_previous(Mac::new(&[1; 32]));
        let answer = Secret::new("vexing quartz 81");
        let next = both.verify(Against::state(&state), &answer, NOW).await.expect("right").state.expect("a new state");
        assert!(opens(&changed(), &next, "vexing quartz 81").await);
        assert!(!opens(&changed(), &state, "vexing quartz 81").await);
    }

    #[tokio::test]
    async fn a_full_line_refuses_at_once_whether_or_not_the_account_exists() {
        let mut factor = cheap(Settings::default());
        let state = choose(&factor, "vexing quartz 81").await.expect("may be chosen");
        factor.workers = Workers::start(0, 0);
        let answer = Secret::new("vexing quartz 81");
        assert_eq!(factor.verify(Against::state(&state), &answer, NOW).await.err(), Some(Rejection::Busy));
        assert_eq!(factor.verify(Against::NOTHING, &answer, NOW).await.err(), Some(Rejection::Busy));
    }
}
