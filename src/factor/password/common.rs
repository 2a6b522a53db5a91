//! Which passwords are too common to be chosen; knows nothing of how they are kept.

use crate::identity::AccountName;
use zxcvbn::zxcvbn;

/// Characters looked at. The estimate tries every reading of symbols as letters, so that its work has no good bound in
/// the length: at 32 the worst takes as long as a few hashes, at 72 more than a second. What begins with 32 characters
/// that nobody guesses is not common, whatever follows.
const LOOKED_AT: usize = 32;

/// Fewer guesses than this, by zxcvbn's count, make a password common. It counts ten for each character that belongs to
/// nothing known, so that eight unpredictable characters, the least that an operator can allow, are just enough. Each
/// of its 30 000 leaked passwords and each word of ours is far below, be it doubled, reversed or with a year behind it.
const GUESSES: u64 = 100_000_000;

/// The shortest piece of a name that counts as a word; shorter ones occur in good passwords by chance.
const SHORTEST_PIECE: usize = 4;

/// Common passwords and words: those that zxcvbn brings, and the operator's.
pub(super) struct Common {
    words: Vec<String>,
}

impl Common {
    /// With `words` of the operator's.
    pub fn new(words: Vec<String>) -> Self {
        Common { words }
    }

    /// Whether `password` is one of them, made of them, or made of the account's name. Takes milliseconds.
    pub fn has(&self, password: &str, account: &AccountName) -> bool {
        let name = account.as_str();
        let pieces = name.split('@').chain(name.split(['.', '_', '-', '+', '@']));
        let pieces = pieces.filter(|piece| piece.len() >= SHORTEST_PIECE);
        let words: Vec<&str> = [name].into_iter().chain(pieces).chain(self.words.iter().map(String::as_str)).collect();
        let head = password.char_indices().nth(LOOKED_AT).map_or(password, |(end, _)| &password[..end]);
        zxcvbn(head, &words).guesses() < GUESSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn has(password: &str) -> bool {
        let common = Common::new(vec!["Umbrella".into()]);
        common.has(password, &AccountName::parse("alice.liddell@example.com").expect("a name"))
    }

    #[test]
    fn well_known_passwords_are_common_however_they_are_dressed_up() {
        let known = [
            "1234567890",
            "qwertyuiop",
            "password1",
            "PASSWORD1234",
            "P@ssw0rd2024",
            "passwordpassword",
            "drowssap1234",
            "iloveyou2023",
            "qwerty123456",
            "aaaaaaaaaaaaaaaa",
            "abcdefghijklmnop",
            "1qaz2wsx3edc",
            "letmeinletmein",
        ];
        for password in known {
            assert!(has(password), "{password}");
        }
    }

    #[test]
    fn the_names_around_are_common() {
        for password in ["alice.liddell", "liddell2024!", "LiddellLiddell", "umbrella2024!", "UMBRELLAumbrella"] {
            assert!(has(password), "{password}");
        }
    }

    #[test]
    fn what_nobody_else_would_choose_is_not_common() {
        let own = ["correct horse battery staple", "vexing quartz 81", "xK4#vq7!", "щ7ъфыжюк", "九番目の雨は青い傘を"];
        for password in own {
            assert!(!has(password), "{password}");
        }
    }

    #[test]
    fn a_long_password_is_judged_by_its_beginning() {
        assert!(!has(&"vexing quartz 81 ".repeat(15)));
        assert!(has(&("1234567890".repeat(4) + "vexing quartz 81")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_text_makes_the_estimate_panic(password in "\\PC{0,80}") {
            has(&password);
        }
    }
}
