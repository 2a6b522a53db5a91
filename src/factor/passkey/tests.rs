//! The factor alone, against an authenticator in software.

#[path = "../../../tests/it/rig/authenticator.rs"]
pub(in crate::factor) mod authenticator;

use super::*;
use crate::identity::{AccountName, Credential, CredentialId};
use authenticator::{Authenticator, Lies, PRESENT, SYNCABLE, SYNCED, VERIFIED};

const ORIGIN: &str = "https://auth.example.com";
const NOW: Time = Time::from_secs(1_700_000_000);

pub(in crate::factor) fn settings() -> Settings {
    let (rp_id, name) = ("example.com".to_owned(), "Example Corp".to_owned());
    Settings { rp_id, origin: ORIGIN.to_owned(), name, rules: Rules::default() }
}

fn factor(rules: Rules) -> Passkey {
    Passkey::new(&Settings { rules, ..settings() }).expect("settings that fit one another")
}

fn options(show: &Show) -> Value {
    let Show::Passkey { options } = show else { panic!("{show:?}") };
    serde_json::from_str(options).expect("JSON")
}

const ALICE: AccountId = AccountId::new([7; 16]);

/// Registers an authenticator for somebody who holds this much already.
async fn register(
    factor: &Passkey,
    device: &mut Authenticator,
    held: &[Credential],
    lies: Lies,
) -> Result<Enrolled, Rejection> {
    let name = AccountName::parse("alice").expect("a name");
    let begun = factor.begin(Holder { id: ALICE, name: &name, held }).await?;
    let answer = device.create(&options(&begun.show), &lies);
    factor.finish(&begun.pending, &Secret::new(answer), NOW).await
}

/// Asks anybody, and has the device answer.
async fn prove(factor: &Passkey, device: &mut Authenticator, state: &[u8], lies: Lies) -> Result<Verified, Rejection> {
    let begun = factor.challenge(None, NOW).await?;
    let answer = device.get(&options(&begun.show), &lies);
    let against = Against { state: Some(state), challenge: Some(&begun.pending) };
    factor.verify(against, &Secret::new(answer), NOW).await
}

fn credential(enrolled: &Enrolled) -> Credential {
    Credential {
        id: CredentialId::fresh(),
        account: ALICE,
        factor: NAME,
        label: enrolled.label.clone(),
        created: NOW,
        used: None,
        handle: enrolled.handle.clone(),
        state: enrolled.state.clone(),
        version: 0,
    }
}

#[tokio::test]
async fn a_registration_asks_for_a_passkey_that_is_found_without_a_name() {
    let (factor, name) = (factor(Rules::default()), AccountName::parse("alice").expect("a name"));
    let begun = factor.begin(Holder { id: ALICE, name: &name, held: &[] }).await.expect("it begins");
    let options = options(&begun.show);
    let asked = &options["authenticatorSelection"];
    assert_eq!((&asked["residentKey"], &asked["requireResidentKey"]), (&json!("required"), &json!(true)));
    assert_eq!(asked["userVerification"], "required");
    assert_eq!((&options["rp"]["id"], &options["attestation"]), (&json!("example.com"), &json!("none")));
    assert_eq!(options["user"]["id"], text_of(&ALICE.bits()));
}

#[tokio::test]
async fn a_challenge_for_somebody_names_what_they_hold_and_one_for_anybody_names_nothing() {
    let (factor, mut device) = (factor(Rules::default()), Authenticator::new(ORIGIN));
    let enrolled = register(&factor, &mut device, &[], Lies::default()).await.expect("it is enrolled");
    assert_eq!(enrolled.handle.as_deref(), Some(&*device.id));
    let (name, held) = (AccountName::parse("alice").expect("a name"), [credential(&enrolled)]);
    let holder = Holder { id: ALICE, name: &name, held: &held };
    let asked = options(&factor.challenge(Some(holder), NOW).await.expect("it asks").show);
    assert_eq!(asked["allowCredentials"][0]["id"], text_of(&device.id));
    assert_eq!((&asked["userVerification"], &asked["rpId"]), (&json!("required"), &json!("example.com")));
    let anybody = options(&factor.challenge(None, NOW).await.expect("it asks").show);
    assert_eq!(anybody["allowCredentials"], json!([]));
    let nothing = Holder { held: &[], ..holder };
    assert_eq!(factor.challenge(Some(nothing), NOW).await.err(), Some(Rejection::Wrong));
}

#[tokio::test]
async fn the_same_authenticator_is_not_registered_twice() {
    let (factor, mut device) = (factor(Rules::default()), Authenticator::new(ORIGIN));
    let enrolled = register(&factor, &mut device, &[], Lies::default()).await.expect("it is enrolled");
    let again = register(&factor, &mut device, &[credential(&enrolled)], Lies::default()).await;
    assert_eq!(again.err(), Some(Rejection::Wrong));
}

#[tokio::test]
async fn whatever_is_untrue_in_an_assertion_makes_it_wrong() {
    let (factor, mut device) = (factor(Rules::default()), Authenticator::new(ORIGIN));
    let state = register(&factor, &mut device, &[], Lies::default()).await.expect("it is enrolled").state;
    let lies = [
        Lies { origin: Some("https://auth.example.com.evil.example"), ..Lies::default() },
        Lies { origin: Some("https://evil-auth.example.com"), ..Lies::default() },
        Lies { origin: Some("https://sub.auth.example.com"), ..Lies::default() },
        Lies { origin: Some("https://auth.example.com:8443"), ..Lies::default() },
        Lies { origin: Some("http://auth.example.com"), ..Lies::default() },
        Lies { rp_id: Some("auth.example.com"), ..Lies::default() },
        Lies { kind: Some("webauthn.create"), ..Lies::default() },
        Lies { flags: Some(PRESENT), ..Lies::default() },
        Lies { flags: Some(VERIFIED), ..Lies::default() },
        Lies { flags: Some(PRESENT | VERIFIED | SYNCABLE), ..Lies::default() },
        Lies { flags: Some(PRESENT | VERIFIED | SYNCED), ..Lies::default() },
        Lies { framed: true, ..Lies::default() },
        Lies { user: Some(text_of(&[8; 16])), ..Lies::default() },
        Lies { id: Some(vec![1; 32]), ..Lies::default() },
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        assert_eq!(prove(&factor, &mut device, &state, lie).await.err(), Some(Rejection::Wrong), "lie {at}");
    }
    let proof = prove(&factor, &mut device, &state, Lies::default()).await.expect("the truth is right").proof;
    assert!(proof.phishing_resistant && proof.kinds.count() == 2);
}

#[tokio::test]
async fn whatever_is_untrue_in_a_registration_ends_it() {
    let factor = factor(Rules::default());
    let lies = [
        Lies { origin: Some("https://auth.example.org"), ..Lies::default() },
        Lies { rp_id: Some("example.org"), ..Lies::default() },
        Lies { kind: Some("webauthn.get"), ..Lies::default() },
        Lies { flags: Some(PRESENT), ..Lies::default() },
        // EdDSA, which was not asked for, and no algorithm at all.
        Lies { algorithm: Some(-8), ..Lies::default() },
        Lies { algorithm: Some(0), ..Lies::default() },
        Lies { framed: true, ..Lies::default() },
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        let refused = register(&factor, &mut Authenticator::new(ORIGIN), &[], lie).await;
        assert_eq!(refused.err(), Some(Rejection::Wrong), "lie {at}");
    }
}

#[tokio::test]
async fn a_counter_that_goes_back_tells_of_a_copy() {
    let (factor, mut device) = (factor(Rules::default()), Authenticator::new(ORIGIN));
    let state = register(&factor, &mut device, &[], Lies::default()).await.expect("it is enrolled").state;
    device.counter = 40;
    let next = prove(&factor, &mut device, &state, Lies::default()).await.expect("right").state.expect("it counts");
    for counter in [41, 40, 1, 0] {
        let lies = Lies { counter: Some(counter), ..Lies::default() };
        assert_eq!(prove(&factor, &mut device, &next, lies).await.err(), Some(Rejection::Copied), "{counter}");
    }
    assert!(prove(&factor, &mut device, &next, Lies::default()).await.is_ok());
}

#[tokio::test]
async fn rules_hold_at_use_for_what_was_enrolled_before_them() {
    let mut device = Authenticator::new(ORIGIN);
    (device.flags, device.counter, device.model) = (PRESENT | VERIFIED | SYNCABLE | SYNCED, 0, [9; 16]);
    let open = factor(Rules::default());
    let enrolled = register(&open, &mut device, &[], Lies::default()).await.expect("it is enrolled");
    assert_eq!(is_synced(&enrolled.state), Some(true));
    let (own, other) = (Uuid::from_bytes([9; 16]), Uuid::from_bytes([1; 16]));
    let rules = [
        (Rules { synced: false, ..Rules::default() }, false),
        (Rules { models: Some(vec![other]), ..Rules::default() }, false),
        (Rules { models: Some(vec![other, own]), ..Rules::default() }, true),
        (Rules { refuse_models: vec![own], ..Rules::default() }, false),
        (Rules { refuse_models: vec![other], ..Rules::default() }, true),
    ];
    for (rules, admitted) in rules {
        let ruled = factor(rules.clone());
        assert_eq!(ruled.counts(&enrolled.state), admitted, "{rules:?}");
        let used = prove(&ruled, &mut device, &enrolled.state, Lies::default()).await;
        assert_eq!(used.is_ok(), admitted, "{rules:?}");
        assert!(admitted || used.is_err_and(|why| why == Rejection::NotAllowed), "{rules:?}");
        let fresh = register(&ruled, &mut device, &[], Lies::default()).await;
        assert_eq!(fresh.err(), (!admitted).then_some(Rejection::NotAllowed), "{rules:?}");
    }
}

#[test]
fn a_domain_that_the_portal_is_not_in_is_no_place_for_passkeys() {
    for (rp_id, origin) in [("example.org", ORIGIN), ("ample.com", ORIGIN), ("127.0.0.1", "http://127.0.0.1:80")] {
        let settings = Settings { rp_id: rp_id.to_owned(), origin: origin.to_owned(), ..settings() };
        assert_eq!(Passkey::new(&settings).err(), Some(InvalidPlace), "{rp_id}");
    }
}

#[test]
fn a_file_without_certificates_holds_no_roots() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in ["", "hello", broken, "-----END CERTIFICATE-----"] {
        assert_eq!(Roots::parse(text.as_bytes()), Err(InvalidRoots), "{text}");
    }
}
