//! How a file reads: its first sentence, its budgets, and the words that do not occur.

use crate::source::{Breach, Source};

/// Lines of a file. We aim at 200 and talk at 400.
const FILE_LINES: usize = 450;
/// Lines of a function. We aim at 40 and talk at 60.
const FUNCTION_LINES: usize = 100;

/// Words that do not occur in what ships.
struct Ban {
    words: &'static [&'static str],
    rule: &'static str,
    /// Only here; everywhere if empty.
    within: &'static str,
    /// But not here.
    except: &'static str,
    in_tests: bool,
}

const fn ban(words: &'static [&'static str], rule: &'static str) -> Ban {
    Ban { words, rule, within: "", except: "", in_tests: false }
}

const BANS: &[Ban] = &[
    Ban { in_tests: true, ..ban(&["todo!", "unimplemented!", "dbg!"], "what is committed is finished") },
    Ban { in_tests: true, ..ban(&["#[ignore"], "every test runs: none is ignored") },
    Ban {
        except: "stdx/task.rs",
        ..ban(
            &["tokio::spawn", "tokio::task::spawn", "task::spawn_blocking", "task::spawn_local"],
            "what runs in the background is owned: spawn through `stdx::task::Tasks`",
        )
    },
    ban(&["static mut ", "thread_local!"], NO_STATE),
    ban(&[".unwrap()"], "a panic has a sentence: `expect(\"why this cannot be\")`, or an error"),
    Ban {
        except: "stdx/clock.rs",
        ..ban(&["SystemTime::now"], "`now` is an argument: only the clock asks the system for the time")
    },
    Ban {
        within: "identity route policy",
        ..ban(&["async fn", "async move", "tokio::"], "the rules are plain values and functions: they wait for nothing")
    },
    Ban { within: "identity", ..ban(&["http::"], "`identity` holds pure values: it has never heard of HTTP") },
    Ban {
        within: "policy",
        ..ban(
            &["Clock", "Instant::now", "std::fs", "std::env", "TcpStream", "UdpSocket"],
            "`policy` reads no clock, no file, no environment and no socket: facts are its arguments",
        )
    },
];

const NO_STATE: &str = "no mutable static of ours: state enters by the constructor";

/// What makes a static mutable although it is not `mut`.
const CELLS: &[&str] = &["Mutex", "RwLock", "Atomic", "OnceLock", "OnceCell", "RefCell", "DashMap", "ArcSwap"];

/// The first line says what the file is for.
pub fn opening(source: &Source) -> Vec<Breach> {
    let said = source.text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > "//! ".len());
    let rule = "a file opens with one `//!` sentence: what it is for and what it refuses to know";
    if said { Vec::new() } else { vec![source.breach(0, rule)] }
}

/// No file and no function is longer than its budget.
pub fn budgets(source: &Source) -> Vec<Breach> {
    let lines = source.text.lines().count();
    let file = (lines > FILE_LINES).then(|| {
        let rule = format!("{lines} lines: no file has more than {FILE_LINES}");
        source.breach(source.code.len(), rule)
    });
    let function = |item: std::ops::Range<usize>| {
        let lines = source.line(item.end) - source.line(item.start) + 1;
        let rule = || format!("{lines} lines: no function has more than {FUNCTION_LINES}");
        (lines > FUNCTION_LINES).then(|| source.breach(item.start, rule()))
    };
    file.into_iter().chain(source.items("fn ").filter_map(function)).collect()
}

/// What does not occur.
pub fn bans(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for ban in BANS.iter().filter(|ban| ban.within.is_empty() || source.lies_in(ban.within)) {
        let places = ban.words.iter().flat_map(|word| source.find(word));
        let counted = places.filter(|at| (ban.in_tests || source.ships(*at)) && !source.lies_in(ban.except));
        breaches.extend(counted.map(|at| source.breach(at, ban.rule)));
    }
    breaches.extend(changeable_statics(source));
    breaches
}

/// Statics that can change behind a shared reference.
fn changeable_statics(source: &Source) -> impl Iterator<Item = Breach> {
    let changeable = |at: &usize| {
        let declared = source.code[*at..].split('=').next().unwrap_or_default();
        // Behind a quote it is a lifetime.
        source.ships(*at) && !source.code[..*at].ends_with('\'') && CELLS.iter().any(|cell| declared.contains(cell))
    };
    source.find("static ").filter(changeable).map(|at| source.breach(at, NO_STATE))
}
