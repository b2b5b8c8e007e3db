//! `/proc/PID/maps`: which file is mapped where. The names in it are chosen by the process.

/// Executable mappings that are looked at.
const MAPPINGS_LIMIT: usize = 4096;

/// An executable mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub from: u64,
    /// First address behind it.
    pub to: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// Of the file: major and minor.
    pub device: (u32, u32),
    /// Of the file; 0 if no file is mapped.
    pub inode: u64,
    /// A path, a name in brackets, or nothing.
    pub path: Vec<u8>,
}

/// What makes a mapped file the same file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModuleKey {
    device: (u32, u32),
    inode: u64,
    path: Vec<u8>,
}

impl Mapping {
    /// Whether the address lies in it.
    pub fn contains(&self, address: u64) -> bool {
        (self.from..self.to).contains(&address)
    }

    /// Where in the file the address lies.
    pub fn file_offset(&self, address: u64) -> u64 {
        address.saturating_sub(self.from).saturating_add(self.offset)
    }

    /// Which file; `None` if no file is mapped.
    pub fn key(&self) -> Option<ModuleKey> {
        let key = ModuleKey {
            device: self.device,
            inode: self.inode,
            path: self.path.clone(),
        };
        (self.inode != 0).then_some(key)
    }
}

/// The executable mappings; lines that are no mappings are passed over.
pub fn parse(text: &[u8]) -> Vec<Mapping> {
    text.split(|byte| *byte == b'\n')
        .filter_map(mapping)
        .take(MAPPINGS_LIMIT)
        .collect()
}

/// What a line says, if it is that of an executable mapping.
pub fn mapping(line: &[u8]) -> Option<Mapping> {
    // 7f0a1c000000-7f0a1c021000 r-xp 00000000 08:01 1234   /usr/lib/libc.so.6
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let mut range = fields.next()?.split(|byte| *byte == b'-');
    let (from, to) = (hexadecimal(range.next()?)?, hexadecimal(range.next()?)?);
    let permissions = fields.next()?;
    let offset = hexadecimal(fields.next()?)?;
    let mut device = fields.next()?.split(|byte| *byte == b':');
    let mut number = || u32::try_from(hexadecimal(device.next()?)?).ok();
    let device = (number()?, number()?);
    let inode = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let path = fields.next().unwrap_or_default().trim_ascii_start().to_vec();
    let executable = permissions.get(2) == Some(&b'x') && from < to;
    executable.then_some(Mapping {
        from,
        to,
        offset,
        device,
        inode,
        path,
    })
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn executable_mappings_are_kept_with_their_files() {
        let text = b"7f00-7f10 r--p 00000000 08:01 12 /lib/a.so\n7f10-7f20 r-xp 00001000 08:01 12     /lib/a b.so\n\
            7f20-7f30 r-xp 00000000 00:00 0 \nffff-10000 r-xp 00000000 00:00 0 [vsyscall]\nnonsense\n";
        let maps = parse(text);
        assert_eq!(maps.len(), 3);
        assert_eq!(
            (maps[0].path.as_slice(), maps[0].file_offset(0x7f11)),
            (&b"/lib/a b.so"[..], 0x1001)
        );
        assert!(maps[0].key().is_some() && maps[1].key().is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text: Vec<u8>) {
            parse(&text);
        }
    }
}
