//! The initramfs: static busybox, the modules needed to reach the root disk, and the guest's scripts, which thus need no rebuilt image.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cpio::Archive;
use crate::kernels::Fetched;

/// Copied by the initramfs to /run/aa-vmtest of the guest.
const GUEST_SCRIPTS: [(&str, &str); 5] = [
    ("fstab", include_str!("../guest/fstab")),
    ("lib.sh", include_str!("../guest/lib.sh")),
    ("init-light", include_str!("../guest/init-light.sh")),
    ("init-systemd", include_str!("../guest/init-systemd.sh")),
    ("job", include_str!("../guest/job.sh")),
];

/// Writes the initramfs of a kernel.
pub(crate) fn write(kernel: &Fetched, busybox: &Path, place: &Path) -> Result<()> {
    let mut archive = Archive::default();
    for dir in ["bin", "dev", "proc", "sys", "root", "modules", "guest"] {
        archive.directory(dir);
    }
    archive.character_device("dev/console", 5, 1);
    archive.file("bin/busybox", 0o755, &read(busybox)?);
    archive.file("init", 0o755, include_bytes!("../guest/initramfs.sh"));
    for module in &kernel.boot_modules {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        archive.file(&format!("modules/{name}"), 0o644, &read(module)?);
    }
    for (name, script) in GUEST_SCRIPTS {
        archive.file(&format!("guest/{name}"), 0o755, script.as_bytes());
    }
    fs::write(place, archive.finish()).with_context(|| format!("cannot write {}", place.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
