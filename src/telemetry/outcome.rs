//! How a request can end, as it is counted and logged; knows not why.

/// How a request ended, seen from the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was forwarded and answered.
    Permitted,
    /// It was answered by the gateway's own pages.
    Own,
    /// It was sent to sign in.
    SignIn,
    /// It was asked to prove more.
    StepUp,
    /// It was refused for good.
    Forbidden,
    /// It could not be read safely.
    Malformed,
    /// No route or host.
    Unknown,
    /// No member, no store, or a broken part.
    Failed,
    /// It was forwarded, and its client went away or was cut off before the answer was complete.
    Gone,
}

impl Outcome {
    /// Every outcome, in the order of the counters.
    pub const ALL: [Outcome; 9] = [
        Outcome::Permitted,
        Outcome::Own,
        Outcome::SignIn,
        Outcome::StepUp,
        Outcome::Forbidden,
        Outcome::Malformed,
        Outcome::Unknown,
        Outcome::Failed,
        Outcome::Gone,
    ];

    /// The word in metrics and in the access log.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Permitted => "permitted",
            Outcome::Own => "own",
            Outcome::SignIn => "sign-in",
            Outcome::StepUp => "step-up",
            Outcome::Forbidden => "forbidden",
            Outcome::Malformed => "malformed",
            Outcome::Unknown => "unknown",
            Outcome::Failed => "failed",
            Outcome::Gone => "gone",
        }
    }
}
