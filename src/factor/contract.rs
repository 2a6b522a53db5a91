//! What every factor must do, run on each entry of `ALL`; knows of a factor only what it shows.

use super::message::{self, Deliver, Letter};
use super::{ALL, Against, Enrolled, Factor, Factors, Rejection, Show, Verified, password, recovery_code, totp};
use crate::identity::{AccountId, AccountName, Channel, Credential, CredentialId, Kind, Kinds};
use crate::stdx::clock::Time;
use crate::stdx::digest::Mac;
use crate::stdx::id::parse_base32;
use crate::stdx::seal::MasterKey;
use crate::stdx::secret::Secret;
use data_encoding::BASE32_NOPAD;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ENROLLED: Time = Time::from_secs(1_700_000_000);
const PASSWORD: &str = "correct horse battery staple";
const CONTACT: &str = "alice@example.com";

/// Where codes that are sent can be read.
#[derive(Default)]
struct Letters(Mutex<Vec<Letter>>);

impl Deliver for Letters {
    fn take(&self, letter: Letter) -> Result<(), message::Full> {
        self.0.lock().expect("nobody panics").push(letter);
        Ok(())
    }
}

impl Letters {
    fn newest(&self) -> Secret {
        self.0.lock().expect("nobody panics").last().expect("a code was sent").code.clone()
    }
}

fn message(letters: &Arc<Letters>) -> message::Message {
    let settings = message::Settings {
        digits: 6,
        channels: Channel::ALL.to_vec(),
        text: message::Template::text(),
        subject: message::Template::subject(),
        portal: "Example Corp".into(),
        host: "auth.example.com".into(),
    };
    message::Message::new(settings, message::Keys::of(&MasterKey::new([1; 32])), letters.clone())
}

/// One of each.
fn every() -> Vec<Arc<dyn Factor>> {
    all_with(&Arc::default())
}

fn all_with(letters: &Arc<Letters>) -> Vec<Arc<dyn Factor>> {
    vec![
        Arc::new(password::Password::new(password::Settings::default(), Mac::new(&[1; 32]))),
        Arc::new(totp::Totp::new("Example Corp".into(), MasterKey::new([1; 32]).seal("totp"))),
        Arc::new(message(letters)),
        Arc::new(recovery_code::RecoveryCode::new()),
    ]
}

/// What somebody who was shown this at enrolment answers at `now`.
fn right_answer(show: &Show, letters: &Letters, now: Time) -> Secret {
    match show {
        Show::Nothing => Secret::new(PASSWORD),
        Show::Authenticator { uri, .. } => {
            let app = totp_rs::Totp::from_url(uri).expect("an app understands the address");
            Secret::new(app.generate(now.secs()).to_string())
        }
        Show::Codes(codes) => Secret::new(codes[0].as_str()),
        Show::Contact { .. } => Secret::new(CONTACT),
        Show::Sent { .. } => letters.newest(),
    }
}

/// What cannot be an answer to anything.
fn hostile_answers() -> [Secret; 7] {
    [
        Secret::new(""),
        Secret::new(" "),
        Secret::new("\0"),
        Secret::new("\0".repeat(24)),
        Secret::new(vec![0xff; 6]),
        Secret::new("1".repeat(1 << 20)),
        Secret::new("e\u{301}".repeat(1 << 19)),
    ]
}

/// What cannot be a state, the last ones of the right form.
fn garbage() -> Vec<Vec<u8>> {
    let mut garbage =
        vec![vec![], vec![0], vec![1], vec![0xff; 1000], b"garbage".to_vec(), vec![1; 50], vec![1; 1 << 20]];
    garbage.push(b"$argon2id$v=19$m=4294967295,t=4294967295,p=16777215$c29tZXNhbHQ$c29tZWhhc2g".to_vec());
    garbage
}

struct Holder {
    factor: Arc<dyn Factor>,
    show: Show,
    pending: Vec<u8>,
    enrolled: Enrolled,
    letters: Arc<Letters>,
    /// What was asked at [`later`], if this factor asks.
    challenge: Vec<u8>,
}

impl Holder {
    async fn of((factor, letters): (Arc<dyn Factor>, Arc<Letters>)) -> Self {
        let (id, name) = (AccountId::new([1; 16]), AccountName::parse("alice@example.com").expect("a name"));
        let holder = super::Holder { id, name: &name, held: &[] };
        let mut begun = factor.begin(holder).await.expect("enrolment begins");
        let mut answer = right_answer(&begun.show, &letters, ENROLLED);
        while let Some(next) = factor.go_on(&begun.pending, &answer, ENROLLED).await.expect("the right answer leads on") {
            begun = next;
            answer = right_answer(&begun.show, &letters, ENROLLED);
        }
        let enrolled = factor.finish(&begun.pending, &answer, ENROLLED).await.expect("the right answer ends it");
        let held = [credential(id, &*factor, &enrolled)];
        let challenge = factor.challenge(Some(super::Holder { held: &held, ..holder }), later()).await;
        let challenge = challenge.expect("whoever holds it is asked").pending;
        Holder { factor, show: begun.show, pending: begun.pending, enrolled, letters, challenge }
    }

    fn right(&self) -> Secret {
        right_answer(&self.show, &self.letters, later())
    }

    /// An answer of the right form that is not right.
    fn wrong(&self) -> Secret {
        let mut answer = self.right().expose().to_vec();
        let last = answer.last_mut().expect("an answer is not empty");
        *last = if *last == b'7' { b'8' } else { b'7' };
        Secret::new(answer)
    }

    fn against<'a>(&'a self, state: &'a [u8]) -> Against<'a> {
        let challenge = Some(self.challenge.as_slice()).filter(|challenge| !challenge.is_empty());
        Against { state: Some(state), challenge }
    }

    /// Answers `answer` at a time when the enrolment's own code no longer matters.
    async fn answers(&self, answer: &Secret) -> Result<Verified, Rejection> {
        self.factor.verify(self.against(&self.enrolled.state), answer, later()).await
    }
}

fn credential(account: AccountId, factor: &dyn Factor, enrolled: &Enrolled) -> Credential {
    Credential {
        id: CredentialId::new([2; 16]),
        account,
        factor: factor.name(),
        label: enrolled.label.clone(),
        created: ENROLLED,
        used: None,
        handle: enrolled.handle.clone(),
        state: enrolled.state.clone(),
        version: 0,
    }
}

fn later() -> Time {
    ENROLLED.plus(Duration::from_secs(600))
}

async fn holders() -> Vec<Holder> {
    let mut holders = Vec::new();
    for at in 0..every().len() {
        let letters: Arc<Letters> = Arc::default();
        holders.push(Holder::of((all_with(&letters).remove(at), letters)).await);
    }
    holders
}

#[test]
fn every_factor_of_the_list_is_under_this_contract() {
    let names: Vec<_> = every().iter().map(|factor| factor.name()).collect();
    assert_eq!(names, ALL);
    for name in ALL {
        assert_eq!(super::named(name.0), Some(name));
    }
    assert_eq!(super::named("Password"), None);
}

#[test]
fn factors_are_asked_for_in_the_order_of_the_list() {
    let factors = Factors::new(every().into_iter().rev().collect());
    assert_eq!(factors.iter().map(|factor| factor.name()).collect::<Vec<_>>(), ALL);
    assert!(factors.get(totp::NAME).is_some());
    assert!(Factors::default().get(totp::NAME).is_none());
}

#[tokio::test]
async fn the_right_answer_is_a_proof_of_this_factor_at_this_time() {
    for holder in holders().await {
        let name = holder.factor.name();
        let proof = holder.answers(&holder.right()).await.expect(name.0).proof;
        assert_eq!((proof.factor, proof.kinds, proof.at), (name, holder.factor.kinds(), later()));
        assert!(proof.kinds.count() > 0, "{name} shows something");
        if let Some(verified) = &holder.enrolled.verified {
            assert_eq!((verified.proof.factor, verified.proof.at), (name, ENROLLED));
            assert!(!verified.proof.recovery, "{name}");
        }
    }
}

#[tokio::test]
async fn a_wrong_answer_is_wrong() {
    for holder in holders().await {
        let rejection = holder.answers(&holder.wrong()).await.err();
        assert_eq!(rejection, Some(Rejection::Wrong), "{}", holder.factor.name());
    }
}

#[tokio::test]
async fn without_a_credential_every_answer_is_wrong() {
    for holder in holders().await {
        for answer in [holder.right(), holder.wrong(), Secret::new("")] {
            let rejection = holder.factor.verify(Against::NOTHING, &answer, later()).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{}", holder.factor.name());
        }
    }
}

#[tokio::test]
async fn another_accounts_answer_is_wrong() {
    for (one, other) in holders().await.into_iter().zip(holders().await) {
        if one.right().expose() != other.right().expose() {
            let rejection = one.answers(&other.right()).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{}", one.factor.name());
        }
    }
}

#[tokio::test]
async fn no_answer_whatever_makes_a_factor_panic() {
    for holder in holders().await {
        for answer in hostile_answers() {
            let name = holder.factor.name();
            assert_eq!(holder.answers(&answer).await.err(), Some(Rejection::Wrong), "{name}");
            let unknown = holder.factor.verify(Against::NOTHING, &answer, later()).await.err();
            assert_eq!(unknown, Some(Rejection::Wrong), "{name}");
            // Where the answer is not looked at, it may end the enrolment; it proves nothing.
            let ended = holder.factor.finish(&holder.pending, &answer, ENROLLED).await;
            assert!(ended.is_err_and(|rejection| rejection != Rejection::Busy) || holder.enrolled.verified.is_none());
        }
    }
}

#[tokio::test]
async fn a_damaged_state_fits_nothing() {
    for holder in holders().await {
        let answer = holder.right();
        let whole = &holder.enrolled.state;
        let cut = [whole.len() / 2, whole.len() - 1].map(|length| whole[..length].to_vec());
        for state in garbage().into_iter().chain(cut) {
            let rejection = holder.factor.verify(holder.against(&state), &answer, later()).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{} {state:?}", holder.factor.name());
        }
        for pending in garbage() {
            let rejection = holder.factor.finish(&pending, &answer, later()).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{} {pending:?}", holder.factor.name());
            let challenge = Some(pending.as_slice());
            let against = Against { state: Some(whole), challenge };
            let asked = !holder.challenge.is_empty();
            assert!(!asked || holder.factor.verify(against, &answer, later()).await.is_err());
        }
    }
}

#[tokio::test]
async fn no_factor_reads_the_state_of_another() {
    let holders = holders().await;
    for (at, holder) in holders.iter().enumerate() {
        for (_, other) in holders.iter().enumerate().filter(|(place, _)| *place != at) {
            let answer = holder.right();
            let rejection = holder.factor.verify(holder.against(&other.enrolled.state), &answer, later()).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong));
        }
    }
}

#[tokio::test]
async fn what_is_held_answers_only_once() {
    let holders = holders().await.into_iter();
    for holder in holders.filter(|holder| holder.factor.kinds() != Kinds::of(Kind::Knowledge)) {
        let answer = holder.right();
        let next = holder.answers(&answer).await.expect("right").state.expect("a used answer leaves a mark");
        let again = holder.factor.verify(holder.against(&next), &answer, later()).await.err();
        assert_eq!(again, Some(Rejection::Wrong), "{}", holder.factor.name());
    }
}

#[tokio::test]
async fn nothing_that_is_kept_holds_a_secret_in_the_clear() {
    for holder in holders().await {
        let secrets = match &holder.show {
            Show::Nothing => vec![PASSWORD.as_bytes().to_vec()],
            Show::Authenticator { key, .. } => {
                let plain = key.replace(' ', "");
                vec![BASE32_NOPAD.decode(plain.as_bytes()).expect("base 32"), plain.into_bytes(), key.clone().into()]
            }
            Show::Codes(codes) => codes.iter().flat_map(|code| forms(code)).collect(),
            Show::Contact { .. } => unreachable!("a code is sent after it"),
            Show::Sent { .. } => vec![holder.right().expose().to_vec(), CONTACT.as_bytes().to_vec()],
        };
        let next = holder.answers(&holder.right()).await.expect("right").state;
        let kept = [&holder.enrolled.state, &holder.pending, &holder.challenge].into_iter().chain(&next);
        for kept in kept {
            let clear = |secret: &Vec<u8>| kept.windows(secret.len()).any(|window| window == secret);
            assert!(!secrets.iter().any(clear), "{}", holder.factor.name());
        }
    }
}

/// A code as shown, without its dashes, and as bytes.
fn forms(code: &str) -> [Vec<u8>; 3] {
    let plain = code.replace('-', "");
    let bytes = parse_base32(&plain).expect("base 32");
    [code.as_bytes().to_vec(), plain.into_bytes(), bytes]
}
