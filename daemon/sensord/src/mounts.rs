//! Where each file system is mounted outside of bind mounts, for objects that are reached under another name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use aa_bpf::abi;

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
        Ok(parse(&text))
    }
}

/// The first mount of a device whose root is the file system's own root. proc(5).
fn parse(text: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut found: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        let (Some(device), Some(root), Some(point)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let point = unescape(point);
        if root == b"/"
            && point.len() < abi::AA_MOUNT_PREFIX_BYTES as usize
            && let Some(device) = parse_device(device)
        {
            found.entry(device).or_insert(point);
        }
    }
    found.into_iter().collect()
}

/// `major:minor` as the kernel's own dev_t: 12 bits of major, 20 of minor.
fn parse_device(text: &[u8]) -> Option<u32> {
    let (major, minor) = std::str::from_utf8(text).ok()?.split_once(':')?;
    Some(major.parse::<u32>().ok()? << 20 | minor.parse::<u32>().ok()?)
}

/// Octal escapes: space, tab, newline and backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(byte) = octal.filter(|_| *first == b'\\') {
            out.push(byte);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_mount_of_a_device_is_its_name_and_a_bind_mount_is_not() {
        let text = b"22 1 253:0 / / rw - ext4 /dev/vda rw\n23 22 253:0 /srv /mnt rw - ext4 /dev/vda rw\n\
                     24 22 0:31 / /my\\040data rw - tmpfs tmpfs rw\n";
        assert_eq!(
            parse(text),
            vec![(31, b"/my data".to_vec()), (253 << 20, b"/".to_vec())]
        );
    }

    #[test]
    fn a_damaged_line_is_passed_over() {
        assert!(parse(b"22 1 x:y / /\n\n22\n").is_empty());
    }
}
