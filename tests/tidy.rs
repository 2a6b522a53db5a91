//! The house rules as tests: reads the sources of this repository, and knows nothing of what they do.

#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/habits.rs"]
mod habits;
#[path = "tidy/source.rs"]
mod source;

use source::{Breach, Source};

#[test]
fn imports_go_down_and_only_where_the_table_allows() {
    everywhere_in(&["src"], floors::imports);
}

#[test]
fn foreign_crates_stay_behind_their_fences() {
    everywhere_in(&["src"], floors::fences);
}

#[test]
fn every_file_says_first_what_it_is_for() {
    everywhere_in(&["src", "tests", "benches", "load-tests/src"], habits::opening);
}

#[test]
fn files_and_functions_keep_their_budgets() {
    everywhere_in(&["src"], habits::budgets);
}

#[test]
fn nothing_forbidden_is_written() {
    everywhere_in(&["src", "tests", "benches", "load-tests/src"], habits::bans);
}

#[test]
fn the_rules_notice_what_they_forbid() {
    let long = format!("//! Long.\nfn long() {{\n{}}}\n", "    work();\n".repeat(99));
    let cases: &[(Rule, &str, &str)] = &[
        (floors::imports, "src/edge/admit.rs", "use crate::{\n    stdx::id,\n    store::Sessions,\n};\n"),
        (floors::imports, "src/edge/admit.rs", "fn f() { crate::session::issue(); }\n"),
        (floors::imports, "src/policy/decide.rs", "use super::super::store;\n"),
        (floors::imports, "src/helpers/mod.rs", "//! A room nobody planned.\n"),
        (floors::fences, "src/policy/mod.rs", "use pingora_http::RequestHeader;\n"),
        (floors::fences, "src/pool/plan.rs", "#[derive(serde::Deserialize)]\nstruct Plan;\n"),
        (habits::opening, "src/edge/mod.rs", "use crate::stdx;\n"),
        (habits::budgets, "src/edge/mod.rs", &long),
        (habits::bans, "src/edge/mod.rs", "fn f() { todo!() }\n"),
        (habits::bans, "src/edge/mod.rs", "fn f() { g().unwrap(); }\n"),
        (habits::bans, "src/edge/mod.rs", "fn f() { tokio::spawn(g()); }\n"),
        (habits::bans, "src/edge/mod.rs", "static SEEN: Mutex<u8> = Mutex::new(0);\n"),
        (habits::bans, "src/policy/mod.rs", "async fn f() {}\n"),
        (habits::bans, "tests/it/main.rs", "#[test]\n#[ignore]\nfn f() {}\n"),
    ];
    for (rule, path, text) in cases {
        let breaches = rule(&Source::read(path, text));
        assert_eq!(breaches.len(), 1, "one breach is expected in {path}:\n{text}{breaches:#?}");
    }
}

#[test]
fn the_rules_pass_over_what_only_looks_alike() {
    let text = r##"//! Fine: `todo!()` here is prose.
        use crate::session::Reader;
        use crate::stdx::{clock::Time, id};
        /* crate::store is /* only */ mentioned */
        const SAID: &str = "crate::store, dbg!(x), { { {";
        const RAW: &str = r#"static mut "{"#;
        fn live(of: &'static Mutex<u8>) {}
        fn brace<'a>(c: &'a char) -> bool { *c == '{' || *c == '\'' }
        fn fallback() -> u8 { crate::id!(x).unwrap_or(0) }
        #[cfg(test)]
        mod tests {
            use crate::store::memory;
            fn f() { tokio::spawn(g()); h().unwrap(); }
        }
    "##;
    let source = Source::read("src/edge/admit.rs", text);
    for rule in [floors::imports, floors::fences, habits::opening, habits::budgets, habits::bans] {
        assert_eq!(rule(&source), [], "nothing is wrong here");
    }
}

type Rule = fn(&Source) -> Vec<Breach>;

/// Fails with every place under `folders` where `rule` is broken.
fn everywhere_in(folders: &[&str], rule: Rule) {
    let mut found = String::new();
    for source in source::under(folders) {
        for Breach { line, rule } in rule(&source) {
            found += &format!("\n{}:{line}: {rule}", source.path);
        }
    }
    assert!(found.is_empty(), "the house rules (docs/architecture.md) are broken:{found}\n");
}
