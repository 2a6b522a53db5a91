//! Reads the words of a command for what it will ask, as curl reads its own; runs nothing.

use http::Method;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use url::Url;

/// Short options of curl that have a value, behind them or as the next word.
const WITH_VALUE: &str = "AbcCdDeEFHKmoPQrtTuUwxXyYz";

/// Long options of curl whose value could be taken for an address or an option.
const LONG_WITH_VALUE: &[&str] = &[
    "--config",
    "--cookie",
    "--data",
    "--data-ascii",
    "--data-binary",
    "--data-raw",
    "--data-urlencode",
    "--doh-url",
    "--form",
    "--form-string",
    "--header",
    "--ipfs-gateway",
    "--json",
    "--output",
    "--preproxy",
    "--proxy",
    "--proxy-header",
    "--proxy1.0",
    "--referer",
    "--request",
    "--upload-file",
    "--url-query",
    "--user",
    "--user-agent",
    "--write-out",
];

/// What a command will ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Every address among its words, in order.
    pub urls: Vec<Url>,
    named: Option<String>,
    sends: Option<Sends>,
    shape: Vec<Shape>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sends {
    Data,
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Head,
    Get,
}

impl Asked {
    /// The method of the request; `None` if it is named by a word that is none.
    pub fn method(&self) -> Option<Method> {
        if let Some(name) = &self.named {
            return Method::from_bytes(name.as_bytes()).ok();
        }
        let is = |shape| self.shape.contains(&shape);
        Some(match self.sends {
            _ if is(Shape::Head) => Method::HEAD,
            _ if is(Shape::Get) => Method::GET,
            Some(Sends::File) => Method::PUT,
            Some(Sends::Data) => Method::POST,
            None => Method::GET,
        })
    }
}

/// Whether a command is curl, by the name of its file.
pub fn is_curl(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new("curl"))
}

/// Where among curl's words an option may be put: behind `-q`, which must be the first.
pub fn first_place(words: &[OsString]) -> usize {
    usize::from(words.first().is_some_and(|word| word == "-q" || word == "--disable"))
}

/// The addresses among the words of any command.
pub fn of_any(words: &[OsString]) -> Asked {
    let urls = words.iter().filter_map(|word| address(&word.to_string_lossy())).collect();
    Asked { urls, ..Asked::default() }
}

/// What curl will ask when it is given these words.
pub fn of_curl(words: &[OsString]) -> Asked {
    let mut asked = Asked::default();
    let mut words = words.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(""), _) => asked.urls.extend(words.by_ref().filter_map(|word| address(&word))),
            (Some(_), _) => {
                let value = if LONG_WITH_VALUE.contains(&&*word) { words.next() } else { None };
                asked.long(&word, value.as_deref());
            }
            (None, Some(letters)) if !letters.is_empty() => {
                if let Some((letter, value)) = asked.flags(letters) {
                    let value = if value.is_empty() { words.next().unwrap_or_default() } else { value.into() };
                    asked.valued(letter, &value);
                }
            }
            (None, _) => asked.urls.extend(address(&word)),
        }
    }
    asked
}

impl Asked {
    fn long(&mut self, word: &str, value: Option<&str>) {
        match word {
            "--request" => self.named = value.map(str::to_owned),
            "--head" => self.shape.push(Shape::Head),
            "--get" => self.shape.push(Shape::Get),
            "--upload-file" => self.sends = Some(Sends::File),
            "--json" | "--form" | "--form-string" => self.sends = Some(Sends::Data),
            word if word.starts_with("--data") => self.sends = Some(Sends::Data),
            _ => {}
        }
    }

    /// Reads short options up to the one that has a value, and gives that one with what stands behind it.
    fn flags<'w>(&mut self, letters: &'w str) -> Option<(char, &'w str)> {
        for (at, letter) in letters.char_indices() {
            match letter {
                'I' => self.shape.push(Shape::Head),
                'G' => self.shape.push(Shape::Get),
                letter if WITH_VALUE.contains(letter) => return Some((letter, &letters[at + letter.len_utf8()..])),
                _ => {}
            }
        }
        None
    }

    fn valued(&mut self, letter: char, value: &str) {
        match letter {
            'X' => self.named = Some(value.to_owned()),
            'd' | 'F' => self.sends = Some(Sends::Data),
            'T' => self.sends = Some(Sends::File),
            _ => {}
        }
    }
}

fn address(word: &str) -> Option<Url> {
    let scheme = word.split_once("://")?.0;
    let named = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    if named { Url::parse(word).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (String, Vec<String>) {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let asked = of_curl(&words);
        let method = asked.method().map_or_else(String::new, |method| method.to_string());
        (method, asked.urls.iter().map(Url::to_string).collect())
    }

    #[test]
    fn the_method_is_the_one_that_curl_will_send() {
        for (line, method) in [
            ("https://a.test/", "GET"),
            ("-sS https://a.test/", "GET"),
            ("-X DELETE https://a.test/", "DELETE"),
            ("-sSXPATCH https://a.test/", "PATCH"),
            ("--request PUT -d a=b https://a.test/", "PUT"),
            ("-d a=b https://a.test/", "POST"),
            ("-da=b https://a.test/", "POST"),
            ("--data-urlencode a=b https://a.test/", "POST"),
            ("--json {} https://a.test/", "POST"),
            ("-F a=b https://a.test/", "POST"),
            ("-T file https://a.test/", "PUT"),
            ("-I https://a.test/", "HEAD"),
            ("-sIL https://a.test/", "HEAD"),
            ("-G -d a=b https://a.test/", "GET"),
            ("--get --data a=b https://a.test/", "GET"),
            ("-o -X https://a.test/", "GET"),
            ("-H -d https://a.test/", "GET"),
            ("-X a/b https://a.test/", ""),
        ] {
            assert_eq!(read(line), (method.to_owned(), vec!["https://a.test/".to_owned()]), "{line}");
        }
    }

    #[test]
    fn only_what_is_asked_counts_as_an_address() {
        for line in [
            "-e https://b.test/ https://a.test/",
            "--referer https://b.test/ https://a.test/",
            "-x http://proxy.test:3128 https://a.test/",
            "-d https://b.test/ https://a.test/",
            "--url https://a.test/",
            "-sS -- https://a.test/",
        ] {
            assert_eq!(read(line).1, ["https://a.test/"], "{line}");
        }
        assert_eq!(read("https://a.test/1 -o x HTTPS://a.test/2").1, ["https://a.test/1", "https://a.test/2"]);
        assert!(read("a.test -V").1.is_empty());
    }

    #[test]
    fn curl_is_known_by_its_file() {
        assert!(is_curl(OsStr::new("curl")) && is_curl(OsStr::new("/usr/bin/curl")));
        assert!(!is_curl(OsStr::new("curly")) && !is_curl(OsStr::new("sh")));
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!([first_place(&words("-q https://a.test/")), first_place(&words("-sq https://a.test/"))], [1, 0]);
    }
}
