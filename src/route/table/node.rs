//! The tree of one host's paths, a level for each segment; knows where routes stand, not what they ask or lead to.

use crate::stdx::hash::FastMap;

use crate::route::escape;
use crate::route::pattern::{MAX_SEGMENT_BYTES, PathRegex, Step};

/// Where one sequence of literals and stars leads. Places are indexes into the table's entries, ascending.
#[derive(Debug, Default)]
pub(super) struct Node {
    literals: FastMap<Box<[u8]>, Node>,
    star: Option<Box<Node>>,
    /// Most specific first.
    regexes: Vec<(PathRegex, Vec<usize>)>,
    end: Vec<usize>,
    rest: Vec<usize>,
}

impl Node {
    /// Puts an entry where its pattern leads. Entries must come most specific first: no list is sorted here.
    pub(super) fn insert(&mut self, steps: &[Step], place: usize) {
        let Some((step, steps)) = steps.split_first() else { return };
        match step {
            Step::Literal(segment) => self.literals.entry(segment.clone()).or_default().insert(steps, place),
            Step::Star => self.star.get_or_insert_default().insert(steps, place),
            Step::Regex(regex) => self.insert_regex(regex, place),
            Step::End => self.end.push(place),
            Step::Rest => self.rest.push(place),
        }
    }

    /// The node below a segment's literal; a segment with escapes is decoded first, on the stack.
    pub(super) fn literal(&self, segment: &str) -> Option<&Node> {
        if self.literals.is_empty() || !segment.as_bytes().contains(&b'%') {
            return self.literals.get(segment.as_bytes());
        }
        let mut buffer = [0; MAX_SEGMENT_BYTES];
        self.literals.get(escape::decode_into(segment, &mut buffer)?)
    }

    /// The node below `*`, if the segment is one that `*` stands for.
    pub(super) fn star(&self, segment: &str) -> Option<&Node> {
        self.star.as_deref().filter(|_| !segment.is_empty())
    }

    /// The places of each regex here that the whole path matches.
    pub(super) fn at_regexes(&self, path: &str) -> impl Iterator<Item = &[usize]> {
        self.regexes.iter().filter(move |(regex, _)| regex.is_match(path)).map(|(_, places)| places.as_slice())
    }

    /// The places of patterns that end here.
    pub(super) fn at_end(&self) -> &[usize] {
        &self.end
    }

    /// The places of patterns that end here in `**`.
    pub(super) fn at_rest(&self) -> &[usize] {
        &self.rest
    }

    fn insert_regex(&mut self, regex: &PathRegex, place: usize) {
        match self.regexes.last_mut().filter(|(last, _)| last == regex) {
            Some((_, places)) => places.push(place),
            None => self.regexes.push((regex.clone(), vec![place])),
        }
    }
}
