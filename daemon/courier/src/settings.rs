//! Checked settings: flags over the configuration file over defaults.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Parser;
use zeroize::Zeroizing;

use crate::address::{Address, AddressError};
use crate::condition::Condition;
use crate::config::{AlertTable, ConfigFile, To};
use crate::destination::{Destination, Place, SecretSource};
use crate::tls::Trust;

const CONFIG_FILE: &str = "/etc/aa-sensord/config.toml";
/// Rules; each has a thread.
const RULES: usize = 32;
/// Bytes of a secret's file.
const SECRET_LIMIT: usize = 4096;

/// The courier of aa-sensord: sends records of the audit log out, as `[[alerts]]` of the configuration says.
#[derive(Debug, Parser)]
#[command(name = "aa-courier", version)]
pub struct Flags {
    /// Configuration file; it may be absent only if this is not given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where it is kept how far each rule has come
    #[arg(long, value_name = "DIR", default_value = "/var/lib/aa-courier")]
    state_dir: PathBuf,
    /// Directory of the audit log
    #[arg(long, value_name = "DIR")]
    audit_dir: Option<PathBuf>,
    /// The gateway's control socket
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
}

/// What the courier goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where things are.
    pub paths: Paths,
    /// What is sent where.
    pub rules: Vec<Rule>,
}

/// Where things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The audit log.
    pub audit: PathBuf,
    /// How far each rule has come.
    pub state: PathBuf,
    /// The gateway.
    pub socket: PathBuf,
}

/// What is sent where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// For people, and of its file.
    pub name: String,
    pub(crate) destination: Destination,
    pub(crate) place: Place,
    pub(crate) trust: Trust,
    pub(crate) condition: Condition,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file again. The parser's words are told without the line, which may hold a secret.
    #[error("{} is not a configuration of aa-sensord: {why}", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A rule.
    #[error("alert `{name}`: {why}")]
    Alert {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
}

impl Settings {
    /// Reads the configuration.
    pub fn load(flags: Flags) -> Result<Self, SettingsError> {
        let path = flags.config.clone().unwrap_or_else(|| CONFIG_FILE.into());
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && flags.config.is_none() => String::new(),
            read => read.map_err(|source| SettingsError::Read {
                path: path.clone(),
                source,
            })?,
        };
        Self::parse(flags, &text, path)
    }

    pub(crate) fn parse(flags: Flags, text: &str, path: PathBuf) -> Result<Self, SettingsError> {
        let file: ConfigFile = toml::from_str(text).map_err(|error| SettingsError::Parse {
            path,
            why: error.message().to_owned(),
        })?;
        let run = file.gateway.run_dir.unwrap_or_else(|| "/run/aa-sensord".into());
        let audit = flags.audit_dir.or(file.gateway.audit_dir);
        let paths = Paths {
            audit: audit.unwrap_or_else(|| "/var/lib/aa-sensord/audit".into()),
            state: flags.state_dir,
            socket: flags.socket.unwrap_or_else(|| run.join("control.sock")),
        };
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for table in file.alerts {
            let name = table.name.clone();
            let wrong = |why: String| SettingsError::Alert {
                name: name.clone(),
                why,
            };
            let rule = rule(table).map_err(wrong)?;
            if !names.insert(rule.name.clone()) {
                return Err(wrong("there are two of this name".to_owned()));
            }
            if rules.len() == RULES {
                return Err(wrong(format!("there are more than {RULES}")));
            }
            rules.push(rule);
        }
        Ok(Self { paths, rules })
    }
}

impl Rule {
    /// Where it goes; a file is read each time, so that another address needs no restart.
    pub(crate) fn address(&self) -> Result<Address, String> {
        match &self.place {
            Place::Written(address) => Ok(address.clone()),
            Place::File(path) => {
                let text = read_secret(path)?;
                let text = std::str::from_utf8(&text).map_err(|_| AddressError::Form.to_string());
                text.and_then(|text| Address::parse(text).map_err(|error| error.to_string()))
                    .map_err(|why| format!("{}: {why}", path.display()))
            }
        }
    }

    /// The same for people: without what may be a secret.
    pub fn shown(&self) -> String {
        self.address()
            .map_or_else(|_| "-".to_owned(), |address| address.to_string())
    }

    /// How it is sent.
    pub fn kind(&self) -> &'static str {
        self.destination.kind()
    }
}

fn rule(table: AlertTable) -> Result<Rule, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if table.name.is_empty() || table.name.len() > 64 || !table.name.chars().all(plain) {
        return Err("a name has letters, digits, `-` and `_`, 64 at most".to_owned());
    }
    let destination = destination(&table)?;
    let place = place(&table)?;
    let trust = Trust {
        ca: table.ca.map(|path| absolute("ca", path)).transpose()?,
        identity: match (table.certificate, table.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((absolute("certificate", certificate)?, absolute("key", key)?)),
            _ => return Err("`certificate` and `key` go together".to_owned()),
        },
    };
    let condition = Condition {
        kinds: table.kind,
        effects: table.effect,
        verdicts: table.verdict,
        agents: table.agent,
        actions: table.action,
        risk: table.risk,
    };
    Ok(Rule {
        name: table.name,
        destination,
        place,
        trust,
        condition,
    })
}

fn destination(table: &AlertTable) -> Result<Destination, String> {
    let only = |given: bool, what: &str, to: To| {
        if given && table.to != to {
            Err(format!("`{what}` is not for this kind of alert"))
        } else {
            Ok(())
        }
    };
    only(!table.secrets.is_empty(), "secrets", To::Webhook)?;
    only(table.authorization_file.is_some(), "authorization_file", To::Otlp)?;
    only(table.data_id.is_some(), "data_id", To::Syslog)?;
    Ok(match table.to {
        To::Slack => Destination::Slack,
        To::Syslog => {
            let plain = |id: &String| {
                id.len() <= 32
                    && id
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"@._-".contains(&byte))
            };
            if table.data_id.as_ref().is_some_and(|id| !plain(id)) {
                return Err("`data_id` is a name, `@` and your enterprise's number: `aa@12345`".to_owned());
            }
            Destination::Syslog {
                data_id: table.data_id.clone(),
            }
        }
        To::Otlp => Destination::Otlp {
            authorization: table
                .authorization_file
                .clone()
                .map(|path| absolute("authorization_file", path))
                .transpose()?,
        },
        To::Webhook if !(1..=2).contains(&table.secrets.len()) => {
            return Err("`secrets` has one, or while it is replaced two: \"file:/PATH\" or \"vault:NAME\"".to_owned());
        }
        To::Webhook => Destination::Webhook {
            secrets: table
                .secrets
                .iter()
                .map(|text| secret(text))
                .collect::<Result<_, _>>()?,
        },
    })
}

/// What is written there by mistake is not quoted: it may be the secret itself.
fn secret(text: &str) -> Result<SecretSource, String> {
    match text.split_once(':') {
        Some(("file", path)) => absolute("secrets", path.into()).map(SecretSource::File),
        Some(("vault", name)) if !name.is_empty() => Ok(SecretSource::Vault(name.to_owned())),
        _ => Err("a secret is \"file:/PATH\" or \"vault:NAME\", never the secret itself".to_owned()),
    }
}

fn place(table: &AlertTable) -> Result<Place, String> {
    match (&table.url, &table.url_file) {
        (Some(text), None) => {
            let address = Address::parse(text).map_err(|error| format!("url: {error}"))?;
            let syslog = text.trim_ascii().starts_with("tls://");
            if syslog != (table.to == To::Syslog) {
                return Err("`tls://` is for syslog, and only that".to_owned());
            }
            Ok(Place::Written(address))
        }
        (None, Some(path)) => absolute("url_file", path.clone()).map(Place::File),
        _ => Err("it has either `url` or `url_file`".to_owned()),
    }
}

fn absolute(what: &str, path: PathBuf) -> Result<PathBuf, String> {
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("`{what}` must be an absolute path"))
    }
}

/// A file that not everybody may read. Erased when it is dropped.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(format!(
            "{} may be used by everybody: chmod o= {}",
            path.display(),
            path.display()
        ));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_LIMIT));
    (&mut file)
        .take(SECRET_LIMIT as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, SettingsError> {
        Settings::parse(Flags::parse_from(["aa-courier"]), text, "config.toml".into())
    }

    fn why(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_rule_has_a_place_and_what_its_kind_needs() {
        let text = r#"
            [gateway]
            audit_dir = "/log"
            run_dir = "/run/x"
            [sensor]
            pool_mib = 32
            [[alerts]]
            name = "soc"
            to = "webhook"
            url = "https://soc.example.com/hook/x7"
            secrets = ["file:/etc/a", "vault:SOC"]
            effect = ["denied", "killed"]
            risk = "high"
            [[alerts]]
            name = "siem"
            to = "syslog"
            url = "tls://siem.example.com:6514"
        "#;
        let settings = parse(text).unwrap();
        assert_eq!(settings.paths.audit, Path::new("/log"));
        assert_eq!(settings.paths.socket, Path::new("/run/x/control.sock"));
        assert_eq!(
            (settings.rules[0].kind(), settings.rules[0].shown().as_str()),
            ("webhook", "soc.example.com:443")
        );
        assert!(!format!("{settings:?}").contains("x7"), "an address may be a secret");
        assert_eq!(parse("").unwrap().rules, []);
    }

    #[test]
    fn what_is_wrong_is_said_without_what_may_be_a_secret() {
        let alert = |lines: &str| format!("[[alerts]]\nname = \"a\"\n{lines}\n");
        let webhook = "to = \"webhook\"\nurl = \"https://a.example\"";
        let cases = [
            (
                alert("to = \"webhook\"\nurl = \"http://a.example/s3cret\"\nsecrets = [\"vault:A\"]"),
                "without TLS",
            ),
            (alert(webhook), "`secrets` has one"),
            (
                alert(&format!("{webhook}\nsecrets = [\"whsec_s3cret\"]")),
                "never the secret itself",
            ),
            (alert("to = \"slack\"\nurl = \"tls://a.example\""), "is for syslog"),
            (alert("to = \"slack\""), "either `url` or `url_file`"),
            (alert("to = \"slack\"\nurl_file = \"x\""), "absolute"),
            (
                alert("to = \"slack\"\nurl = \"https://a.example\"\nsecrets = [\"vault:A\"]"),
                "not for this kind",
            ),
            (
                alert("to = \"slack\"\nurl = \"https://a.example\"\neffect = [\"denyed\"]"),
                "unknown variant",
            ),
            (
                alert("to = \"slack\"\nurl = \"https://a.example/s3cret\"\nurll = \"https://a.example/s3cret\""),
                "unknown field",
            ),
            (
                alert("to = \"syslog\"\nurl = \"tls://a.example\"\nkey = \"/k\""),
                "go together",
            ),
        ];
        for (text, expected) in cases {
            let why = why(&text);
            assert!(why.contains(expected) && !why.contains("s3cret"), "{expected}: {why}");
        }
        let two = alert("to = \"slack\"\nurl = \"https://a.example\"").repeat(2);
        assert!(why(&two).contains("two of this name"));
    }

    #[test]
    fn a_secret_that_everybody_may_read_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x").unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_secret(file.path()).unwrap_err().contains("everybody"));
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(*read_secret(file.path()).unwrap(), b"x");
    }
}
