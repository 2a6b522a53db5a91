//! Where a secret is, never what it is: secrets are not written into configuration; knows no key by name.

use super::{At, FilePath, Item, Kind, Parse, Place, Reading, Sub, TableWords, Text};
use crate::config::environment::Vantage;
use crate::stdx::entropy;
use crate::stdx::secret::Secret;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// `rw-rw-rw-` without the owner's part, except that the group may read: who else sees or chooses the secret.
const OPEN_TO_OTHERS: u32 = 0o026;

/// What is said of a credential that the service alone is given.
const UNSEEN: &str = "is handed to the service alone ($CREDENTIALS_DIRECTORY is not set here), so it was not looked at; to \
                      check it too, while the service runs, as root: \
                      CREDENTIALS_DIRECTORY=/run/credentials/portcullis.service portcullis check";

/// What became of a secret that was to be fetched.
#[derive(Debug)]
pub enum Fetched {
    /// Here it is.
    Secret(Secret),
    /// It is where this process cannot look, which was told.
    Unseen,
}

impl Fetched {
    /// The secret, or for one that was not seen a fresh one that nobody knows: to stand in a plan that is only looked at.
    pub fn or_stand_in(self) -> Secret {
        match self {
            Fetched::Secret(secret) => secret,
            Fetched::Unseen => Secret::new(entropy::bytes::<32>().to_vec()),
        }
    }
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// In an environment variable.
    Variable(String),
    /// In systemd's credential directory.
    Credential(CredentialName),
}

super::table! {
    /// Where a secret is. Exactly one of the keys is given; an inline secret is refused.
    SecretWords {
        /// A file that only the gateway's user can read.
        file: FilePath, optional, r#""/etc/portcullis/tls/example.key""#;
        /// An environment variable.
        env: Text<VariableName>, optional, r#""EXAMPLE_KEY""#;
        /// A credential that systemd hands over (`LoadCredential=`).
        credential: Text<CredentialName>, optional, r#""example-key""#;
    }
}

/// The kind of key that a secret is given by.
pub struct SecretSource;

impl Kind for SecretSource {
    type Value = Source;

    fn allowed() -> String {
        "a secret: `{ file = \"…\" }`, `{ env = \"…\" }` or `{ credential = \"…\" }`".to_owned()
    }

    fn read(item: &Item<'_>) -> Option<Source> {
        let instead = "{ file = \"…\" }, { env = \"…\" } or { credential = \"…\" }";
        let DeValue::Table(_) = item.value() else {
            // What is there may be the secret itself: it is not repeated.
            item.problem(format!("a secret is never written here; say where it is: {instead}"));
            return None;
        };
        let SecretWords { file, env, credential } = <Sub<SecretWords> as Kind>::read(item)?;
        let file = file.map(|At { value, .. }| Source::File(value));
        let env = env.map(|At { value, .. }| Source::Variable(value.0));
        let credential = credential.map(|At { value, .. }| Source::Credential(value));
        match (file, env, credential) {
            (Some(source), None, None) | (None, Some(source), None) | (None, None, Some(source)) => Some(source),
            (_, _, _) => {
                item.problem(format!("exactly one must be given: {instead}"));
                None
            }
        }
    }

    fn write(_: &Source) -> String {
        "{}".to_owned()
    }

    fn tables(path: &str) -> Vec<TableWords> {
        <Sub<SecretWords> as Kind>::tables(path)
    }
}

impl Source {
    /// Fetches the secret. What goes wrong is reported at `place`, and so is a file that others may read or write.
    pub fn open(&self, place: &Place, reading: &Reading<'_>) -> Option<Fetched> {
        let bytes = match (self, reading.environment.credentials(), reading.environment.vantage()) {
            (Source::File(path), ..) => reading.bytes(path),
            (Source::Variable(name), ..) => Self::variable(name, reading),
            (Source::Credential(name), Some(directory), _) => reading.bytes(&directory.join(&name.0)),
            (Source::Credential(name), None, Vantage::Outside) => {
                reading.warn(place, format!("the credential {:?} {UNSEEN}", name.0));
                return Some(Fetched::Unseen);
            }
            (Source::Credential(_), None, Vantage::Within) => {
                Err("there is no credential directory; systemd makes one for LoadCredential=".to_owned())
            }
        };
        if let Source::File(path) = self {
            warn_if_open(path, place, reading);
        }
        match bytes {
            Ok(bytes) if bytes.is_empty() => reading.problem(place, "the secret is empty"),
            Ok(bytes) => return Some(Fetched::Secret(Secret::new(bytes))),
            Err(what) => reading.problem(place, what),
        }
        None
    }

    fn variable(name: &str, reading: &Reading<'_>) -> Result<Vec<u8>, String> {
        let value = reading.environment.variable(name).map(OsStr::as_bytes);
        let bytes = value.ok_or_else(|| format!("the environment variable {name} is not set"))?;
        reading.remember(bytes);
        Ok(bytes.to_vec())
    }
}

fn warn_if_open(path: &Path, place: &Place, reading: &Reading<'_>) {
    let mode = std::fs::metadata(path).map(|found| found.permissions().mode() & 0o777).unwrap_or(0);
    if mode & OPEN_TO_OTHERS != 0 {
        let path = path.display();
        reading.warn(
            place,
            format!("{path} is a secret that others may read or write (mode {mode:03o}); make it 600 or 640"),
        );
    }
}

/// The name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableName(String);

impl Parse for VariableName {
    fn allowed() -> String {
        "the name of an environment variable such as \"SMS_TOKEN\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let plain = !text.is_empty() && !text.contains(['=', '\0']);
        if plain {
            Ok(VariableName(text.to_owned()))
        } else {
            Err(format!("allowed is {}", <Self as Parse>::allowed()))
        }
    }

    fn write(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// The name of a file in the credential directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialName(String);

impl Parse for CredentialName {
    fn allowed() -> String {
        "the name of a credential such as \"sms-token\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let plain = !text.is_empty() && !text.contains(['/', '\0']) && text != "." && text != "..";
        if plain {
            Ok(CredentialName(text.to_owned()))
        } else {
            Err(format!("allowed is {}", <Self as Parse>::allowed()))
        }
    }

    fn write(&self) -> String {
        format!("{:?}", self.0)
    }
}
