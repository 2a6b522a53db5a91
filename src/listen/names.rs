//! The DNS names in a certificate's subject alternative names (RFC 5280 §4.2.1.6); judges nothing about them.

use super::der::{BOOLEAN, Der, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, body};

/// The names that a DER certificate is for, in lower case, wildcards included; `None` if it has no subject alternative
/// names, or is not a certificate that can be read.
pub(super) fn dns_names(certificate: &[u8]) -> Option<Vec<Box<str>>> {
    let mut fields = body(certificate)?;
    while let Some((tag, content)) = fields.element() {
        if tag == EXTENSIONS {
            return alternative_names(Der(content).enter(SEQUENCE)?);
        }
    }
    None
}

fn alternative_names(mut extensions: Der<'_>) -> Option<Vec<Box<str>>> {
    while let Some((SEQUENCE, content)) = extensions.element() {
        let mut extension = Der(content);
        let (OBJECT_IDENTIFIER, identifier) = extension.element()? else { return None };
        if identifier != SUBJECT_ALTERNATIVE_NAME {
            continue;
        }
        let value = match extension.element()? {
            (BOOLEAN, _) => extension.enter(OCTET_STRING)?,
            (OCTET_STRING, value) => Der(value),
            (_, _) => return None,
        };
        return Some(general_names(Der(value.0).enter(SEQUENCE)?));
    }
    None
}

fn general_names(names: Der<'_>) -> Vec<Box<str>> {
    names
        .filter(|(tag, _)| *tag == DNS_NAME)
        .filter_map(|(_, name)| std::str::from_utf8(name).ok())
        .map(|name| name.to_ascii_lowercase().into_boxed_str())
        .collect()
}

/// `[3] EXPLICIT` in the certificate's body.
const EXTENSIONS: u8 = 0xa3;
/// `[2] IMPLICIT` among the general names.
const DNS_NAME: u8 = 0x82;
/// 2.5.29.17
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        rcgen::generate_simple_self_signed(names).unwrap().cert.der().to_vec()
    }

    #[test]
    fn the_names_are_those_the_certificate_was_made_for() {
        let many: Vec<String> = (0..200).map(|number| format!("host-{number}.example.com")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for names in [&["app.example.com"][..], &["a.test", "*.b.test"][..], &many[..]] {
            let found = dns_names(&certificate(names)).unwrap();
            assert_eq!(found.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), names);
        }
    }

    #[test]
    fn an_address_is_not_a_name() {
        assert_eq!(dns_names(&certificate(&["127.0.0.1"])).unwrap(), Vec::<Box<str>>::new());
    }

    #[test]
    fn without_alternative_names_there_is_none_and_not_an_empty_list() {
        assert_eq!(dns_names(&certificate(&[])), None);
    }

    #[test]
    fn bytes_cut_short_never_panic() {
        let whole = certificate(&["app.example.com", "*.example.com"]);
        for end in 0..whole.len() {
            assert_eq!(dns_names(&whole[..end]), None);
        }
    }
}
