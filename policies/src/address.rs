//! Addresses in their one canonical form, patterns over them, and what else an entry of `net` may be.

use crate::action::Protocol;
use crate::diagnostic::{Code, Complaint};
use crate::host::HostRule;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const NAT64: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

/// 0.0.0.0 in canonical form.
pub(crate) const ANY_V4: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
/// `::` in canonical form.
pub(crate) const ANY_V6: [u8; 16] = [0; 16];
/// All of IPv4, and all of IPv6.
pub(crate) const FAMILIES: [Network; 2] = [
    Network {
        prefix: ANY_V4,
        length: 96,
    },
    Network {
        prefix: ANY_V6,
        length: 0,
    },
];

fn mapped(address: Ipv4Addr) -> [u8; 16] {
    address.to_ipv6_mapped().octets()
}

/// Whether a canonical address is IPv4.
pub(crate) fn is_v4(address: &[u8; 16]) -> bool {
    address.starts_with(&MAPPED)
}

/// Whether a canonical address is `0.0.0.0` or `::`.
pub(crate) fn is_unspecified(address: &[u8; 16]) -> bool {
    *address == ANY_V4 || *address == ANY_V6
}

/// The 16 bytes rules are matched against: IPv4, v4-mapped and NAT64 addresses are all `::ffff:a.b.c.d`.
pub fn canonical(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => mapped(v4),
        IpAddr::V6(v6) => fold(v6.octets()),
    }
}

fn fold(octets: [u8; 16]) -> [u8; 16] {
    match octets.strip_prefix(&NAT64) {
        Some(&[a, b, c, d]) => mapped(Ipv4Addr::new(a, b, c, d)),
        _ => octets,
    }
}

/// The canonical form of a destination: the unspecified address means this host.
pub fn destination(address: SocketAddr) -> [u8; 16] {
    match canonical(address.ip()) {
        ANY_V4 => mapped(Ipv4Addr::LOCALHOST),
        ANY_V6 => Ipv6Addr::LOCALHOST.octets(),
        other => other,
    }
}

/// The first `length` bits of an address, all of them from 128 on: lowered tables come from another process.
pub(crate) fn masked(address: &[u8; 16], length: u8) -> [u8; 16] {
    let keep = u128::MAX
        .checked_shl(128_u32.saturating_sub(length.into()))
        .unwrap_or(0);
    (u128::from_be_bytes(*address) & keep).to_be_bytes()
}

/// Canonical addresses sharing their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Network {
    pub(crate) prefix: [u8; 16],
    pub(crate) length: u8,
}

impl Network {
    fn is_v4(&self) -> bool {
        self.length >= 96 && is_v4(&self.prefix)
    }

    /// Whether another network of the same family lies in it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        self.is_v4() == other.is_v4()
            && self.length <= other.length
            && masked(&other.prefix, self.length) == masked(&self.prefix, self.length)
    }

    /// Whether a rule on this network speaks about an address: each family keeps to itself, and the unspecified address is named
    /// literally or not at all.
    pub(crate) fn covers(&self, address: &[u8; 16]) -> bool {
        if is_unspecified(address) {
            return self.length == 128 && self.prefix == *address;
        }
        is_v4(address) == self.is_v4() && masked(address, self.length) == self.prefix
    }
}

/// Ports and protocol of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// First and last port.
    pub(crate) ports: Option<(u16, u16)>,
    /// Tcp or Udp.
    pub(crate) protocol: Option<Protocol>,
}

impl Ends {
    pub(crate) fn matches(self, port: u16, protocol: Protocol) -> bool {
        if self.protocol.is_some_and(|only| only != protocol) {
            return false;
        }
        match self.ports {
            None => true,
            Some((first, last)) => protocol != Protocol::Other && (first..=last).contains(&port),
        }
    }

    /// Fewer ports first, then a named protocol.
    pub(crate) fn specificity(self) -> u32 {
        let ports = self
            .ports
            .map_or(0, |(first, last)| 65_536 - u32::from(last.saturating_sub(first)));
        ports * 2 + u32::from(self.protocol.is_some())
    }
}

/// A rule's addresses, ports and protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetPattern {
    pub(crate) networks: Vec<Network>,
    pub(crate) ends: Ends,
}

impl NetPattern {
    /// Whether it speaks about this end of a connection.
    pub(crate) fn matches(&self, address: &[u8; 16], port: u16, protocol: Protocol) -> bool {
        self.ends.matches(port, protocol) && self.networks.iter().any(|network| network.covers(address))
    }

    /// Whether it speaks about every address of a family.
    pub(crate) fn matches_all(&self, family: &Network, port: u16, protocol: Protocol) -> bool {
        self.ends.matches(port, protocol) && self.networks.contains(family)
    }

    /// Longer prefixes first, then what [`Ends::specificity`] says.
    pub(crate) fn specificity(&self) -> (u32, u32) {
        let bits = self
            .networks
            .iter()
            .map(|network| u32::from(network.length))
            .min()
            .unwrap_or(0);
        (bits, self.ends.specificity())
    }
}

/// What an entry of `net` speaks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Addresses(NetPattern),
    Hosts(HostRule),
    /// Looking names up.
    Dns,
}

impl End {
    /// Reads an address, CIDR, host or `loopback` with `:port`, `:port-port`, `/tcp`, `/udp`; or `dns`.
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let complain = |message: String| Complaint::new(Code::Net, message);
        if text == "dns" {
            return Ok(Self::Dns);
        }
        if let Some(url) = crate::host::url(text) {
            return Err(url);
        }
        let (rest, protocol) = match text.rsplit_once('/') {
            Some((rest, "tcp")) => (rest, Some(Protocol::Tcp)),
            Some((rest, "udp")) => (rest, Some(Protocol::Udp)),
            Some((_, word)) if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic()) => {
                return Err(
                    complain(format!("`{word}` is not a protocol rules know")).hint("`/tcp` or `/udp`, or neither")
                );
            }
            _ => (text, None),
        };
        let (host, ports) = split_ports(rest);
        let end = match host {
            "dns" => {
                return Err(complain(format!("`{text}`: `dns` has neither port nor protocol"))
                    .cause("it is asking the resolver, wherever that listens")
                    .hint("write `dns` alone"));
            }
            _ if is_name(host) => Err(host),
            _ => Ok(networks(text, host)?),
        };
        let ports = ports.map(|ports| parse_ports(text, ports)).transpose()?;
        let ends = Ends { ports, protocol };
        match end {
            Ok(networks) => Ok(Self::Addresses(NetPattern { networks, ends })),
            Err(host) => HostRule::parse(text, host, ends).map(Self::Hosts),
        }
    }
}

/// Whether a text cannot be meant as an address: then it is a host name, or a wrong one.
fn is_name(host: &str) -> bool {
    let bare = !host.contains(['/', '[', ']', ':']);
    let number = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    bare && !number && host != "loopback"
}

/// Splits `host:port`; a bare IPv6 address has no port.
pub(crate) fn split_ports(text: &str) -> (&str, Option<&str>) {
    let colons = text.matches(':').count();
    match text.rsplit_once(':') {
        Some((host, ports)) if colons == 1 || host.contains(']') => (host, Some(ports)),
        _ => (text, None),
    }
}

fn parse_ports(text: &str, ports: &str) -> Result<(u16, u16), Complaint> {
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err(Complaint::new(
            Code::Net,
            format!("`{ports}` in `{text}` is not a port or range of ports"),
        )
        .hint("`:443` or `:8000-8999`, from 0 to 65535")),
    }
}

fn networks(text: &str, host: &str) -> Result<Vec<Network>, Complaint> {
    if host == "loopback" {
        return Ok(vec![
            Network {
                prefix: mapped(Ipv4Addr::new(127, 0, 0, 0)),
                length: 104,
            },
            Network {
                prefix: Ipv6Addr::LOCALHOST.octets(),
                length: 128,
            },
        ]);
    }
    let (address, bits) = match host.rsplit_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (host, None),
    };
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let ip: IpAddr = match bare.unwrap_or(address).parse() {
        Ok(IpAddr::V4(_)) if bare.is_some() => return Err(unreadable(text).hint("brackets are for IPv6 addresses")),
        Ok(ip) => ip,
        Err(_) => {
            return Err(unreadable(text).hint(
                "`10.0.0.0/8:5432/tcp`, `[2001:db8::]/32:443`, `loopback:8080`, `api.example.com:443`, `unix:/run/x.sock` or `unix:@name`",
            ));
        }
    };
    let width: u8 = if ip.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => width,
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(|| {
            Complaint::new(Code::Net, format!("`/{bits}` in `{text}` is not a prefix length"))
                .hint(format!("from /0 to /{width}, or `/tcp`, `/udp`"))
        })?,
    };
    let octets = match ip {
        IpAddr::V4(v4) => mapped(v4),
        IpAddr::V6(v6) => v6.octets(),
    };
    let length = if ip.is_ipv4() { bits + 96 } else { bits };
    let prefix = masked(&octets, length);
    if prefix != octets {
        let start = Ipv6Addr::from(prefix);
        let start = if ip.is_ipv4() {
            start.to_ipv4_mapped().map_or_else(String::new, |v4| v4.to_string())
        } else {
            start.to_string()
        };
        return Err(
            Complaint::new(Code::Net, format!("`{text}` has bits set after its prefix"))
                .cause(format!("a /{bits} network that holds {ip} begins at {start}"))
                .hint(format!("write `{start}/{bits}`, or the address alone")),
        );
    }
    let prefix = if length >= 96 { fold(prefix) } else { prefix };
    Ok(vec![Network { prefix, length }])
}

fn unreadable(text: &str) -> Complaint {
    Complaint::new(Code::Net, format!("`{text}` is not an address"))
}
