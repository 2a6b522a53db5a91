//! What is kept, and how: modes, owners, and one command at a time.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn origin() -> Origin {
    Origin::parse("https://app.example.com").expect("an origin")
}

fn kept(access: &str) -> Kept {
    Kept {
        issuer: Origin::parse("https://auth.example.com").expect("an origin"),
        resource: origin(),
        account: Some("alice".to_owned()),
        access: Secret::new(access),
        refresh: Some(Secret::new("refresh-1")),
        until: Time::from_secs(5),
        key: Some(ProofKey::fresh().expect("a key")),
    }
}

fn place(folder: &Folder) -> Place {
    folder.hold(&origin(), || Ok(())).expect("it can be held")
}

fn folder() -> (tempfile::TempDir, Folder) {
    let home = tempfile::tempdir().expect("a directory");
    let folder = Folder(home.path().join("portcullis/login"));
    (home, folder)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").mode() & 0o777
}

#[test]
fn what_is_kept_is_read_again_and_is_its_owner_s_alone() {
    let (_home, folder) = folder();
    let place = place(&folder);
    assert!(place.read().expect("readable").is_none());
    let first = kept("access-1");
    place.write(&first).expect("it is kept");
    let again = place.read().expect("readable").expect("kept");
    assert_eq!((again.access.expose(), again.until), (&b"access-1"[..], Time::from_secs(5)));
    let keys = [&first, &again].map(|kept| kept.key.as_ref().expect("a key").text());
    assert_eq!(keys[0], keys[1]);
    assert_eq!((mode(&folder.0), mode(&place.file)), (0o700, 0o600));
    let others: Vec<_> =
        fs::read_dir(&folder.0).expect("a directory").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(others.len(), 2, "nothing else is left there: {others:?}");
    place.remove().expect("it is removed");
    assert!(place.read().expect("readable").is_none());
}

#[test]
fn a_file_that_others_may_read_is_refused_with_what_mends_it() {
    let (_home, folder) = folder();
    let place = place(&folder);
    place.write(&kept("access-1")).expect("it is kept");
    for exposed in [0o640, 0o604, 0o660] {
        fs::set_permissions(&place.file, fs::Permissions::from_mode(exposed)).expect("it is ours");
        let refused = place.read().err().expect("it is refused").to_string();
        assert!(refused.contains("chmod 600") && !refused.contains("access-1"), "{refused}");
    }
    fs::set_permissions(&place.file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    assert!(place.read().is_ok());
}

#[test]
fn a_directory_that_others_may_write_is_refused() {
    let (_home, folder) = folder();
    drop(place(&folder));
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o770)).expect("it is ours");
    let refused = folder.hold(&origin(), || Ok(())).err().expect("it is refused").to_string();
    assert!(refused.contains("chmod 700"), "{refused}");
    assert!(folder.all().is_err());
}

#[test]
fn a_link_in_place_of_the_file_is_not_followed() {
    let (home, folder) = folder();
    let place = place(&folder);
    place.write(&kept("access-1")).expect("it is kept");
    let elsewhere = home.path().join("elsewhere");
    fs::rename(&place.file, &elsewhere).expect("moved");
    std::os::unix::fs::symlink(&elsewhere, &place.file).expect("linked");
    assert!(matches!(place.read(), Err(Unread::Garbled { .. })));
    place.write(&kept("access-2")).expect("the link is replaced");
    assert!(fs::read_to_string(elsewhere).expect("it is there").contains("access-1"));
}

#[test]
fn what_is_no_record_is_garbled_and_shows_nothing_of_it() {
    let (_home, folder) = folder();
    let place = place(&folder);
    for text in ["", "{}", r#"{"access_token":"secret-1"}"#] {
        drop(forget(&place.file));
        place.put(&place.file.with_extension("new"), text.as_bytes()).expect("it is written");
        let refused = place.read().err().expect("it is refused").to_string();
        assert!(refused.contains("--logout") && !refused.contains("secret-1"), "{refused}");
    }
    assert_eq!(folder.all().expect("a directory").len(), 1, "and it is listed");
}

#[test]
fn one_command_at_a_time_holds_a_place_and_others_say_that_they_wait() {
    let (_home, folder) = folder();
    let first = place(&folder);
    let other = Origin::parse("https://app.example.com:8443").expect("an origin");
    drop(folder.hold(&other, || panic!("another origin is another place")).expect("it can be held"));
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let second = folder.hold(&origin(), || said.send(()).map_err(io::Error::other)).expect("it is held later");
            second.read().expect("readable").expect("kept").access.expose().to_vec()
        });
        heard.recv().expect("it says that it waits");
        first.write(&kept("access-1")).expect("it is kept");
        drop(first);
        assert_eq!(waiting.join().expect("it ends"), b"access-1");
    });
}
