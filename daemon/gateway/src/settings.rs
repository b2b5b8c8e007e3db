//! Checked settings: flags over the configuration file over defaults.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::config::ConfigFile;

/// Days that the audit log keeps records, unless it is told otherwise.
const RETAIN_DAYS: u32 = 90;
const CONFIG_FILE: &str = "/etc/aa-sensord/config.toml";

/// The gateway of aa-sensord. Started by `aa-sensord` with the sensor's socket as descriptor 0; not for people.
#[derive(Debug, Parser)]
#[command(name = "aa-gateway", version)]
pub(crate) struct Flags {
    /// Configuration file; it may be absent only if this is not given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// User to become when started as root
    #[arg(long)]
    user: Option<String>,
    /// Group that may use the control socket
    #[arg(long, value_name = "GROUP")]
    control_group: Option<String>,
    /// File whose lock says that a gateway reads the rings
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Write to the audit log that all enforcement ends now and by whom, and end
    #[arg(long, value_name = "WHO")]
    pub(crate) record_unload: Option<String>,
    /// Directory of the control socket
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Directory of the state file
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Directory of the policies
    #[arg(long, value_name = "DIR")]
    policy_dir: Option<PathBuf>,
    /// Directory of the audit log
    #[arg(long, value_name = "DIR")]
    audit_dir: Option<PathBuf>,
}

/// What the gateway goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) user: String,
    pub(crate) control_group: String,
    pub(crate) run_dir: PathBuf,
    pub(crate) state_dir: PathBuf,
    pub(crate) policy_dir: PathBuf,
    pub(crate) audit_dir: PathBuf,
    /// What models cost; it may be absent.
    pub(crate) prices: PathBuf,
    /// What unlocks the vault.
    pub(crate) vault_key: VaultKey,
    /// How many days the audit log keeps records; `None`: for ever.
    pub(crate) retain_days: Option<u32>,
    /// As whom the courier runs.
    pub(crate) courier_user: String,
    /// The configuration has alerts: there should be a courier.
    pub(crate) alerts: bool,
    /// Held as long as this gateway runs; `None` if nobody supervises it.
    pub(crate) lock: Option<PathBuf>,
}

/// What unlocks the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VaultKey {
    /// A systemd credential if there is one, else a file of the gateway's own.
    Auto,
    /// A systemd credential.
    Credential,
    /// A file that root or the gateway owns.
    File(PathBuf),
    /// What a person types.
    Passphrase,
}

impl VaultKey {
    fn parse(text: Option<&str>) -> Result<Self, SettingsError> {
        match text {
            None => Ok(Self::Auto),
            Some("credential") => Ok(Self::Credential),
            Some("passphrase") => Ok(Self::Passphrase),
            Some(path) if path.starts_with('/') => Ok(Self::File(path.into())),
            Some("tpm2" | "tpm") => Err(SettingsError::Tpm),
            Some(_) => Err(SettingsError::VaultKey),
        }
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not a configuration of aa-sensord", path.display())]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("vault_key is `credential`, `passphrase` or the absolute path of a file")]
    VaultKey,
    #[error(
        "vault_key: this daemon does not speak to a TPM itself; `systemd-creds encrypt --with-key=tpm2 --name=aa-sensord.vault` seals a \
         credential with one, and vault_key is then `credential`"
    )]
    Tpm,
    #[error("{name} must be an absolute path, not `{}`", path.display())]
    Relative { name: &'static str, path: PathBuf },
}

impl Settings {
    pub(crate) fn load(flags: Flags) -> Result<Self, SettingsError> {
        let file = match &flags.config {
            Some(path) => parse_file(path, &read(path)?)?,
            None => match std::fs::read_to_string(CONFIG_FILE) {
                Ok(text) => parse_file(Path::new(CONFIG_FILE), &text)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => ConfigFile::default(),
                Err(source) => {
                    return Err(SettingsError::Read {
                        path: CONFIG_FILE.into(),
                        source,
                    });
                }
            },
        };
        Self::merge(flags, file)
    }

    fn merge(flags: Flags, file: ConfigFile) -> Result<Self, SettingsError> {
        let table = file.gateway;
        let text = |flag: Option<String>, file: Option<String>, default: &str| flag.or(file).unwrap_or(default.into());
        Ok(Self {
            user: text(flags.user, table.user, "aa-gateway"),
            control_group: text(flags.control_group, table.control_group, "aa-sensord"),
            run_dir: directory("run_dir", flags.run_dir.or(table.run_dir), "/run/aa-sensord")?,
            state_dir: directory(
                "state_dir",
                flags.state_dir.or(table.state_dir),
                "/var/lib/aa-sensord/state",
            )?,
            policy_dir: directory(
                "policy_dir",
                flags.policy_dir.or(table.policy_dir),
                "/etc/aa-sensord/policies",
            )?,
            audit_dir: directory(
                "audit_dir",
                flags.audit_dir.or(table.audit_dir),
                "/var/lib/aa-sensord/audit",
            )?,
            prices: directory("prices", table.prices, "/etc/aa-sensord/prices.yaml")?,
            vault_key: VaultKey::parse(table.vault_key.as_deref())?,
            retain_days: Some(table.retain_days.unwrap_or(RETAIN_DAYS)).filter(|days| *days > 0),
            courier_user: text(None, table.courier_user, "aa-courier"),
            alerts: !file.alerts.is_empty(),
            lock: flags.lock,
        })
    }

    /// What agents have spent.
    pub(crate) fn ledger_dir(&self) -> PathBuf {
        self.state_dir.join("ledger")
    }

    /// What is kept in the agents' stead.
    pub(crate) fn vault_dir(&self) -> PathBuf {
        self.state_dir.join("vault")
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.run_dir.join("control.sock")
    }
}

fn read(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse_file(path: &Path, text: &str) -> Result<ConfigFile, SettingsError> {
    toml::from_str(text).map_err(|error| SettingsError::Parse {
        path: path.to_owned(),
        source: Box::new(error),
    })
}

fn directory(name: &'static str, given: Option<PathBuf>, default: &str) -> Result<PathBuf, SettingsError> {
    let path = given.unwrap_or_else(|| default.into());
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(SettingsError::Relative { name, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(arguments: &[&str], file: &str) -> Result<Settings, SettingsError> {
        let flags = Flags::parse_from([&["aa-gateway"], arguments].concat());
        Settings::merge(flags, parse_file(Path::new("config.toml"), file)?)
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let file = "[gateway]\nuser = \"gate\"\nrun_dir = \"/tmp/run\"\n[sensor]\nuser = 3\n";
        let settings = merge(&["--run-dir", "/tmp/flag"], file).unwrap();
        assert_eq!(settings.user, "gate");
        assert_eq!(settings.control_socket(), Path::new("/tmp/flag/control.sock"));
        assert_eq!(settings.policy_dir, Path::new("/etc/aa-sensord/policies"));
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        assert!(matches!(
            merge(&[], "[gateway]\nusr = \"x\"\n"),
            Err(SettingsError::Parse { .. })
        ));
    }

    #[test]
    fn what_unlocks_the_vault_is_one_of_four_and_a_tpm_is_told_the_way() {
        let key =
            |text: &str| merge(&[], &format!("[gateway]\nvault_key = \"{text}\"\n")).map(|settings| settings.vault_key);
        assert_eq!(merge(&[], "").unwrap().vault_key, VaultKey::Auto);
        assert_eq!(key("credential").unwrap(), VaultKey::Credential);
        assert_eq!(key("passphrase").unwrap(), VaultKey::Passphrase);
        assert_eq!(key("/etc/vault.key").unwrap(), VaultKey::File("/etc/vault.key".into()));
        assert!(key("tpm2").unwrap_err().to_string().contains("systemd-creds encrypt"));
        assert!(matches!(key("vault.key"), Err(SettingsError::VaultKey)));
    }

    #[test]
    fn records_are_kept_ninety_days_unless_it_is_said_otherwise() {
        let days = |file: &str| merge(&[], file).unwrap().retain_days;
        assert_eq!(days(""), Some(90));
        assert_eq!(days("[gateway]\nretain_days = 7\n"), Some(7));
        assert_eq!(days("[gateway]\nretain_days = 0\n"), None, "for ever");
    }

    #[test]
    fn a_relative_directory_is_refused() {
        assert!(matches!(
            merge(&[], "[gateway]\naudit_dir = \"audit\"\n"),
            Err(SettingsError::Relative { .. })
        ));
    }
}
