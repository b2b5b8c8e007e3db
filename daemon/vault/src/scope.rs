//! Names of secrets, and for whom and for where each is.

use std::fmt;

use aa_policy::HostName;
use serde::{Deserialize, Serialize};

use crate::VaultError;

const LONGEST_NAME: usize = 128;
const ANY: &str = "*";

/// What a secret is called: letters, digits, `_`, `-`, `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

impl SecretName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        let begins = text.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
        if begins && text.len() <= LONGEST_NAME && text.chars().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        // Who mixes value and name up should not find it in a log.
        let shown: String = text.chars().take(4).filter(|letter| plain(*letter)).collect();
        Err(VaultError::BadName(format!("{shown}...")))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = VaultError;

    fn try_from(text: String) -> Result<Self, VaultError> {
        Self::parse(&text)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

/// Whose secret it is, and which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretId {
    /// Secrets of one tenant are none of another's.
    pub tenant: SecretName,
    /// Its name.
    pub name: SecretName,
}

impl SecretId {
    /// By texts.
    pub fn new(tenant: &str, name: &str) -> Result<Self, VaultError> {
        Ok(Self {
            tenant: SecretName::parse(tenant)?,
            name: SecretName::parse(name)?,
        })
    }
}

/// For which agents and to which hosts a secret is; whoever is not named has no use of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Lists", into = "Lists")]
pub struct Scope {
    agents: Vec<String>,
    hosts: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Lists {
    agents: Vec<String>,
    hosts: Vec<String>,
}

impl TryFrom<Lists> for Scope {
    type Error = VaultError;

    fn try_from(lists: Lists) -> Result<Self, VaultError> {
        Self::new(&lists.agents, &lists.hosts)
    }
}

impl From<Scope> for Lists {
    fn from(scope: Scope) -> Self {
        Self {
            agents: scope.agents,
            hosts: scope.hosts,
        }
    }
}

/// Who wants to use a secret, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Consumer<'a> {
    /// The agent's name.
    pub agent: &'a str,
    /// The policy that governs it.
    pub policy: &'a str,
    /// Where the secret would be sent.
    pub host: &'a HostName,
}

impl Scope {
    /// Agents by name, by `policy:NAME`, or `*`; hosts as in a policy: `api.example.com`, `*.example.com`, `*`.
    pub fn new(agents: &[String], hosts: &[String]) -> Result<Self, VaultError> {
        let mut agents = agents.iter().map(|text| agent(text)).collect::<Result<Vec<_>, _>>()?;
        let mut hosts = hosts.iter().map(|text| host(text)).collect::<Result<Vec<_>, _>>()?;
        for list in [&mut agents, &mut hosts] {
            list.sort();
            list.dedup();
        }
        Ok(Self { agents, hosts })
    }

    /// The agents, sorted.
    pub fn agents(&self) -> &[String] {
        &self.agents
    }

    /// The hosts, sorted and in their one form.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Whether that agent may use it there.
    pub fn allows(&self, consumer: &Consumer<'_>) -> bool {
        let agent = self.agents.iter().any(|agent| match agent.strip_prefix("policy:") {
            Some(policy) => policy == consumer.policy,
            None => agent == ANY || agent == consumer.agent,
        });
        let name = consumer.host.as_str();
        let host = self.hosts.iter().any(|host| match host.strip_prefix("*.") {
            Some(above) => name.strip_suffix(above).is_some_and(|below| below.ends_with('.')),
            None => host == ANY || host == name,
        });
        agent && host
    }
}

fn agent(text: &str) -> Result<String, VaultError> {
    let name = text.strip_prefix("policy:").unwrap_or(text);
    let starred = name.contains('*') && text != ANY;
    let plain = !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    let sound = plain && !starred;
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| VaultError::BadAgent(text.to_owned()))
}

fn host(text: &str) -> Result<String, VaultError> {
    if text == ANY {
        return Ok(text.to_owned());
    }
    let (star, name) = text.strip_prefix("*.").map_or(("", text), |name| ("*.", name));
    let name = HostName::parse(name).map_err(|_| VaultError::BadHost(text.to_owned()))?;
    Ok(format!("{star}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(agents: &[&str], hosts: &[&str]) -> Scope {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Scope::new(&own(agents), &own(hosts)).unwrap()
    }

    fn allows(scope: &Scope, agent: &str, policy: &str, host: &str) -> bool {
        let host = HostName::parse(host).unwrap();
        scope.allows(&Consumer {
            agent,
            policy,
            host: &host,
        })
    }

    #[test]
    fn a_scope_allows_the_agents_and_hosts_it_names_and_nobody_else() {
        let scope = scope(&["claude", "policy:reviewer"], &["api.example.com", "*.Example.ORG"]);
        assert!(allows(&scope, "claude", "any", "api.example.com"));
        assert!(allows(&scope, "x", "reviewer", "a.b.example.org"));
        for (agent, policy, host) in [
            ("claude2", "any", "api.example.com"),
            ("reviewer", "any", "api.example.com"),
            ("claude", "any", "example.org"),
            ("claude", "any", "evilexample.org"),
            ("claude", "any", "api.example.com.evil.net"),
            ("claude", "any", "example.com"),
        ] {
            assert!(!allows(&scope, agent, policy, host), "{agent} {policy} {host}");
        }
    }

    #[test]
    fn an_empty_scope_is_nobodys_and_stars_are_anybodys() {
        assert!(!allows(&scope(&[], &["*"]), "a", "p", "h.example"));
        assert!(!allows(&scope(&["*"], &[]), "a", "p", "h.example"));
        assert!(allows(&scope(&["*"], &["*"]), "a", "p", "h.example"));
    }

    #[test]
    fn what_is_no_agent_or_host_is_refused() {
        for bad in ["", "policy:", "cl*", "policy:*", "a\nb"] {
            assert!(Scope::new(&[bad.to_owned()], &[]).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "*.*", "ex*mple.com", "https://example.com", "10.0.0.1"] {
            assert!(Scope::new(&[], &[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_plain_and_a_bad_one_is_not_repeated_whole() {
        for good in ["GITHUB_TOKEN", "a", "_x", "db.password-2"] {
            assert!(SecretName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "a=b", &"a".repeat(129)] {
            assert!(SecretName::parse(bad).is_err(), "{bad}");
        }
        let error = SecretName::parse("sk_live_51Nq/abcdef").unwrap_err().to_string();
        assert!(!error.contains("51Nq"), "{error}");
    }
}
