//! The shape of the configuration: `[[alerts]]` of `/etc/aa-sensord/config.toml`. Every other table of it is another process's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aa_wire::event::{Effect, Kind, Verdict};
use serde::Deserialize;

use crate::condition::Risk;

/// The file.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigFile {
    #[serde(default)]
    pub(crate) alerts: Vec<AlertTable>,
    /// Where the log and the control socket are.
    #[serde(default)]
    pub(crate) gateway: GatewayTable,
    #[serde(flatten)]
    _others: BTreeMap<String, toml::Value>,
}

/// What concerns the courier of the gateway's table.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct GatewayTable {
    pub(crate) audit_dir: Option<PathBuf>,
    pub(crate) run_dir: Option<PathBuf>,
}

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertTable {
    pub(crate) name: String,
    /// How it is sent.
    pub(crate) to: To,
    pub(crate) url: Option<String>,
    pub(crate) url_file: Option<PathBuf>,
    /// `file:/PATH` or `vault:NAME`, one or two.
    #[serde(default)]
    pub(crate) secrets: Vec<String>,
    /// A file with the value of the header `Authorization`.
    pub(crate) authorization_file: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// The name of structured data, with an enterprise's number.
    pub(crate) data_id: Option<String>,
    #[serde(default)]
    pub(crate) kind: Vec<Kind>,
    #[serde(default)]
    pub(crate) effect: Vec<Effect>,
    #[serde(default)]
    pub(crate) verdict: Vec<Verdict>,
    #[serde(default)]
    pub(crate) agent: Vec<String>,
    #[serde(default)]
    pub(crate) action: Vec<String>,
    pub(crate) risk: Option<Risk>,
}

/// How records are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum To {
    Webhook,
    Slack,
    Syslog,
    Otlp,
}
