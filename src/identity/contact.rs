//! Where a person can be reached: a telephone number or a mail address, in one spelling each; knows nobody whose it is.

use lettre::Address;

/// By which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// A text message to a telephone.
    Sms,
    /// An e-mail.
    Mail,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 2] = [Channel::Sms, Channel::Mail];

    /// The word in configuration, records and what is sent to programs.
    pub const fn word(self) -> &'static str {
        match self {
            Channel::Sms => "sms",
            Channel::Mail => "mail",
        }
    }

    /// The channel of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.word() == word)
    }
}

/// Digits of a telephone number with its country code: at most what E.164 §6.1 allows, and fewer than so many are no
/// number that anybody is reached by from abroad.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Bytes of a mail address that travels in SMTP (RFC 5321 §4.5.3.1.3, less the brackets).
const LONGEST: usize = 254;

/// Digits of a telephone number that a mask leaves at either end.
const LEFT: usize = 2;

/// Where a person can be reached. It prints masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    channel: Channel,
    address: String,
}

impl Contact {
    /// Reads what a person types: `+` and digits, however they are grouped, or a mail address. `None` if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.strip_prefix('+') {
            Some(digits) => Self::telephone(digits),
            None => Self::mailbox(text),
        }
    }

    fn telephone(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && !"-./()".contains(*c)).collect();
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        (plain && DIGITS.contains(&digits.len()))
            .then(|| Contact { channel: Channel::Sms, address: format!("+{digits}") })
    }

    /// Quoted names, bare addresses of hosts and letters beyond ASCII are lawful, and nothing but trouble on the way.
    fn mailbox(text: &str) -> Option<Self> {
        let (name, host) = text.rsplit_once('@')?;
        let plain = text.is_ascii() && text.len() <= LONGEST && !text.contains(['"', '[', ' ']) && host.contains('.');
        let named = host.rsplit('.').next().is_some_and(|top| top.bytes().any(|byte| byte.is_ascii_alphabetic()));
        let address: Address = text.parse().ok().filter(|_| plain && named && !name.is_empty())?;
        // What stands before the at sign may depend on its case, what stands behind it does not (RFC 5321 §2.4).
        let address = format!("{}@{}", address.user(), address.domain().to_ascii_lowercase());
        Some(Contact { channel: Channel::Mail, address })
    }

    /// By which way it is reached.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// The whole of it: `+4915123456789`, `alice@example.com`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// As much as its holder knows it by: `+49 ••• ••89`, `a•••@example.com`.
    pub fn masked(&self) -> String {
        match self.channel {
            Channel::Sms => {
                let digits = self.address.trim_start_matches('+');
                let (first, rest) = digits.split_at(LEFT.min(digits.len()));
                let last = &rest[rest.len().saturating_sub(LEFT)..];
                format!("+{first} ••• ••{last}")
            }
            Channel::Mail => {
                let (name, host) = self.address.rsplit_once('@').unwrap_or_default();
                format!("{}•••@{host}", name.chars().next().unwrap_or_default())
            }
        }
    }
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Channel, String)> {
        Contact::parse(text).map(|contact| (contact.channel(), contact.address().to_owned()))
    }

    #[test]
    fn one_number_has_one_spelling_however_it_is_typed() {
        let number = Some((Channel::Sms, "+4915123456789".to_owned()));
        for text in ["+4915123456789", " +49 151 2345 6789 ", "+49 (151) 23.45-67/89"] {
            assert_eq!(read(text), number, "{text}");
        }
        for text in
            ["015123456789", "+015123456789", "+12", "+1234567890123456", "+49 151 abc 6789", "+٤٩١٥١٢٣٤٥٦٧٨٩", "+"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_one_that_mail_reaches_from_anywhere() {
        assert_eq!(read(" Alice.B+x@Example.COM "), Some((Channel::Mail, "Alice.B+x@example.com".to_owned())));
        for text in [
            "alice",
            "@example.com",
            "alice@",
            "alice@localhost",
            "alice@[192.0.2.1]",
            "alice@192.0.2.1",
            "\"a b\"@example.com",
            "alice@example.com\r\nBcc: x@example.com",
            "alice@example.com, bob@example.com",
            "älice@example.com",
            "<alice@example.com>",
            "",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(read(&format!("{}@example.com", "a".repeat(300))), None);
    }

    #[test]
    fn a_mask_shows_what_its_holder_knows_it_by() {
        let masked = |text: &str| Contact::parse(text).map(|contact| contact.masked()).unwrap_or_default();
        assert_eq!(masked("+4915123456789"), "+49 ••• ••89");
        assert_eq!(masked("alice@example.com"), "a•••@example.com");
        assert_eq!(format!("{:?}", Contact::parse("alice@example.com")), "Some(a•••@example.com)");
    }
}
