//! `kernels.toml`: the support table as a checked type.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why the support table cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// The file is not there or not readable.
    #[error("cannot read {path}")]
    Read {
        /// The table's path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not the TOML we expect.
    #[error("cannot parse the support table")]
    Parse(#[source] Box<toml::de::Error>),
    /// Two entries share a name.
    #[error("kernel `{0}` is listed twice")]
    Duplicate(String),
    /// A package pattern that does not begin with a known prefix, so that the kernel release cannot be told from the name.
    #[error("kernel `{name}`: `{package}` must begin with linux-image- or linux-binary-")]
    Package {
        /// The entry.
        name: String,
        /// Its pattern.
        package: String,
    },
    /// A kernel asked for on the command line that the table does not have.
    #[error("no kernel `{name}` in the support table; it has {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
}

/// What the daemon must do on a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expect {
    /// Full or partial enforcement: the daemon must start.
    Enforce,
    /// BPF is not among the active LSMs: the daemon must enforce by fmod_ret.
    FmodRet,
    /// The same, and the kernel passes over such programs: the daemon must refuse.
    PassesOver,
    /// The kernel forgets who is governed where a fork fails: the daemon must refuse.
    Forgets,
    /// The daemon must refuse.
    TooOld,
}

impl fmt::Display for Expect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Enforce => "enforce",
            Self::FmodRet => "fmod-ret",
            Self::PassesOver => "passes-over",
            Self::Forgets => "forgets",
            Self::TooOld => "too-old",
        })
    }
}

impl Expect {
    /// What a reader of README.md is told.
    fn in_words(self) -> &'static str {
        match self {
            Self::Enforce => "enforced, tested",
            Self::FmodRet => "enforced by `fmod_ret`, tested",
            Self::PassesOver => "refused, with the boot line to change; tested",
            Self::Forgets => "refused: a process whose fork fails would be governed no more; tested",
            Self::TooOld => "refused: too old; tested",
        }
    }
}

/// One kernel of the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kernel {
    /// The name used on the command line.
    pub(crate) name: String,
    /// Where a reader of README.md knows it from.
    pub(crate) from: String,
    /// Suites searched; the newest match of all of them is taken.
    pub(crate) suites: Vec<String>,
    /// Pattern for the package that holds vmlinuz.
    pub(crate) package: String,
    /// Prefix of the package that holds the modules, where that is another one.
    pub(crate) modules: Option<String>,
    /// Added to the kernel command line.
    #[serde(default)]
    pub(crate) append: String,
    /// What the daemon must do here.
    pub(crate) expect: Expect,
}

impl Kernel {
    /// The part of a package name before the kernel release.
    pub(crate) fn prefix(&self) -> Option<&'static str> {
        ["linux-image-", "linux-binary-"]
            .into_iter()
            .find(|prefix| self.package.starts_with(prefix))
    }
}

/// The root file system of the guests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guest {
    /// Debian suite it is made of.
    pub(crate) suite: String,
    /// Size of the (sparse) image, as mke2fs understands it.
    pub(crate) size: String,
    /// Packages besides the essential ones.
    pub(crate) packages: Vec<String>,
}

/// What `aa-vmtest test` runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    /// Script, from the root of the repository.
    pub(crate) script: PathBuf,
    /// Parts of the names of the tests that each enforcing kernel runs. The others are dealt out among those of [`Expect::Enforce`].
    pub(crate) everywhere: Vec<String>,
}

/// Where a suite is found.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    /// Last part of the archive's address.
    #[serde(default = "default_archive")]
    pub(crate) archive: String,
    /// The suite is no longer maintained and its index has passed its expiry date.
    #[serde(default)]
    pub(crate) expired: bool,
}

impl Default for Suite {
    fn default() -> Self {
        Self {
            archive: default_archive(),
            expired: false,
        }
    }
}

fn default_archive() -> String {
    "debian".to_owned()
}

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// The guests' root file system.
    pub(crate) guest: Guest,
    /// What `test` runs.
    pub(crate) test: Test,
    #[serde(default)]
    suites: BTreeMap<String, Suite>,
    #[serde(rename = "kernel")]
    kernels: Vec<Kernel>,
}

impl Table {
    /// Reads and checks the table.
    pub(crate) fn read(path: &Path) -> Result<Self, TableError> {
        let text = std::fs::read_to_string(path).map_err(|source| TableError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, TableError> {
        let table: Self = toml::from_str(text).map_err(|source| TableError::Parse(Box::new(source)))?;
        for (at, kernel) in table.kernels.iter().enumerate() {
            if table.kernels.iter().take(at).any(|earlier| earlier.name == kernel.name) {
                return Err(TableError::Duplicate(kernel.name.clone()));
            }
            if kernel.prefix().is_none() {
                return Err(TableError::Package {
                    name: kernel.name.clone(),
                    package: kernel.package.clone(),
                });
            }
        }
        Ok(table)
    }

    /// The table as README.md shows it.
    pub(crate) fn to_markdown(&self) -> String {
        let row = |kernel: &Kernel| format!("| {} | {} | {} |\n", kernel.name, kernel.from, kernel.expect.in_words());
        let rows: String = self.kernels.iter().map(row).collect();
        format!("| kernel | from | what happens |\n|---|---|---|\n{rows}")
    }

    /// All kernels, in the order of the file.
    pub(crate) fn kernels(&self) -> &[Kernel] {
        &self.kernels
    }

    /// The kernel of that name.
    pub(crate) fn kernel(&self, name: &str) -> Result<&Kernel, TableError> {
        self.kernels
            .iter()
            .find(|kernel| kernel.name == name)
            .ok_or_else(|| TableError::Unknown {
                name: name.to_owned(),
                known: self
                    .kernels
                    .iter()
                    .map(|kernel| kernel.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    /// The kernels of those names, or all of them if none is named.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<&Kernel>, TableError> {
        if names.is_empty() {
            return Ok(self.kernels.iter().collect());
        }
        names.iter().map(|name| self.kernel(name)).collect()
    }

    /// Where a suite is found.
    pub(crate) fn suite(&self, name: &str) -> Suite {
        self.suites.get(name).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITTED: &str = include_str!("../kernels.toml");

    #[test]
    fn the_committed_table_is_valid_and_covers_each_expectation() {
        let table = Table::parse(COMMITTED).unwrap();
        for expect in [
            Expect::Enforce,
            Expect::FmodRet,
            Expect::PassesOver,
            Expect::Forgets,
            Expect::TooOld,
        ] {
            assert!(table.kernels().iter().any(|kernel| kernel.expect == expect), "{expect}");
        }
        assert_eq!(table.suite("bullseye-security").archive, "debian-security");
        assert_eq!(table.suite("trixie").archive, "debian");
    }

    #[test]
    fn the_readme_shows_the_committed_table() {
        let readme = include_str!("../../README.md");
        let table = Table::parse(COMMITTED).unwrap().to_markdown();
        assert!(
            readme.contains(&table),
            "README.md has another table of kernels; put in what `cargo run -p aa-vmtest --bin aa-vmtest list --markdown` prints:\n{table}"
        );
    }

    #[test]
    fn an_unknown_kernel_is_answered_with_the_names_there_are() {
        let message = Table::parse(COMMITTED).unwrap().kernel("6.13").unwrap_err().to_string();
        assert!(message.contains("6.12, 6.18"), "{message}");
    }

    #[test]
    fn a_name_listed_twice_is_refused() {
        let twice = format!(
            "{COMMITTED}\n[[kernel]]\nname = \"6.1\"\nfrom = \"\"\nsuites = []\npackage = \"linux-image-x\"\nexpect = \"enforce\"\n"
        );
        assert!(matches!(Table::parse(&twice), Err(TableError::Duplicate(name)) if name == "6.1"));
    }

    #[test]
    fn an_unknown_field_or_package_prefix_is_refused() {
        assert!(matches!(
            Table::parse(&format!("{COMMITTED}\nsurprise = 1\n")),
            Err(TableError::Parse(_))
        ));
        let odd = COMMITTED.replacen("linux-image-6.1.0", "kernel-6.1.0", 1);
        assert!(matches!(Table::parse(&odd), Err(TableError::Package { .. })));
    }
}
