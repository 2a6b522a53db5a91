//! Codes that are sent, put into a letter box instead of a courier's hands.

use super::*;
use crate::identity::{AccountId, AccountName, CredentialId};
use std::sync::Mutex;

const NOW: Time = Time::from_secs(1_700_000_000);

#[derive(Default)]
struct LetterBox(Mutex<Vec<Letter>>);

impl Deliver for LetterBox {
    fn take(&self, letter: Letter) -> Result<(), Full> {
        let mut letters = self.0.lock().expect("nobody panics");
        if letters.len() == 8 {
            return Err(Full);
        }
        letters.push(letter);
        Ok(())
    }
}

struct Desk {
    letters: Arc<LetterBox>,
    message: Message,
}

impl Desk {
    fn new(channels: &[Channel]) -> Self {
        let letters: Arc<LetterBox> = Arc::default();
        let settings = Settings {
            digits: 6,
            per_source: 20,
            channels: channels.to_vec(),
            text: Template::text(),
            subject: Template::subject(),
            portal: "Example Corp".into(),
            host: "auth.example.com".into(),
        };
        let message = Message::new(settings, Keys::of(&MasterKey::new([1; 32])), letters.clone());
        Desk { letters, message }
    }

    fn newest(&self) -> Letter {
        self.letters.0.lock().expect("nobody panics").last().expect("something was sent").clone()
    }

    async fn enrol(&self, contact: &str) -> Credential {
        let pending = versioned(self.message.keys.seal.seal(ASKED, b""));
        let begun = self.message.go_on(&pending, &Secret::new(contact), NOW).await.expect("it may go there");
        let code = self.newest().code;
        let enrolled = self.message.finish(&begun.expect("a code comes first").pending, &code, NOW).await;
        let Enrolled { state, label, .. } = enrolled.expect("the right code");
        let (id, account) = (CredentialId::fresh(), AccountId::fresh());
        let (created, used, handle) = (NOW, None, None);
        Credential { id, account, factor: NAME, label, created, used, handle, state, version: 0 }
    }

    /// Has a code sent, and gives what it is checked against.
    async fn ask(&self, credential: &Credential, now: Time) -> Result<Vec<u8>, Rejection> {
        let name = AccountName::parse("alice").expect("a name");
        let held = std::slice::from_ref(credential);
        let begun = self.message.challenge(Some(Holder { id: credential.account, name: &name, held }), now).await?;
        Ok(begun.pending)
    }

    async fn answer(&self, state: &[u8], challenge: &[u8], code: &Secret, now: Time) -> Result<Vec<u8>, Rejection> {
        let against = Against { state: Some(state), challenge: Some(challenge) };
        Ok(self.message.verify(against, code, now).await?.state.expect("a code always changes the state"))
    }
}

fn after(secs: u64) -> Time {
    NOW.plus(Duration::from_secs(secs))
}

#[tokio::test]
async fn a_code_is_good_for_ten_minutes_and_only_with_what_asked_for_it() {
    let desk = Desk::new(&Channel::ALL);
    let (phone, mail) = (desk.enrol("+4915123456789").await, desk.enrol("alice@example.com").await);
    let asked = desk.ask(&phone, after(60)).await.expect("sent");
    let code = desk.newest().code;
    assert_eq!(desk.newest().to.address(), "+4915123456789");
    let typed = Secret::new(format!(" {} ", code.expose_text().expect("digits")));
    assert!(desk.answer(&phone.state, &asked, &typed, after(60)).await.is_ok());
    assert!(desk.answer(&phone.state, &asked, &code, after(60 + 599)).await.is_ok());
    assert_eq!(desk.answer(&phone.state, &asked, &code, after(60 + 600)).await, Err(Rejection::Wrong), "too late");
    assert_eq!(desk.answer(&phone.state, &asked, &code, after(59)).await, Err(Rejection::Wrong), "the clock went back");
    assert_eq!(desk.answer(&mail.state, &asked, &code, after(60)).await, Err(Rejection::Wrong), "another place");
    let alone = desk.message.verify(Against::state(&phone.state), &code, after(60)).await;
    assert_eq!(alone.err(), Some(Rejection::Wrong), "nothing was asked");
}

#[tokio::test]
async fn a_code_that_counted_is_over_and_so_are_those_before_it() {
    let desk = Desk::new(&Channel::ALL);
    let phone = desk.enrol("+4915123456789").await;
    let first = desk.ask(&phone, after(60)).await.expect("sent");
    let first_code = desk.newest().code;
    let second = desk.ask(&phone, after(90)).await.expect("sent");
    let second_code = desk.newest().code;
    let used = desk.answer(&phone.state, &second, &second_code, after(100)).await.expect("right");
    assert_eq!(desk.answer(&used, &second, &second_code, after(100)).await, Err(Rejection::Wrong));
    assert_eq!(desk.answer(&used, &first, &first_code, after(100)).await, Err(Rejection::Wrong));
    let third = desk.ask(&phone, after(120)).await.expect("sent");
    assert!(desk.answer(&used, &third, &desk.newest().code, after(121)).await.is_ok());
}

#[tokio::test]
async fn nothing_is_sent_by_a_way_that_is_not_configured() {
    let desk = Desk::new(&[Channel::Mail]);
    let pending = versioned(desk.message.keys.seal.seal(ASKED, b""));
    let phone = Secret::new("+4915123456789");
    assert_eq!(desk.message.go_on(&pending, &phone, NOW).await.err(), Some(Rejection::Wrong));
    assert_eq!(desk.message.recipient(Sending::Typed(&phone)), None);
    let both = Desk::new(&Channel::ALL);
    let phone = both.enrol("+4915123456789").await;
    assert_eq!(desk.ask(&phone, NOW).await.err(), Some(Rejection::Wrong), "it was, when it was added");
}

#[tokio::test]
async fn whoever_finds_the_outbox_full_is_told_to_come_back() {
    let desk = Desk::new(&Channel::ALL);
    let phone = desk.enrol("+4915123456789").await;
    while desk.ask(&phone, NOW).await.is_ok() {}
    assert_eq!(desk.ask(&phone, NOW).await.err(), Some(Rejection::Busy));
}

#[tokio::test]
async fn one_recipient_is_counted_under_one_name() {
    let desk = Desk::new(&Channel::ALL);
    let phone = desk.enrol("+4915123456789").await;
    let name = desk.message.recipient(Sending::Challenge(&phone)).expect("something is sent");
    assert_eq!(desk.message.recipient(Sending::Typed(&Secret::new("+49 151 2345 6789"))).as_ref(), Some(&name));
    assert_ne!(desk.message.recipient(Sending::Typed(&Secret::new("+49 151 2345 6788"))).as_ref(), Some(&name));
    assert!(!name.name.contains("1512345"), "{name:?}");
}

#[test]
fn every_digit_is_drawn() {
    let codes: Vec<String> = (0..2000).map(|_| drawn(8)).collect();
    assert!(codes.iter().all(|code| code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_digit())));
    for place in 0..8 {
        let seen: std::collections::BTreeSet<u8> = codes.iter().map(|code| code.as_bytes()[place]).collect();
        assert_eq!(seen.len(), 10, "place {place}");
    }
}
