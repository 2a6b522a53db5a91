//! Why a configuration could not be put to use, and what it takes until it may be; loads nothing itself.

use crate::admin::{Place, Problem};
use crate::config::{self, Held, Problems, Sources};

/// Why a configuration cannot be put to use. Equal ones are the same refusal of the same files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setback {
    /// What is wrong, in order.
    pub problems: Vec<Problem>,
    /// What it was read from.
    pub sources: Sources,
    /// What it takes.
    pub cure: Cure,
}

/// What it takes until a refused configuration may be put to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cure {
    /// Somebody has to change it.
    Change,
    /// Perhaps only time: a port is taken, or a file cannot be read.
    Time,
}

impl Setback {
    /// A configuration that cannot be read, or not be used as it is written.
    pub fn read(problems: Problems) -> Self {
        let unread = problems.sources.files.values().any(|held| *held == Held::Unknown);
        let cure = if unread { Cure::Time } else { Cure::Change };
        Setback { problems: told(problems.iter()), sources: problems.sources, cure }
    }

    /// One whose addresses cannot be listened on.
    pub fn unheard(problems: &[config::Problem], sources: Sources) -> Self {
        Setback { problems: told(problems.iter()), sources, cure: Cure::Time }
    }

    /// One that shows a mistake of ours.
    pub fn defect(what: &str) -> Self {
        Setback { problems: vec![Problem::nowhere(what.to_owned())], sources: Sources::default(), cure: Cure::Change }
    }
}

/// As the operator is told.
fn told<'a>(problems: impl Iterator<Item = &'a config::Problem>) -> Vec<Problem> {
    let told = |problem: &config::Problem| {
        let place = Place { file: problem.file.display().to_string(), line: problem.line, column: problem.column };
        Problem { place: Some(place), key: problem.key.clone(), what: problem.what.clone() }
    };
    problems.map(told).collect()
}
