//! Requests over HTTP: rules of `net` with a condition. Connecting is judged without them, but for those that allow; over such a connection
//! each request is judged when it is known.

use crate::Protocol;
use crate::address::canonical;
use crate::condition::{Condition, Holds};
use crate::diagnostic::{Code, Complaint};
use crate::facts::Facts;
use crate::host::HostName;
use crate::lower::{Lowered, LoweredRule};
use crate::policy::Policy;
use crate::rule::{Pattern, Rule, RuleKind, Section, parse_conditional, parse_pattern};
use crate::verdict::{Decision, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// What no rule of `net` names, as its text.
const UNLISTED: &str = "*";
/// Between a pattern and its condition in the text of a rule. No pattern has a space in it.
const WHEN: &str = " when ";

/// A request over HTTP, inside TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HttpAction {
    /// `GET`
    pub method: String,
    /// Whom it is for, and whom the connection leads to.
    pub host: HostName,
    /// 443 as a rule.
    pub port: u16,
    /// With the slash it begins with, without what is behind `?`.
    pub path: String,
}

impl fmt::Display for HttpAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            host,
            port,
            path,
        } = self;
        write!(f, "http {method} {host}:{port}{path}")
    }
}

impl HttpAction {
    /// Reads `api.example.com:8443/path`; without a port it is 443.
    pub(crate) fn parse(method: &str, url: &str) -> Result<Self, Complaint> {
        let complaint = |message: String| {
            Complaint::new(Code::ExpectSyntax, message)
                .hint("`http POST api.example.com/v1/items`, or with a port: `api.example.com:8443/v1/items`")
        };
        let url = url.strip_prefix("https://").unwrap_or(url);
        let (end, path) = url.split_at(url.find('/').unwrap_or(url.len()));
        let (host, port) = end.split_once(':').unwrap_or((end, "443"));
        let host = HostName::parse(host).map_err(|error| complaint(error.to_string()))?;
        let port = port.parse().map_err(|_| complaint(format!("`{port}` is not a port")))?;
        if path.contains(['?', '#']) {
            return Err(complaint(format!("`{path}`: what is behind `?` is not looked at")));
        }
        Ok(Self {
            method: method.to_owned(),
            host,
            port,
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }

    fn facts(&self) -> Facts {
        Facts::default().http(&self.method, Some(self.host.as_str()), &self.path)
    }
}

/// Where a connection leads that requests go over.
#[derive(Debug, Clone, Copy)]
pub struct FarEnd<'a> {
    /// By which names the resolver led the agent there.
    pub names: &'a [HostName],
    /// Whom the request says it is for, if that is one of these.
    pub host: Option<&'a HostName>,
    /// Its port is the one that counts where there is no address.
    pub address: Option<SocketAddr>,
    /// Of the address, or alone.
    pub port: u16,
}

impl Rule {
    /// Whether it counts when a connection is made: a condition is about what is not said yet, so that all there is to it then is that a
    /// connection is needed for what it allows.
    pub(crate) fn counts_at_connect(&self) -> bool {
        self.when.is_none() || self.verdict == Verdict::Allow
    }

    /// Whether it speaks about connections to there.
    fn reaches(&self, to: &FarEnd<'_>) -> bool {
        match &self.pattern {
            Pattern::Host(host) => host.matches(to.names, to.port, Protocol::Tcp),
            Pattern::Net(net) => to
                .address
                .is_some_and(|address| net.matches(&canonical(address.ip()), to.port, Protocol::Tcp)),
            _ => false,
        }
    }

    /// Whether a request matches. What cannot be told matches what does not allow. What is allowed under a condition is allowed to whom the
    /// request is for: several hosts may share an address.
    fn matches_request(&self, to: Option<&FarEnd<'_>>, facts: &Facts) -> bool {
        let allows = self.verdict <= Verdict::Allow;
        let Some(when) = &self.when else {
            return to.is_some_and(|to| self.reaches(to));
        };
        let reached = match (to, &self.pattern) {
            (None, _) => true,
            (Some(to), Pattern::Host(host)) if allows => to
                .host
                .is_some_and(|name| host.matches(std::slice::from_ref(name), to.port, Protocol::Tcp)),
            (Some(to), _) => self.reaches(to),
        };
        reached
            && match when.holds(facts) {
                Holds::Yes => true,
                Holds::No => false,
                Holds::Unknown => !allows,
            }
    }
}

/// The rule about requests that no other is about, in a policy that judges them.
pub(crate) fn unlisted(verdict: Verdict) -> Rule {
    let pattern = Pattern::AnyRequest;
    Rule::new(RuleKind::BuiltIn, Section::Net, verdict, UNLISTED.to_owned(), pattern)
}

/// The pattern in a rule's text.
pub(crate) fn name(text: &str) -> &str {
    text.split_once(WHEN).map_or(text, |(name, _)| name)
}

/// What rules are cited by.
pub(crate) fn text(name: &str, when: &Condition) -> String {
    format!("{name}{WHEN}{when}")
}

/// [`Decision::NONE`]: requests to there are not judged.
fn decide(rules: &[Rule], to: Option<&FarEnd<'_>>, facts: &Facts) -> Decision {
    let of_net = || rules.iter().filter(|rule| rule.section == Section::Net);
    let judges = |rule: &Rule| rule.when.is_some() && to.is_none_or(|to| rule.reaches(to));
    if !of_net().any(judges) {
        return Decision::NONE;
    }
    let matching = of_net().filter(|rule| rule.matches_request(to, facts));
    let unlisted = || of_net().find(|rule| rule.pattern == Pattern::AnyRequest);
    let best = matching.max_by_key(|rule| rule.rank).or_else(unlisted);
    best.map_or(Decision::NONE, |rule| Decision::new(rule.verdict, true, Some(rule.id)))
}

fn of_action(rules: &[Rule], request: &HttpAction) -> Decision {
    let to = FarEnd {
        names: std::slice::from_ref(&request.host),
        host: Some(&request.host),
        address: None,
        port: request.port,
    };
    decide(rules, Some(&to), &request.facts())
}

impl Policy {
    /// Whether a rule of `net` has a condition.
    pub fn judges_requests(&self) -> bool {
        self.rules.iter().any(|rule| rule.when.is_some())
    }

    /// The decision on a request beyond that on the connection; [`Decision::NONE`] where no condition is about such connections. `to` is
    /// `None` where it cannot be told where the request goes.
    pub fn request(&self, to: Option<&FarEnd<'_>>, facts: &Facts) -> Decision {
        decide(&self.rules, to, facts)
    }

    pub(crate) fn of_request(&self, request: &HttpAction) -> Decision {
        of_action(&self.rules, request)
    }
}

/// A rule of `net` again, by its text.
fn again(lowered: &LoweredRule) -> Option<Rule> {
    let (name, when) = match lowered.text.split_once(WHEN) {
        Some((name, when)) => (name, Some(Condition::parse(when).ok()?)),
        None => (lowered.text.as_str(), None),
    };
    let pattern = match (lowered.kind, name) {
        (RuleKind::BuiltIn, UNLISTED) => Pattern::AnyRequest,
        _ if when.is_some() => parse_conditional(lowered.verdict, name).ok()?,
        _ => parse_pattern(lowered.section, Verdict::Allow, name).ok()?,
    };
    let rule = Rule::new(
        lowered.kind,
        lowered.section,
        lowered.verdict,
        lowered.text.clone(),
        pattern,
    );
    Some(Rule {
        id: lowered.id,
        rank: lowered.rank,
        when,
        ..rule
    })
}

impl Lowered {
    /// The same by its rules, whose texts stand there as they are.
    pub(crate) fn of_request(&self, request: &HttpAction) -> Decision {
        let of_net = self.rules.iter().filter(|rule| rule.section == Section::Net);
        let rules: Vec<Rule> = of_net.filter_map(again).collect();
        of_action(&rules, request)
    }
}
