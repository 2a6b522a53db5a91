//! `[factor.passkey]`.

use crate::passkey::{
    ENROL, SIGN_IN, ask, configuration, enrolled_with, portal, reload, rig_of, sign_in_page, touch, use_passkey,
};
use crate::rig::authenticator::{Authenticator, Lies, PRESENT, SYNCABLE, VERIFIED};
use crate::rig::{Browser, Rig};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};

/// A model of authenticator, as its AAGUID and as that is written.
const MODEL: ([u8; 16], &str) = ([9; 16], "09090909-0909-0909-0909-090909090909");
const OTHER: &str = "2fc0579f-8113-47ea-b116-bb5a8db9202a";

async fn signs_in(rig: &Rig, browser: &Browser, device: &mut Authenticator) -> bool {
    let mut browser = browser.other();
    let page = sign_in_page(rig, &mut browser).await;
    let answer = touch(&mut browser, &page, SIGN_IN, (device, &Lies::default())).await;
    match answer.status {
        303 => true,
        422 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passkeys_are_bound_to_the_configured_domain() {
    let elsewhere = configuration("rp_id = \"corp.localhost\"").replace("auth.localhost", "auth.corp.localhost");
    let (rig, _app) = rig_of(&elsewhere).await;
    let mut browser = rig.browser();
    let page = browser.visit(&format!("{}/sign-in", rig.origin("auth.corp.localhost"))).await;
    assert_eq!(ask(&mut browser, &page, SIGN_IN).await.options["rpId"], "corp.localhost");
    let (rig, _app) = rig_of(&configuration("")).await;
    let mut browser = rig.browser();
    let page = sign_in_page(&rig, &mut browser).await;
    assert_eq!(ask(&mut browser, &page, SIGN_IN).await.options["rpId"], "auth.localhost", "the portal's host");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_is_copied_between_devices_counts_only_if_it_may() {
    let (rig, app) = rig_of(&configuration("")).await;
    let mut synced = Authenticator::new(&portal(&rig));
    synced.flags = PRESENT | VERIFIED | SYNCABLE;
    let alice = enrolled_with(&rig, "alice", &mut synced).await;
    assert!(signs_in(&rig, &alice, &mut synced).await);
    let mut bound = Authenticator::new(&portal(&rig));
    let bob = enrolled_with(&rig, "bob", &mut bound).await;
    reload(&rig, &app, &configuration("synced = false")).await;
    assert!(!signs_in(&rig, &alice, &mut synced).await);
    assert!(signs_in(&rig, &bob, &mut bound).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_passkeys_of_the_configured_models_count() {
    let (rig, app) = rig_of(&configuration("")).await;
    let mut device = Authenticator::new(&portal(&rig));
    device.model = MODEL.0;
    let alice = enrolled_with(&rig, "alice", &mut device).await;
    reload(&rig, &app, &configuration(&format!("models = [\"{OTHER}\"]"))).await;
    assert!(!signs_in(&rig, &alice, &mut device).await);
    reload(&rig, &app, &configuration(&format!("models = [\"{OTHER}\", \"{}\"]", MODEL.1))).await;
    assert!(signs_in(&rig, &alice, &mut device).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_of_a_refused_model_does_not_count() {
    let (rig, app) = rig_of(&configuration("")).await;
    let mut device = Authenticator::new(&portal(&rig));
    device.model = MODEL.0;
    let alice = enrolled_with(&rig, "alice", &mut device).await;
    reload(&rig, &app, &configuration(&format!("refuse_models = [\"{OTHER}\"]"))).await;
    assert!(signs_in(&rig, &alice, &mut device).await);
    reload(&rig, &app, &configuration(&format!("refuse_models = [\"{}\"]", MODEL.1))).await;
    assert!(!signs_in(&rig, &alice, &mut device).await);
}

/// A maker of authenticators: its root, PEM, and a key with the certificate that its devices show.
struct Maker {
    root: String,
    device: KeyPair,
    certificate: Vec<u8>,
}

impl Maker {
    fn new(name: &str) -> Self {
        let named = |unit: &str| {
            let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
            let subject = &mut parameters.distinguished_name;
            subject.push(DnType::CountryName, "SE");
            subject.push(DnType::OrganizationName, name);
            subject.push(DnType::OrganizationalUnitName, unit);
            subject.push(DnType::CommonName, format!("{name} {unit}"));
            parameters
        };
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let (root, device) = (key(), key());
        let mut parameters = named("Root");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = parameters.self_signed(&root).expect("a certificate").pem();
        let issuer = Issuer::new(parameters, root);
        // WebAuthn §8.2.1: an authenticator's certificate has this unit, and names the model.
        let mut parameters = named("Authenticator Attestation");
        parameters.is_ca = IsCa::ExplicitNoCa;
        let model = [&[0x04, 0x10][..], &MODEL.0].concat();
        parameters.custom_extensions =
            vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4], model)];
        let certificate = parameters.signed_by(&device, &issuer).expect("a certificate").der().to_vec();
        Maker { root: pem, device, certificate }
    }

    /// A device of this maker.
    fn make(&self, origin: &str) -> Authenticator {
        let mut device = Authenticator::new(origin);
        device.model = MODEL.0;
        let key = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            &self.device.serialize_der(),
        );
        device.maker = Some((key.expect("a key"), self.certificate.clone()));
        device
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_authenticators_whose_maker_is_trusted_count() {
    let (rig, app) = rig_of(&configuration("")).await;
    let mut nameless = Authenticator::new(&portal(&rig));
    let mut alice = enrolled_with(&rig, "alice", &mut nameless).await;
    let (trusted, other) = (Maker::new("Stone"), Maker::new("Sand"));
    std::fs::write(rig.directory().join("roots.pem"), format!("{}\n{}", Maker::new("Clay").root, trusted.root))
        .expect("written");
    let attested = configuration("attestation = \"roots.pem\"");
    reload(&rig, &app, &attested).await;
    assert!(!signs_in(&rig, &alice, &mut nameless).await, "what was enrolled without a word about its maker");
    let page = alice.visit(&format!("{}/account/passkey", portal(&rig))).await;
    assert_eq!(ask(&mut alice, &page, ENROL).await.options["attestation"], "direct");
    for mut refused in [Authenticator::new(&portal(&rig)), other.make(&portal(&rig))] {
        let answer = touch(&mut alice, &page, ENROL, (&mut refused, &Lies::default())).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.body.contains("Passkeys of this kind are not accepted here"), "{}", answer.body);
    }
    let mut device = trusted.make(&portal(&rig));
    assert_eq!(use_passkey(&mut alice, &page, ENROL, &mut device).await.path(), "/");
    assert!(signs_in(&rig, &alice, &mut device).await);
    std::fs::write(rig.directory().join("roots.pem"), other.root).expect("written");
    reload(&rig, &app, &attested).await;
    assert!(!signs_in(&rig, &alice, &mut device).await, "its maker is trusted no more");
}
