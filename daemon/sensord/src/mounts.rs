//! Where each file system is mounted outside of bind mounts, for objects that are reached under another name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use aa_bpf::abi;
use aa_procfs::mountinfo;

/// The first process' mounts: it is in nobody's sandbox.
const MOUNTS: &str = "/proc/1/mountinfo";

/// The list of mounts; its descriptor polls with POLLPRI when it changes.
#[derive(Debug)]
pub(crate) struct MountList {
    pub(crate) file: File,
}

impl MountList {
    pub(crate) fn open() -> io::Result<Self> {
        File::open(MOUNTS).map(|file| Self { file })
    }

    /// Device number (as in `super_block.s_dev`) and mount point of each file system that is mounted whole.
    pub(crate) fn read(&mut self) -> io::Result<Vec<(u32, Vec<u8>)>> {
        let mut text = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut text)?;
        Ok(mountinfo::whole_mounts(&text, abi::AA_MOUNT_PREFIX_BYTES as usize))
    }
}
