//! Checked settings, from flags alone.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use aa_wire::resolver::SOCKET_NAME;
use clap::Parser;

const DNS_PORT: u16 = 53;

/// The resolver of aa-sensord: answers the lookups of governed agents. A service of its own; not for people.
#[derive(Debug, Parser)]
#[command(name = "aa-resolver", version)]
pub(crate) struct Flags {
    /// Directory of the sensor's socket
    #[arg(long, value_name = "DIR", default_value = "/run/aa-sensord", value_parser = absolute)]
    run_dir: PathBuf,
    /// Server to ask instead of those in /etc/resolv.conf; may be given several times
    #[arg(long, value_name = "ADDR", value_parser = server)]
    upstream: Vec<SocketAddr>,
}

/// What the resolver goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The sensor's socket.
    pub(crate) socket: PathBuf,
    /// Servers to ask; empty for those of the machine.
    pub(crate) upstream: Vec<SocketAddr>,
}

impl From<Flags> for Settings {
    fn from(flags: Flags) -> Self {
        Self {
            socket: flags.run_dir.join(SOCKET_NAME),
            upstream: flags.upstream,
        }
    }
}

fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    path.is_absolute().then_some(path).ok_or("not an absolute path")
}

/// An address, with a port or without.
fn server(text: &str) -> Result<SocketAddr, &'static str> {
    let with_port = text.parse::<SocketAddr>().ok();
    let address = || text.parse::<IpAddr>().ok();
    with_port
        .or_else(|| address().map(|address| (address, DNS_PORT).into()))
        .ok_or("not an address, with `:port` or without")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(arguments: &[&str]) -> Result<Settings, clap::Error> {
        Flags::try_parse_from([&["aa-resolver"], arguments].concat()).map(Settings::from)
    }

    #[test]
    fn a_server_may_have_a_port_and_a_directory_must_be_absolute() {
        let given = settings(&[
            "--upstream",
            "9.9.9.9",
            "--upstream",
            "[::1]:5353",
            "--run-dir",
            "/tmp/run",
        ])
        .unwrap();
        assert_eq!(
            given.upstream,
            ["9.9.9.9:53".parse().unwrap(), "[::1]:5353".parse().unwrap()]
        );
        assert_eq!(given.socket, Path::new("/tmp/run/resolver.sock"));
        assert_eq!(
            settings(&[]).unwrap().socket,
            Path::new("/run/aa-sensord/resolver.sock")
        );
        assert!(settings(&["--run-dir", "run"]).is_err());
        assert!(settings(&["--upstream", "dns.example"]).is_err());
    }
}
