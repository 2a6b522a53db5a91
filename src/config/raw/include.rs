//! Which files an `include` means; knows names of files, not what is in them.

use super::{Parse, Place};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A file or, with `*` in the last part, any number of files of one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include(String);

impl Parse for Include {
    fn allowed() -> String {
        "a file such as \"routes.d/*.toml\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text.rsplit_once('/') {
            Some((_, "")) => Err("it must end with the name of a file, for example \"routes.d/*.toml\"".to_owned()),
            Some((directory, _)) if directory.contains('*') => {
                Err("* may stand only after the last /, for example \"routes.d/*.toml\"".to_owned())
            }
            Some(_) | None => Ok(Include(text.to_owned())),
        }
    }

    fn write(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl Include {
    /// The directory it looks in.
    pub fn directory(&self, place: &Place) -> PathBuf {
        place.directory().join(
            self.0.rsplit_once('/').map_or("", |(directory, _)| if directory.is_empty() { "/" } else { directory }),
        )
    }

    /// The files it means, in the order of their names. A pattern that meets none is fine.
    ///
    /// # Errors
    /// In words: a directory that cannot be read, or a name without `*` that is no file.
    pub fn files(&self, place: &Place) -> Result<Vec<PathBuf>, String> {
        let directory = self.directory(place);
        let pattern = self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, last)| last);
        if !pattern.contains('*') {
            return Ok(vec![directory.join(pattern)]);
        }
        let cannot = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => format!("there is no directory {}", directory.display()),
            _ => format!("the directory {} cannot be read: {error}", directory.display()),
        };
        let listed = if directory == Path::new("") { Path::new(".") } else { &directory };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(listed).map_err(cannot)? {
            let name = entry.map_err(cannot)?.file_name();
            if name.to_str().is_some_and(|name| meets(pattern, name)) {
                files.push(directory.join(name));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Whether `name` meets `pattern`. As in a shell, a leading dot is met only by a dot: editors leave such files about.
fn meets(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_part_of_a_name() {
        for (pattern, name) in
            [("*.toml", "a.toml"), ("team-*-*.toml", "team-a-b.toml"), ("*", "a"), ("a.toml", "a.toml")]
        {
            assert!(meets(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.toml", ".a.toml"), ("*.toml", "a.toml~"), ("a*b", "ab c"), ("ab*ba", "aba")] {
            assert!(!meets(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_star_in_a_directory_is_refused() {
        assert!(Include::parse("*/a.toml").is_err());
        assert!(Include::parse("routes.d/").is_err());
        assert!(Include::parse("routes.d/*.toml").is_ok());
    }
}
