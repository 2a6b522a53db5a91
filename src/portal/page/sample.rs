//! One sample of every page at least, for the contract and to look at; checks nothing.

use super::*;
use crate::factor::{Rejection, Weakness};
use crate::identity::{AccountId, Channel, Device, Group, Proofs, Session, SessionId};
use crate::stdx::clock::Time;
use maud::Markup;
use std::time::Duration;

const NOW: Time = Time::from_secs(1_700_000_000);
const MINUTES: u64 = 60;
const HOURS: u64 = 3600;
const DAYS: u64 = 86_400;

/// What strangers may have chosen; the rest of a page is ours.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    portal: &'a str,
    account: &'a str,
    host: &'a str,
    device: &'a str,
}

pub(super) const EVERYDAY: Words =
    Words { portal: "Example Corp", account: "alice@example.com", host: "app.example.com", device: "Firefox on Linux" };

const EVIL: &str = "\"><script>alert('1')</script><b style=x>&amp;";
pub(super) const HOSTILE: Words = Words { portal: EVIL, account: EVIL, host: EVIL, device: EVIL };

const FORM: Form = Form { action: "/sign-in", csrf: "c5rf", carried: &[("to", "sealed-address")] };
const RECOVER: &[Link] = &[Link { label: "Use a recovery code instead", href: "/sign-in/recovery" }];

fn past(secs: u64) -> Time {
    NOW.minus(Duration::from_secs(secs))
}

/// Every sample, by the name of its file.
pub(super) fn all(words: Words) -> Vec<(&'static str, Markup)> {
    let (set_up, send) = (setting_up(words), sending(words));
    let (again, connect) = (proving_again(words), connecting(words));
    [signing_in(words), again, set_up, send, account(words), asking(words), connect, saying(words)].concat()
}

pub(super) fn signing_in(words: Words) -> Vec<(&'static str, Markup)> {
    let first = SignIn {
        portal: words.portal,
        form: Some(FORM),
        passkey: None,
        asked: Asked::NameAndPassword,
        errand: Some(Errand::Host(words.host)),
        gone: None,
        name: "",
        notice: None,
    };
    let wrong = Some(Notice::Rejected(&Rejection::Wrong, NOW));
    let told = Some(Notice::Told("Your password was changed. Sign in with the new one."));
    let code = prompt(words, Reason::SignIn);
    let until = Rejection::Wait(NOW.plus(Duration::from_secs(30)));
    vec![
        ("sign-in", sign_in(&first)),
        ("sign-in-wrong", sign_in(&SignIn { name: words.account, notice: wrong, ..first })),
        ("sign-in-passkey", sign_in(&SignIn { passkey: Some(FORM), ..first })),
        ("sign-in-passkey-only", sign_in(&SignIn { passkey: Some(FORM), form: None, ..first })),
        (
            "sign-in-passkey-wrong",
            sign_in(&SignIn { passkey: Some(FORM), notice: wrong, asked: Asked::Passkey, ..first }),
        ),
        ("sign-in-told", sign_in(&SignIn { errand: None, notice: told, ..first })),
        (
            "sign-in-passkey-unknown",
            sign_in(&SignIn {
                passkey: Some(FORM),
                notice: Some(Notice::Mistake("This passkey is not known here any more.")),
                gone: Some(Gone { rp: words.host, credential: words.device }),
                asked: Asked::Passkey,
                ..first
            }),
        ),
        ("sign-in-form", sign_in(&SignIn { errand: Some(Errand::Form(words.host)), ..first })),
        ("sign-in-program", sign_in(&SignIn { errand: Some(Errand::Program), ..first })),
        ("passkey", passkey_proof(&code)),
        ("passkey-wrong", passkey_proof(&Prompt { notice: wrong, ..code })),
        ("code", authenticator_code(&code)),
        ("code-wrong", authenticator_code(&Prompt { notice: wrong, ..code })),
        ("code-wait", authenticator_code(&Prompt { notice: Some(Notice::Rejected(&until, NOW)), ..code })),
        (
            "recovery",
            recovery_code(&Prompt {
                others: &[Link { label: "Use your authenticator app instead", href: "/" }],
                ..code
            }),
        ),
    ]
}

fn prompt(words: Words, reason: Reason) -> Prompt {
    Prompt {
        portal: words.portal,
        form: FORM,
        errand: Some(Errand::Host(words.host)),
        account: words.account,
        reason,
        others: RECOVER,
        restart: "/sign-in/restart",
        notice: None,
    }
}

fn proving_again(words: Words) -> Vec<(&'static str, Markup)> {
    let older = prompt(words, Reason::Older(Duration::from_secs(10 * MINUTES)));
    let stronger = prompt(words, Reason::Stronger);
    let change = Prompt { errand: None, others: &[], ..prompt(words, Reason::Change) };
    vec![
        ("step-up-code", authenticator_code(&older)),
        ("step-up-stronger", authenticator_code(&stronger)),
        ("step-up-password", password_again(&change)),
    ]
}

fn setting_up(words: Words) -> Vec<(&'static str, Markup)> {
    let steps = &[Step::Password, Step::Scan, Step::Confirm, Step::Codes];
    let journey = Journey { occasion: Occasion::FirstTime, because: None, instead: None, steps, leave: None };
    let leave = Some(Link { label: "Cancel", href: "/" });
    let alone = Journey { occasion: Occasion::Change, steps: &[Step::Password], leave, ..journey };
    let sign_out = Some(Link { label: "Sign out", href: "/sign-out" });
    let after = &[Step::Scan, Step::Confirm, Step::Codes];
    let lost = Journey { occasion: Occasion::Recovery(Before::Replaced), steps: after, leave: sign_out, ..journey };
    let instead = Some("/enrol/choose");
    let keyed = Journey { steps: &[Step::Password, Step::Passkey, Step::Codes], instead, ..journey };
    let open = Journey { steps: &[Step::Password, Step::Choice, Step::Codes], ..journey };
    let because = Some("app.example.com asks for a passkey; codes sent to you do not count there.");
    let forced = Journey { steps: &[Step::Passkey], because, leave, ..alone };
    let create = CreatePasskey { portal: words.portal, journey: keyed, form: FORM, notice: None };
    let ways = [
        WayToChoose { factor: "passkey", label: "A passkey", hint: "Your fingerprint, your face, or a key." },
        WayToChoose { factor: "totp", label: "An authenticator app", hint: "An app on your phone." },
    ];
    let Words { portal, account, .. } = words;
    let weak = Rejection::Weak(Weakness::TooShort(8));
    let choose = ChoosePassword { portal, journey, form: FORM, account, least: 8, notice: None };
    let change = ChoosePassword { journey: alone, notice: Some(Notice::Rejected(&weak, NOW)), ..choose };
    let uri = "otpauth://totp/Example%20Corp:alice%40example.com\
        ?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example%20Corp";
    let key = "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP";
    let scan = ScanKey { portal, journey, uri, key, next: "/enrol/confirm" };
    let wrong = Some(Notice::Rejected(&Rejection::Wrong, NOW));
    let check = ConfirmApp { portal, journey, form: FORM, back: "/enrol/scan", notice: wrong };
    let codes: Vec<String> = (0..10u8).map(|n| format!("k7q{n}-x2fd-{n}r4w-8hb{n}-m3c{n}-zt6{n}")).collect();
    let save = SaveCodes { portal, journey, form: FORM, account, codes: &codes, made: NOW };
    vec![
        ("enrol-1-password", choose_password(&choose)),
        ("enrol-2-scan", scan_key(&scan)),
        ("enrol-3-confirm", confirm_app(&check)),
        ("enrol-4-codes", save_codes(&save)),
        ("enrol-2-choice", choose_way(&ChooseWay { portal: words.portal, journey: open, form: FORM, ways: &ways })),
        ("enrol-2-passkey", create_passkey(&create)),
        ("enrol-forced", create_passkey(&CreatePasskey { journey: forced, ..create })),
        ("change-password", choose_password(&change)),
        ("recovery-scan", scan_key(&ScanKey { journey: lost, ..scan })),
    ]
}

fn sending(words: Words) -> Vec<(&'static str, Markup)> {
    let places = [("crd_1", "+49 ••• ••89"), ("crd_2", words.account)];
    let sent = Sent { to: words.account, channel: Channel::Mail, minutes: 10, again: None };
    let anew = Sent { again: Some(past(40)), ..sent };
    let (wrong, portal) = (Some(Notice::Rejected(&Rejection::Wrong, NOW)), words.portal);
    let prompt = prompt(words, Reason::SignIn);
    let view = MessageCode { prompt, state: State::None, send: "/sign-in/message/send", places: &places };
    let again = Prompt { reason: Reason::Stronger, notice: wrong, ..prompt };
    let first = &[Step::Password, Step::Contact, Step::Sent, Step::Codes];
    let instead = Some("/enrol/choose");
    let journey = Journey { occasion: Occasion::FirstTime, because: None, instead, steps: first, leave: None };
    let leave = Some(Link { label: "Cancel", href: "/" });
    let (occasion, steps) = (Occasion::Change, &[Step::Contact, Step::Sent]);
    let alone = Journey { occasion, steps, leave, ..journey };
    let choose =
        ChooseContact { portal, journey, form: FORM, channels: &Channel::ALL, typed: words.account, notice: wrong };
    let mail = ChooseContact { channels: &[Channel::Mail], typed: "", notice: None, journey: alone, ..choose };
    let confirm = ConfirmContact { portal, journey, form: FORM, sent, notice: wrong };
    vec![
        ("message-code", message_code(&view)),
        ("message-code-sent", message_code(&MessageCode { state: State::Sent(sent), ..view })),
        ("message-code-again", message_code(&MessageCode { state: State::Sent(anew), ..view })),
        ("message-code-void", message_code(&MessageCode { state: State::Void, ..view })),
        ("message-code-wrong", message_code(&MessageCode { prompt: again, state: State::Sent(sent), ..view })),
        ("enrol-contact", choose_contact(&choose)),
        ("enrol-contact-mail", choose_contact(&mail)),
        ("enrol-contact-confirm", confirm_contact(&confirm)),
    ]
}

fn session(device: &str, address: [u8; 4], opened: u64, used: u64) -> Session {
    Session {
        id: SessionId::new([address[3]; 16]),
        account: AccountId::new([1; 16]),
        proofs: Proofs::new(),
        created: past(opened),
        used: past(used),
        device: Device { name: device.to_owned(), address: address.into() },
    }
}

fn account(words: Words) -> Vec<(&'static str, Markup)> {
    let groups: Vec<Group> = ["staff", "orders"].into_iter().filter_map(|name| Group::parse(name).ok()).collect();
    let sessions = [
        session(words.device, [192, 0, 2, 17], 2 * HOURS, 5),
        session("Safari on iPhone", [198, 51, 100, 4], 30 * HOURS, 12 * MINUTES),
        session("portcullis login", [203, 0, 113, 200], 5 * HOURS, 3 * HOURS),
    ];
    let Some(current) = sessions.first().map(|session| session.id) else { return Vec::new() };
    let way = Way {
        sort: Sort::Secret,
        label: "Password",
        remark: None,
        created: past(90 * DAYS),
        used: Some(past(2 * HOURS)),
        change: Some(Link { label: "Change", href: "/account/password" }),
        remove: None,
        stays: None,
    };
    let replace = Some(Link { label: "Replace", href: "/account/app" });
    let renew = Some(Link { label: "New codes", href: "/account/codes" });
    let held = [
        way,
        Way { sort: Sort::App, label: words.device, change: replace, remove: Some("/account/remove"), ..way },
        Way { sort: Sort::App, label: "Authenticator app", change: None, stays: Some("Add another one first."), ..way },
        Way {
            sort: Sort::Key,
            label: "Passkey",
            remark: Some("Synced"),
            change: Some(Link { label: "Rename", href: "/account/rename" }),
            remove: Some("/account/remove"),
            ..way
        },
        Way {
            sort: Sort::Codes,
            label: "Recovery codes",
            remark: Some("7 of 10 left"),
            used: None,
            change: renew,
            ..way
        },
    ];
    let additions = [Link { label: "Add an authenticator app", href: "/account/app/new" }];
    let record = SignInRecord {
        at: past(2 * HOURS),
        device: words.device,
        address: [192, 0, 2, 17].into(),
        how: "Password and authenticator app",
        remark: None,
    };
    let recent = [
        record,
        SignInRecord { at: past(3 * DAYS), remark: Some("New device"), how: "Password and recovery code", ..record },
        SignInRecord { at: past(40 * DAYS), device: "Unknown device", how: "", ..record },
    ];
    let view = MyAccount {
        portal: words.portal,
        account: words.account,
        groups: &groups,
        now: NOW,
        sessions: Sessions { all: &sessions, current },
        ways: Ways { held: &held, additions: &additions },
        recent: &recent,
        actions: Actions {
            csrf: "c5rf",
            end_session: "/account/end",
            end_others: "/account/end-others",
            sign_out: "/sign-out",
            sign_out_everywhere: "/account/end-all",
        },
        news: Some(News { notice: Notice::Told("Your authenticator app was added."), gone: None }),
    };
    let gone = Some(Gone { rp: words.host, credential: words.device });
    let removed = News { notice: Notice::Told("Passkey was removed."), gone };
    let onward = Link { label: "Go on to app.example.com", href: "/sign-in" };
    let which = WhichLost { portal: words.portal, ways: &held[1..4], now: NOW, onward, news: None };
    let without =
        WithoutPasskey { portal: words.portal, host: Some(words.host), recover: Some(FORM), back: "/sign-in" };
    vec![
        ("account", my_account(&view)),
        ("account-quiet", my_account(&MyAccount { recent: &[], news: None, ..view })),
        ("account-removed", my_account(&MyAccount { news: Some(removed), ..view })),
        ("lost-which", which_lost(&which)),
        ("lost-passkey", without_passkey(&without)),
        ("lost-passkey-no-codes", without_passkey(&WithoutPasskey { host: None, recover: None, ..without })),
    ]
}

fn asking(words: Words) -> Vec<(&'static str, Markup)> {
    let ask = |question| confirm(&Confirm { portal: words.portal, form: FORM, question, cancel: "/account" });
    let gone = |ended| signed_out(&SignedOut { portal: words.portal, ended, sign_in: "/sign-in" });
    let fields = [(words.account.to_owned(), words.device.to_owned()), (String::new(), String::new())];
    let (portal, host, path) = (words.portal, words.host, "/orders/new");
    let action = "/.portcullis/form/kJ3m";
    vec![
        (
            "send-form",
            send_form(&SendForm {
                portal,
                host,
                path,
                action,
                fields: &fields,
                discard: "/.portcullis/form/kJ3m/discard",
            }),
        ),
        ("confirm-remove", ask(Question::Remove(words.device))),
        ("confirm-remove-codes", ask(Question::RemoveCodes)),
        ("confirm-others", ask(Question::EndOthers(2))),
        ("confirm-sign-out", ask(Question::SignOut(words.account))),
        ("confirm-everywhere", ask(Question::SignOutEverywhere(words.account))),
        (
            "rename",
            rename(&Rename { portal: words.portal, form: FORM, label: words.device, cancel: "/", notice: None }),
        ),
        ("signed-out", gone(Ended::Here)),
        ("signed-out-everywhere", gone(Ended::Everywhere)),
    ]
}

fn connecting(words: Words) -> Vec<(&'static str, Markup)> {
    let Words { portal, account, host, device } = words;
    let wrong = Some(Notice::Mistake("There is no such code, or not any more."));
    let enter = EnterCode { portal, form: FORM, code: device, notice: wrong };
    let address = std::net::Ipv4Addr::new(192, 0, 2, 7).into();
    let place = Place::Elsewhere { code: "WDJB-MJHT", address, at: past(30) };
    let ask = Decide { portal, form: FORM, account, client: device, host: Some(host), place, now: NOW };
    let done = |said| decided(&Decided { portal, client: device, said });
    vec![
        ("program-code", enter_code(&enter)),
        ("program-device", decide(&ask)),
        ("program-here", decide(&Decide { host: None, place: Place::Here, ..ask })),
        ("program-approved", done(Said::Approved)),
        ("program-denied", done(Said::Denied)),
    ]
}

fn saying(words: Words) -> Vec<(&'static str, Markup)> {
    let request = "req_5v8c1d2e3f4g5h6j7k8m9n0p1q";
    let action = Some(Link { label: "Start again", href: "/sign-in" });
    let say = |subject, action| message(&Message { portal: words.portal, subject, action, request });
    let finding = Finding {
        condition: "Groups",
        has: words.account,
        needs: "the group admin",
        remedy: Some("Ask an owner of the group admin to add you."),
    };
    let (title, sentence) = words_for(403);
    let denied = Refused {
        portal: words.portal,
        status: 403,
        title,
        sentence,
        detail: None,
        findings: &[finding],
        decision: Some("dec_7k2m9n4p5q6r7s8t9v0w1x2y3z"),
        request,
        action: Some(Link { label: "Use another account", href: "/.portcullis/sign-out" }),
    };
    let plain = |status, detail| {
        let (title, sentence) = words_for(status);
        let action = way_on(status);
        refused(&Refused { status, title, sentence, detail, findings: &[], decision: None, action, ..denied })
    };
    let path = Some("The path is refused: it has an encoded slash (`%2F`).");
    let unhealthy = Some("No server of this service is healthy at the moment.");
    vec![
        ("message-link", say(Subject::LinkSpent, None)),
        ("message-expired", say(Subject::AttemptEnded, action)),
        ("message-many", say(Subject::TooMany(Duration::from_secs(12 * MINUTES)), None)),
        ("message-busy", say(Subject::Busy, action)),
        ("message-stale", say(Subject::FormStale, action)),
        ("message-cookies", say(Subject::NoCookies(words.host), action)),
        ("message-set-up", say(Subject::SetUpEnded, None)),
        ("message-set-up-lost", say(Subject::SetUpLost(words.host), None)),
        ("message-form-gone", say(Subject::FormGone, Some(Link { label: "Go on", href: "/" }))),
        ("message-change", say(Subject::ChangeEnded, Some(Link { label: "Go to your account", href: "/" }))),
        ("refused-403", refused(&denied)),
        ("refused-400", plain(400, path)),
        ("refused-404", plain(404, None)),
        ("refused-405", plain(405, None)),
        ("refused-421", plain(421, None)),
        ("refused-429", plain(429, None)),
        ("refused-500", plain(500, None)),
        ("refused-502", plain(502, None)),
        ("refused-503", plain(503, unhealthy)),
        ("refused-504", plain(504, None)),
    ]
}
