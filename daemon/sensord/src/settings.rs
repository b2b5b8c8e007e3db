//! Settings of the sensor: the `[sensor]` table of `/etc/aa-sensord/config.toml`, checked.

use std::path::{Path, PathBuf};

use aa_bpf::load::Sizes;
use serde::Deserialize;

/// Where the configuration is if none is named.
const CONFIG_FILE: &str = "/etc/aa-sensord/config.toml";

#[derive(Debug, Default, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    sensor: SensorTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SensorTable {
    gateway: Option<PathBuf>,
    prober: Option<PathBuf>,
    prober_user: Option<String>,
    run_dir: Option<PathBuf>,
    pool_mib: Option<u32>,
    decisions_ring_mib: Option<u32>,
    activity_ring_mib: Option<u32>,
    plaintext_ring_mib: Option<u32>,
    record_activity: Option<bool>,
}

/// What the sensor goes by.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The gateway's program.
    pub(crate) gateway: PathBuf,
    /// The program that reads programs for the sensor; beside the gateway's if none is named.
    pub(crate) prober: PathBuf,
    /// Whom it becomes.
    pub(crate) prober_user: String,
    /// The configuration file, handed on to the gateway if it was named.
    pub(crate) config: Option<PathBuf>,
    /// What must be forgotten at the next boot.
    pub(crate) run_dir: PathBuf,
    /// Sizes of the kernel's tables.
    pub(crate) sizes: Sizes,
    /// Whether allowed actions are recorded, each object once a policy generation.
    pub(crate) record_activity: bool,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read `{}`", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("`{}` is not a configuration of aa-sensord", .path.display())]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("`sensor.{name}` is {given} MiB; it must be a power of two from {least} to {most}")]
    Size {
        name: &'static str,
        given: u32,
        least: u32,
        most: u32,
    },
}

impl Settings {
    pub(crate) fn load(config: Option<PathBuf>) -> Result<Self, SettingsError> {
        let path = config.as_deref().unwrap_or(Path::new(CONFIG_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if config.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                return Err(SettingsError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let file: ConfigFile = toml::from_str(&text).map_err(|error| SettingsError::Parse {
            path: path.to_owned(),
            source: Box::new(error),
        })?;
        let table = file.sensor;
        let gateway = table
            .gateway
            .unwrap_or_else(|| "/usr/libexec/aa-sensord/aa-gateway".into());
        Ok(Self {
            prober: table.prober.unwrap_or_else(|| gateway.with_file_name("aa-prober")),
            prober_user: table.prober_user.unwrap_or_else(|| "aa-prober".into()),
            gateway,
            config,
            run_dir: table.run_dir.unwrap_or_else(|| "/run/aa-sensord".into()),
            sizes: Sizes {
                pool_words: bytes("pool_mib", table.pool_mib.unwrap_or(32), 1, 1024)? / 4,
                decisions_bytes: bytes("decisions_ring_mib", table.decisions_ring_mib.unwrap_or(4), 1, 512)?,
                activity_bytes: bytes("activity_ring_mib", table.activity_ring_mib.unwrap_or(8), 1, 512)?,
                plaintext_bytes: bytes("plaintext_ring_mib", table.plaintext_ring_mib.unwrap_or(8), 1, 512)?,
            },
            record_activity: table.record_activity.unwrap_or(true),
        })
    }

    /// What the sensor remembers across its own restarts, in memory-backed storage: it is about this boot's kernel.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.run_dir.join("sensor.json")
    }

    /// Locked by the gateway that reads the rings.
    pub(crate) fn gateway_lock(&self) -> PathBuf {
        self.run_dir.join("gateway.lock")
    }
}

fn bytes(name: &'static str, given: u32, least: u32, most: u32) -> Result<u32, SettingsError> {
    if given.is_power_of_two() && (least..=most).contains(&given) {
        Ok(given << 20)
    } else {
        Err(SettingsError::Size {
            name,
            given,
            least,
            most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings, SettingsError> {
        let folder = std::env::temp_dir().join(format!("aa-sensord-settings-{}-{:p}", std::process::id(), text));
        std::fs::write(&folder, text).unwrap();
        let loaded = Settings::load(Some(folder.clone()));
        std::fs::remove_file(folder).unwrap();
        loaded
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let settings = load("").unwrap();
        assert_eq!(settings.sizes.pool_words, 8 << 20);
        assert!(settings.record_activity);
    }

    #[test]
    fn a_ring_that_is_no_power_of_two_is_refused() {
        assert!(matches!(
            load("[sensor]\nactivity_ring_mib = 3\n"),
            Err(SettingsError::Size { given: 3, .. })
        ));
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        assert!(matches!(load("[sensor]\npool = 3\n"), Err(SettingsError::Parse { .. })));
    }
}
