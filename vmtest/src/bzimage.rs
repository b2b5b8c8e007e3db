//! The Linux boot image: a small program that unpacks the kernel proper behind it. An emulated guest takes seconds for what the host does
//! in a tenth of one, so the host does it, and QEMU starts the kernel proper by its PVH entry.
//!
//! Offsets: Documentation/arch/x86/boot.rst of Linux; the note: xen/include/public/arch-x86/hvm/start_info.h.

use std::ops::Range;

const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: Range<usize> = 0x202..0x206;
const PROTOCOL_VERSION: usize = 0x206;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const SECTOR: usize = 512;
/// The first protocol that says where the payload is.
const PROTOCOL_WITH_PAYLOAD: u16 = 0x0208;
/// Every packer but gzip is followed by the unpacked size in four bytes.
const SIZE_AT_THE_END: usize = 4;
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// An ELF note of the owner "Xen" and type XEN_ELFNOTE_PHYS32_ENTRY (18), from its owner's length on; the entry's own length is left out.
const PVH_NOTE: ([u8; 4], [u8; 8]) = ([4, 0, 0, 0], [18, 0, 0, 0, b'X', b'e', b'n', 0]);

/// The kernel proper as packed in a boot image, if it is packed by zstd; the other packers are left to the guest.
pub(crate) fn zstd_payload(image: &[u8]) -> Option<&[u8]> {
    let half = |at: usize| Some(u16::from_le_bytes(image.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| usize::try_from(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?)).ok();
    if image.get(MAGIC)? != b"HdrS" || half(PROTOCOL_VERSION)? < PROTOCOL_WITH_PAYLOAD {
        return None;
    }
    let start = (usize::from(*image.get(SETUP_SECTORS)?) + 1) * SECTOR + word(PAYLOAD_OFFSET)?;
    let length = word(PAYLOAD_LENGTH)?.checked_sub(SIZE_AT_THE_END)?;
    let payload = image.get(start..start.checked_add(length)?)?;
    payload.starts_with(&ZSTD).then_some(payload)
}

/// Whether QEMU can start this kernel as it is.
pub(crate) fn has_pvh_entry(vmlinux: &[u8]) -> bool {
    let (owner_length, kind) = PVH_NOTE;
    vmlinux
        .windows(16)
        .step_by(4)
        .any(|note| note.starts_with(&owner_length) && note.ends_with(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 2 * SECTOR];
        image[SETUP_SECTORS] = 1;
        image[MAGIC].copy_from_slice(b"HdrS");
        image[PROTOCOL_VERSION..][..2].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[PAYLOAD_OFFSET..][..4].copy_from_slice(&8_u32.to_le_bytes());
        image[PAYLOAD_LENGTH..][..4].copy_from_slice(&u32::try_from(payload.len() + 4).unwrap().to_le_bytes());
        image.extend([0; 8]);
        image.extend(payload);
        image.extend([0xee; 100]);
        image
    }

    #[test]
    fn the_payload_is_found_without_the_size_behind_it() {
        let payload = [&ZSTD[..], b"packed"].concat();
        assert_eq!(zstd_payload(&image(&payload)), Some(payload.as_slice()));
    }

    #[test]
    fn what_is_packed_otherwise_or_cut_off_is_left_alone() {
        assert_eq!(zstd_payload(&image(b"\x02!L\x18lz4")), None);
        let whole = image(&ZSTD);
        for length in 0..2 * SECTOR + 12 {
            assert_eq!(zstd_payload(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn the_entry_is_a_note() {
        let mut vmlinux = vec![0; 64];
        assert!(!has_pvh_entry(&vmlinux));
        vmlinux[20..36].copy_from_slice(b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0");
        assert!(has_pvh_entry(&vmlinux));
    }
}
