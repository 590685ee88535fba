//! The root certificates of requests over TLS: a bundled set, and those of the setting `root_certificates`.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the file of root certificates is refused.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read.
    #[error("cannot read the certificates in {}, the setting outbound_http.root_certificates", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file is not PEM.
    #[error("{}, the setting outbound_http.root_certificates, is not PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        #[source]
        source: pem::Error,
    },
    /// The file contains no certificate.
    #[error(
        "{}, the setting outbound_http.root_certificates, holds no certificate: one begins with a line \
         -----BEGIN CERTIFICATE-----",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in the file cannot be a root.
    #[error(
        "certificate {number} in {}, the setting outbound_http.root_certificates, cannot be a root",
        path.display()
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Number of the certificate in the file, from 1.
        number: usize,
        /// The library's error.
        #[source]
        source: rustls::Error,
    },
}

/// The root certificates that a server's certificate is verified against.
#[derive(Debug, Clone)]
pub struct TrustedRoots(RootCertStore);

impl TrustedRoots {
    /// The roots of Mozilla's list, from the crate `webpki-roots`.
    pub fn bundled() -> Self {
        Self(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// The bundled roots and all certificates in this PEM file. One invalid certificate makes the file invalid.
    pub fn with_file(file: &Path) -> Result<Self, RootsError> {
        let path = || file.to_owned();
        let text = std::fs::read(file).map_err(|source| RootsError::File { path: path(), source })?;
        let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|source| RootsError::Pem { path: path(), source })?;
        if found.is_empty() {
            return Err(RootsError::Empty { path: path() });
        }
        let Self(mut roots) = Self::bundled();
        for (at, certificate) in found.into_iter().enumerate() {
            roots.add(certificate).map_err(|source| RootsError::Certificate {
                path: path(),
                number: at + 1,
                source,
            })?;
        }
        Ok(Self(roots))
    }

    /// A TLS client configuration with these roots and ring as the crypto provider.
    pub(super) fn config(self) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_root_certificates(self.0)
            .with_no_client_auth()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::executor::OutboundProvider as _;
    use crate::outbound::{AllowEveryProject, OutboundClient, OutboundLimits, OutboundPolicy};
    use bytes::Bytes;
    use golem_host::ports::{HttpFailure, HttpPart, HttpRequest, HttpTimeouts};
    use golem_model::ProjectId;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    /// A TLS server on a loopback address that answers each connection with `hi`. Its certificate is for `name` and is
    /// signed by a new authority. Returns the port and the authority's certificate as PEM.
    async fn server(name: &str) -> (u16, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&authority_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &Issuer::new(params, authority_key))
            .unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        drop(tokio::task::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that does not trust the authority disconnects here.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
                stream.write_all(answer).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        }));
        (port, authority)
    }

    /// The response that a worker gets from the server at `port`.
    async fn get(roots: TrustedRoots, port: u16) -> Result<Bytes, HttpFailure> {
        let policy = OutboundPolicy {
            enabled: true,
            allow: vec!["*".parse().unwrap()],
            deny: Vec::new(),
            private: true,
        };
        let long = Duration::from_mins(1);
        let limits = OutboundLimits {
            requests_max: 1,
            connect_max: long,
            first_byte_max: long,
            between_bytes_max: long,
        };
        let client = OutboundClient::new(
            policy,
            roots,
            Arc::new(AllowEveryProject),
            limits,
            Arc::new(SystemClock::new()),
        );
        let request = HttpRequest {
            method: http::Method::GET,
            uri: format!("https://localhost:{port}/").parse().unwrap(),
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            trailers: None,
            timeouts: HttpTimeouts::default(),
        };
        let mut response = client.for_project(ProjectId(uuid::Uuid::nil())).send(&request).await?;
        match response.body.next().await? {
            HttpPart::Data(data) => Ok(data),
            HttpPart::End(_) => Ok(Bytes::new()),
        }
    }

    #[tokio::test]
    async fn a_host_is_trusted_if_a_configured_root_signed_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        let (port, authority) = server("localhost").await;
        std::fs::write(&file, &authority).unwrap();
        let refused = get(TrustedRoots::bundled(), port).await.unwrap_err();
        assert!(matches!(refused, HttpFailure::Certificate { .. }), "{refused:?}");
        assert_eq!(get(TrustedRoots::with_file(&file).unwrap(), port).await.unwrap(), "hi");

        let (port, authority) = server("elsewhere.example").await;
        std::fs::write(&file, &authority).unwrap();
        let refused = get(TrustedRoots::with_file(&file).unwrap(), port).await.unwrap_err();
        assert!(matches!(refused, HttpFailure::Certificate { .. }), "{refused:?}");
    }

    #[test]
    fn an_invalid_file_of_roots_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        let text = TrustedRoots::with_file(&file).unwrap_err().to_string();
        assert!(text.starts_with("cannot read the certificates in "), "{text}");
        for (content, part) in [
            ("", "holds no certificate"),
            ("hello", "holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "is not PEM"),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "is not PEM"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "certificate 1 in * cannot be a root",
            ),
        ] {
            std::fs::write(&file, content).unwrap();
            let text = TrustedRoots::with_file(&file).unwrap_err().to_string();
            assert!(part.split('*').all(|part| text.contains(part.trim())), "{content:?}: {text}");
            assert!(text.contains("outbound_http.root_certificates"), "{text}");
        }
    }
}
