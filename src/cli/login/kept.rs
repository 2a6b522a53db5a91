//! Where tokens are kept: one file for each origin, its owner's alone, changed by one command at a time; asks no gateway.

mod lock;

use super::aim::Origin;
use super::grant::Granted;
use super::proof::ProofKey;
use crate::stdx::clock::Time;
use crate::stdx::secret::Secret;
use anyhow::Context;
use lock::Lock;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest file, in bytes: two tokens and a key have a few thousand.
const LONGEST: u64 = 256 * 1024;

/// How the files of tokens end.
const ENDING: &str = ".json";

/// Everything that is kept for one origin.
pub struct Kept {
    /// Who issued it.
    pub issuer: Origin,
    /// What it is for.
    pub resource: Origin,
    /// Whose it is, if the gateway told.
    pub account: Option<String>,
    /// What requests carry.
    pub access: Secret,
    /// What new tokens are exchanged for; good once.
    pub refresh: Option<Secret>,
    /// When the access token ends.
    pub until: Time,
    /// The key that the tokens are bound to.
    pub key: Option<ProofKey>,
}

impl Kept {
    /// The same with new tokens. A server may leave the refresh token as it is (RFC 6749 §6).
    pub fn renewed(self, granted: Granted) -> Self {
        let Granted { access, refresh, until } = granted;
        Kept { access, refresh: refresh.or(self.refresh), until, ..self }
    }
}

/// As it stands in a file.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    issuer: Cow<'a, str>,
    resource: Cow<'a, str>,
    account: Option<Cow<'a, str>>,
    access_token: Cow<'a, str>,
    refresh_token: Option<Cow<'a, str>>,
    /// Milliseconds since 1970.
    until: u64,
    /// PKCS #8, base64.
    key: Option<Cow<'a, str>>,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// Others could read it.
    #[error(
        "{path} may be read by others (mode {mode:03o}), so its tokens may be known to them; sign in anew after \
         `portcullis login URL --logout`, or, if nobody else uses this machine: chmod 600 {path}"
    )]
    Exposed {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// It is another user's.
    #[error("{path} belongs to the user with the number {owner}; give it back (chown) or remove it")]
    Foreign {
        /// The file or directory.
        path: String,
        /// Whose it is.
        owner: u32,
    },
    /// Others could replace what is in the directory.
    #[error("{path} may be written by others (mode {mode:03o}); mend it with: chmod 700 {path}")]
    Open {
        /// The directory.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// It is not what is kept there.
    #[error("{path} cannot be read: {why}; to remove it: portcullis login URL --logout")]
    Garbled {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// The directory with the files of one user.
pub struct Folder(PathBuf);

impl Folder {
    /// The directory of whoever runs this: `$XDG_CONFIG_HOME/portcullis/login`, else below `~/.config`.
    ///
    /// # Errors
    /// If nothing says where that is.
    pub fn of_user() -> anyhow::Result<Self> {
        // A relative one is to be ignored (XDG Base Directory Specification).
        let given = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = given("XDG_CONFIG_HOME").or_else(|| given("HOME").map(|home| home.join(".config")));
        let config = config.context("neither XDG_CONFIG_HOME nor HOME says where tokens are to be kept")?;
        Ok(Self::at(config.join("portcullis/login")))
    }

    /// A directory that is made when it is first needed.
    pub fn at(path: PathBuf) -> Self {
        Folder(path)
    }

    /// What is kept for an origin, held alone until it is dropped. `busy` is called if another command holds it, before
    /// that is waited for.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub fn hold(&self, origin: &Origin, busy: impl Fn() -> io::Result<()>) -> anyhow::Result<Place> {
        let shown = self.0.display();
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).with_context(|| format!("{shown}"))?;
        self.check()?;
        self.hold_to_forget(origin, busy)
    }

    /// The same to give back what is kept, wherever others could have read or placed it: they would otherwise go on with
    /// it.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn hold_to_forget(&self, origin: &Origin, busy: impl Fn() -> io::Result<()>) -> anyhow::Result<Place> {
        let name = file_name(origin);
        let path = self.0.join(format!("{name}.lock"));
        let lock = lock::hold(&path, busy).with_context(|| format!("{}", path.display()))?;
        Ok(Place { folder: self.0.clone(), file: self.0.join(format!("{name}{ENDING}")), lock })
    }

    /// Whether anything was ever kept here.
    pub fn is_there(&self) -> bool {
        self.0.exists()
    }

    /// Everything that is kept, by the names of the files.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub fn all(&self) -> anyhow::Result<Vec<(String, Result<Kept, Unread>)>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("{}", self.0.display()))?,
        };
        self.check()?;
        let mut all = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.ends_with(ENDING)
                && let Some(kept) = read(&path).transpose()
            {
                all.push((name, kept));
            }
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all)
    }

    fn check(&self) -> anyhow::Result<()> {
        let path = self.0.display().to_string();
        let found = fs::metadata(&self.0).with_context(|| path.clone())?;
        let (mode, owner) = (found.mode() & 0o777, found.uid());
        if owner != rustix::process::geteuid().as_raw() {
            return Err(Unread::Foreign { path, owner }.into());
        }
        if mode & 0o022 != 0 {
            return Err(Unread::Open { path, mode }.into());
        }
        Ok(())
    }
}

/// What is kept for one origin, held by this command alone: a refresh token is good once, so two that use it at the same
/// time would end the session.
pub struct Place {
    folder: PathBuf,
    file: PathBuf,
    /// Let go of when it is dropped.
    lock: Lock,
}

impl Place {
    /// What is kept; `None` if nothing.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn read(&self) -> Result<Option<Kept>, Unread> {
        read(&self.file)
    }

    /// The same to give it back, whoever else could have read it.
    ///
    /// # Errors
    /// That it is not what is kept there.
    pub fn read_to_give_back(&self) -> Result<Option<Kept>, Unread> {
        let Some(found) = Found::open(&self.file)? else { return Ok(None) };
        found.contents().map(Some)
    }

    /// Makes sure that something can be kept here, before anybody is asked to approve it.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn try_out(&self) -> anyhow::Result<()> {
        let new = self.new_file();
        let tried = forget(&new).and_then(|()| create(&new)).and_then(|_| forget(&new));
        tried.with_context(|| format!("the tokens could not be kept in {}", self.file.display()))
    }

    /// Keeps this from now on. Written beside and put in place whole, so that there is never half a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, kept: &Kept) -> anyhow::Result<()> {
        let text = text(kept)?;
        let new = self.new_file();
        let failed = || format!("the tokens cannot be kept in {}", self.file.display());
        self.put(&new, text.as_bytes()).with_context(failed)
    }

    fn put(&self, new: &Path, text: &[u8]) -> io::Result<()> {
        // What a command left that was killed at it. This one alone holds the place.
        forget(new)?;
        let mut file = create(new)?;
        let written = file.write_all(text).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| fs::rename(new, &self.file)) {
            forget(new)?;
            return Err(error);
        }
        File::open(&self.folder)?.sync_all()
    }

    fn new_file(&self) -> PathBuf {
        self.file.with_extension("new")
    }

    /// Removes what is kept.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        forget(&self.file).with_context(|| format!("{} cannot be removed", self.file.display()))
    }
}

/// A place where nothing is kept leaves nothing behind.
impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(false) = self.file.try_exists() {
            self.lock.leave_nothing();
        }
    }
}

/// Makes a file that is its owner's alone and not there yet.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Removes a file, if it is there.
fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// `https:app.example.com:8443`: a colon occurs in no host, so no two origins have one name.
fn file_name(origin: &Origin) -> String {
    origin.as_str().replacen("://", ":", 1)
}

fn read(file: &Path) -> Result<Option<Kept>, Unread> {
    let Some(found) = Found::open(file)? else { return Ok(None) };
    found.check()?;
    found.contents().map(Some)
}

/// A file that is open.
struct Found {
    path: String,
    file: File,
    metadata: Metadata,
}

impl Found {
    /// Opens it; `None` if there is none.
    fn open(path: &Path) -> Result<Option<Self>, Unread> {
        let shown = path.display().to_string();
        let garbled = |error: io::Error| Unread::Garbled { path: shown.clone(), why: error.to_string() };
        let mut options = OpenOptions::new();
        let file = match options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(garbled)?,
        };
        let metadata = file.metadata().map_err(garbled)?;
        Ok(Some(Found { path: shown, file, metadata }))
    }

    /// Whether it is its owner's alone, who is this user.
    fn check(&self) -> Result<(), Unread> {
        let (path, mode, owner) = (self.path.clone(), self.metadata.mode() & 0o777, self.metadata.uid());
        if owner != rustix::process::geteuid().as_raw() {
            return Err(Unread::Foreign { path, owner });
        }
        if mode & 0o077 != 0 { Err(Unread::Exposed { path, mode }) } else { Ok(()) }
    }

    fn contents(self) -> Result<Kept, Unread> {
        let Found { path, file, metadata } = self;
        let garbled = |why: String| Unread::Garbled { path: path.clone(), why };
        if !metadata.is_file() || metadata.len() > LONGEST {
            return Err(garbled("it is no file with tokens".to_owned()));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(LONGEST).read_to_string(&mut text).map_err(|error| garbled(error.to_string()))?;
        parse(&text).ok_or_else(|| garbled("it is not what this program writes".to_owned()))
    }
}

fn parse(text: &str) -> Option<Kept> {
    let record: Record<'_> = serde_json::from_str(text).ok()?;
    let secret = |text: Cow<'_, str>| Secret::new(text.into_owned());
    let key = match record.key {
        Some(key) => Some(ProofKey::parse(&Zeroizing::new(key.into_owned()))?),
        None => None,
    };
    Some(Kept {
        issuer: Origin::parse(&record.issuer).ok()?,
        resource: Origin::parse(&record.resource).ok()?,
        account: record.account.map(Cow::into_owned),
        access: secret(record.access_token),
        refresh: record.refresh_token.map(secret),
        until: Time::from_millis(record.until),
        key,
    })
}

fn text(kept: &Kept) -> anyhow::Result<Zeroizing<String>> {
    let key = kept.key.as_ref().map(ProofKey::text);
    let refresh = kept.refresh.as_ref().map(Secret::expose_text).transpose()?;
    let record = Record {
        issuer: kept.issuer.as_str().into(),
        resource: kept.resource.as_str().into(),
        account: kept.account.as_deref().map(Cow::from),
        access_token: kept.access.expose_text()?.into(),
        refresh_token: refresh.map(Cow::from),
        until: kept.until.millis(),
        key: key.as_ref().map(|key| key.as_str().into()),
    };
    Ok(Zeroizing::new(serde_json::to_string(&record)?))
}

#[cfg(test)]
mod tests;
