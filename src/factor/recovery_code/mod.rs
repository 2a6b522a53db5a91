//! Ten codes on paper for the day the phone is gone, each good for one use; knows them only by their digests.
//!
//! A code proves possession of the paper, and only lets its holder enrol a new factor.

use super::{Against, Begun, Enrolled, Factor, Holder, Rejection, Show, Verified, in_fours};
use crate::identity::{FactorName, Kind, Kinds, Proof};
use crate::stdx::clock::Time;
use crate::stdx::digest::{same, sha256};
use crate::stdx::secret::Secret;
use crate::stdx::{entropy, id};
use async_trait::async_trait;
use zeroize::Zeroizing;

/// The word in configuration and records.
pub const NAME: FactorName = FactorName("recovery_code");

/// How many codes a set has: enough for years, few enough for one small sheet.
const CODES: usize = 10;

/// Bytes of a code: 120 bits, which print as 24 letters and digits. From 112 on, NIST SP 800-63B-4 §3.1.2.2 is content
/// with a plain digest: there is nothing to guess, so neither salt nor slowness would add anything.
const CODE: usize = 15;

/// The longest answer that is looked at: a code, with room for however somebody separates its letters.
const LONGEST: usize = 128;

/// The first byte says whether the digests that follow have been confirmed.
const PENDING: u8 = 0;
const STATE: u8 = 1;

type Digest = [u8; 32];

/// What codes are compared with where there is no set: no code is known to have this digest.
const DECOY: [Digest; CODES] = [[0; 32]; CODES];

/// The recovery-code factor. It has no key: what it keeps are digests.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecoveryCode;

impl RecoveryCode {
    /// The factor.
    pub const fn new() -> Self {
        RecoveryCode
    }

    /// How many unused codes a credential's state holds; none if it is damaged.
    pub fn left(state: &[u8]) -> usize {
        digests(STATE, state).map_or(0, <[Digest]>::len)
    }
}

#[async_trait]
impl Factor for RecoveryCode {
    fn name(&self) -> FactorName {
        NAME
    }

    fn kinds(&self) -> Kinds {
        Kinds::of(Kind::Possession)
    }

    async fn verify(&self, against: Against<'_>, answer: &Secret, now: Time) -> Result<Verified, Rejection> {
        let kept = against.state.and_then(|bytes| digests(STATE, bytes).or_else(|| super::unreadable(NAME)));
        let kept = kept.unwrap_or(&DECOY);
        let typed = sha256(&typed_code(answer).ok_or(Rejection::Wrong)?[..]);
        let unused: Vec<Digest> = kept.iter().copied().filter(|digest| !same(digest, &typed)).collect();
        if unused.len() == kept.len() {
            return Err(Rejection::Wrong);
        }
        let proof = Proof { factor: NAME, kinds: self.kinds(), phishing_resistant: false, recovery: true, at: now };
        Ok(Verified::new(proof, Some(encoded(STATE, &unused))))
    }

    /// The pending state is the digests of the shown codes, so that it is no secret either.
    async fn begin(&self, _: Holder<'_>) -> Result<Begun, Rejection> {
        let codes: [Zeroizing<[u8; CODE]>; CODES] = std::array::from_fn(|_| Zeroizing::new(entropy::bytes()));
        let pending = encoded(PENDING, &codes.each_ref().map(|code| sha256(&code[..])));
        let shown = codes.iter().map(|code| in_fours(&id::base32(&code[..]), '-')).collect();
        Ok(Begun { pending, show: Show::Codes(shown) })
    }

    /// Any answer will do: the person says that the codes are kept. That proves nothing.
    async fn finish(&self, pending: &[u8], _answer: &Secret, _now: Time) -> Result<Enrolled, Rejection> {
        let digests = digests(PENDING, pending).filter(|digests| digests.len() == CODES).ok_or(Rejection::Wrong)?;
        Ok(Enrolled::plain(encoded(STATE, digests), None))
    }
}

/// Reads what [`encoded`] wrote under the same first byte.
fn digests(first: u8, bytes: &[u8]) -> Option<&[Digest]> {
    let (digests, rest) = bytes.strip_prefix(&[first])?.as_chunks();
    (rest.is_empty() && digests.len() <= CODES).then_some(digests)
}

fn encoded(first: u8, digests: &[Digest]) -> Vec<u8> {
    [&[first], digests.as_flattened()].concat()
}

/// The code that was typed, forgiving what paper and phones do to it: case, spaces, any kind of dash, and the letters
/// O, I and L, which no code contains.
fn typed_code(answer: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    let typed = answer.expose_text().ok().filter(|typed| typed.len() <= LONGEST)?;
    let mut plain = Zeroizing::new(String::with_capacity(LONGEST));
    plain.extend(typed.chars().filter(|c| !c.is_whitespace() && !is_dash(*c)).map(|c| match c {
        'o' | 'O' => '0',
        'i' | 'I' | 'l' | 'L' => '1',
        other => other,
    }));
    let code = Zeroizing::new(id::parse_base32(&plain)?);
    (code.len() == CODE).then_some(code)
}

/// The hyphen, those that text processors make of it, and the minus sign.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{AccountId, AccountName};

    fn holder(name: &AccountName) -> Holder<'_> {
        Holder { id: AccountId::new([1; 16]), name, held: &[] }
    }

    const NOW: Time = Time::from_secs(1_700_000_000);

    async fn enrolled() -> (Vec<String>, Vec<u8>) {
        let account = AccountName::parse("alice").expect("a name");
        let begun = RecoveryCode.begin(holder(&account)).await.expect("begins");
        let Show::Codes(codes) = begun.show else { panic!("codes are shown") };
        let ended = RecoveryCode.finish(&begun.pending, &Secret::new(""), NOW).await.expect("fits");
        assert!(ended.verified.is_none());
        (codes, ended.state)
    }

    async fn verify(state: &[u8], code: &str) -> Result<Vec<u8>, Rejection> {
        let verified = RecoveryCode.verify(Against::state(state), &Secret::new(code), NOW).await?;
        assert!(verified.proof.recovery);
        Ok(verified.state.expect("a code always changes the state"))
    }

    #[tokio::test]
    async fn ten_different_codes_are_shown_in_groups_of_four() {
        let (mut codes, state) = enrolled().await;
        assert_eq!(RecoveryCode::left(&state), 10);
        for code in &codes {
            assert_eq!(code.split('-').map(str::len).collect::<Vec<_>>(), [4; 6], "{code}");
        }
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), 10);
    }

    #[tokio::test]
    async fn every_code_works_once_until_none_is_left() {
        let (codes, mut state) = enrolled().await;
        for (used, code) in codes.iter().enumerate() {
            state = verify(&state, code).await.expect("unused");
            assert_eq!(RecoveryCode::left(&state), 9 - used);
            assert_eq!(verify(&state, code).await, Err(Rejection::Wrong));
        }
        assert_eq!(verify(&state, &codes[0]).await, Err(Rejection::Wrong));
    }

    #[tokio::test]
    async fn typing_is_forgiven_case_spaces_dashes_and_look_alikes() {
        let (codes, state) = enrolled().await;
        let plain = codes[3].replace('-', "");
        let spellings = [
            plain.clone(),
            codes[3].to_uppercase(),
            codes[3].replace('-', " "),
            codes[3].replace('-', "\u{2013}"),
            format!("\t{} \n", codes[3]),
            plain.replace('0', "O").replace('1', "l"),
            plain.replace('0', "o").replace('1', "I"),
        ];
        for spelling in spellings {
            assert!(verify(&state, &spelling).await.is_ok(), "{spelling:?}");
        }
    }

    #[tokio::test]
    async fn part_of_a_code_and_more_than_a_code_are_wrong() {
        let (codes, state) = enrolled().await;
        let (code, other) = (&codes[0], &codes[1]);
        for wrong in [&code[..24], &format!("{code}-{other}"), &format!("{code}0"), &code.replace(&code[..1], "u")] {
            assert_eq!(verify(&state, wrong).await, Err(Rejection::Wrong), "{wrong}");
        }
    }

    #[tokio::test]
    async fn codes_that_were_not_confirmed_do_not_sign_in() {
        let account = AccountName::parse("alice").expect("a name");
        let begun = RecoveryCode.begin(holder(&account)).await.expect("begins");
        let Show::Codes(codes) = begun.show else { panic!("codes are shown") };
        assert_eq!(verify(&begun.pending, &codes[0]).await, Err(Rejection::Wrong));
        assert_eq!(RecoveryCode::left(&begun.pending), 0);
    }
}
