//! What a route may ask of a request besides its host and path: methods and headers; decides nothing about who is
//! asking.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// The methods a route is for: any, or some. `GET` includes `HEAD`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Methods {
    /// In the order of their names, each once; empty means any.
    only: Box<[Method]>,
}

/// Text that is no list of methods.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMethod {
    #[error("the list is empty; leave `methods` out to allow any")]
    None,
    #[error("`{0}` is no method; methods are written in capitals, like GET")]
    Name(String),
}

/// The headers a route asks for; all of them must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// In the order of their names, each name once.
    all_of: Box<[HeaderCondition]>,
}

/// A header that must be there, with any value or with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderCondition {
    name: HeaderName,
    demand: Demand,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Demand {
    Present,
    Equals(HeaderValue),
}

/// Text that is no header condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    #[error("`{0}` is no header name")]
    Name(String),
    #[error("`{0}` has a value that no header can have: visible ASCII characters and inner spaces are allowed")]
    Value(HeaderName),
    #[error("the host is no header condition; write `host = …`")]
    Host,
    #[error("`{0}` is named twice; a header has one condition")]
    Twice(HeaderName),
}

impl Methods {
    /// Any method.
    pub fn any() -> Self {
        Self::default()
    }

    /// Only the methods named.
    ///
    /// # Errors
    /// If there is none, or one is not a method in capitals.
    pub fn parse(names: &[impl AsRef<str>]) -> Result<Self, InvalidMethod> {
        let mut only = names.iter().map(|name| parse_method(name.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if only.is_empty() {
            return Err(InvalidMethod::None);
        }
        only.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        only.dedup();
        Ok(Self { only: only.into() })
    }

    /// Whether every method is meant.
    pub fn is_any(&self) -> bool {
        self.only.is_empty()
    }

    /// Whether `method` is meant.
    pub fn allow(&self, method: &Method) -> bool {
        // Whoever may read a page may ask for its header, under the same policy (RFC 9110 §9.3.2).
        let header_of_page = method == Method::HEAD && self.only.contains(&Method::GET);
        self.is_any() || header_of_page || self.only.contains(method)
    }

    /// Whether one request can satisfy both.
    pub fn overlap(&self, other: &Self) -> bool {
        let meets = |one: &Self, other: &Self| one.only.iter().any(|method| other.allow(method));
        self.is_any() || other.is_any() || meets(self, other) || meets(other, self)
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("any");
        }
        self.only.iter().enumerate().try_for_each(|(position, method)| {
            f.write_str(if position == 0 { "" } else { ", " })?;
            f.write_str(method.as_str())
        })
    }
}

impl Headers {
    /// No condition.
    pub fn none() -> Self {
        Self::default()
    }

    /// All of the conditions.
    ///
    /// # Errors
    /// If two are about the same header.
    pub fn all_of(mut conditions: Vec<HeaderCondition>) -> Result<Self, InvalidHeader> {
        conditions.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
        match conditions.array_windows().find(|[one, other]| one.name == other.name) {
            Some([twice, _]) => Err(InvalidHeader::Twice(twice.name.clone())),
            None => Ok(Self { all_of: conditions.into() }),
        }
    }

    /// How many conditions there are.
    pub fn count(&self) -> usize {
        self.all_of.len()
    }

    /// Whether a request with these headers satisfies every condition.
    pub fn hold(&self, headers: &HeaderMap) -> bool {
        self.all_of.iter().all(|condition| condition.holds(headers))
    }

    /// Whether one request can satisfy both: not if they ask different values of one header.
    pub fn overlap(&self, other: &Self) -> bool {
        let disjoint = |one: &HeaderCondition| other.all_of.iter().any(|another| one.excludes(another));
        !self.all_of.iter().any(disjoint)
    }
}

impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all_of.iter().enumerate().try_for_each(|(position, condition)| {
            f.write_str(if position == 0 { "" } else { ", " })?;
            condition.fmt(f)
        })
    }
}

impl HeaderCondition {
    /// The header is there, with whatever value.
    ///
    /// # Errors
    /// If `name` is no header name, or `host`.
    pub fn present(name: &str) -> Result<Self, InvalidHeader> {
        Ok(Self { name: parse_name(name)?, demand: Demand::Present })
    }

    /// The header is there, and every value sent under its name is exactly this one: of two that disagree, a service
    /// might read the other. A list in one line (`a, b`) is one value.
    ///
    /// # Errors
    /// If `name` is no header name, or `host`, or `value` is none that can arrive.
    pub fn equals(name: &str, value: &str) -> Result<Self, InvalidHeader> {
        let name = parse_name(name)?;
        let arrives = value.trim() == value && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let value = HeaderValue::from_str(value).ok().filter(|_| arrives);
        let value = value.ok_or_else(|| InvalidHeader::Value(name.clone()))?;
        Ok(Self { name, demand: Demand::Equals(value) })
    }

    fn holds(&self, headers: &HeaderMap) -> bool {
        match &self.demand {
            Demand::Present => headers.contains_key(&self.name),
            Demand::Equals(value) => {
                headers.contains_key(&self.name) && headers.get_all(&self.name).iter().all(|sent| sent == value)
            }
        }
    }

    fn excludes(&self, other: &Self) -> bool {
        match (&self.demand, &other.demand) {
            (Demand::Equals(one), Demand::Equals(another)) => self.name == other.name && one != another,
            (Demand::Present, _) | (_, Demand::Present) => false,
        }
    }
}

impl fmt::Display for HeaderCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.demand {
            Demand::Present => write!(f, "{}", self.name),
            Demand::Equals(value) => write!(f, "{} = {}", self.name, value.to_str().unwrap_or("?")),
        }
    }
}

fn parse_method(name: &str) -> Result<Method, InvalidMethod> {
    let invalid = || InvalidMethod::Name(name.to_owned());
    let method = Method::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
    // Methods are case-sensitive (RFC 9110 §9.1): `get` would be one that no client ever sends.
    if name.bytes().any(|byte| byte.is_ascii_lowercase()) { Err(invalid()) } else { Ok(method) }
}

fn parse_name(name: &str) -> Result<HeaderName, InvalidHeader> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidHeader::Name(name.to_owned()))?;
    // HTTP/2 sends `:authority` instead, so the condition would hold for one protocol and not for the other.
    if parsed == http::header::HOST { Err(InvalidHeader::Host) } else { Ok(parsed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equals(name: &str, value: &str) -> HeaderCondition {
        HeaderCondition::equals(name, value).expect("a header condition")
    }

    fn sent(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        lines.iter().map(line).collect()
    }

    #[test]
    fn every_value_sent_must_be_the_one_asked_for() {
        let admin = Headers::all_of(vec![equals("X-Role", "admin")]).expect("one condition");
        assert!(admin.hold(&sent(&[("x-role", "admin")])));
        assert!(admin.hold(&sent(&[("x-role", "admin"), ("x-role", "admin")])));
        for headers in [
            sent(&[]),
            sent(&[("x-role", "user, admin")]),
            sent(&[("x-role", "user"), ("x-role", "admin")]),
            sent(&[("x-role", "admin"), ("x-role", "user")]),
            sent(&[("x-role", "Admin")]),
        ] {
            assert!(!admin.hold(&headers), "{headers:?}");
        }
    }

    #[test]
    fn presence_asks_for_no_value_and_all_conditions_must_hold() {
        let debug = HeaderCondition::present("x-debug").expect("a header condition");
        let both = Headers::all_of(vec![debug, equals("x-role", "admin")]).expect("two conditions");
        assert!(both.hold(&sent(&[("x-debug", ""), ("x-role", "admin")])));
        assert!(!both.hold(&sent(&[("x-role", "admin")])));
        assert!(Headers::none().hold(&sent(&[])));
        assert_eq!(both.to_string(), "x-debug, x-role = admin");
    }

    #[test]
    fn only_different_values_of_one_header_exclude_each_other() {
        let one = |condition| Headers::all_of(vec![condition]).expect("one condition");
        let (a, b) = (one(equals("x", "a")), one(equals("x", "b")));
        assert!(!a.overlap(&b) && !b.overlap(&a));
        assert!(a.overlap(&a) && a.overlap(&Headers::none()));
        assert!(a.overlap(&one(equals("y", "b"))));
        assert!(a.overlap(&one(HeaderCondition::present("x").expect("a header condition"))));
    }

    #[test]
    fn methods_are_a_set() {
        let some = Methods::parse(&["POST", "GET", "POST"]).expect("methods");
        assert_eq!(some.to_string(), "GET, POST");
        assert!(some.allow(&Method::GET) && !some.allow(&Method::PUT));
        assert!(some.allow(&Method::HEAD), "GET brings HEAD along");
        assert!(Methods::any().allow(&Method::HEAD) && Methods::any().overlap(&some));
        assert!(!some.overlap(&Methods::parse(&["PUT"]).expect("methods")));
        assert!(some.overlap(&Methods::parse(&["HEAD"]).expect("methods")));
    }

    #[test]
    fn what_is_no_condition_is_named() {
        assert_eq!(Methods::parse(&[] as &[&str]), Err(InvalidMethod::None));
        assert_eq!(Methods::parse(&["get"]), Err(InvalidMethod::Name("get".to_owned())));
        assert_eq!(Methods::parse(&["G T"]), Err(InvalidMethod::Name("G T".to_owned())));
        assert_eq!(HeaderCondition::present("a b"), Err(InvalidHeader::Name("a b".to_owned())));
        assert_eq!(HeaderCondition::present("Host"), Err(InvalidHeader::Host));
        for value in ["a\nb", " a", "é"] {
            assert!(matches!(HeaderCondition::equals("x", value), Err(InvalidHeader::Value(_))), "{value:?}");
        }
        let twice = Headers::all_of(vec![equals("x", "a"), equals("X", "b")]);
        assert_eq!(twice, Err(InvalidHeader::Twice(HeaderName::from_static("x"))));
    }
}
