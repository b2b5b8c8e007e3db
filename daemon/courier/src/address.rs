//! Where messages go.

use std::fmt;

/// Who is spoken to in the clear, as far as the name leads to a loopback address.
const OWN: [&str; 3] = ["127.0.0.1", "::1", "localhost"];
/// Bytes of an address.
const LIMIT: usize = 2048;

/// An address of a receiver. Shown without its path, which may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// By TLS.
    pub tls: bool,
    /// Its name or number; IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What is asked for, from `/` on.
    pub path: String,
}

/// Why text is no address. It is not quoted: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not of the form.
    #[error("it is not `https://HOST[:PORT][/PATH]`, `tls://HOST:PORT` for syslog")]
    Form,
    /// In the clear, and out of this machine.
    #[error("without TLS only this machine's own addresses are spoken to: 127.0.0.1, [::1], localhost")]
    Clear,
}

impl Address {
    /// Reads `https://host:port/path`, `tls://host:port`, and `http://` of this machine itself.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim_ascii();
        let plain = text.len() <= LIMIT && text.bytes().all(|byte| byte.is_ascii_graphic());
        let (scheme, rest) = text.split_once("://").filter(|_| plain).ok_or(AddressError::Form)?;
        let (tls, port) = match scheme {
            "https" => (true, 443),
            "http" => (false, 80),
            "tls" => (true, 6514),
            _ => return Err(AddressError::Form),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(AddressError::Form)?;
        let (host, port) = host_and_port(authority, port).ok_or(AddressError::Form)?;
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        if !tls && !OWN.contains(&host.as_str()) {
            return Err(AddressError::Clear);
        }
        Ok(Self { tls, host, port, path })
    }

    /// As `Host` has it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

fn host_and_port(authority: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    let port = if port.is_empty() {
        default
    } else {
        port.parse().ok().filter(|port| *port > 0)?
    };
    (!host.is_empty() && host.bytes().all(plain)).then(|| (host.to_owned(), port))
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_host_port_and_path_and_shows_no_path() {
        let address = Address::parse("https://hooks.example.com/services/T0/B0/s3cret?x=1\n").unwrap();
        assert_eq!(
            (address.host.as_str(), address.port, address.path.as_str()),
            ("hooks.example.com", 443, "/services/T0/B0/s3cret?x=1")
        );
        assert!(!format!("{address:?} {address}").contains("s3cret"));
        assert_eq!(address.authority(), "hooks.example.com");
        let address = Address::parse("tls://[2001:db8::1]").unwrap();
        assert_eq!(
            (address.host.as_str(), address.port, address.authority().as_str()),
            ("2001:db8::1", 6514, "[2001:db8::1]:6514")
        );
        assert_eq!(Address::parse("http://127.0.0.1:4318/v1/logs").unwrap().port, 4318);
    }

    #[test]
    fn what_goes_out_in_the_clear_or_is_no_address_is_refused() {
        assert_eq!(Address::parse("http://collector:4318/"), Err(AddressError::Clear));
        for bad in [
            "",
            "https://",
            "ftp://a/",
            "https://user@host/",
            "https://a b/",
            "https://a:0/",
            "https://a/\r\nx: y",
            "https://[zz]/",
        ] {
            assert_eq!(Address::parse(bad), Err(AddressError::Form), "{bad}");
        }
    }
}
