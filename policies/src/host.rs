//! Host names in their one form, and patterns over them.

use crate::address::Ends;
use crate::diagnostic::{Code, Complaint};
use crate::syntax::count;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;

/// The longest name as text without the final dot (RFC 1035 2.3.4: 255 octets on the wire).
const MAX_NAME: usize = 253;
/// The longest label (RFC 1035 2.3.4).
const MAX_LABEL: usize = 63;

/// A host name as rules compare it: ASCII (IDNA), small letters, no dot at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostName(String);

/// Why a text is no host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a host name: {reason}")]
pub struct HostNameError {
    text: String,
    reason: &'static str,
}

impl HostName {
    /// Reads a name as people write it: any case, with or without the final dot, letters of any script (UTS 46).
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        let fail = |reason| HostNameError {
            text: text.to_owned(),
            reason,
        };
        let rooted = text.strip_suffix('.').unwrap_or(text);
        let ascii = if rooted.is_ascii() && !rooted.to_ascii_lowercase().contains("xn--") {
            rooted.to_ascii_lowercase()
        } else {
            let mapped = Uts46::new().to_ascii(
                rooted.as_bytes(),
                AsciiDenyList::EMPTY,
                Hyphens::Allow,
                DnsLength::Ignore,
            );
            let mapped = mapped.map_err(|_| fail("its letters have no ASCII form (IDNA)"))?;
            // Other scripts have dots of their own.
            mapped.strip_suffix('.').unwrap_or(&mapped).to_owned()
        };
        check(&ascii).map_err(fail)?;
        Ok(Self(ascii))
    }

    /// Takes a name from a packet, label by label: the same form and the same limits, but ASCII only, as packets are.
    pub fn from_labels<'label>(labels: impl IntoIterator<Item = &'label [u8]>) -> Result<Self, HostNameError> {
        let mut name = String::new();
        for label in labels {
            if !name.is_empty() {
                name.push('.');
            }
            for byte in label {
                // A dot inside a label would read as two labels.
                let plain = byte.is_ascii_alphanumeric() || b"-_".contains(byte);
                name.push(if plain {
                    char::from(byte.to_ascii_lowercase())
                } else {
                    '?'
                });
            }
        }
        match check(&name) {
            Ok(()) => Ok(Self(name)),
            Err(reason) => Err(HostNameError { text: name, reason }),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Itself, then every name above it: `a.b.c`, `b.c`, `c`.
    pub(crate) fn upwards(&self) -> impl Iterator<Item = &str> {
        let first = Some(self.0.as_str());
        std::iter::successors(first, |name| name.split_once('.').map(|(_, above)| above))
    }
}

/// Both are ordered and compared as text.
impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters, digits, `-` and `_` (which services use, RFC 2782), and nothing a URL would take for an address.
fn check(name: &str) -> Result<(), &'static str> {
    if name.len() > MAX_NAME {
        return Err("it is longer than 253 characters");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("a part between dots is empty");
        }
        if label.len() > MAX_LABEL {
            return Err("a part between dots is longer than 63 characters");
        }
        if !label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return Err("it holds more than letters, digits, `-`, `_` and dots");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a part begins or ends with `-`");
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let number = last.strip_prefix("0x").map_or_else(
        || last.bytes().all(|byte| byte.is_ascii_digit()),
        |rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()),
    );
    if number {
        return Err("what ends in a number is an address");
    }
    Ok(())
}

/// `api.example.com`, `*.example.com`, `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum HostPattern {
    /// That name.
    Exact(HostName),
    /// What is one or more labels below that name.
    Below(HostName),
    /// Every name.
    Any,
}

impl HostPattern {
    pub(crate) fn matches(&self, name: &HostName) -> bool {
        match self {
            Self::Exact(own) => own == name,
            Self::Below(above) => name.upwards().skip(1).any(|one| one == above.as_str()),
            Self::Any => true,
        }
    }

    /// A name it matches.
    pub(crate) fn example(&self) -> HostName {
        match self {
            Self::Exact(name) => name.clone(),
            // Short enough unless what it is below is not; then the pattern matches nothing.
            Self::Below(above) => HostName(format!("q.{above}")),
            Self::Any => HostName("q.example".to_owned()),
        }
    }

    /// Exact names before wildcards, longer before shorter; all before any network.
    fn specificity(&self) -> u32 {
        match self {
            Self::Exact(name) => 1_000 + count(name.0.len()),
            Self::Below(above) => 300 + count(above.0.len()),
            Self::Any => 200,
        }
    }

    fn parse(text: &str, host: &str) -> Result<Self, Complaint> {
        if host == "*" {
            return Ok(Self::Any);
        }
        let name = host.strip_prefix("*.").unwrap_or(host);
        if name.contains('*') {
            return Err(misplaced(text, name));
        }
        let name = HostName::parse(name).map_err(|error| unreadable(text, &error))?;
        if name.upwards().any(|one| one == "localhost") {
            return Err(complain(format!("`{text}`: no resolver is asked for `localhost`"))
                .cause("it is this host itself (RFC 6761), and no answer could be bound to it")
                .hint(text.replace(host, "loopback")));
        }
        if host.starts_with("*.") {
            return if name.0.len() + 2 > MAX_NAME {
                Err(complain(format!("`{text}` matches nothing")).cause("no name below it is short enough"))
            } else {
                Ok(Self::Below(name))
            };
        }
        match near_word(&name) {
            Some(word) => Err(
                complain(format!("`{host}` is a host name of one label, and close to `{word}`"))
                    .hint(format!("write `{word}`, or the host's whole name")),
            ),
            None => Ok(Self::Exact(name)),
        }
    }
}

/// `dns` and `loopback` are words, not hosts; what looks like them was meant as them.
fn near_word(name: &HostName) -> Option<&'static str> {
    let loopback = crate::check::nearest(&name.0, ["loopback"].into_iter());
    loopback.or_else(|| (name.0 == "dns").then_some("dns"))
}

fn complain(message: String) -> Complaint {
    Complaint::new(Code::Net, message)
}

fn misplaced(text: &str, name: &str) -> Complaint {
    let complaint = complain(format!(
        "`{text}`: a `*` stands for whole labels, at the beginning of a name"
    ));
    match name.trim_start_matches(['*', '.']) {
        rest if !rest.is_empty() && !rest.contains('*') => complaint
            .cause(format!("`*.{rest}` is every name below `{rest}`, one label or more"))
            .hint(format!("write `*.{rest}`, and `{rest}` too if it is meant")),
        _ => complaint.hint("`*.github.com` is every name below `github.com`; write one pattern for each domain"),
    }
}

/// What to say of a URL; `None` for what is none.
pub(crate) fn url(text: &str) -> Option<Complaint> {
    let (scheme, rest) = text.split_once("://")?;
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    let port = if scheme == "http" { 80 } else { 443 };
    let complaint = complain(format!("`{text}` is a URL, not a host"))
        .cause("a connection has a host and a port; what is asked for there is not seen")
        .hint(format!("write `{host}:{port}`"));
    Some(complaint)
}

fn unreadable(text: &str, error: &HostNameError) -> Complaint {
    complain(format!("`{text}` is neither an address nor a host"))
        .cause(error.reason)
        .hint("`api.example.com:443`, `*.example.com`, `10.0.0.0/8:5432/tcp`, `[2001:db8::]/32:443`, `loopback:8080`, `dns`, `unix:/run/x.sock` or `unix:@name`")
}

/// A rule's hosts, ports and protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostRule {
    pub(crate) host: HostPattern,
    pub(crate) ends: Ends,
}

impl HostRule {
    /// Whether it speaks about a connection to one of these names.
    pub(crate) fn matches(&self, names: &[HostName], port: u16, protocol: crate::action::Protocol) -> bool {
        self.ends.matches(port, protocol) && names.iter().any(|name| self.host.matches(name))
    }

    pub(crate) fn specificity(&self) -> (u32, u32) {
        (self.host.specificity(), self.ends.specificity())
    }

    pub(crate) fn parse(text: &str, host: &str, ends: Ends) -> Result<Self, Complaint> {
        let host = HostPattern::parse(text, host)?;
        Ok(Self { host, ends })
    }
}
