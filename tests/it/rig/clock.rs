//! The clock that the gateway is given: turned by hand, and made to panic in the hands of one request.

use portcullis::stdx::clock::{Clock, ManualClock, Time};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use tokio::task::Id;

/// A hand-turned clock that can be armed.
pub struct Trap {
    hands: Arc<ManualClock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Tasks that looked at the clock while it was not armed: the gateway's own, and those of old connections.
    known: HashSet<Id>,
    /// At which look of a new task it panics.
    at: Option<usize>,
    looks: HashMap<Id, usize>,
}

impl Trap {
    /// A clock that is not armed.
    pub fn new(hands: Arc<ManualClock>) -> Arc<Self> {
        Arc::new(Trap { hands, state: Mutex::default() })
    }

    /// From now on it panics when a task that never saw it before (a new connection) looks at it for the `look`-th
    /// time, beginning with 1.
    pub fn arm(&self, look: usize) {
        let mut state = self.state.lock().expect("it panics only after letting go");
        state.at = Some(look);
        state.looks.clear();
    }

    /// It panics no more.
    pub fn disarm(&self) {
        self.state.lock().expect("it panics only after letting go").at = None;
    }

    fn springs(&self) -> bool {
        let Some(task) = tokio::task::try_id() else { return false };
        let mut state = self.state.lock().expect("it panics only after letting go");
        let Some(at) = state.at else {
            state.known.insert(task);
            return false;
        };
        if state.known.contains(&task) {
            return false;
        }
        let look = state.looks.entry(task).or_default();
        *look += 1;
        *look == at
    }
}

impl Clock for Trap {
    fn now(&self) -> Time {
        assert!(!self.springs(), "the clock was armed");
        self.hands.now()
    }
}
