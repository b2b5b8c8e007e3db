//! sd_notify(3): what systemd is told.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket of the service manager, if there is one.
#[derive(Debug)]
pub(crate) struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    pub(crate) fn new(socket: Option<&OsStr>) -> io::Result<Self> {
        let Some(name) = socket else {
            return Ok(Self { to: None });
        };
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        Ok(Self {
            to: Some((UnixDatagram::unbound()?, address)),
        })
    }

    /// Tells `state`; a manager that does not listen is no reason to stop enforcing.
    pub(crate) fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.to
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::warn!(%error, "the service manager does not listen");
        }
    }
}
