//! Time-based one-time codes from an authenticator app (RFC 6238); knows the seed only while it checks a code.
//!
//! SHA-1, six digits and thirty seconds, because that is what every app does: many ignore a QR code's other wishes.
//! SHA-1's collisions do not touch HMAC (RFC 4226 §B.2).

use super::{Against, Begun, Enrolled, Factor, Holder, Rejection, Show, Verified, in_fours};
use crate::identity::{AccountName, FactorName, Kind, Kinds, Proof};
use crate::stdx::clock::Time;
use crate::stdx::entropy;
use crate::stdx::seal::Seal;
use crate::stdx::secret::Secret;
use async_trait::async_trait;
use data_encoding::BASE32_NOPAD;
use totp_rs::{Algorithm, Builder};
use zeroize::Zeroizing;

/// The word in configuration and records.
pub const NAME: FactorName = FactorName("totp");

/// Bytes of a seed: the 160 bits that RFC 4226 §4 recommends.
const SEED: usize = 20;

/// Steps before and after the present one whose code counts: the one for delay that RFC 6238 §5.2 allows, and one for a
/// phone whose clock is ahead.
const SKEW: u16 = 1;

/// Seconds that a code is good for.
const STEP: u64 = 30;

/// The longest answer that is looked at: six digits, and spaces however somebody groups them.
const LONGEST: usize = 32;

/// The first byte of every state and pending state.
const VERSION: u8 = 1;

/// What each is sealed for, so that neither passes for the other.
const STATE: &[u8] = b"totp state 1";
const PENDING: &[u8] = b"totp pending 1";

type Seed = Zeroizing<[u8; SEED]>;

/// The authenticator-app factor.
pub struct Totp {
    issuer: String,
    seal: Seal,
    /// The state that codes are checked against where there is none: its last step is the last there is.
    decoy: Vec<u8>,
}

impl Totp {
    /// The factor. An app shows codes under `issuer`; seeds are kept under `seal`.
    pub fn new(issuer: String, seal: Seal) -> Self {
        let decoy = Enrolment { last: u64::MAX, seed: Zeroizing::new(entropy::bytes()) }.to_state(&seal);
        // A colon would end the issuer's part of an app's label.
        Totp { issuer: issuer.replace(':', " "), seal, decoy }
    }

    fn proof(&self, at: Time) -> Proof {
        Proof { factor: NAME, kinds: self.kinds(), phishing_resistant: false, recovery: false, at }
    }

    fn show(&self, account: &AccountName, seed: &Seed) -> Show {
        let builder = Builder::new().with_account_name(account.as_str()).with_issuer(Some(self.issuer.as_str()));
        let totp = builder.with_secret(totp_rs::Secret::new_stack(**seed)).build();
        let uri = totp.and_then(|totp| totp.to_url()).expect("an account has a name, and no colon is in either name");
        Show::Authenticator { uri, key: in_fours(&BASE32_NOPAD.encode(&seed[..]), ' ') }
    }
}

#[async_trait]
impl Factor for Totp {
    fn name(&self) -> FactorName {
        NAME
    }

    fn kinds(&self) -> Kinds {
        Kinds::of(Kind::Possession)
    }

    async fn verify(&self, against: Against<'_>, answer: &Secret, now: Time) -> Result<Verified, Rejection> {
        let kept =
            against.state.and_then(|bytes| Enrolment::open(bytes, &self.seal).or_else(|| super::unreadable(NAME)));
        let kept = kept.or_else(|| Enrolment::open(&self.decoy, &self.seal)).ok_or(Rejection::Wrong)?;
        let last = matching_step(&kept.seed, answer, now).ok_or(Rejection::Wrong)?;
        if last <= kept.last {
            // The decoy's last step is no time.
            let ahead = (now.secs() / STEP + u64::from(SKEW) + 1..u64::MAX).contains(&kept.last);
            return Err(if ahead { Rejection::Clock } else { Rejection::Wrong });
        }
        // Sealed afresh, so that a changed key reaches every seed that is in use.
        let next = Enrolment { last, ..kept }.to_state(&self.seal);
        Ok(Verified::new(self.proof(now), Some(next)))
    }

    async fn begin(&self, holder: Holder<'_>) -> Result<Begun, Rejection> {
        let seed = Zeroizing::new(entropy::bytes());
        let pending = versioned(self.seal.seal(PENDING, &seed[..]));
        Ok(Begun { pending, show: self.show(holder.name, &seed) })
    }

    async fn finish(&self, pending: &[u8], answer: &Secret, now: Time) -> Result<Enrolled, Rejection> {
        let opened = pending.strip_prefix(&[VERSION]).and_then(|sealed| self.seal.open(PENDING, sealed));
        let opened = Zeroizing::new(opened.ok_or(Rejection::Wrong)?);
        let seed = Zeroizing::new(opened.as_slice().try_into().map_err(|_| Rejection::Wrong)?);
        let last = matching_step(&seed, answer, now).ok_or(Rejection::Wrong)?;
        let state = Enrolment { last, seed }.to_state(&self.seal);
        let verified = Some(Verified::new(self.proof(now), None));
        Ok(Enrolled::plain(state, verified))
    }
}

/// What is kept of one app.
struct Enrolment {
    /// The step of the last code that counted: none at or before it counts again, whatever the clock says.
    last: u64,
    seed: Seed,
}

impl Enrolment {
    /// Reads what [`Enrolment::to_state`] wrote; `None` if it was altered, or sealed with a key that is gone.
    fn open(state: &[u8], seal: &Seal) -> Option<Self> {
        let plain = Zeroizing::new(seal.open(STATE, state.strip_prefix(&[VERSION])?)?);
        let (last, seed) = plain.split_first_chunk::<8>()?;
        Some(Enrolment { last: u64::from_be_bytes(*last), seed: Zeroizing::new(seed.try_into().ok()?) })
    }

    /// The state to keep: last step and seed, sealed together so that neither can be set back without the other.
    fn to_state(&self, seal: &Seal) -> Vec<u8> {
        let plain = Zeroizing::new([&self.last.to_be_bytes()[..], &self.seed[..]].concat());
        versioned(seal.seal(STATE, &plain))
    }
}

fn versioned(mut sealed: Vec<u8>) -> Vec<u8> {
    sealed.insert(0, VERSION);
    sealed
}

/// The step whose code was typed, among the present one and its neighbours. Codes are compared in constant time.
fn matching_step(seed: &Seed, answer: &Secret, now: Time) -> Option<u64> {
    let typed = answer.expose_text().ok().filter(|typed| typed.len() <= LONGEST)?;
    let digits: Zeroizing<String> = Zeroizing::new(typed.split_whitespace().collect());
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(STEP);
    let totp = builder.with_skew(SKEW).with_secret(totp_rs::Secret::new_stack(**seed)).build().ok()?;
    totp.check(&digits, now.secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::AccountId;
    use crate::stdx::seal::MasterKey;

    /// The seed of the published tests.
    const PUBLISHED: &[u8; SEED] = b"12345678901234567890";

    const NOW: Time = Time::from_secs(1_111_111_109);

    fn step_of(code: &str, secs: u64) -> Option<u64> {
        matching_step(&Zeroizing::new(*PUBLISHED), &Secret::new(code), Time::from_secs(secs))
    }

    fn totp() -> Totp {
        Totp::new("Example: Corp".into(), MasterKey::new([1; 32]).seal("totp"))
    }

    fn enrolled(last: u64) -> Vec<u8> {
        Enrolment { last, seed: Zeroizing::new(*PUBLISHED) }.to_state(&totp().seal)
    }

    async fn verify(state: &[u8], code: &str, now: Time) -> Result<Vec<u8>, Rejection> {
        let verified = totp().verify(Against::state(state), &Secret::new(code), now).await?;
        Ok(verified.state.expect("a code always changes the state"))
    }

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        let published = [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ];
        for (secs, code) in published {
            // Published with eight digits, of which the last six are the code of six.
            assert_eq!(step_of(&code[2..], secs), Some(secs / 30), "{secs}");
        }
    }

    #[test]
    fn codes_are_those_of_rfc_4226_appendix_d() {
        let published =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, code) in (0..).zip(published) {
            assert_eq!(step_of(code, counter * 30), Some(counter), "{code}");
        }
    }

    #[test]
    fn one_step_early_or_late_counts_and_two_do_not() {
        let at = |step: u64| step_of("969429", step * 30);
        assert_eq!([at(1), at(2), at(3), at(4), at(5)], [None, Some(3), Some(3), Some(3), None]);
    }

    #[test]
    fn a_code_may_be_typed_in_groups() {
        assert_eq!(step_of(" 081 804 ", 1_111_111_109), Some(37_037_036));
        for wrong in ["081-804", "+81804", "0818040", "81804", "08180A", "٠٨١٨٠٤"] {
            assert_eq!(step_of(wrong, 1_111_111_109), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn no_code_works_twice_even_when_the_clock_goes_back() {
        let next = verify(&enrolled(0), "081804", NOW).await.expect("right");
        assert_eq!(verify(&next, "081804", NOW).await, Err(Rejection::Wrong));
        let earlier = Time::from_secs(59);
        assert_eq!(verify(&next, "287082", earlier).await, Err(Rejection::Clock), "right, and of no use");
        assert_eq!(verify(&next, "287083", earlier).await, Err(Rejection::Wrong));
        assert!(verify(&next, "050471", Time::from_secs(1_111_111_111)).await.is_ok());
    }

    #[tokio::test]
    async fn the_code_that_ended_the_enrolment_does_not_sign_in() {
        let pending = versioned(totp().seal.seal(PENDING, PUBLISHED));
        let enrolled = totp().finish(&pending, &Secret::new("081804"), NOW).await.expect("fits");
        assert!(enrolled.verified.is_some());
        assert_eq!(verify(&enrolled.state, "081804", NOW).await, Err(Rejection::Wrong));
    }

    #[tokio::test]
    async fn a_pending_state_is_no_state_and_a_state_is_not_pending() {
        let pending = versioned(totp().seal.seal(PENDING, PUBLISHED));
        assert_eq!(verify(&pending, "081804", NOW).await, Err(Rejection::Wrong));
        assert!(totp().finish(&enrolled(0), &Secret::new("081804"), NOW).await.is_err());
    }

    #[tokio::test]
    async fn use_moves_a_seed_to_the_current_key() {
        let new = || MasterKey::new([2; 32]).seal("totp");
        let both = Totp::new("Example".into(), new().with_previous(MasterKey::new([1; 32]).seal("totp")));
        let verified = both.verify(Against::state(&enrolled(0)), &Secret::new("081804"), NOW).await.expect("right");
        assert!(Enrolment::open(&verified.state.expect("a state"), &new()).is_some());
    }

    #[tokio::test]
    async fn an_app_is_shown_what_it_needs() {
        let account = AccountName::parse("alice@example.com").expect("a name");
        let Show::Authenticator { uri, key } =
            totp().begin(Holder { id: AccountId::new([1; 16]), name: &account, held: &[] }).await.expect("begins").show
        else {
            panic!("an app needs a key");
        };
        let secret: String = key.split(' ').collect();
        let label = "Example%20%20Corp:alice%40example.com";
        assert_eq!(uri, format!("otpauth://totp/{label}?secret={secret}&issuer=Example%20%20Corp"));
        assert_eq!(key.split(' ').map(str::len).collect::<Vec<_>>(), [4; 8]);
    }
}
