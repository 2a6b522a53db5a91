//! The declarations and the reference made from them.

use super::*;
use crate::config::bookmark::Bookmark;
use crate::config::raw::{Document, Presence, Reading, Section, TableWords};
use crate::config::reference::{reference, tables};

/// Reads `key = value` as the key would, and gives what was wrong.
fn read(table: &TableWords, name: &str, value: &str) -> Vec<String> {
    let files = Files::new().with("main.toml", format!("{name} = {value}\n"));
    let environment = Environment::default();
    let reading = Reading::new(&environment, NOW, Bookmark::default());
    let document = Document::open(&files.path().join("main.toml"), &reading).expect("a file");
    let parsed = document.parse(&reading);
    let section = Section::new(&parsed, document.place(0, String::new()), &reading);
    let key = table.keys.iter().find(|key| key.name == name).expect("the key");
    let fine = section.entries().iter().all(|(_, _, item)| (key.read)(item));
    let problems = reading.report.end().err().map(|problems| problems.to_string());
    problems.into_iter().chain((!fine).then(|| "nothing was read".to_owned())).collect()
}

#[test]
fn every_example_and_every_default_can_be_read_by_its_own_key() {
    for table in tables() {
        for key in table.keys.iter().filter(|key| !key.example.is_empty()) {
            assert_eq!(read(&table, key.name, key.example), [""; 0], "{} {}", table.header, key.name);
            if let Presence::Default(default) = &key.presence {
                assert_eq!(read(&table, key.name, default), [""; 0], "{} {} = {default}", table.header, key.name);
            }
        }
    }
}

#[test]
fn the_reference_lists_every_table_and_key_with_kind_default_sentence_and_example() {
    let text = reference();
    for table in tables() {
        assert!(text.contains(&table.header), "{}", table.header);
        for key in &table.keys {
            assert!(!key.doc.trim().is_empty(), "{} {}", table.header, key.name);
            assert!(key.example.is_empty() || text.contains(&format!("| `{}` |", key.name)), "{}", key.name);
        }
    }
    let header_size = "| `header_size` | Bytes of one request's header. | a size from \"1KiB\" to \"1MiB\" | `\"32KiB\"` | `\"32KiB\"` |";
    assert!(text.contains(header_size), "{text}");
    let headers: Vec<String> = tables().into_iter().map(|table| table.header).collect();
    for header in [
        "[gateway]",
        "[[listen]]",
        "[factor.recovery_code]",
        "[policy.NAME.hours]",
        "pool.NAME.members = [{ … }]",
        "[certificate.key]",
    ] {
        assert!(headers.iter().any(|known| known == header), "{header} in {headers:?}");
    }
}

#[test]
fn the_examples_of_the_project_compile() {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let main = conf.join("portcullis.toml");
    let examples = std::fs::read_dir(conf.join("examples")).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in std::iter::once(main).chain(examples).filter(|path| path.is_file()) {
        // Their certificates are somewhere else: others of our own making stand in for them.
        let text = std::fs::read_to_string(&path).expect("an example");
        let made = rcgen::generate_simple_self_signed(["example.com".to_owned()]).expect("a certificate");
        let files = Files::new()
            .with("main.toml", text.replace("/etc/portcullis/tls/", "tls/"))
            .with("tls/example.pem", made.cert.pem())
            .with("tls/example.key", made.signing_key.serialize_pem());
        let plan = files.load().unwrap_or_else(|problems| panic!("{}:\n{problems}", path.display())).plan;
        assert!(plan.gateway.admin_socket.is_some(), "{}: the operator reaches no gateway", path.display());
    }
}
