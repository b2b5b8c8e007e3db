//! From a line of the support table to a kernel that can be booted: resolve the newest package, download, unpack, keep.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::apt::{Archive, Package};
use crate::bzimage;
use crate::cache::{Cache, publish};
use crate::image::make_ext4;
use crate::report::note;
use crate::table::{Kernel, Table};
use crate::tool;
use crate::version::{compare, matches};

/// What the initramfs needs before it can mount the root and speak to us; a kernel that has one built in has no file for it.
const BOOT_MODULES: [&str; 4] = ["virtio_pci", "virtio_blk", "virtio_console", "ext4"];

/// Names in a kernel's place in the cache.
const PACKED: &str = "vmlinuz";
const UNPACKED: &str = "vmlinux";

/// A kernel in the cache, ready to boot.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    /// `uname -r`.
    pub(crate) release: String,
    /// What QEMU starts: the kernel proper where the host could unpack it, else the packed image.
    pub(crate) image: PathBuf,
    /// Modules for the initramfs, in loading order.
    pub(crate) boot_modules: Vec<PathBuf>,
    /// File system image to mount at /usr/lib/modules.
    pub(crate) modules_image: PathBuf,
}

/// The packages that make one kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// `uname -r`.
    pub(crate) release: String,
    /// Image first, then modules if they are in a package of their own.
    pub(crate) packages: Vec<Package>,
}

/// Picks the newest package that matches the pattern, and its modules. Pure.
pub(crate) fn resolve(kernel: &Kernel, available: &[Package]) -> Option<Resolved> {
    let prefix = kernel.prefix()?;
    let mut candidates: Vec<&Package> = available
        .iter()
        .filter(|package| matches(&kernel.package, &package.name))
        .collect();
    candidates
        .sort_by(|left, right| compare(&left.version, &right.version).then_with(|| compare(&left.name, &right.name)));
    candidates.into_iter().rev().find_map(|image| {
        let release = image.name.strip_prefix(prefix)?.to_owned();
        let mut packages = vec![image.clone()];
        if let Some(modules) = &kernel.modules {
            let name = format!("{modules}-{release}");
            packages.push(
                available
                    .iter()
                    .find(|package| package.name == name && package.version == image.version)?
                    .clone(),
            );
        }
        Some(Resolved { release, packages })
    })
}

/// Resolves a kernel in the archive's lists.
pub(crate) fn look_up(kernel: &Kernel, archive: &Archive<'_>) -> Result<Resolved> {
    let mut available = Vec::new();
    for suite in &kernel.suites {
        available.extend(archive.packages(suite)?);
    }
    resolve(kernel, &available)
        .ok_or_else(|| anyhow!("no package matches {} in {}", kernel.package, kernel.suites.join(", ")))
}

/// Brings a kernel into the cache. When the archive has moved on, its lists are read again; when it cannot be reached or no longer has the
/// kernel, the newest matching one fetched earlier serves.
pub(crate) fn fetch(kernel: &Kernel, cache: &Cache, table: &Table, update: bool) -> Result<Fetched> {
    let attempt = |update| {
        let archive = Archive::new(cache, table, update);
        fetch_resolved(&look_up(kernel, &archive)?, cache, &archive)
    };
    let first = attempt(update);
    let second = if first.is_err() && !update {
        attempt(true)
    } else {
        first
    };
    second
        .or_else(|error| {
            let earlier = newest_kept(kernel, cache).ok_or(error)?;
            note(&format!(
                "kernel {}: the archive does not answer; using {earlier}, fetched before",
                kernel.name
            ));
            open(&cache.path(&format!("kernels/{earlier}")), &earlier)
        })
        .with_context(|| format!("cannot fetch kernel {}", kernel.name))
}

fn fetch_resolved(resolved: &Resolved, cache: &Cache, archive: &Archive<'_>) -> Result<Fetched> {
    let place = cache.dir("kernels")?.join(&resolved.release);
    if !place.exists() {
        let packages = resolved
            .packages
            .iter()
            .map(|package| archive.download(package))
            .collect::<Result<Vec<PathBuf>>>()?;
        unpack(&resolved.release, &packages, &place, cache)?;
    }
    open(&place, &resolved.release)
}

/// The newest matching release in the cache.
pub(crate) fn newest_kept(kernel: &Kernel, cache: &Cache) -> Option<String> {
    let prefix = kernel.prefix()?;
    fs::read_dir(cache.path("kernels"))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|release| matches(&kernel.package, &format!("{prefix}{release}")))
        .max_by(|left, right| compare(left, right))
}

fn open(place: &Path, release: &str) -> Result<Fetched> {
    let entries =
        fs::read_dir(place.join("boot")).with_context(|| format!("no boot modules in {}", place.display()))?;
    let mut boot_modules: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    boot_modules.sort();
    Ok(Fetched {
        release: release.to_owned(),
        image: first_existing([place.join(UNPACKED), place.join(PACKED)])
            .with_context(|| format!("no kernel in {}", place.display()))?,
        boot_modules,
        modules_image: place.join("modules.img"),
    })
}

fn unpack(release: &str, packages: &[PathBuf], place: &Path, cache: &Cache) -> Result<()> {
    note(&format!("unpacking kernel {release}"));
    let scratch = cache.scratch()?;
    let tree = scratch.path().join("tree");
    for package in packages {
        tool::run(tool::command("dpkg-deb").arg("-x").arg(package).arg(&tree))?;
    }
    let finished = scratch.path().join("finished");
    fs::create_dir_all(finished.join("boot"))?;

    let modules = first_existing([
        tree.join(format!("usr/lib/modules/{release}")),
        tree.join(format!("lib/modules/{release}")),
    ])
    .with_context(|| format!("{release}: no modules directory in its packages"))?;
    let vmlinuz = first_existing([tree.join(format!("boot/vmlinuz-{release}")), modules.join("vmlinuz")])
        .with_context(|| format!("{release}: no vmlinuz in its packages"))?;
    unpack_image(&vmlinuz, &finished)?;
    fs::rename(&vmlinuz, finished.join(PACKED)).context("cannot keep vmlinuz")?;

    let root = scratch.path().join("root");
    fs::create_dir_all(root.join("lib/modules"))?;
    let modules_dir = root.join("lib/modules").join(release);
    fs::rename(&modules, &modules_dir).context("cannot move the modules")?;
    tool::run(tool::command("depmod").arg("-b").arg(&root).arg(release))?;
    copy_boot_modules(&modules_dir, &finished.join("boot"))?;
    make_ext4(&root.join("lib/modules"), &finished.join("modules.img"), None)?;
    publish(&finished, place)
}

/// Leaves the kernel proper beside its boot image, where it is packed as we can unpack and QEMU can start it.
fn unpack_image(vmlinuz: &Path, finished: &Path) -> Result<()> {
    let image = fs::read(vmlinuz).context("cannot read vmlinuz")?;
    let Some(payload) = bzimage::zstd_payload(&image) else {
        return Ok(());
    };
    let packed = finished.join("payload");
    fs::write(&packed, payload).context("cannot keep the kernel's payload")?;
    let unpacked = tool::output(tool::command("zstd").arg("-qdc").arg(&packed))?;
    fs::remove_file(packed).context("cannot remove the kernel's payload")?;
    if bzimage::has_pvh_entry(&unpacked) {
        fs::write(finished.join(UNPACKED), unpacked).context("cannot keep vmlinux")?;
    }
    Ok(())
}

fn first_existing<const N: usize>(paths: [PathBuf; N]) -> Option<PathBuf> {
    paths.into_iter().find(|path| path.exists())
}

fn copy_boot_modules(modules_dir: &Path, boot: &Path) -> Result<()> {
    let list = fs::read_to_string(modules_dir.join("modules.dep")).context("depmod wrote no modules.dep")?;
    for (number, path) in loading_order(&list, &BOOT_MODULES).into_iter().enumerate() {
        let file = modules_dir.join(path);
        let bytes = match path.rsplit('.').next() {
            Some("xz") => tool::output(tool::command("xz").arg("-dc").arg(file))?,
            Some("zst") => tool::output(tool::command("zstd").arg("-qdc").arg(file))?,
            _ => fs::read(&file).with_context(|| format!("cannot read {path}"))?,
        };
        let place = boot.join(format!("{number:02}-{}.ko", module_name(path)));
        fs::write(&place, bytes).with_context(|| format!("cannot keep {}", place.display()))?;
    }
    Ok(())
}

/// The files of the wanted modules, each after what it depends on. Pure.
///
/// A line of modules.dep is `module: dependencies`, all of them, to be loaded from the last to the first. Which of two modules needs the
/// other has changed between kernels, so the order cannot be a fixed list.
fn loading_order<'a>(modules_dep: &'a str, wanted: &[&str]) -> Vec<&'a str> {
    let mut order = Vec::new();
    for name in wanted {
        let found = modules_dep
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(path, _)| module_name(path) == *name);
        let Some((path, needs)) = found else { continue };
        for file in needs.split_whitespace().rev().chain([path]) {
            if !order.contains(&file) {
                order.push(file);
            }
        }
    }
    order
}

fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// A static busybox for the initramfs, from the archive so that the host need not have one.
pub(crate) fn busybox(cache: &Cache, table: &Table) -> Result<PathBuf> {
    let place = cache.dir("tools")?.join("busybox");
    if place.exists() {
        return Ok(place);
    }
    let archive = Archive::new(cache, table, false);
    let package = archive
        .packages(&table.guest.suite)?
        .into_iter()
        .filter(|package| package.name == "busybox-static")
        .max_by(|left, right| compare(&left.version, &right.version))
        .with_context(|| format!("no busybox-static in {}", table.guest.suite))?;
    let scratch = cache.scratch()?;
    tool::run(
        tool::command("dpkg-deb")
            .arg("-x")
            .arg(archive.download(&package)?)
            .arg(scratch.path()),
    )?;
    let binary = first_existing([
        scratch.path().join("usr/bin/busybox"),
        scratch.path().join("bin/busybox"),
    ])
    .context("no busybox in busybox-static")?;
    fs::rename(binary, &place).context("cannot keep busybox")?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Expect;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            suite: "suite".to_owned(),
        }
    }

    fn kernel(package: &str, modules: Option<&str>) -> Kernel {
        Kernel {
            name: "test".to_owned(),
            from: "a test".to_owned(),
            suites: vec!["suite".to_owned()],
            package: package.to_owned(),
            modules: modules.map(str::to_owned),
            append: String::new(),
            expect: Expect::Enforce,
        }
    }

    #[test]
    fn the_newest_version_wins_not_the_last_name() {
        let available = [
            package("linux-image-6.12.94+deb13-cloud-amd64", "6.12.94-1"),
            package("linux-image-6.12.107+deb13-cloud-amd64", "6.12.107-1"),
            package("linux-image-6.12.107+deb13-amd64", "6.12.107-1"),
        ];
        let resolved = resolve(&kernel("linux-image-6.12.*-cloud-amd64", None), &available).unwrap();
        assert_eq!(resolved.release, "6.12.107+deb13-cloud-amd64");
        assert_eq!(resolved.packages.len(), 1);
    }

    #[test]
    fn an_image_whose_modules_are_not_there_is_passed_over() {
        let available = [
            package("linux-binary-7.3.4+deb13-cloud-amd64", "7.3.4-1"),
            package("linux-binary-7.2.12+deb13-cloud-amd64", "7.2.12-1"),
            package("linux-modules-7.2.12+deb13-cloud-amd64", "7.2.12-1"),
        ];
        let resolved = resolve(
            &kernel("linux-binary-7.*-cloud-amd64", Some("linux-modules")),
            &available,
        )
        .unwrap();
        assert_eq!(resolved.release, "7.2.12+deb13-cloud-amd64");
        assert_eq!(resolved.packages[1].name, "linux-modules-7.2.12+deb13-cloud-amd64");
    }

    #[test]
    fn modules_are_loaded_after_what_they_need() {
        let dep = "k/virtio_blk.ko.xz: k/virtio.ko.xz k/virtio_ring.ko.xz\nk/virtio_ring.ko.xz:\nk/virtio.ko.xz: k/virtio_ring.ko.xz\n\
                   k/virtio-console.ko.xz: k/virtio.ko.xz k/virtio_ring.ko.xz\n";
        let order = loading_order(dep, &["virtio_blk", "virtio_console", "ext4"]);
        assert_eq!(
            order,
            [
                "k/virtio_ring.ko.xz",
                "k/virtio.ko.xz",
                "k/virtio_blk.ko.xz",
                "k/virtio-console.ko.xz"
            ]
        );
    }

    #[test]
    fn nothing_matching_is_nothing_resolved() {
        assert_eq!(
            resolve(
                &kernel("linux-image-6.6.*-cloud-amd64", None),
                &[package("linux-image-x", "1")]
            ),
            None
        );
    }
}
