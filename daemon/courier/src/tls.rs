//! Connections to receivers: bounded in time as a whole, by TLS 1.2 or 1.3, certificates always checked.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::address::Address;

/// Where distributions keep the authorities that a machine trusts.
const BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];
const CONNECT: Duration = Duration::from_secs(10);

/// Whom a rule trusts, and who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Authorities; those of the machine if absent.
    pub(crate) ca: Option<PathBuf>,
    /// Its own certificate and the key of it.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read {}: {why}", path.display())]
    File { path: PathBuf, why: String },
    #[error("there are no authorities to trust on this machine: name some by `ca`")]
    NoAuthorities,
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
    #[error("`{0}` is no host name")]
    Name(String),
    #[error("cannot connect")]
    Connect(#[source] io::Error),
}

/// A connection with an end in time.
pub(crate) enum Stream {
    Clear(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

/// Each wait ends when the whole should.
pub(crate) struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Trust {
    /// Read anew for each connection: a certificate that is replaced needs no restart.
    fn config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = builder.with_root_certificates(self.roots()?);
        Ok(match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let failed = |path: &Path| {
                    let path = path.to_owned();
                    // What a parser says of a key could quote it.
                    move |_| TlsError::File {
                        path,
                        why: "it holds no such PEM".to_owned(),
                    }
                };
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(failed(key))?;
                builder.with_client_auth_cert(chain, key)?
            }
        })
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let paths: Vec<PathBuf> = match &self.ca {
            Some(path) => vec![path.clone()],
            None => BUNDLES
                .iter()
                .map(PathBuf::from)
                .filter(|path| path.exists())
                .take(1)
                .collect(),
        };
        for path in paths {
            let found = certificates(&path)?;
            // A machine's bundle may hold some that are not understood.
            roots.add_parsable_certificates(found);
        }
        if roots.is_empty() {
            Err(TlsError::NoAuthorities)
        } else {
            Ok(roots)
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error: rustls::pki_types::pem::Error| TlsError::File {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let found = CertificateDer::pem_file_iter(path).map_err(failed)?;
    found.collect::<Result<Vec<_>, _>>().map_err(failed)
}

/// Connects; all that is read and written over it has to be over at `deadline`.
pub(crate) fn connect(address: &Address, trust: &Trust, deadline: Instant) -> Result<Stream, TlsError> {
    let tls = if address.tls {
        let name = ServerName::try_from(address.host.clone()).map_err(|_| TlsError::Name(address.host.clone()))?;
        Some(ClientConnection::new(Arc::new(trust.config()?), name)?)
    } else {
        None
    };
    let stream = dial(address, deadline).map_err(TlsError::Connect)?;
    // A message is written whole: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let timed = Timed { stream, deadline };
    Ok(match tls {
        Some(tls) => Stream::Tls(Box::new(StreamOwned::new(tls, timed))),
        None => Stream::Clear(timed),
    })
}

fn dial(address: &Address, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for found in (address.host.as_str(), address.port).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if !address.tls && !found.ip().is_loopback() {
            continue;
        }
        match TcpStream::connect_timeout(&found, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Stream {
    /// Says that nothing more comes. What was written is with the receiver's machine when it ends its side too.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if let Self::Tls(stream) = &mut self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        let timed = match &mut self {
            Self::Clear(timed) => timed,
            Self::Tls(stream) => &mut stream.sock,
        };
        timed.stream.shutdown(std::net::Shutdown::Write)?;
        let mut left = [0; 4096];
        while timed.read(&mut left)? > 0 {}
        Ok(())
    }
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(left)
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer).map_err(late)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The system calls it `Resource temporarily unavailable`.
fn late(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "it took too long"),
        _ => error,
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
