//! The shape of the configuration file, `/etc/aa-sensord/config.toml`. Every other table of it is the sensor's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// The file.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigFile {
    /// The gateway's table.
    #[serde(default)]
    pub(crate) gateway: GatewayTable,
    /// What the courier sends out: whether there is any.
    #[serde(default)]
    pub(crate) alerts: Vec<toml::Value>,
    /// The other processes' tables.
    #[serde(flatten)]
    _others: BTreeMap<String, toml::Value>,
}

/// The table `[gateway]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayTable {
    /// The user the gateway becomes.
    pub(crate) user: Option<String>,
    /// The group that may use the control socket.
    pub(crate) control_group: Option<String>,
    /// Where the control socket is.
    pub(crate) run_dir: Option<PathBuf>,
    /// Where the gateway keeps what it must remember.
    pub(crate) state_dir: Option<PathBuf>,
    /// Where policies are.
    pub(crate) policy_dir: Option<PathBuf>,
    /// Where the audit log is.
    pub(crate) audit_dir: Option<PathBuf>,
    /// What unlocks the vault.
    pub(crate) vault_key: Option<String>,
    /// How many days the audit log keeps records; 0: for ever.
    pub(crate) retain_days: Option<u32>,
    /// As whom the courier runs.
    pub(crate) courier_user: Option<String>,
    /// What models cost.
    pub(crate) prices: Option<PathBuf>,
}
