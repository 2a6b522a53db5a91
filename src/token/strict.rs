//! JSON as tokens carry it, read strictly: an object in which no name stands twice, at any depth; knows no claim.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// A JSON object.
pub type Object = Map<String, Value>;

/// Reads an object; `None` for anything else, and where a name stands twice: two readers could take it differently.
pub fn object(text: &[u8]) -> Option<Object> {
    match serde_json::from_slice(text).ok()? {
        Strict(Value::Object(object)) => Some(object),
        Strict(_) => None,
    }
}

/// A member that is text.
pub fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name)?.as_str()
}

/// A member that is a time in whole seconds (RFC 7519 §2, `NumericDate`, of which only integers are accepted here).
pub fn seconds(object: &Object, name: &str) -> Option<u64> {
    object.get(name)?.as_u64()
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading).map(Strict)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a name that stands twice")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            all.push(element);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_and_nothing_else() {
        let read = object(br#"{"a":[1,-1,1.5,null,true,{"b":"c"}]}"#).expect("an object");
        assert_eq!(Value::Object(read), serde_json::json!({ "a": [1, -1, 1.5, null, true, { "b": "c" }] }));
        for odd in ["", "[]", "1", "\"a\"", "{} {}", "{\"a\":1e400}", "{\"a\":\"\\ud800\"}"] {
            assert!(object(odd.as_bytes()).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth_and_however_it_is_written() {
        for odd in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"a":[{"b":1,"b":2}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(object(odd.as_bytes()).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_time_is_a_whole_number_of_seconds() {
        let read = object(br#"{"a":1,"b":"1","c":1.0,"d":-1,"e":null,"f":[1]}"#).expect("an object");
        let times = ["a", "b", "c", "d", "e", "f", "g"].map(|name| seconds(&read, name));
        assert_eq!(times, [Some(1), None, None, None, None, None, None]);
    }
}
