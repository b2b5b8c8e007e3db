//! The servers this machine asks: resolv.conf(5), read again when it has changed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Where the machine's servers stand.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;
/// How often the file is looked at, when there are questions.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// As many as glibc asks (MAXNS).
const SERVERS: usize = 3;

/// What tells one version of the file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// The servers to ask, now.
#[derive(Debug)]
pub(crate) struct Servers {
    /// `None` if they were given by flags.
    file: Option<PathBuf>,
    own: Vec<SocketAddr>,
    version: Option<Version>,
    looked: Duration,
    current: Arc<[SocketAddr]>,
}

impl Servers {
    /// These servers, whatever the machine is configured with. `own` are our addresses, which are not asked.
    pub(crate) fn given(servers: &[SocketAddr], own: Vec<SocketAddr>) -> Self {
        let current = without(servers, &own).into();
        Self {
            file: None,
            own,
            version: None,
            looked: Duration::ZERO,
            current,
        }
    }

    /// Those that a file of the form of resolv.conf(5) names.
    pub(crate) fn from_file(file: PathBuf, own: Vec<SocketAddr>, now: Duration) -> Self {
        let mut servers = Self {
            file: Some(file),
            own,
            version: None,
            looked: now,
            current: Arc::new([(Ipv4Addr::LOCALHOST, DNS_PORT).into()]),
        };
        servers.look();
        servers
    }

    /// The servers; looks at the file if that was long ago. `now` is any clock that does not go back.
    pub(crate) fn current(&mut self, now: Duration) -> Arc<[SocketAddr]> {
        if now.saturating_sub(self.looked) >= LOOK_INTERVAL {
            self.looked = now;
            self.look();
        }
        Arc::clone(&self.current)
    }

    fn look(&mut self) {
        let Some(file) = &self.file else {
            return;
        };
        let version = std::fs::metadata(file).ok().map(|metadata| Version {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            inode: metadata.ino(),
        });
        // Of a file that is just being replaced the servers stay.
        if version.is_none() || version == self.version {
            return;
        }
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let mut servers = without(&parse(&text), &self.own);
                if servers.is_empty() {
                    servers.push((Ipv4Addr::LOCALHOST, DNS_PORT).into());
                }
                tracing::info!(?servers, "servers to ask");
                self.current = servers.into();
                self.version = version;
            }
            Err(error) => tracing::warn!(%error, file = %file.display(), "cannot read the servers to ask"),
        }
    }
}

fn without(servers: &[SocketAddr], own: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut kept = servers.to_vec();
    kept.retain(|server| {
        let ours = own.contains(server);
        if ours {
            tracing::warn!(%server, "this resolver itself; it is not asked");
        }
        !ours
    });
    kept
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let address = words.next().unwrap_or_default();
        match address.parse::<IpAddr>() {
            Ok(address) => servers.push((address, DNS_PORT).into()),
            // `fe80::1%eth0`: which interface that is would have to be asked by netlink.
            Err(_) if address.contains('%') => tracing::warn!(address, "a server with a zone is not asked"),
            Err(_) => tracing::warn!(address, "a nameserver that is no address"),
        }
    }
    servers.truncate(SERVERS);
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_the_first_three_usable_addresses_of_the_file() {
        let text = "# nameserver 1.1.1.1\nsearch example\nnameserver\t9.9.9.9 \nnameserver fe80::1%eth0\n;nameserver 2.2.2.2\n\
            nameserver dns.example\nnameserver 2620:fe::fe\nnameserver 127.0.0.53\nnameserver 3.3.3.3\n nameserver 4.4.4.4\n";
        let expected = ["9.9.9.9:53", "[2620:fe::fe]:53", "127.0.0.53:53"].map(|text| text.parse().unwrap());
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn a_changed_file_is_read_again_after_a_while_and_one_that_is_gone_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        let at = Duration::from_secs;
        let mut servers = Servers::from_file(file.clone(), Vec::new(), at(1));
        assert_eq!(*servers.current(at(1)), ["127.0.0.1:53".parse().unwrap()]);
        std::fs::write(&file, "nameserver 9.9.9.9\n").unwrap();
        assert_eq!(*servers.current(at(5)), ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(*servers.current(at(6)), ["9.9.9.9:53".parse().unwrap()]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(*servers.current(at(20)), ["9.9.9.9:53".parse().unwrap()]);
        std::fs::write(&file, "nameserver fe80::1%eth0\n").unwrap();
        assert_eq!(*servers.current(at(30)), ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn our_own_address_is_not_asked() {
        let own: SocketAddr = "127.0.0.1:5300".parse().unwrap();
        let other: SocketAddr = "127.0.0.1:53".parse().unwrap();
        let mut servers = Servers::given(&[own, other], vec![own]);
        assert_eq!(*servers.current(Duration::from_secs(9)), [other]);
    }
}
