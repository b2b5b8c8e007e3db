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

    /// Tells what `systemctl status` is to show. The gateway says it, so it is kept to one line: the next would be another word of ours.
    pub(crate) fn stand(&self, text: &str) {
        self.tell(&format!("STATUS=every hook proven; {}", one_line(text)));
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

fn one_line(text: &str) -> String {
    const LONGEST: usize = 512;
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().take(LONGEST).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_says_is_one_line_of_bounded_length() {
        assert_eq!(one_line("2 policies\nMAINPID=1"), "2 policies MAINPID=1");
        assert_eq!(one_line(&"x".repeat(9000)).len(), 512);
    }

    #[test]
    fn the_service_manager_gets_what_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.as_os_str())).unwrap();
        notifier.stand("no policies\nREADY=1");
        let mut bytes = [0; 100];
        let length = manager.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"STATUS=every hook proven; no policies READY=1");
    }
}
