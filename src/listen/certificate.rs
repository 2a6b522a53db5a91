//! Which certificate answers which name, and how certificates are read; knows nothing of connections.

use super::client_certificate::AnyClient;
use super::der::has_version;
use super::names::dns_names;
use super::unseen_key::UnseenKey;
use super::validity::{Validity, validity};
use crate::stdx::secret::Secret;
use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The certificates in use, chosen by the name a client asks for.
#[derive(Debug)]
pub struct Certificates {
    store: Arc<Store>,
    config: Arc<ServerConfig>,
    /// The same, and clients are asked for a certificate.
    asking: Arc<ServerConfig>,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are, and may go on without one.
    Asked,
    /// They are not: browsers would bother people with a choice of certificates.
    Unasked,
}

/// A certificate chain with its key, and the names it is for.
#[derive(Clone, Debug)]
pub struct Certified {
    key: Arc<CertifiedKey>,
    names: Vec<Box<str>>,
    has_alternative_names: bool,
    validity: Option<Validity>,
}

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCertificate {
    /// The chain's text is broken.
    #[error("the certificate is not PEM: {0}")]
    ChainPem(pem::Error),
    /// The chain's text holds something else.
    #[error("there is no CERTIFICATE section in it")]
    ChainEmpty,
    /// The first certificate is of X.509 version 1, as `openssl x509 -req` makes them without extensions.
    #[error(
        "the first certificate is of X.509 version 1, which cannot name hosts; make it one of version 3, with a subjectAltName"
    )]
    LeafVersion,
    /// The first certificate is not one.
    #[error("the first certificate cannot be read: {0}")]
    Leaf(rustls::Error),
    /// The key is encrypted.
    #[error("it is encrypted: decrypt it (openssl pkey), and keep it readable by its owner and the gateway only")]
    KeyEncrypted,
    /// The key's text is broken.
    #[error("the private key is not PEM: {0}")]
    KeyPem(pem::Error),
    /// The key's text holds something else.
    #[error("there is no private key in it; allowed are unencrypted PKCS#8, PKCS#1 and SEC1")]
    KeyMissing,
    /// The key is of a kind that cannot sign.
    #[error(
        "the private key cannot be used: {0}; allowed are ECDSA (P-256, P-384, P-521), Ed25519 and RSA from 2048 bits"
    )]
    KeyUnusable(rustls::Error),
    /// The key belongs to another certificate.
    #[error("the private key does not belong to the first certificate of the chain")]
    Mismatch,
}

/// Which of the two texts is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificatePart {
    /// The certificate chain.
    Chain,
    /// The private key.
    Key,
}

/// A certificate that could not be loaded from its files.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file could not be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// What is in it cannot be used.
    #[error("{}: {error}", file.display())]
    Invalid {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        error: InvalidCertificate,
    },
}

impl Certificates {
    /// Certificates to answer with: exact names before wildcards of one label, earlier before later. A client that asks
    /// for no name gets the first; one that asks for an unknown name is refused, as is everybody while there are none.
    pub fn new(certified: Vec<Certified>) -> Certificates {
        let store = Arc::new(Store(ArcSwap::from_pointee(Index::new(certified))));
        let config = |asked| Arc::new(server_config(Arc::clone(&store), asked));
        let (config, asking) = (config(ClientCertificates::Unasked), config(ClientCertificates::Asked));
        Certificates { store, config, asking }
    }

    /// Answers with these from the next handshake on.
    pub fn replace(&self, certified: Vec<Certified>) {
        self.store.0.store(Arc::new(Index::new(certified)));
    }

    /// Whether a certificate is for `name`, given in lower case.
    pub fn has_name(&self, name: &str) -> bool {
        !self.store.0.load().named(name).is_empty()
    }

    /// The names of the certificate that this hello is answered with; none if it is answered with none.
    pub(super) fn shown(&self, hello: &ClientHello<'_>) -> Arc<[Box<str>]> {
        self.store.0.load().choose(hello).map_or_else(Arc::default, |shown| Arc::clone(&shown.names))
    }

    pub(super) fn config(&self, asked: ClientCertificates) -> &Arc<ServerConfig> {
        match asked {
            ClientCertificates::Asked => &self.asking,
            ClientCertificates::Unasked => &self.config,
        }
    }
}

impl Certified {
    /// Reads a PEM chain (the server's own certificate first) and its PEM key.
    ///
    /// # Errors
    /// The first thing that is wrong with either; `part` tells with which.
    pub fn parse(chain: &[u8], key: &Secret) -> Result<Certified, InvalidCertificate> {
        let Certified { key: unseen, names, has_alternative_names, validity } = Self::without_key(chain)?;
        let chain = unseen.cert.clone();
        let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|error| match error {
            _ if is_encrypted(key.expose()) => InvalidCertificate::KeyEncrypted,
            pem::Error::NoItemsFound => InvalidCertificate::KeyMissing,
            error => InvalidCertificate::KeyPem(error),
        })?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => InvalidCertificate::Mismatch,
            error => InvalidCertificate::KeyUnusable(error),
        })?;
        Ok(Certified { key: Arc::new(key), names, has_alternative_names, validity })
    }

    /// Reads a PEM chain whose key is not to be had: to be looked at, for no handshake with it succeeds.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn without_key(chain: &[u8]) -> Result<Certified, InvalidCertificate> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(InvalidCertificate::ChainPem)?;
        let leaf = chain.first().ok_or(InvalidCertificate::ChainEmpty)?;
        rustls::server::ParsedCertificate::try_from(leaf).map_err(|error| match has_version(leaf) {
            true => InvalidCertificate::Leaf(error),
            false => InvalidCertificate::LeafVersion,
        })?;
        let (names, validity) = (dns_names(leaf), validity(leaf));
        let has_alternative_names = names.is_some();
        let key = Arc::new(CertifiedKey::new(chain, Arc::new(UnseenKey)));
        Ok(Certified { key, names: names.unwrap_or_default(), has_alternative_names, validity })
    }

    /// Reads them from two files.
    ///
    /// # Errors
    /// Which file cannot be read or used, and why.
    pub fn open(chain: &Path, key: &Path) -> Result<Certified, CertificateError> {
        let chain_text = read(chain)?;
        let key_text = Secret::new(read(key)?);
        Certified::parse(&chain_text, &key_text).map_err(|error| {
            let file = match error.part() {
                CertificatePart::Chain => chain,
                CertificatePart::Key => key,
            };
            CertificateError::Invalid { file: file.to_owned(), error }
        })
    }

    /// The DNS names it is for, in lower case; none for a certificate of addresses only, which still answers clients
    /// that ask for no name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// Whether it has a subjectAltName that can be read. Nothing else in it names hosts or addresses (RFC 9525 §2).
    pub fn has_alternative_names(&self) -> bool {
        self.has_alternative_names
    }

    /// When it may be used; `None` if that cannot be read.
    pub fn validity(&self) -> Option<Validity> {
        self.validity
    }
}

impl InvalidCertificate {
    /// Which of the two texts is at fault.
    pub fn part(&self) -> CertificatePart {
        match self {
            Self::ChainPem(_) | Self::ChainEmpty | Self::LeafVersion | Self::Leaf(_) => CertificatePart::Chain,
            Self::KeyEncrypted | Self::KeyPem(_) | Self::KeyMissing | Self::KeyUnusable(_) | Self::Mismatch => {
                CertificatePart::Key
            }
        }
    }
}

/// Whether a PEM text holds a key under a password: PKCS#8 (RFC 7468 §11), or the traditional form (RFC 1421 §4.6.1.1).
fn is_encrypted(key: &[u8]) -> bool {
    let marks = [&b"-----BEGIN ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"];
    key.split(|byte| *byte == b'\n').any(|line| marks.iter().any(|mark| line.starts_with(mark)))
}

fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(file).map_err(|error| CertificateError::Unreadable { file: file.to_owned(), error })
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, and tickets, so that returning clients skip the signature. Tickets stay
/// good when certificates change; the name is judged again at each handshake.
fn server_config(store: Arc<Store>, asked: ClientCertificates) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("aws-lc has suites for TLS 1.2 and 1.3");
    let builder = match asked {
        ClientCertificates::Asked => builder.with_client_cert_verifier(Arc::new(AnyClient(provider()))),
        ClientCertificates::Unasked => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(store);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    match Ticketer::new() {
        Ok(ticketer) => config.ticketer = ticketer,
        // Sessions are then resumed from rustls' small memory: slower, not weaker.
        Err(error) => tracing::warn!(%error, "TLS session tickets are off"),
    }
    config
}

/// What rustls asks. Written by a reload, read at each handshake.
#[derive(Debug)]
struct Store(ArcSwap<Index>);

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().choose(&hello).map(|shown| Arc::clone(&shown.key))
    }
}

/// A certificate as it is shown, with all the names it is for.
#[derive(Clone, Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    names: Arc<[Box<str>]>,
}

/// Certificates by name; several may share one (ECDSA and RSA), in the order they were given.
#[derive(Debug, Default)]
struct Index {
    exact: HashMap<Box<str>, Vec<Shown>>,
    /// By what follows `*.`
    wildcard: HashMap<Box<str>, Vec<Shown>>,
    first: Vec<Shown>,
}

impl Index {
    fn new(certified: Vec<Certified>) -> Index {
        let mut index = Index::default();
        for Certified { key, names, .. } in certified {
            let shown = Shown { key, names: names.as_slice().into() };
            if index.first.is_empty() {
                index.first.push(shown.clone());
            }
            for name in names {
                let entry = match name.strip_prefix("*.") {
                    Some(parent) => index.wildcard.entry(parent.into()),
                    None => index.exact.entry(name),
                };
                entry.or_default().push(shown.clone());
            }
        }
        index
    }

    /// The first that the client can verify, of those for the name it asks for.
    fn choose(&self, hello: &ClientHello<'_>) -> Option<&Shown> {
        let candidates = match hello.server_name() {
            Some(name) => self.named(&name.to_ascii_lowercase()),
            None => self.first.as_slice(),
        };
        candidates.iter().find(|candidate| candidate.key.key.choose_scheme(hello.signature_schemes()).is_some())
    }

    fn named(&self, name: &str) -> &[Shown] {
        let wild = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(wild).map(Vec::as_slice).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBLzCB1wIUJtHm271HeIC6QgFMxWmlnfOS6mYwCgYIKoZIzj0EAwIwGjEYMBYG
A1UEAwwPYXBwLmV4YW1wbGUuY29tMCAXDTI2MTEyMjA2MTIxNloYDzIxMjYxMDI5
MDYxMjE2WjAaMRgwFgYDVQQDDA9hcHAuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAT3xRfpu9L6rBwS45ZhWogreiekXTTgojZvi/Ohjrxct3jw
puCm+mjQMVNQG7fOyW8MYjCE0oDlUas24hWZYBJ2MAoGCCqGSM49BAMCA0cAMEQC
IADoBVDRcIlK6cFABZNXolaTvsp/33kvJ5OtD3sSOkQ3AiAy8FafKYQpxrXX4y6x
fHJyyrqFes8DeemUPo5C1qRE5A==
-----END CERTIFICATE-----
";

    #[test]
    fn a_certificate_of_version_1_is_told_in_words() {
        let error = Certified::parse(VERSION_1.as_bytes(), &Secret::new(b"any".to_vec())).unwrap_err();
        assert!(error.to_string().contains("X.509 version 1"), "{error}");
        assert_eq!(error.part(), CertificatePart::Chain);
    }

    #[test]
    fn an_encrypted_key_is_told_in_words_in_either_form() {
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let traditional = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0123456789ABCDEF\n\n\
                           AAAA\n-----END EC PRIVATE KEY-----\n";
        let pkcs_8 = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for key in [traditional, &traditional.replace('\n', "\r\n"), pkcs_8] {
            let error =
                Certified::parse(made.cert.pem().as_bytes(), &Secret::new(key.as_bytes().to_vec())).unwrap_err();
            assert!(error.to_string().starts_with("it is encrypted: decrypt it"), "{error}");
            assert_eq!(error.part(), CertificatePart::Key);
        }
    }
}
