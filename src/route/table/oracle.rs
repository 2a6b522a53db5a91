//! What a lookup means, said slowly: a scan of all entries, beside which the table is tested; shares no matching with
//! it.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use regex_automata::meta::Regex;

use super::{Ask, Entry, Found, Table};
use crate::route::{HeaderCondition, Headers, HostPattern, Methods, PathPattern};

/// A route as a file would have it.
#[derive(Clone, Debug)]
struct Written {
    host: String,
    path: WrittenPath,
    methods: Vec<&'static str>,
    headers: Vec<(&'static str, Option<&'static str>)>,
}

#[derive(Clone, Debug)]
enum WrittenPath {
    Segments(String),
    Regex(String),
}

#[derive(Clone, Debug)]
struct Request {
    host: &'static str,
    path: String,
    method: Method,
    headers: Vec<(&'static str, &'static str)>,
}

impl Written {
    fn entry(&self, value: usize) -> Entry<usize> {
        let condition = |&(name, value): &(&str, Option<&str>)| match value {
            Some(value) => HeaderCondition::equals(name, value).expect("a condition"),
            None => HeaderCondition::present(name).expect("a condition"),
        };
        let path = match &self.path {
            WrittenPath::Segments(text) => PathPattern::parse(text),
            WrittenPath::Regex(text) => PathPattern::parse_regex(text),
        };
        Entry {
            host: HostPattern::parse(&self.host).expect("a host"),
            path: path.expect("a path"),
            methods: Methods::parse(&self.methods).unwrap_or_default(),
            headers: Headers::all_of(self.headers.iter().map(condition).collect()).expect("conditions"),
            value,
            label: String::new(),
        }
    }

    fn is_for_host(&self, host: &str) -> bool {
        match self.host.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == self.host,
        }
    }

    fn is_for(&self, request: &Request) -> bool {
        let sent = |name| request.headers.iter().filter(move |(sent, _)| *sent == name).map(|(_, value)| value);
        self.is_for_host(request.host)
            && self.path.fits(&request.path)
            && (self.methods.is_empty()
                || self.methods.contains(&request.method.as_str())
                || request.method == Method::HEAD && self.methods.contains(&"GET"))
            && self.headers.iter().all(|(name, value)| {
                sent(*name).count() > 0 && value.is_none_or(|value| sent(*name).all(|sent| *sent == value))
            })
    }
}

impl WrittenPath {
    fn fits(&self, path: &str) -> bool {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        match self {
            WrittenPath::Regex(text) => Regex::new(&format!("^(?:{text})$")).expect("a regex").is_match(&decoded(path)),
            WrittenPath::Segments(text) => {
                let pattern: Vec<String> = text.split('/').skip(1).map(str::to_owned).collect();
                let path: Vec<String> = path.split('/').skip(1).map(decoded).collect();
                fit(&pattern, &path)
            }
        }
    }
}

fn fit(pattern: &[String], path: &[String]) -> bool {
    match (pattern, path) {
        ([rest], _) if rest == "**" => true,
        ([], []) => true,
        ([star, pattern @ ..], [segment, path @ ..]) if star == "*" => !segment.is_empty() && fit(pattern, path),
        ([literal, pattern @ ..], [segment, path @ ..]) => {
            percent_decode_str(literal).decode_utf8_lossy() == *segment && fit(pattern, path)
        }
        ([], [..]) | ([..], []) => false,
    }
}

/// The best of all that fit; panics if two that fit are equally specific, which the table must have refused.
fn find(routes: &[(Written, Entry<usize>)], request: &Request) -> Found<usize> {
    let mut fitting: Vec<&Entry<usize>> =
        routes.iter().filter(|(written, _)| written.is_for(request)).map(|(_, entry)| entry).collect();
    fitting.sort_by_key(|entry| entry.specificity());
    assert!(fitting.array_windows().all(|[one, next]| one.specificity() < next.specificity()), "a tie got through");
    match fitting.first() {
        Some(best) => Found::Route(best.value),
        None if routes.iter().any(|(written, _)| written.is_for_host(request.host)) => Found::NoRoute,
        None => Found::NoHost,
    }
}

/// Removes the later of each two that tie, until the rest can be built.
fn without_ties(mut routes: Vec<Written>) -> Vec<Written> {
    let entries = |routes: &[Written]| routes.iter().enumerate().map(|(place, route)| route.entry(place)).collect();
    while let Err(ties) = Table::build(entries(&routes)) {
        let later: Vec<usize> = ties.iter().map(|tie| tie.second).collect();
        let mut place = 0..;
        routes.retain(|_| place.next().is_none_or(|place| !later.contains(&place)));
    }
    routes
}

fn written_path() -> impl Strategy<Value = WrittenPath> {
    let segment = prop::sample::select(vec!["/a", "/b", "/@", "/%40", "/*"]);
    let segments = (prop::collection::vec(segment, 0..4), prop::sample::select(vec!["", "/", "/**"]))
        .prop_map(|(segments, last)| segments.concat() + last)
        .prop_map(|text| WrittenPath::Segments(if text.is_empty() { "/".to_owned() } else { text }));
    let piece = prop::sample::select(vec![
        "/a",
        "/b",
        "/",
        "a",
        "b",
        "@",
        ".*",
        ".?",
        "[^/]+",
        "/(a|b)",
        "(?:/a|/b)",
        "|/a",
        "|/b/a",
        "(?i)/A",
        "+",
        "[]|]",
    ]);
    let regex = prop::collection::vec(piece, 1..5)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("a valid pattern", |text| PathPattern::parse_regex(text).is_ok())
        .prop_map(WrittenPath::Regex);
    prop_oneof![3 => segments, 2 => regex]
}

fn written() -> impl Strategy<Value = Written> {
    let host = prop::sample::select(vec!["a.test", "b.a.test", "*.test", "*.a.test", "*.b.a.test"]);
    let methods = prop::sample::select(vec![vec![], vec![], vec!["GET"], vec!["POST"], vec!["GET", "PUT"]]);
    let headers =
        prop::sample::subsequence(vec![("x", Some("1")), ("y", Some("1")), ("y", None), ("x", Some("2"))], 0..3)
            .prop_map(|mut headers| {
                headers.sort_by_key(|(name, _)| *name);
                headers.dedup_by_key(|(name, _)| *name);
                headers
            });
    (host, written_path(), methods, headers).prop_map(|(host, path, methods, headers)| Written {
        host: host.to_owned(),
        path,
        methods,
        headers,
    })
}

fn request() -> impl Strategy<Value = Request> {
    let host = prop::sample::select(vec!["a.test", "b.a.test", "c.b.a.test", "c.test", "test", "other.example"]);
    let segment = prop::sample::select(vec!["/a", "/b", "/c", "/@", "/%40", "/ab"]);
    let path = (prop::collection::vec(segment, 0..5), prop::bool::ANY)
        .prop_map(|(segments, slash)| segments.concat() + if slash || segments.is_empty() { "/" } else { "" });
    let method = prop::sample::select(vec![Method::GET, Method::POST, Method::PUT, Method::HEAD]);
    let line = prop::sample::select(vec![("x", "1"), ("x", "2"), ("y", "1"), ("y", "2")]);
    (host, path, method, prop::collection::vec(line, 0..4)).prop_map(|(host, path, method, headers)| Request {
        host,
        path,
        method,
        headers,
    })
}

proptest! {
    #[test]
    fn the_table_finds_what_a_scan_of_all_routes_finds(
        routes in prop::collection::vec(written(), 0..24),
        requests in prop::collection::vec(request(), 32),
    ) {
        let routes = without_ties(routes);
        let entries = || routes.iter().enumerate().map(|(place, route)| route.entry(place));
        let table = Table::build(entries().collect()).expect("no ties");
        let routes: Vec<_> = routes.iter().cloned().zip(entries()).collect();
        for request in &requests {
            let line = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
            let headers: HeaderMap = request.headers.iter().map(line).collect();
            let ask = Ask { host: request.host, path: &request.path, method: &request.method, headers: &headers };
            let found = match table.find(&ask) {
                Found::Route(value) => Found::Route(*value),
                Found::NoRoute => Found::NoRoute,
                Found::NoHost => Found::NoHost,
            };
            prop_assert_eq!(found, find(&routes, request), "{:?}", request);
        }
    }
}
