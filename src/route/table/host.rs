//! From a host to the trees of routes that may be for it; knows no path.

use crate::stdx::hash::FastMap;

use super::node::Node;
use crate::route::pattern::HostPattern;

/// One tree for each host pattern.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: FastMap<Box<str>, Node>,
    /// By what follows `*.`.
    wildcards: FastMap<Box<str>, Node>,
    /// Bytes of the longest name in `wildcards`: spares most hosts most lookups.
    longest_wildcard: usize,
}

impl Hosts {
    /// The tree of one pattern, made if there is none.
    pub(super) fn tree_of(&mut self, host: &HostPattern) -> &mut Node {
        let trees = if host.is_wildcard() {
            self.longest_wildcard = self.longest_wildcard.max(host.name().len());
            &mut self.wildcards
        } else {
            &mut self.exact
        };
        trees.entry(host.name().into()).or_default()
    }

    /// The trees whose pattern the canonical host falls under, most specific first.
    pub(super) fn trees_for(&self, host: &str) -> impl Iterator<Item = &Node> {
        let wildcards = domains(host)
            .filter(|domain| domain.len() <= self.longest_wildcard)
            .filter_map(|domain| self.wildcards.get(domain));
        self.exact.get(host).into_iter().chain(wildcards)
    }
}

/// What remains of a host without its first label, without its first two, and so on.
fn domains(host: &str) -> impl Iterator<Item = &str> {
    let dots = host.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'.');
    dots.filter_map(|(dot, _)| host.get(dot + 1..))
}
