//! `/proc/PID/mountinfo`: where each file system is mounted outside of bind mounts.

use std::collections::BTreeMap;

/// Device number (as in `super_block.s_dev`) and mount point of each file system that is mounted whole: of a device's
/// mounts whose root is the file system's own root, the first. A mount point of `limit` bytes or more is left out.
pub fn whole_mounts(text: &[u8], limit: usize) -> Vec<(u32, Vec<u8>)> {
    let mut found: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        let (Some(device), Some(root), Some(point)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let point = unescape(point);
        if root == b"/"
            && point.len() < limit
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
    let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    (major < 1 << 12 && minor < 1 << 20).then_some(major << 20 | minor)
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_whole_mount_of_a_device_is_its_name_and_a_bind_mount_is_not() {
        let text = b"22 1 253:0 / / rw - ext4 /dev/vda rw\n23 22 253:0 /srv /mnt rw - ext4 /dev/vda rw\n\
                     24 22 0:31 / /my\\040data rw - tmpfs tmpfs rw\n";
        assert_eq!(
            whole_mounts(text, 256),
            vec![(31, b"/my data".to_vec()), (253 << 20, b"/".to_vec())]
        );
    }

    #[test]
    fn a_damaged_line_is_passed_over() {
        assert!(whole_mounts(b"22 1 x:y / /\n\n22\n", 256).is_empty());
    }

    #[test]
    fn a_device_number_that_is_none_is_passed_over() {
        let text = b"22 1 4096:0 / /a rw\n23 1 0:1048576 / /b rw\n24 1 4095:1048575 / /c rw\n";
        assert_eq!(whole_mounts(text, 256), vec![(u32::MAX, b"/c".to_vec())]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: Vec<u8>) {
            let _ = whole_mounts(&text, 256);
        }
    }
}
