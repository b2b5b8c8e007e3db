//! What can go wrong between a client and the daemon, and what to do about it.

use std::io::{Error, ErrorKind};
use std::path::PathBuf;

use aa_wire::WireError;
use aa_wire::api::VERSION;

/// See the variants. [`SdkError::to_wire`] gives each as error, cause, hint and code.
#[derive(Debug, thiserror::Error)]
pub enum SdkError {
    /// There is no daemon at the socket, or it may not be reached.
    #[error("cannot reach aa-sensord")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        #[source]
        source: Error,
    },
    /// The connection failed.
    #[error("the connection to aa-sensord failed")]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        #[source]
        source: Error,
    },
    /// The daemon closed the connection: it ended, or had no patience.
    #[error("aa-sensord closed the connection")]
    Closed {
        /// The socket.
        socket: PathBuf,
    },
    /// The daemon speaks another version.
    #[error("aa-sensord speaks version {theirs} of the interface, this client {VERSION}")]
    Version {
        /// The daemon's.
        theirs: u16,
    },
    /// The daemon answered something that is no answer to this.
    #[error("aa-sensord answered something else than it was asked")]
    Unexpected,
    /// The daemon says no.
    #[error("{}", .0.message)]
    Refused(WireError),
}

impl SdkError {
    /// As it is told to people and programs.
    pub fn to_wire(&self) -> WireError {
        let base = |code| WireError::from_error(code, self);
        match self {
            Self::Refused(problem) => problem.clone(),
            Self::Connect { socket, source } => {
                let (code, hint) = match source.kind() {
                    ErrorKind::PermissionDenied => (
                        "not-permitted",
                        "run it with sudo, or: sudo usermod -aG aa-sensord $USER",
                    ),
                    _ => ("daemon-unreachable", "systemctl start aa-sensord"),
                };
                let error = WireError::new(code, self.to_string());
                error.because(format!("{}: {source}", socket.display())).hint(hint)
            }
            Self::Broken { .. } | Self::Closed { .. } => base("daemon-unreachable").hint("systemctl status aa-sensord"),
            Self::Version { .. } | Self::Unexpected => {
                base("bad-version").hint("install daemon and client of one version")
            }
        }
    }
}
