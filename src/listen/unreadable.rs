//! Why a header never became a request; knows neither its bytes nor the answer.

/// What is wrong with a header that ends its connection before anybody could judge it as a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It was not complete in time.
    Late,
    /// It is longer than allowed.
    Long,
    /// It has more fields than the engine takes.
    Fields,
    /// It does not begin with a method, a target and a version.
    Line,
    /// It came in the clear where TLS is spoken.
    Clear,
    /// It asks for a tunnel, which nobody digs here.
    Method,
    /// Something else in it.
    Header,
}

impl Unreadable {
    /// Every reason.
    pub const ALL: [Unreadable; 7] = [
        Unreadable::Late,
        Unreadable::Long,
        Unreadable::Fields,
        Unreadable::Line,
        Unreadable::Clear,
        Unreadable::Method,
        Unreadable::Header,
    ];

    /// The word for it in metrics and in the access log.
    pub const fn word(self) -> &'static str {
        match self {
            Unreadable::Late => "header-late",
            Unreadable::Long => "header-too-long",
            Unreadable::Fields => "too-many-fields",
            Unreadable::Line => "no-request-line",
            Unreadable::Clear => "not-encrypted",
            Unreadable::Method => "method",
            Unreadable::Header => "header-malformed",
        }
    }
}
