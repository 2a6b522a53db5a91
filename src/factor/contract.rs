//! What every factor must do, run on each entry of `ALL`; knows of a factor only what it shows.

use super::message::{self, Deliver, Letter};
use super::passkey::tests::authenticator::{Authenticator, Lies};
use super::{
    ALL, Against, Enrolled, Factor, Factors, Rejection, Show, Verified, passkey, password, recovery_code, totp,
};
use crate::identity::{AccountId, AccountName, Channel, Credential, CredentialId, Kind, Kinds};
use crate::stdx::clock::Time;
use crate::stdx::digest::Mac;
use crate::stdx::id::parse_base32;
use crate::stdx::seal::MasterKey;
use crate::stdx::secret::Secret;
use data_encoding::BASE32_NOPAD;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ENROLLED: Time = Time::from_secs(1_700_000_000);
const PASSWORD: &str = "correct horse battery staple";

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
        per_source: 20,
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
    let passkey = passkey::Passkey::new(&passkey::tests::settings()).expect("settings that fit one another");
    vec![
        Arc::new(passkey),
        Arc::new(password::Password::new(password::Settings::default(), Mac::new(&[1; 32]))),
        Arc::new(totp::Totp::new("Example Corp".into(), MasterKey::new([1; 32]).seal("totp"))),
        Arc::new(message(letters)),
        Arc::new(recovery_code::RecoveryCode::new()),
    ]
}

/// An answer of the right form that is not right.
fn wrong(right: &Secret) -> Secret {
    let mut answer = right.expose().to_vec();
    let last = answer.last_mut().expect("an answer is not empty");
    *last = if *last == b'7' { b'8' } else { b'7' };
    Secret::new(answer)
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

/// Somebody with a mailbox, an app, and an authenticator.
struct Person {
    name: AccountName,
    letters: Arc<Letters>,
    device: RefCell<Authenticator>,
}

impl Person {
    fn called(name: &str) -> Self {
        let name = AccountName::parse(name).expect("a name");
        Person { name, letters: Arc::default(), device: Authenticator::new("https://auth.example.com").into() }
    }

    fn holding<'a>(&'a self, held: &'a [Credential]) -> super::Holder<'a> {
        super::Holder { id: AccountId::new([1; 16]), name: &self.name, held }
    }

    /// What they answer who enrol at `now`.
    fn enrols(&self, show: &Show, now: Time) -> Secret {
        match options(show) {
            Some(options) => Secret::new(self.device.borrow_mut().create(&options, &Lies::default())),
            None => self.types(show, now),
        }
    }

    /// What they answer at `now` who are asked for it again.
    fn proves(&self, show: &Show, now: Time) -> Secret {
        match options(show) {
            Some(options) => Secret::new(self.device.borrow_mut().get(&options, &Lies::default())),
            None => self.types(show, now),
        }
    }

    fn types(&self, show: &Show, now: Time) -> Secret {
        match show {
            Show::Nothing => Secret::new(PASSWORD),
            Show::Authenticator { uri, .. } => {
                let app = totp_rs::Totp::from_url(uri).expect("an app understands the address");
                Secret::new(app.generate(now.secs()).to_string())
            }
            Show::Codes(codes) => Secret::new(codes[0].as_str()),
            Show::Contact { .. } => Secret::new(self.name.as_str()),
            Show::Sent { .. } => self.letters.newest(),
            Show::Passkey { .. } => unreachable!("nobody types what a passkey says"),
        }
    }
}

/// What a passkey is asked, if one is.
fn options(show: &Show) -> Option<serde_json::Value> {
    match show {
        Show::Passkey { options } => Some(serde_json::from_str(options).expect("JSON")),
        Show::Nothing | Show::Authenticator { .. } | Show::Codes(_) | Show::Contact { .. } | Show::Sent { .. } => None,
    }
}

struct Holder {
    factor: Arc<dyn Factor>,
    person: Person,
    /// The last step of the enrolment.
    show: Show,
    pending: Vec<u8>,
    enrolled: Enrolled,
}

/// What somebody was asked, and the right answer to it.
struct Asked {
    challenge: Vec<u8>,
    answer: Secret,
}

impl Holder {
    async fn of(factor: Arc<dyn Factor>, person: Person) -> Self {
        let mut begun = factor.begin(person.holding(&[])).await.expect("enrolment begins");
        let mut answer = person.enrols(&begun.show, ENROLLED);
        while let Some(next) = factor.go_on(&begun.pending, &answer, ENROLLED).await.expect("the right answer leads on")
        {
            begun = next;
            answer = person.enrols(&begun.show, ENROLLED);
        }
        let enrolled = factor.finish(&begun.pending, &answer, ENROLLED).await.expect("the right answer ends it");
        Holder { factor, person, show: begun.show, pending: begun.pending, enrolled }
    }

    /// Asks what this factor asks, if it asks anything, at a time when the enrolment's own code no longer matters.
    async fn asked(&self) -> Asked {
        let held = [self.credential()];
        let begun = self.factor.challenge(Some(self.person.holding(&held)), later()).await.expect("it asks");
        let shown = if begun.show == Show::Nothing { &self.show } else { &begun.show };
        Asked { answer: self.person.proves(shown, later()), challenge: begun.pending }
    }

    fn credential(&self) -> Credential {
        Credential {
            id: CredentialId::new([2; 16]),
            account: AccountId::new([1; 16]),
            factor: self.factor.name(),
            label: self.enrolled.label.clone(),
            created: ENROLLED,
            used: None,
            handle: self.enrolled.handle.clone(),
            state: self.enrolled.state.clone(),
            version: 0,
        }
    }

    async fn verify(&self, state: Option<&[u8]>, asked: &Asked, answer: &Secret) -> Result<Verified, Rejection> {
        self.factor.verify(Against { state, challenge: Some(&asked.challenge) }, answer, later()).await
    }

    /// Answers rightly.
    async fn answers(&self) -> Result<Verified, Rejection> {
        let asked = self.asked().await;
        self.verify(Some(&self.enrolled.state), &asked, &asked.answer).await
    }
}

fn later() -> Time {
    ENROLLED.plus(Duration::from_secs(600))
}

async fn holders() -> Vec<Holder> {
    holders_called("alice@example.com").await
}

async fn holders_called(name: &str) -> Vec<Holder> {
    let mut holders = Vec::new();
    for at in 0..every().len() {
        let person = Person::called(name);
        let factor = all_with(&person.letters).remove(at);
        holders.push(Holder::of(factor, person).await);
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
        let proof = holder.answers().await.expect(name.0).proof;
        assert_eq!((proof.factor, proof.kinds, proof.at), (name, holder.factor.kinds(), later()));
        assert_eq!(proof.phishing_resistant, holder.factor.phishing_resistant(), "{name}");
        assert!(proof.kinds.count() > 0, "{name} shows something");
        assert!(holder.factor.counts(&holder.enrolled.state), "{name}");
        if let Some(verified) = &holder.enrolled.verified {
            assert_eq!((verified.proof.factor, verified.proof.at), (name, ENROLLED));
            assert!(!verified.proof.recovery, "{name}");
        }
    }
}

#[tokio::test]
async fn a_wrong_answer_is_wrong() {
    for holder in holders().await {
        let asked = holder.asked().await;
        let rejection = holder.verify(Some(&holder.enrolled.state), &asked, &wrong(&asked.answer)).await.err();
        assert_eq!(rejection, Some(Rejection::Wrong), "{}", holder.factor.name());
    }
}

#[tokio::test]
async fn without_a_credential_every_answer_is_wrong() {
    for holder in holders().await {
        let asked = holder.asked().await;
        for answer in [&asked.answer, &wrong(&asked.answer), &Secret::new("")] {
            let rejection = holder.verify(None, &asked, answer).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{}", holder.factor.name());
            let rejection = holder.factor.verify(Against::NOTHING, answer, later()).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{}", holder.factor.name());
        }
    }
}

#[tokio::test]
async fn another_accounts_answer_is_wrong() {
    for (one, other) in holders().await.into_iter().zip(holders_called("bob@example.com").await) {
        let asked = other.asked().await;
        // Two people may have chosen the same password.
        if one.asked().await.answer.expose() == asked.answer.expose() {
            continue;
        }
        let rejection = one.verify(Some(&one.enrolled.state), &asked, &asked.answer).await.err();
        assert_eq!(rejection, Some(Rejection::Wrong), "{}", one.factor.name());
    }
}

#[tokio::test]
async fn no_answer_whatever_makes_a_factor_panic() {
    for holder in holders().await {
        let asked = holder.asked().await;
        for answer in hostile_answers() {
            let name = holder.factor.name();
            let rejection = holder.verify(Some(&holder.enrolled.state), &asked, &answer).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{name}");
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
        let asked = holder.asked().await;
        let whole = &holder.enrolled.state;
        let cut = [whole.len() / 2, whole.len() - 1].map(|length| whole[..length].to_vec());
        for state in garbage().into_iter().chain(cut) {
            let rejection = holder.verify(Some(&state), &asked, &asked.answer).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{} {state:?}", holder.factor.name());
        }
        for pending in garbage() {
            let rejection = holder.factor.finish(&pending, &asked.answer, later()).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{} {pending:?}", holder.factor.name());
            let against = Against { state: Some(whole), challenge: Some(&pending) };
            let rejection = holder.factor.verify(against, &wrong(&asked.answer), later()).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong), "{} {pending:?}", holder.factor.name());
            let unasked = holder.factor.verify(against, &asked.answer, later()).await;
            assert!(asked.challenge.is_empty() || unasked.is_err(), "{}", holder.factor.name());
        }
    }
}

#[tokio::test]
async fn no_factor_reads_the_state_of_another() {
    let holders = holders().await;
    for (at, holder) in holders.iter().enumerate() {
        for (_, other) in holders.iter().enumerate().filter(|(place, _)| *place != at) {
            let asked = holder.asked().await;
            let rejection = holder.verify(Some(&other.enrolled.state), &asked, &asked.answer).await.err();
            assert_eq!(rejection, Some(Rejection::Wrong));
        }
    }
}

#[tokio::test]
async fn what_is_held_answers_only_once() {
    let holders = holders().await.into_iter();
    for holder in holders.filter(|holder| holder.factor.kinds() != Kinds::of(Kind::Knowledge)) {
        let asked = holder.asked().await;
        let first = holder.verify(Some(&holder.enrolled.state), &asked, &asked.answer).await;
        let next = first.expect("right").state.expect("a used answer leaves a mark");
        let again = holder.verify(Some(&next), &asked, &asked.answer).await.err();
        assert!(matches!(again, Some(Rejection::Wrong | Rejection::Copied)), "{}", holder.factor.name());
    }
}

#[tokio::test]
async fn nothing_that_is_kept_holds_a_secret_in_the_clear() {
    for holder in holders().await {
        let asked = holder.asked().await;
        let secrets = match &holder.show {
            Show::Nothing => vec![PASSWORD.as_bytes().to_vec()],
            Show::Authenticator { key, .. } => {
                let plain = key.replace(' ', "");
                vec![BASE32_NOPAD.decode(plain.as_bytes()).expect("base 32"), plain.into_bytes(), key.clone().into()]
            }
            Show::Codes(codes) => codes.iter().flat_map(|code| forms(code)).collect(),
            Show::Contact { .. } => unreachable!("a code is sent after it"),
            Show::Sent { to, .. } => vec![asked.answer.expose().to_vec(), to.clone().into_bytes()],
            // The secret never leaves the authenticator.
            Show::Passkey { .. } => Vec::new(),
        };
        let next = holder.verify(Some(&holder.enrolled.state), &asked, &asked.answer).await.expect("right").state;
        let kept = [&holder.enrolled.state, &holder.pending, &asked.challenge].into_iter().chain(&next);
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
