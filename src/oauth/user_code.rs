//! The code that a person types to approve a device (RFC 8628 §6.1); knows not what it is for.

use crate::stdx::digest::sha256;
use crate::stdx::entropy;
use std::fmt;

/// Letters that are no vowels, so that no word comes about, and are not mistaken for one another.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Eight of them: 2 to the 34th codes.
const LENGTH: usize = 8;

/// A code. It is secret until it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode([u8; LENGTH]);

impl UserCode {
    /// A fresh code, each letter as likely as any.
    pub fn fresh() -> Self {
        // The largest multiple of twenty in a byte: beyond it some letters would be likelier.
        let letter = || loop {
            let [byte] = entropy::bytes::<1>();
            if byte < 240 {
                return LETTERS[usize::from(byte) % LETTERS.len()];
            }
        };
        UserCode(std::array::from_fn(|_| letter()))
    }

    /// Reads what was typed: case, spaces and dashes are forgiven.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 4 * LENGTH {
            return None;
        }
        let typed = text.bytes().filter(|byte| !b" -".contains(byte)).map(|byte| byte.to_ascii_uppercase());
        let typed: Vec<u8> = typed.collect();
        typed.iter().all(|letter| LETTERS.contains(letter)).then(|| typed.try_into().ok().map(UserCode)).flatten()
    }

    /// What the store knows it by.
    pub(super) fn hash(&self) -> [u8; 32] {
        sha256(&self.0)
    }
}

/// `WDJB-MJHT`.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.0);
        let (first, last) = text.split_at(LENGTH / 2);
        write!(f, "{first}-{last}")
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = UserCode::fresh();
        let shown = code.to_string();
        assert_eq!(shown.len(), 9);
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('-', "")] {
            assert_eq!(UserCode::parse(&typed), Some(code.clone()), "{typed}");
        }
    }

    #[test]
    fn nothing_else_is_a_code() {
        for odd in ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB_MJHT", "WDJB-MJH1", "ẄDJB-MJHT", &"-".repeat(90)]
        {
            assert_eq!(UserCode::parse(odd), None, "{odd}");
        }
    }
}
