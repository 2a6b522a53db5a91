//! The TLS handshake: from a TCP connection to an encrypted one with a known protocol; knows nothing of what follows.

use super::certificate::ClientCertificates;
use super::watch::Version;
use super::{Certificates, Encryption};
use crate::stdx::digest::sha256;
use pingora::protocols::tls::SslDigest;
use rustls::server::Acceptor;
use rustls::{ProtocolVersion, ServerConnection};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// A connection after its handshake.
pub(super) struct Secured {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) version: Version,
    pub(super) encryption: Encryption,
    pub(super) digest: SslDigest,
}

/// A handshake that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("no certificate is for {0:?}")]
    UnknownName(Box<str>),
    #[error("{0}")]
    Broken(#[from] io::Error),
}

/// A fatal `unrecognized_name` alert (RFC 6066 §3) in a plaintext record. rustls itself would say `access_denied`.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Whether a client speaks HTTP/1.1 where TLS is spoken: no handshake begins with the letter of a method, and browsers do
/// this when somebody leaves the `s` out. Waits for its first byte.
pub(super) async fn is_in_the_clear(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}

/// Answers a client that speaks in the clear, and takes leave.
pub(super) async fn answer_in_the_clear(stream: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    // Read, or the answer would be lost to a reset.
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    stream.write_all(answer).await?;
    stream.shutdown().await
}

/// Shakes hands on `stream`. Bounded by the caller in time, by rustls in bytes.
pub(super) async fn handshake(
    mut stream: TcpStream,
    certificates: &Certificates,
    asked: ClientCertificates,
) -> Result<Secured, HandshakeError> {
    let started = LazyConfigAcceptor::new(Acceptor::default(), &mut stream).await?;
    let hello = started.client_hello();
    let sni = hello.server_name().map(|name| name.to_ascii_lowercase().into_boxed_str());
    let names = certificates.shown(&hello);
    let accepted = started.accepted;
    if let Some(name) = &sni
        && !certificates.has_name(name)
    {
        stream.write_all(&UNRECOGNIZED_NAME).await?;
        stream.shutdown().await?;
        return Err(HandshakeError::UnknownName(name.clone()));
    }
    let started = tokio_rustls::StartHandshake::from_parts(accepted, stream);
    let stream = started.into_stream(Arc::clone(certificates.config(asked))).await?;
    let settled = stream.get_ref().1;
    let version = match settled.alpn_protocol() {
        Some(b"h2") => Version::Http2,
        Some(_) | None => Version::Http1,
    };
    let client = settled.peer_certificates().and_then(|chain| chain.first()).map(|leaf| sha256(leaf));
    let digest = digest(settled);
    Ok(Secured { stream, version, encryption: Encryption { sni, names, client }, digest })
}

/// What Pingora shows of the encryption.
fn digest(settled: &ServerConnection) -> SslDigest {
    let cipher = settled.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("");
    let version = match settled.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(_) | None => "",
    };
    SslDigest::new(cipher, version, None, None, Vec::new())
}
