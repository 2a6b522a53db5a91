//! The keys of `[[route]]`.

use super::leaf::Regex;
use crate::config::raw::{Item, Kind, List, Name, Text, table};
use crate::route::{HeaderCondition, HostPattern, PathPattern};
use http::Method;

table! {
    /// Which requests go to which pool. Of all routes that match, the most specific one wins: an exact host before a
    /// wildcard, a longer literal path before a shorter, exact before pattern; then methods and headers.
    Route {
        /// Its name in logs and explanations; unique.
        name: Text<Name>, required, r#""orders""#;
        /// The host, or `*.` and a domain for every host below it.
        host: Text<HostPattern>, required, r#""app.example.com""#;
        /// The path: `*` is one segment, `**` at the end the rest. Every path if neither this nor `path_regex` is
        /// given.
        path: Text<PathPattern>, optional, r#""/api/**""#;
        /// A regular expression over the whole path, in place of `path`.
        path_regex: Text<Regex>, optional, r#""/v[0-9]+/.*""#;
        /// Only these methods; `GET` brings `HEAD` along. Requests with others fall to the next route that matches.
        methods: List<Text<Method>>, optional, r#"["GET", "POST"]"#;
        /// Only requests with these headers: a value, or `true` for any.
        headers: HeaderTable, or(Vec::new()), r#"{ X-Version = "2", X-Beta = true }"#;
        /// Where the requests go.
        pool: Text<Name>, required, r#""orders""#;
        /// Who may pass. If it is not given: `[defaults] policy`, else the built-in `mfa`.
        policy: Text<Name>, optional, r#""staff""#;
    }
}

/// `{ Name = "value", Other = true }`.
pub struct HeaderTable;

impl Kind for HeaderTable {
    type Value = Vec<HeaderCondition>;

    fn allowed() -> String {
        "a table of headers, each with a value or `true`".to_owned()
    }

    fn read(item: &Item<'_>) -> Option<Self::Value> {
        let Some(section) = item.section() else {
            item.refuse(format_args!("allowed is {}", Self::allowed()));
            return None;
        };
        let condition = |name: &str, item: &Item<'_>| {
            let condition = match (item.text(), item.flag()) {
                (Some(value), _) => HeaderCondition::equals(name, value).map_err(|error| error.to_string()),
                (None, Some(true)) => HeaderCondition::present(name).map_err(|error| error.to_string()),
                (None, Some(false) | None) => {
                    Err("allowed is the header's value in quotes, or true for any".to_owned())
                }
            };
            condition.map_err(|what| item.refuse(what)).ok()
        };
        Some(section.entries().iter().filter_map(|(name, _, item)| condition(name, item)).collect())
    }

    fn write(_: &Self::Value) -> String {
        "{}".to_owned()
    }
}
