//! Files that nobody would write.

use super::*;
use proptest::prelude::*;

/// A file that uses most of what there is.
const WHOLE: &str = r#"include = ["routes.d/*.toml"]
[gateway]
trusted_proxies = ["10.0.0.0/8"]
[session]
idle = "30m"
[policy.staff]
groups = ["staff"]
hours = { days = "mon-fri", from = "07:00", to = "19:00", zone = "UTC" }
[policy.admin]
extends = "staff"
[pool.app]
members = ["127.0.0.1:3000", { address = "127.0.0.1:3001", weight = 2 }]
health = { path = "/", every = "5s" }
[[route]]
name = "app"
host = "*.example.com"
path = "/a/*/**"
headers = { X-A = true }
pool = "app"
"#;

proptest! {
    #[test]
    fn no_text_is_a_danger(
        from in 0..WHOLE.len(),
        length in 0..40_usize,
        put in r#"([a-z]|[\[\]{}"'=.,#\n]|ä|[0-9]|\PC|"""){0,12}"#,
    ) {
        let end = (from + length).min(WHOLE.len());
        let text = format!("{}{put}{}", &WHOLE[..from], &WHOLE[end..]);
        let files = Files::new().with("main.toml", text + REST).with("routes.d/a.toml", put);
        if let Err(problems) = files.load() {
            prop_assert!(problems.iter().all(|problem| problem.is_of_file() == (problem.column == 0)));
        }
    }
}

#[test]
fn a_key_nested_without_end_is_no_danger() {
    for text in [
        "a.".repeat(100_000) + "a = 1\n",
        format!("[{}a]\n", "a.".repeat(100_000)),
        format!("a = {}\n", "[".repeat(100_000)),
    ] {
        assert!(!problems(&text).is_empty());
    }
}
