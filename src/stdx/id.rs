//! Identifiers of 128 random bits that print with the prefix of their kind; knows no kind itself.

use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;

/// Base 32 without look-alike letters, lower case, no padding (the alphabet of Crockford).
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    spec.translate.from.push_str("ABCDEFGHJKMNPQRSTVWXYZ");
    spec.translate.to.push_str("abcdefghjkmnpqrstvwxyz");
    spec.encoding().expect("the alphabet has 32 distinct symbols")
});

/// `bytes` in lower-case Crockford base 32.
pub fn base32(bytes: &[u8]) -> String {
    BASE32.encode(bytes)
}

/// How many characters 128 bits make.
pub const LENGTH: usize = 26;

/// The same for 128 bits, without a place on the heap.
pub fn base32_of(bits: [u8; 16]) -> [u8; LENGTH] {
    let mut text = [0; LENGTH];
    BASE32.encode_mut(&bits, &mut text);
    text
}

/// What [`base32`] wrote, read back; `None` if it is not that.
pub fn parse_base32(text: &str) -> Option<Vec<u8>> {
    BASE32.decode(text.as_bytes()).ok()
}

/// Text that is not an identifier of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of the form {prefix}_ and 26 letters or digits")]
pub struct InvalidId {
    /// The prefix that such identifiers begin with.
    pub prefix: &'static str,
}

/// Defines an identifier: 128 bits that print as `prefix_…`.
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What the printed form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// An identifier from 128 bits that the caller drew at random.
            pub const fn new(bits: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bits))
            }

            /// A fresh identifier.
            pub fn fresh() -> Self {
                Self::new($crate::stdx::entropy::bytes())
            }

            /// The 128 bits, for a store.
            pub const fn bits(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// The printed form, without a place on the heap.
            pub fn text(self) -> [u8; concat!($prefix, "_").len() + $crate::stdx::id::LENGTH] {
                let mut text = [0; concat!($prefix, "_").len() + $crate::stdx::id::LENGTH];
                let (prefix, body) = text.split_at_mut(concat!($prefix, "_").len());
                prefix.copy_from_slice(concat!($prefix, "_").as_bytes());
                body.copy_from_slice(&$crate::stdx::id::base32_of(self.bits()));
                text
            }

            /// Reads the printed form.
            ///
            /// # Errors
            /// If the text has another prefix, length or alphabet.
            pub fn parse(text: &str) -> Result<Self, $crate::stdx::id::InvalidId> {
                let invalid = $crate::stdx::id::InvalidId { prefix: $prefix };
                let body = text.strip_prefix(concat!($prefix, "_")).ok_or(invalid.clone())?;
                let bytes = $crate::stdx::id::parse_base32(body).ok_or(invalid.clone())?;
                let bits: [u8; 16] = bytes.try_into().map_err(|_| invalid)?;
                Ok(Self::new(bits))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(str::from_utf8(&self.text()).expect("prefix and alphabet are ASCII"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    id!(
        /// For the test.
        TestId,
        "tst"
    );

    #[test]
    fn an_id_reads_back_as_printed() {
        let id = TestId::fresh();
        assert_eq!(TestId::parse(&id.to_string()), Ok(id));
        assert!(id.to_string().starts_with(&format!("{}_", TestId::PREFIX)));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        assert!(TestId::parse("ses_00000000000000000000000000").is_err());
        assert!(TestId::parse("tst_0").is_err());
        assert!(TestId::parse("tst_!!!!!!!!!!!!!!!!!!!!!!!!!!").is_err());
    }
}
