//! A new connection and a TLS 1.3 handshake for every request; believes any certificate, for it measures the server.

use super::closed::{Line, PAUSE, Phase, drive};
use super::{Outcome, Resumption, Tally, Target, Timing};
use crate::wire::Answer;
use anyhow::Result;
use rustls::client::Resumption as Memory;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

pub(super) fn run(target: &Target, timing: Timing, resumption: Resumption) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Arc::new(Client {
        connector: TlsConnector::from(Arc::new(configuration(resumption)?)),
        address: target.address(),
        name: ServerName::try_from(target.host.clone())?,
        request: target.request(),
    });
    runtime.block_on(drive(timing, |phase| shake_hands(Arc::clone(&client), phase)))
}

struct Client {
    connector: TlsConnector,
    address: SocketAddr,
    name: ServerName<'static>,
    request: Vec<u8>,
}

async fn shake_hands(client: Arc<Client>, phase: Phase) -> Tally {
    let mut tally = Tally::default();
    while !phase.is_over() {
        let began = Instant::now();
        match client.once().await {
            Ok((answer, kind)) => {
                tally.answer(answer.status, began.elapsed(), phase.counts());
                tally.resumed += u64::from(kind == Some(HandshakeKind::Resumed));
            }
            Err(error) => {
                tally.error(&error);
                sleep(PAUSE).await;
            }
        }
    }
    tally
}

impl Client {
    /// Connects, asks once, and closes first: then it is the client's ports that wait, which may be used again early.
    async fn once(&self) -> io::Result<(Answer, Option<HandshakeKind>)> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.connector.connect(self.name.clone(), stream).await?;
        let mut line = Line::new(stream, BUFFER);
        let answer = line.exchange(&self.request).await?;
        Ok((answer, line.stream().get_ref().1.handshake_kind()))
    }
}

/// Holds the one small answer of a connection.
const BUFFER: usize = 4096;

/// TLS 1.3 with X25519, which every contender can do.
fn configuration(resumption: Resumption) -> Result<ClientConfig> {
    let provider = CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519], ..aws_lc_rs::default_provider() };
    let provider = Arc::new(provider);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let mut configuration = builder
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    configuration.resumption = match resumption {
        Resumption::Never => Memory::disabled(),
        Resumption::Allowed => Memory::default(),
    };
    Ok(configuration)
}

/// Takes any certificate, but checks that the server holds its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
