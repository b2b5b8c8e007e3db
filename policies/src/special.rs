//! Addresses that are not the internet's: this host, the local network, the cloud's metadata. A name of somebody else's that leads
//! there is an attempt to have these reached under that name (DNS rebinding).

use crate::address::Network;

/// From IANA's registries of special-purpose addresses (RFC 6890, 8190), in canonical form; documentation ranges are left out, for
/// nothing is there. The last two are not in these registries: clouds answer their own machines there.
const SPECIAL: [(&str, u8, &str); 26] = [
    ("::ffff:0.0.0.0", 8, "this network (RFC 791)"),
    ("::ffff:10.0.0.0", 8, "private (RFC 1918)"),
    ("::ffff:100.64.0.0", 10, "shared by a carrier's customers (RFC 6598)"),
    ("::ffff:127.0.0.0", 8, "loopback (RFC 1122)"),
    (
        "::ffff:169.254.0.0",
        16,
        "link-local (RFC 3927); clouds have their metadata here",
    ),
    ("::ffff:172.16.0.0", 12, "private (RFC 1918)"),
    ("::ffff:192.0.0.0", 24, "for protocols (RFC 6890)"),
    ("::ffff:192.88.99.0", 24, "a 6to4 relay (RFC 7526)"),
    ("::ffff:192.168.0.0", 16, "private (RFC 1918)"),
    ("::ffff:198.18.0.0", 15, "for benchmarks (RFC 2544)"),
    ("::ffff:224.0.0.0", 4, "multicast (RFC 5771)"),
    ("::ffff:240.0.0.0", 4, "reserved (RFC 1112)"),
    ("::", 96, "unspecified, or IPv4-compatible (RFC 4291)"),
    ("::1", 128, "loopback (RFC 4291)"),
    ("64:ff9b:1::", 48, "a network's own NAT64 (RFC 8215)"),
    ("100::", 64, "discard (RFC 6666)"),
    ("2001::", 32, "Teredo (RFC 4380)"),
    ("2001:10::", 28, "ORCHID (RFC 4843)"),
    ("2001:20::", 28, "ORCHID (RFC 7343)"),
    ("2002::", 16, "6to4 (RFC 3056)"),
    ("5f00::", 16, "segment routing (RFC 9602)"),
    ("fc00::", 7, "unique local (RFC 4193)"),
    ("fe80::", 10, "link-local (RFC 4291)"),
    ("fec0::", 10, "site-local (RFC 3879)"),
    ("ff00::", 8, "multicast (RFC 4291)"),
    ("::ffff:168.63.129.16", 32, "Azure's own services"),
];

fn ranges() -> impl Iterator<Item = (Network, &'static str)> {
    SPECIAL.iter().filter_map(|(prefix, bits, what)| {
        let v4 = prefix.starts_with("::ffff:");
        let prefix: std::net::Ipv6Addr = prefix.parse().ok()?;
        let network = Network {
            prefix: prefix.octets(),
            length: if v4 { bits + 96 } else { *bits },
        };
        Some((network, *what))
    })
}

/// What a canonical address (see [`crate::canonical`]) is, if it is not an address of the internet.
pub fn special_purpose(address: &[u8; 16]) -> Option<&'static str> {
    ranges()
        .find(|(network, _)| {
            network.holds(&Network {
                prefix: *address,
                length: 128,
            })
        })
        .map(|(_, what)| what)
}

/// Whether a network lies within one of these ranges.
pub(crate) fn is_special(network: &Network) -> bool {
    ranges().any(|(range, _)| range.holds(network))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical;

    #[test]
    fn every_row_is_an_address_and_a_prefix_of_it() {
        assert_eq!(ranges().count(), SPECIAL.len());
        for (network, what) in ranges() {
            assert_eq!(
                crate::address::masked(&network.prefix, network.length),
                network.prefix,
                "{what}"
            );
        }
    }

    #[test]
    fn addresses_of_this_host_and_its_networks_are_known_in_every_form() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "100.100.100.200",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            let address = address.parse().unwrap();
            assert!(special_purpose(&canonical(address)).is_some(), "{address}");
        }
        for address in [
            "140.82.112.3",
            "100.128.0.1",
            "172.32.0.1",
            "64:ff9b::808:808",
            "2606:4700::1",
            "11.0.0.1",
        ] {
            let address = address.parse().unwrap();
            assert_eq!(special_purpose(&canonical(address)), None, "{address}");
        }
    }
}
