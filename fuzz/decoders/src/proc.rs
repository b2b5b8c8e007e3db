//! Texts of `/proc`.

use aa_procfs::{maps, mountinfo, stat};

/// `/proc/PID/maps`: mappings have a length, and an address in one has a place in its file.
pub fn proc_maps(bytes: &[u8]) -> bool {
    let mappings = maps::parse(bytes);
    for mapping in &mappings {
        assert!(
            mapping.contains(mapping.from) && !mapping.contains(mapping.to),
            "{mapping:?}"
        );
        assert_eq!(mapping.file_offset(mapping.from), mapping.offset, "{mapping:?}");
        assert_eq!(mapping.key().is_some(), mapping.inode != 0, "{mapping:?}");
    }
    !mappings.is_empty()
}

/// `/proc/PID/mountinfo`: a device is named once, by a path that fits the kernel's table.
pub fn proc_mountinfo(bytes: &[u8]) -> bool {
    const LIMIT: usize = 256;
    let mounts = mountinfo::whole_mounts(bytes, LIMIT);
    assert!(mounts.is_sorted_by(|one, next| one.0 < next.0), "{mounts:?}");
    assert!(mounts.iter().all(|(_, point)| point.len() < LIMIT), "{mounts:?}");
    !mounts.is_empty()
}

/// `/proc/PID/stat`: the start stands there as written.
pub fn proc_stat(bytes: &[u8]) -> bool {
    let Some(ticks) = stat::start_ticks(bytes) else {
        return false;
    };
    let digits = ticks.to_string();
    let written = bytes.windows(digits.len()).any(|part| part == digits.as_bytes());
    assert!(written, "{ticks}");
    true
}
