//! The Debian archive through the host's apt, with lists, caches and sources of our own: the host's apt state is neither read nor changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::report::note;
use crate::table::Table;
use crate::tool;

/// Signs every Debian suite.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const LISTS_ARE_FRESH_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Only these are kept of a suite's index.
const WANTED: [&str; 4] = ["linux-image-", "linux-binary-", "linux-modules-", "busybox-static"];

/// One package of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The suite it was found in.
    pub(crate) suite: String,
}

/// The archive's base address without its last part.
pub(crate) fn mirror() -> String {
    let address = std::env::var("AA_DEBIAN_MIRROR").unwrap_or_else(|_| "http://deb.debian.org".to_owned());
    address.trim_end_matches('/').trim_end_matches("/debian").to_owned()
}

/// The archive as we see it.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    cache: &'a Cache,
    table: &'a Table,
    update: bool,
}

impl<'a> Archive<'a> {
    /// With `update` the lists are fetched anew even if they are fresh.
    pub(crate) fn new(cache: &'a Cache, table: &'a Table, update: bool) -> Self {
        Self { cache, table, update }
    }

    /// The wanted packages of a suite: fetched once a day; an older list serves when the archive cannot be reached.
    pub(crate) fn packages(&self, suite: &str) -> Result<Vec<Package>> {
        let list = self.dir(suite)?.join("packages.tsv");
        let fresh = age(&list).is_some_and(|age| age < LISTS_ARE_FRESH_FOR);
        if self.update || !fresh {
            match self.refresh(suite, &list) {
                Ok(()) => {}
                Err(error) if list.exists() => {
                    note(&format!(
                        "{suite}: using the package list of an earlier day ({error:#})"
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        let text = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
        Ok(parse_list(&text, suite))
    }

    /// Downloads a package (once) and returns where it is. apt checks its hash against the signed index.
    pub(crate) fn download(&self, package: &Package) -> Result<PathBuf> {
        let kept = self.cache.dir("debs")?;
        let stem = format!("{}_{}_", package.name, package.version.replace(':', "%3a"));
        if let Some(found) = find(&kept, &stem)? {
            return Ok(found);
        }
        note(&format!(
            "downloading {} {} ({})",
            package.name, package.version, package.suite
        ));
        let scratch = self.cache.scratch()?;
        let wanted = format!("{}={}", package.name, package.version);
        tool::run(
            self.apt("apt-get", &package.suite)
                .args(["-q", "download", &wanted])
                .current_dir(scratch.path()),
        )?;
        let Some(fetched) = find(scratch.path(), &stem)? else {
            bail!("apt-get said it downloaded {wanted}, but there is no {stem}*.deb");
        };
        let place = kept.join(fetched.file_name().unwrap_or_default());
        fs::rename(&fetched, &place).with_context(|| format!("cannot keep {}", place.display()))?;
        Ok(place)
    }

    fn dir(&self, suite: &str) -> Result<PathBuf> {
        self.cache.dir(&format!("apt/{suite}"))
    }

    fn refresh(&self, suite: &str, list: &Path) -> Result<()> {
        self.configure(suite)?;
        note(&format!("updating the package list of {suite}"));
        tool::run(
            self.apt("apt-get", suite)
                .args(["-q", "-o", "APT::Update::Error-Mode=any", "update"]),
        )
        .with_context(|| format!("cannot update the package list of {suite}"))?;
        let index = tool::output(self.apt("apt-cache", suite).arg("dumpavail"))?;
        let rows = filter_index(&String::from_utf8_lossy(&index));
        fs::write(list, rows).with_context(|| format!("cannot write {}", list.display()))
    }

    fn configure(&self, suite: &str) -> Result<()> {
        let dir = self.dir(suite)?;
        for sub in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(sub)).with_context(|| format!("cannot make {}", dir.join(sub).display()))?;
        }
        let place = self.table.suite(suite);
        let expired = if place.expired { " check-valid-until=no" } else { "" };
        let source = format!(
            "deb [arch=amd64 target=Packages signed-by={KEYRING}{expired}] {}/{} {suite} main\n",
            mirror(),
            place.archive
        );
        for (name, text) in [
            ("sources.list", source),
            ("apt.conf", apt_conf(&dir)),
            ("main.conf", MAIN_CONF.to_owned()),
        ] {
            fs::write(dir.join(name), text).with_context(|| format!("cannot write {name} in {}", dir.display()))?;
        }
        Ok(())
    }

    fn apt(&self, program: &str, suite: &str) -> Command {
        let mut command = tool::command(program);
        command.env("APT_CONFIG", self.cache.path(&format!("apt/{suite}/apt.conf")));
        command
    }
}

/// Read last of apt's files: hooks a host may have (docker images clean /var/cache/apt after each update) are not ours to run.
const MAIN_CONF: &str =
    "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n#clear APT::Update::Pre-Invoke;\n";

fn apt_conf(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "Dir::State \"{dir}\";\nDir::State::lists \"{dir}/lists\";\nDir::State::status \"/dev/null\";\nDir::Cache \"{dir}/cache\";\n\
         Dir::Etc::sourcelist \"{dir}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\nDir::Etc::main \"{dir}/main.conf\";\n\
         Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\nAcquire::Languages \"none\";\n\
         Acquire::Retries \"2\";\nAPT::Sandbox::User \"root\";\nAPT::Architecture \"amd64\";\n"
    )
}

/// Reduces a Packages index to lines `name<TAB>version` of the packages we may want.
fn filter_index(index: &str) -> String {
    let mut rows = String::new();
    for stanza in index.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
        let (Some(name), Some(version)) = (field("Package:"), field("Version:")) else {
            continue;
        };
        if WANTED.iter().any(|prefix| name.starts_with(prefix)) {
            rows.extend([name, "\t", version, "\n"]);
        }
    }
    rows
}

fn parse_list(text: &str, suite: &str) -> Vec<Package> {
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, version)| Package {
            name: name.to_owned(),
            version: version.to_owned(),
            suite: suite.to_owned(),
        })
        .collect()
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

fn find(dir: &Path, stem: &str) -> Result<Option<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(stem) && path.extension().is_some_and(|extension| extension == "deb")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_reduced_to_the_wanted_packages() {
        let index = "Package: linux-image-6.1.0-50-cloud-amd64\nArchitecture: amd64\nVersion: 6.1.176-1\nDescription: x\n more\n\n\
                     Package: bash\nVersion: 5.2\n\nPackage: busybox-static\nVersion: 1:1.37-1\n";
        let rows = filter_index(index);
        assert_eq!(
            rows,
            "linux-image-6.1.0-50-cloud-amd64\t6.1.176-1\nbusybox-static\t1:1.37-1\n"
        );
        let packages = parse_list(&rows, "bookworm");
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[1].version, "1:1.37-1");
        assert_eq!(packages[0].suite, "bookworm");
    }

    #[test]
    fn a_stanza_without_a_version_is_left_out() {
        assert_eq!(filter_index("Package: linux-image-x\n\n"), "");
    }
}
