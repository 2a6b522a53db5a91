//! Two routes of which nothing says which comes first; knows their order, not where they were written.

use super::Entry;

/// Two entries that one request can fall under and that are equally specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tie {
    /// Place of the earlier one in what the table was to be built from.
    pub first: usize,
    /// Place of the later one.
    pub second: usize,
    pub why: Overlap,
}

/// How two equally specific entries overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overlap {
    #[error("both are for the same host and path with the same conditions; remove one")]
    Identical,
    #[error(
        "both are for the same host and path, and one request can meet the conditions of both; \
         give them methods without overlap, different values of one header, or one of them one header condition more"
    )]
    Conditions,
}

/// Every entry that ties with an earlier one, and the first it ties with. `placed` is sorted, entries beside their
/// places.
pub(super) fn all<T>(placed: &[(usize, Entry<T>)]) -> Vec<Tie> {
    let equally_specific = placed.chunk_by(|(_, one), (_, next)| one.specificity() == next.specificity());
    let mut ties: Vec<Tie> = equally_specific.flat_map(ties_among).collect();
    ties.sort_by_key(|tie| (tie.second, tie.first));
    ties
}

fn ties_among<T>(run: &[(usize, Entry<T>)]) -> impl Iterator<Item = Tie> {
    run.iter().enumerate().filter_map(|(position, (second, entry))| {
        let mut earlier = run.iter().take(position);
        earlier.find_map(|(first, other)| Some(Tie { first: *first, second: *second, why: overlap(other, entry)? }))
    })
}

/// How the conditions of two entries with the same patterns overlap; `None` if no request meets both.
fn overlap<T>(one: &Entry<T>, other: &Entry<T>) -> Option<Overlap> {
    if one.methods == other.methods && one.headers == other.headers {
        return Some(Overlap::Identical);
    }
    (one.methods.overlap(&other.methods) && one.headers.overlap(&other.headers)).then_some(Overlap::Conditions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{HeaderCondition, Headers, HostPattern, Methods, PathPattern, Table};

    fn entry(path: &str, methods: &[&str], headers: &[(&str, &str)]) -> Entry<()> {
        let condition = |(name, value): &(&str, &str)| HeaderCondition::equals(name, value).expect("a condition");
        Entry {
            host: HostPattern::parse("a.test").expect("a host"),
            path: PathPattern::parse(path).expect(path),
            methods: if methods.is_empty() { Methods::any() } else { Methods::parse(methods).expect("methods") },
            headers: Headers::all_of(headers.iter().map(condition).collect()).expect("conditions"),
            value: (),
            label: path.to_owned(),
        }
    }

    fn ties(entries: Vec<Entry<()>>) -> Vec<(usize, usize, Overlap)> {
        let ties = Table::build(entries).err().unwrap_or_default();
        ties.into_iter().map(|tie| (tie.first, tie.second, tie.why)).collect()
    }

    #[test]
    fn the_same_route_written_twice_ties_whatever_its_spelling() {
        let entries = vec![entry("/%40a", &[], &[]), entry("/b", &[], &[]), entry("/@a", &[], &[])];
        assert_eq!(ties(entries), [(0, 2, Overlap::Identical)]);
    }

    #[test]
    fn each_entry_is_reported_once() {
        let entries = (0..4).map(|_| entry("/a", &[], &[])).collect();
        assert_eq!(ties(entries), [1, 2, 3].map(|second| (0, second, Overlap::Identical)));
    }

    #[test]
    fn conditions_that_can_both_hold_tie() {
        let both = Overlap::Conditions;
        assert_eq!(ties(vec![entry("/a", &["GET", "PUT"], &[]), entry("/a", &["PUT"], &[])]), [(0, 1, both)]);
        assert_eq!(ties(vec![entry("/a", &[], &[("x", "1")]), entry("/a", &[], &[("y", "1")])]), [(0, 1, both)]);
    }

    #[test]
    fn conditions_that_exclude_each_other_or_differ_in_number_do_not_tie() {
        assert_eq!(ties(vec![entry("/a", &["GET"], &[]), entry("/a", &["PUT"], &[])]), []);
        assert_eq!(ties(vec![entry("/a", &[], &[("x", "1")]), entry("/a", &[], &[("x", "2")])]), []);
        assert_eq!(ties(vec![entry("/a", &[], &[("x", "1")]), entry("/a", &[], &[])]), []);
        assert_eq!(ties(vec![entry("/a", &["GET"], &[]), entry("/a", &[], &[])]), []);
    }

    #[test]
    fn different_patterns_never_tie() {
        assert_eq!(ties(vec![entry("/a/*", &[], &[]), entry("/*/a", &[], &[]), entry("/**", &[], &[])]), []);
    }
}
