//! `daemon/packaging/install.manifest`: which built files go where in a guest (and in the packages).
//!
//! One file per line, `source dest mode`, separated by blanks; `#` begins a comment. A source under `target/` is looked up in the build
//! profile's directory, any other from the root of the repository. A directory stands for all files below it. A dest that ends in `/` is a
//! directory to put the file in.

use std::fs;
use std::path::{Path, PathBuf};

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    /// The manifest itself is not readable.
    #[error("cannot read {path}")]
    Read {
        /// The manifest or a directory it names.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line that is not `source dest mode`.
    #[error("install.manifest line {line}: {problem}")]
    Line {
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file that was not built, or is not there.
    #[error("install.manifest names {path}, which does not exist")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
}

impl ManifestError {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("build first (`make build`), choose another --profile, or use --no-install"),
            Self::Read { .. } | Self::Line { .. } => None,
        }
    }
}

/// One file to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Install {
    /// On the host.
    pub(crate) source: PathBuf,
    /// In the guest, absolute.
    pub(crate) dest: String,
    /// Permission bits in octal.
    pub(crate) mode: String,
}

/// Where sources are looked up.
#[derive(Debug, Clone)]
pub(crate) struct Roots {
    /// Root of the repository.
    pub(crate) repository: PathBuf,
    /// `target/<profile>`.
    pub(crate) profile: PathBuf,
}

/// Reads the manifest; none at all means nothing to install.
pub(crate) fn read(path: &Path, roots: &Roots) -> Result<Vec<Install>, ManifestError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).map_err(|source| ManifestError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut installs = Vec::new();
    for entry in parse(&text)? {
        expand(&resolve(&entry, roots), &mut installs)?;
    }
    Ok(installs)
}

/// Sources are still as written.
fn parse(text: &str) -> Result<Vec<Install>, ManifestError> {
    let mut entries = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let wrong = |problem| ManifestError::Line { line: at + 1, problem };
        let mut fields = line.split_whitespace();
        let (Some(source), Some(dest), Some(mode), None) = (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(wrong("want `source dest mode`"));
        };
        if !dest.starts_with('/') || dest.split('/').any(|part| part == "..") {
            return Err(wrong("dest must be an absolute path"));
        }
        if !(3..=4).contains(&mode.len()) || !mode.bytes().all(|digit| (b'0'..=b'7').contains(&digit)) {
            return Err(wrong("mode must be three or four octal digits"));
        }
        entries.push(Install {
            source: PathBuf::from(source),
            dest: dest.to_owned(),
            mode: mode.to_owned(),
        });
    }
    Ok(entries)
}

fn resolve(entry: &Install, roots: &Roots) -> Install {
    let source = match entry.source.strip_prefix("target") {
        Ok(built) => {
            let built = built
                .strip_prefix("release")
                .or_else(|_| built.strip_prefix("debug"))
                .unwrap_or(built);
            roots.profile.join(built)
        }
        Err(_) => roots.repository.join(&entry.source),
    };
    let dest = match (entry.dest.strip_suffix('/'), source.file_name()) {
        (Some(dir), Some(name)) if !source.is_dir() => format!("{dir}/{}", name.to_string_lossy()),
        (Some(dir), _) => dir.to_owned(),
        (None, _) => entry.dest.clone(),
    };
    Install {
        source,
        dest,
        mode: entry.mode.clone(),
    }
}

fn expand(entry: &Install, into: &mut Vec<Install>) -> Result<(), ManifestError> {
    if !entry.source.exists() {
        return Err(ManifestError::Missing {
            path: entry.source.clone(),
        });
    }
    if !entry.source.is_dir() {
        into.push(entry.clone());
        return Ok(());
    }
    let unreadable = |source| ManifestError::Read {
        path: entry.source.clone(),
        source,
    };
    let mut children = fs::read_dir(&entry.source)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    children.sort_by_key(fs::DirEntry::file_name);
    for child in children {
        let dest = format!("{}/{}", entry.dest, child.file_name().to_string_lossy());
        expand(
            &Install {
                source: child.path(),
                dest,
                mode: entry.mode.clone(),
            },
            into,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let entries = parse("# programs\n\ntarget/aasm  /usr/bin/aasm 0755 # the CLI\n").unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].dest, "/usr/bin/aasm");
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        for (text, wanted) in [
            ("a /b", "line 1: want"),
            ("\na /b 0644 extra", "line 2: want"),
            ("a b 0644", "absolute"),
            ("a /b/../c 0644", "absolute"),
            ("a /b 0o644", "octal"),
            ("a /b 9", "octal"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(wanted), "{text:?}: {message}");
        }
    }

    #[test]
    fn built_files_come_from_the_profile_and_directories_are_walked() {
        let repository = tempfile::tempdir().unwrap();
        let profile = repository.path().join("target/release");
        fs::create_dir_all(&profile).unwrap();
        fs::create_dir_all(repository.path().join("packs/more")).unwrap();
        for file in ["target/release/aasm", "packs/a.yaml", "packs/more/b.yaml", "unit"] {
            fs::write(repository.path().join(file), "").unwrap();
        }
        let manifest = repository.path().join("install.manifest");
        fs::write(
            &manifest,
            "target/aasm /usr/bin/ 755\nunit /etc/u 0644\npacks /usr/share/packs/ 0644\n",
        )
        .unwrap();
        let roots = Roots {
            repository: repository.path().to_owned(),
            profile: profile.clone(),
        };
        let installs = read(&manifest, &roots).unwrap();
        let dests: Vec<&str> = installs.iter().map(|install| install.dest.as_str()).collect();
        assert_eq!(
            dests,
            [
                "/usr/bin/aasm",
                "/etc/u",
                "/usr/share/packs/a.yaml",
                "/usr/share/packs/more/b.yaml"
            ]
        );
        assert_eq!(installs[0].source, profile.join("aasm"));
    }

    #[test]
    fn a_file_that_was_not_built_is_named_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = dir.path().join("install.manifest");
        fs::write(&manifest, "target/aasm /usr/bin/aasm 0755\n").unwrap();
        let roots = Roots {
            repository: dir.path().to_owned(),
            profile: dir.path().join("target/debug"),
        };
        let error = read(&manifest, &roots).unwrap_err();
        assert!(error.to_string().contains("aasm") && error.hint().is_some(), "{error}");
    }

    #[test]
    fn no_manifest_installs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots {
            repository: dir.path().to_owned(),
            profile: dir.path().to_owned(),
        };
        assert_eq!(read(&dir.path().join("none"), &roots).unwrap(), []);
    }
}
