//! One table from request to route, built whole and never changed; knows nothing of what a route leads to.
//!
//! # What a lookup costs
//!
//! A host is one hash lookup, plus one for each of its labels if there are wildcards. A path is one hash lookup per
//! segment in the host's tree, so neither the number of routes nor a route's place in the file matters. Nothing is
//! allocated, except by a regex on a path with escapes. Three things do cost in proportion, and all three are the
//! operator's, not the client's: routes with the *same* host and path are tried one after the other until the
//! conditions of one hold; so are the regexes that stand in the same place; and where a literal and `*` both fit a
//! segment, the literal's branch is searched first and the star's if that held nothing.
//!
//! The last one looks exponential and is not. The tree is a tree: each node is reached by exactly one sequence of
//! literals and stars, so a lookup visits each at most once, and visiting 2ᵏ nodes takes a table of at least 2ᵏ nodes.
//! No request, however long, goes deeper than the deepest pattern ([`super::MAX_SEGMENTS`]), which also bounds the
//! recursion. Regexes hang below literals only, so each is tried at most once for each of the host's trees, in time
//! linear in the path.

mod host;
mod node;
#[cfg(test)]
mod oracle;
mod tie;

use http::{HeaderMap, Method};

use self::host::Hosts;
use self::node::Node;
pub use self::tie::{Overlap, Tie};
use super::condition::{Headers, Methods};
use super::pattern::{HostPattern, PathPattern};
use super::specificity::Specificity;

/// Every route of one edition, in the order of [`Specificity`].
#[derive(Debug)]
pub struct Table<T> {
    /// Most specific first; the trees hold places in here.
    entries: Vec<Entry<T>>,
    hosts: Hosts,
}

/// One route: what it is for, and what it leads to.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    pub host: HostPattern,
    pub path: PathPattern,
    pub methods: Methods,
    pub headers: Headers,
    pub value: T,
    /// What the operator calls the route.
    pub label: String,
}

/// What a request says about itself, as far as routes are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// As [`super::CanonicalHost::name`] gives it.
    pub host: &'a str,
    /// As [`super::CanonicalPath::path`] gives it.
    pub path: &'a str,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
}

/// What a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<R> {
    /// The most specific route the request falls under.
    Route(R),
    /// There are routes for the host; none of them is for this request.
    NoRoute,
    /// No route is for the host.
    NoHost,
}

impl<T> Table<T> {
    /// Builds the table.
    ///
    /// # Errors
    /// Every entry that ties with an earlier one, in the order of their places in `entries`.
    pub fn build(entries: Vec<Entry<T>>) -> Result<Self, Vec<Tie>> {
        let mut placed: Vec<(usize, Entry<T>)> = entries.into_iter().enumerate().collect();
        placed.sort_by(|(_, one), (_, other)| one.specificity().cmp(&other.specificity()));
        let ties = tie::all(&placed);
        if !ties.is_empty() {
            return Err(ties);
        }
        let entries: Vec<Entry<T>> = placed.into_iter().map(|(_, entry)| entry).collect();
        let mut hosts = Hosts::default();
        for (place, entry) in entries.iter().enumerate() {
            hosts.tree_of(&entry.host).insert(entry.path.steps(), place);
        }
        Ok(Self { entries, hosts })
    }

    /// The most specific route whose host, path, methods and headers all fit.
    ///
    /// If no route of the host itself fits, those of the wildcards above it are tried, the longest first.
    pub fn find(&self, ask: &Ask<'_>) -> Found<&T> {
        let mut miss = Found::NoHost;
        for tree in self.hosts.trees_for(ask.host) {
            let walk = Walk { entries: &self.entries, ask };
            match ask.path.strip_prefix('/').and_then(|path| walk.seek(tree, Some(path))) {
                Some(value) => return Found::Route(value),
                None => miss = Found::NoRoute,
            }
        }
        miss
    }

    /// Every route, most specific first.
    pub fn in_order(&self) -> &[Entry<T>] {
        &self.entries
    }

    /// Every host pattern once: names by the alphabet, then wildcards, the longest first.
    pub fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.entries.chunk_by(|one, next| one.host == next.host).filter_map(|run| run.first()).map(|entry| &entry.host)
    }
}

impl<T> Entry<T> {
    /// The route's place among others.
    pub fn specificity(&self) -> Specificity<'_> {
        Specificity::new(&self.host, &self.path, &self.headers, &self.methods)
    }
}

/// One lookup on its way down a host's tree.
struct Walk<'t, 'a, T> {
    entries: &'t [Entry<T>],
    ask: &'a Ask<'a>,
}

impl<'t, T> Walk<'t, '_, T> {
    /// The most specific route at or below `node`. `rest` is the path behind the slash that led here; `None` at its
    /// end.
    fn seek(&self, node: &'t Node, rest: Option<&str>) -> Option<&'t T> {
        let Some(rest) = rest else {
            return self.choose(node.at_end()).or_else(|| self.choose(node.at_rest()));
        };
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        let below_literal = node.literal(segment).and_then(|child| self.seek(child, rest));
        below_literal
            .or_else(|| node.star(segment).and_then(|child| self.seek(child, rest)))
            .or_else(|| node.at_regexes(self.ask.path).find_map(|places| self.choose(places)))
            .or_else(|| self.choose(node.at_rest()))
    }

    /// The first of the routes at one spot whose conditions hold.
    fn choose(&self, places: &[usize]) -> Option<&'t T> {
        let mut here = places.iter().filter_map(|place| self.entries.get(*place));
        let fits = |entry: &&Entry<T>| entry.methods.allow(self.ask.method) && entry.headers.hold(self.ask.headers);
        here.find(fits).map(|entry| &entry.value)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::route::HeaderCondition;

    /// A route that leads to its own text, `host path`; a path that begins with `^` is a regex.
    fn route(text: &'static str) -> Entry<&'static str> {
        let (host, path) = text.split_once(' ').expect("host and path");
        let parsed = if path.starts_with('^') { PathPattern::parse_regex(path) } else { PathPattern::parse(path) };
        Entry {
            host: HostPattern::parse(host).expect(host),
            path: parsed.expect(path),
            methods: Methods::any(),
            headers: Headers::none(),
            value: text,
            label: text.to_owned(),
        }
    }

    fn table(routes: &[&'static str]) -> Table<&'static str> {
        Table::build(routes.iter().map(|text| route(text)).collect()).expect("no ties")
    }

    fn find<'t, T>(table: &'t Table<T>, host: &str, path: &str) -> Found<&'t T> {
        table.find(&Ask { host, path, method: &Method::GET, headers: &HeaderMap::new() })
    }

    #[track_caller]
    fn assert_finds(table: &Table<&'static str>, cases: &[(&str, &str)]) {
        for (path, route) in cases {
            assert_eq!(find(table, "a.test", path), Found::Route(route), "{path}");
        }
    }

    #[test]
    fn the_more_specific_path_wins_wherever_it_stands() {
        let table = table(&[
            "a.test /**",
            "a.test /api/**",
            "a.test ^/api/v[0-9]+$",
            "a.test /api/*",
            "a.test /api/v1",
            "a.test /api/admin/**",
            "a.test /api/*/users",
        ]);
        assert_finds(
            &table,
            &[
                ("/", "a.test /**"),
                ("/x/y", "a.test /**"),
                ("/api", "a.test /api/**"),
                ("/api/", "a.test /api/**"),
                ("/api/v1", "a.test /api/v1"),
                ("/api/v2", "a.test /api/*"),
                ("/api/admin", "a.test /api/admin/**"),
                ("/api/admin/users", "a.test /api/admin/**"),
                ("/api/x/users", "a.test /api/*/users"),
                ("/api/v1/users", "a.test /api/*/users"),
                ("/api/v1/other", "a.test /api/**"),
            ],
        );
    }

    #[test]
    fn a_path_and_the_same_with_a_slash_are_different() {
        let table = table(&["a.test /a", "a.test /b/", "a.test /c/*"]);
        assert_finds(&table, &[("/a", "a.test /a"), ("/b/", "a.test /b/"), ("/c/d", "a.test /c/*")]);
        for path in ["/a/", "/b", "/c", "/c/", "/c/d/", "/", "", "a", "/svca"] {
            assert_eq!(find(&table, "a.test", path), Found::NoRoute, "{path}");
        }
    }

    #[test]
    fn capitals_make_another_path_and_a_longer_segment_is_no_prefix() {
        let table = table(&["a.test /public/**", "a.test /svc/**", "a.test /**"]);
        for path in ["/PUBLIC/x", "/Public/x", "/publicx", "/svcadmin"] {
            assert_eq!(find(&table, "a.test", path), Found::Route(&"a.test /**"), "{path}");
        }
    }

    #[test]
    fn an_escaped_spelling_of_a_literal_is_that_literal() {
        let table = table(&["a.test /users/@me", "a.test /café/**".replace('é', "%C3%A9").leak(), "a.test /**"]);
        assert_finds(&table, &[("/users/%40me", "a.test /users/@me"), ("/caf%c3%a9/x", "a.test /caf%C3%A9/**")]);
        let long = format!("/users/@me{}", "%40".repeat(300));
        assert_eq!(find(&table, "a.test", &long), Found::Route(&"a.test /**"));
    }

    #[test]
    fn regexes_stand_behind_stars_and_before_the_rest() {
        let table = table(&["a.test /f/*/x", "a.test ^/f/.*[.]pdf$", "a.test ^/f/[a-z/]*[.]pdf$", "a.test /f/**"]);
        assert_finds(
            &table,
            &[
                ("/f/a/x", "a.test /f/*/x"),
                ("/f/a.pdf", "a.test ^/f/[a-z/]*[.]pdf$"),
                ("/f/1.pdf", "a.test ^/f/.*[.]pdf$"),
                ("/f/a.txt", "a.test /f/**"),
                ("/f", "a.test /f/**"),
            ],
        );
    }

    #[test]
    fn a_host_by_name_comes_first_and_its_misses_fall_to_the_wildcards() {
        let table = table(&["x.eu.test /only", "*.eu.test /eu", "*.test /all", "[::1] /six", "10.0.0.1 /four"]);
        for (host, path, found) in [
            ("x.eu.test", "/only", Found::Route(&"x.eu.test /only")),
            ("x.eu.test", "/eu", Found::Route(&"*.eu.test /eu")),
            ("x.eu.test", "/all", Found::Route(&"*.test /all")),
            ("x.eu.test", "/none", Found::NoRoute),
            ("eu.test", "/eu", Found::NoRoute),
            ("eu.test", "/all", Found::Route(&"*.test /all")),
            ("y.z.eu.test", "/eu", Found::Route(&"*.eu.test /eu")),
            ("test", "/all", Found::NoHost),
            (".test", "/all", Found::NoHost),
            ("eutest", "/all", Found::NoHost),
            ("[::1]", "/six", Found::Route(&"[::1] /six")),
            ("10.0.0.1", "/four", Found::Route(&"10.0.0.1 /four")),
            ("", "/", Found::NoHost),
        ] {
            assert_eq!(find(&table, host, path), found, "{host}{path}");
        }
    }

    #[test]
    fn conditions_that_fail_let_the_request_fall_to_the_next_route() {
        let reads = Entry { methods: Methods::parse(&["GET"]).expect("a method"), ..route("a.test /a") };
        let canary = HeaderCondition::equals("x-canary", "1").expect("a condition");
        let canary = Entry {
            headers: Headers::all_of(vec![canary]).expect("one condition"),
            value: "canary",
            ..route("a.test /a")
        };
        let table = Table::build(vec![route("a.test /**"), reads, canary]).expect("no ties");
        let with_header = HeaderMap::from_iter([("x-canary".parse().expect("a name"), HeaderValue::from_static("1"))]);
        let without = HeaderMap::new();
        for (method, headers, value) in [
            (Method::GET, &without, "a.test /a"),
            (Method::GET, &with_header, "canary"),
            (Method::PUT, &with_header, "canary"),
            (Method::PUT, &without, "a.test /**"),
        ] {
            let ask = Ask { host: "a.test", path: "/a", method: &method, headers };
            assert_eq!(table.find(&ask), Found::Route(&value), "{method}");
        }
    }

    #[test]
    fn the_listing_is_most_specific_first() {
        let routes = ["*.test /**", "b.test /**", "a.test /**", "a.test /x/*", "a.test /x/y", "*.b.test /"];
        let table = table(&routes);
        let listed: Vec<&str> = table.in_order().iter().map(|entry| entry.value).collect();
        assert_eq!(listed, ["a.test /x/y", "a.test /x/*", "a.test /**", "b.test /**", "*.b.test /", "*.test /**"]);
        let hosts: Vec<String> = table.hosts().map(HostPattern::to_string).collect();
        assert_eq!(hosts, ["a.test", "b.test", "*.b.test", "*.test"]);
    }

    #[test]
    fn branching_visits_no_more_than_the_table_holds() {
        // Every sequence of twelve literals and stars, each ending where the request does not: the worst tree for its
        // size.
        let pattern = |bits: u32| (0..12).map(|bit| if bits >> bit & 1 == 0 { "/a" } else { "/*" }).collect::<String>();
        let entries = (0..1 << 12).map(|bits| Entry {
            path: PathPattern::parse(&(pattern(bits) + "/end")).expect("a pattern"),
            ..route("a.test /")
        });
        let table = Table::build(entries.collect()).expect("no ties");
        assert_eq!(find(&table, "a.test", &("/a".repeat(12) + "/miss")), Found::NoRoute);
        assert_eq!(find(&table, "a.test", &"/a".repeat(4000)), Found::NoRoute);
        assert_eq!(find(&table, "a.test", &("/b".repeat(12) + "/end")), Found::Route(&"a.test /"));
    }

    #[test]
    fn a_thousand_regexes_and_a_long_path_are_no_trouble() {
        let entries = (0..1000).map(|number| Entry {
            path: PathPattern::parse_regex(&format!("^/s{number}/(a+)+$")).expect("a regex"),
            ..route("a.test /")
        });
        let table = Table::build(entries.collect()).expect("no ties");
        assert_eq!(find(&table, "a.test", &format!("/s7/{}!", "a".repeat(8000))), Found::NoRoute);
    }
}
