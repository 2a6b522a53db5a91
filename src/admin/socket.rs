//! The operator's socket in the file system: made without a moment of wider permissions, replaced only if nobody answers
//! on it, removed at the end; knows nothing of what is said on it.

use super::ListenFailure;
use crate::stdx::entropy;
use crate::stdx::id::base32;
use socket2::{Domain, SockAddr, Type};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as Listener;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// Who may connect: the gateway's user and its group. The kernel asks for the right to write.
const MODE: u32 = 0o660;

/// An open socket; its file goes with it.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Tells our file from that of a gateway which took the place since.
    inode: u64,
}

impl Socket {
    /// Makes the socket at `path` and listens on it.
    ///
    /// # Errors
    /// If somebody answers there, something else lies there, or the system refuses.
    pub fn open(path: &Path) -> Result<Self, ListenFailure> {
        let refuse = |error| ListenFailure::Socket { path: path.to_owned(), error };
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(ListenFailure::NoSocket(path.to_owned())),
            Ok(_) if is_answered(path).map_err(refuse)? => return Err(ListenFailure::Taken(path.to_owned())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refuse(error)),
        }
        Socket::make(path).map_err(refuse)
    }

    /// Under another name until its mode is right: between binding and that, anyone could connect.
    fn make(path: &Path) -> io::Result<Self> {
        let fresh = path.with_file_name(format!(".{}", base32(&entropy::bytes::<4>())));
        let made = Listener::bind(&fresh).and_then(|listener| {
            fs::set_permissions(&fresh, Permissions::from_mode(MODE))?;
            let inode = fs::metadata(&fresh)?.ino();
            listener.set_nonblocking(true)?;
            let listener = UnixListener::from_std(listener)?;
            fs::rename(&fresh, path)?;
            Ok(Socket { listener, path: path.to_owned(), inode })
        });
        made.inspect_err(|_| drop(fs::remove_file(&fresh)))
    }

    /// The next connection, and the number of the user whose it is.
    ///
    /// # Errors
    /// If the system has none to give, or does not say who it is.
    pub async fn accept(&self) -> io::Result<(UnixStream, u32)> {
        let (stream, _) = self.listener.accept().await?;
        let user = stream.peer_cred()?.uid();
        Ok((stream, user))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // If it cannot be removed it is replaced at the next start, as after a crash.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Whether a process accepts connections on the socket at `path`. Never waits.
fn is_answered(path: &Path) -> io::Result<bool> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        // Its queue is full: busy, but there.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}
