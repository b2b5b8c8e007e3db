//! The guests' root file system: built with mmdebstrap and `mke2fs -d`, so that neither mounting nor a loop device is needed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::apt::{KEYRING, mirror};
use crate::cache::{Cache, publish};
use crate::report::note;
use crate::table::{Guest, Table};
use crate::tool;

/// Run by mmdebstrap with the new root as `$1`.
const CUSTOMIZE: &str = include_str!("../guest/customize.sh");

/// The image for this recipe, built if the cache does not have it.
pub(crate) fn ensure(cache: &Cache, table: &Table, rebuild: bool) -> Result<PathBuf> {
    let guest = &table.guest;
    let place = cache.dir("image")?.join(recipe_hash(guest));
    let image = place.join("root.img");
    if image.exists() && !rebuild {
        return Ok(image);
    }
    note(&format!(
        "building the guest image ({}, {} packages); a few minutes",
        guest.suite,
        guest.packages.len()
    ));
    let scratch = cache.scratch()?;
    let tar = scratch.path().join("root.tar");
    bootstrap(guest, scratch.path(), &tar).context("cannot build the guest image")?;
    let finished = scratch.path().join("finished");
    fs::create_dir_all(&finished)?;
    pack(
        &tar,
        &scratch.path().join("root"),
        &finished.join("root.img"),
        &guest.size,
    )
    .context("cannot pack the guest image")?;
    publish(&finished, &place)?;
    remove_older(cache, &place)?;
    Ok(image)
}

/// Changes whenever the image would.
fn recipe_hash(guest: &Guest) -> String {
    let mut hash = Sha256::new();
    for part in [
        guest.suite.as_str(),
        guest.size.as_str(),
        CUSTOMIZE,
        guest.packages.join(" ").as_str(),
    ] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .take(6)
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn bootstrap(guest: &Guest, scratch: &Path, tar: &Path) -> Result<()> {
    let hook = scratch.join("customize");
    fs::write(&hook, CUSTOMIZE)?;
    let source = format!("deb [signed-by={KEYRING}] {}/debian {} main", mirror(), guest.suite);
    let log = tool::output(
        tool::command("mmdebstrap")
            .args([
                "--quiet",
                "--mode=auto",
                "--variant=minbase",
                "--format=tar",
                "--architectures=amd64",
            ])
            .args([
                "--aptopt=Acquire::Languages \"none\"",
                "--aptopt=APT::Install-Recommends \"false\"",
            ])
            .args(["man", "locale", "doc", "info"].map(|dir| format!("--dpkgopt=path-exclude=/usr/share/{dir}/*")))
            .arg(format!("--include={}", guest.packages.join(",")))
            .arg(format!("--customize-hook=sh {} \"$1\"", hook.display()))
            .arg(&guest.suite)
            .arg(tar)
            .arg(source),
    )?;
    drop(log);
    Ok(())
}

/// Owners and modes survive an unprivileged unpacking under fakeroot.
fn pack(tar: &Path, dir: &Path, image: &Path, size: &str) -> Result<()> {
    fs::create_dir_all(dir)?;
    let script = "set -e; tar -xf \"$1\" -C \"$2\" --exclude='./dev/*'; truncate -s \"$4\" \"$3\"; \
                  mke2fs -q -F -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 -O ^has_journal -d \"$2\" \"$3\"";
    let mut command = if nix::unistd::geteuid().is_root() {
        tool::command("sh")
    } else {
        tool::command("fakeroot")
    };
    if !nix::unistd::geteuid().is_root() {
        command.args(["--", "sh"]);
    }
    tool::run(
        command
            .args(["-c", script, "sh"])
            .arg(tar)
            .arg(dir)
            .arg(image)
            .arg(size)
            .env("PATH", path_with_sbin()),
    )?;
    Ok(())
}

/// A small ext4 image of a directory; with no size given, just large enough.
pub(crate) fn make_ext4(dir: &Path, image: &Path, size_bytes: Option<u64>) -> Result<()> {
    let size_bytes = match size_bytes {
        Some(size_bytes) => size_bytes,
        None => usage_bytes(dir)? * 5 / 4 + (16 << 20),
    };
    let file = fs::File::create(image).with_context(|| format!("cannot make {}", image.display()))?;
    file.set_len(size_bytes)
        .with_context(|| format!("cannot size {}", image.display()))?;
    tool::run(
        tool::command("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d"])
            .arg(dir)
            .arg(image)
            .env("PATH", path_with_sbin()),
    )?;
    Ok(())
}

/// Whole blocks, as the file system will use them.
fn usage_bytes(dir: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        let meta = entry.metadata()?;
        total += if meta.is_dir() {
            4096 + usage_bytes(&entry.path())?
        } else {
            meta.len().next_multiple_of(4096)
        };
    }
    Ok(total)
}

/// mke2fs and depmod are in sbin, which a user's PATH may lack.
fn path_with_sbin() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn remove_older(cache: &Cache, current: &Path) -> Result<()> {
    for entry in fs::read_dir(cache.path("image"))?.filter_map(Result::ok) {
        if entry.path() != current {
            fs::remove_dir_all(entry.path()).with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_hash_follows_every_part_of_the_recipe() {
        let guest = Guest {
            suite: "trixie".into(),
            size: "3G".into(),
            packages: vec!["bash".into()],
        };
        let hash = recipe_hash(&guest);
        assert_eq!(hash.len(), 12);
        assert_eq!(hash, recipe_hash(&guest));
        assert_ne!(
            hash,
            recipe_hash(&Guest {
                suite: "sid".into(),
                ..guest.clone()
            })
        );
        assert_ne!(
            hash,
            recipe_hash(&Guest {
                size: "4G".into(),
                ..guest.clone()
            })
        );
        assert_ne!(
            hash,
            recipe_hash(&Guest {
                packages: vec!["bash".into(), "git".into()],
                ..guest
            })
        );
    }

    #[test]
    fn usage_counts_whole_blocks() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("one"), "x").unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        assert_eq!(usage_bytes(dir.path()).unwrap(), 8192);
    }
}
