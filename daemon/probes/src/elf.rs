//! What of an ELF file says where its code, names and strings are (System V gABI, chapters 4 and 5).
//!
//! Segments, the dynamic symbols and the build id come from the program headers, which is what the loader reads, so
//! a file whose section headers are gone or lie is read as it runs. Sections only add what the loader does not need:
//! the full table of symbols.

use std::ops::Range;

use object::LittleEndian as LE;
use object::elf::{
    self, Dyn64, DynamicTag, FileHeader64, NoteHeader64, ProgramHeader64, ProgramType, Rela64, SectionHeader64, Sym64,
};
use object::pod::from_bytes;

use crate::ProbeError;
use crate::read::Reader;

/// The kernel takes 64 KiB of program headers, `load_elf_phdrs`.
const PROGRAM_HEADERS: u64 = 1170;
/// Addresses of processes end below, with five levels of page tables too.
const ADDRESSES: u64 = 1 << 56;
/// A linked file has some forty.
const SECTIONS: u64 = 4096;
const DYNAMIC: usize = 1024;
const NOTES: u64 = 64 << 10;
/// SHA-1 takes 20 bytes; `ld --build-id=0x...` any number.
const BUILD_ID: u32 = 64;
const PATIENCE: usize = 64;

/// A part of the file that is mapped.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Where, before relocation.
    pub(crate) address: u64,
    pub(crate) file: Range<u64>,
    pub(crate) executable: bool,
}

impl Segment {
    pub(crate) fn offset_of(&self, address: u64) -> Option<u64> {
        let offset = self.file.start.checked_add(address.checked_sub(self.address)?)?;
        self.file.contains(&offset).then_some(offset)
    }

    pub(crate) fn address_of(&self, offset: u64) -> Option<u64> {
        self.address.checked_add(offset.checked_sub(self.file.start)?)
    }
}

/// A table of symbols and that of their names, as ranges of the file.
#[derive(Debug, Clone)]
pub(crate) struct Symbols {
    pub(crate) entries: Range<u64>,
    pub(crate) names: Range<u64>,
}

/// What the program headers say.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) segments: Vec<Segment>,
    pub(crate) build_id: Option<Vec<u8>>,
    dynamic: Option<Range<u64>>,
    /// Where their headers are, and how many.
    sections: Option<(u64, u16)>,
}

impl Image {
    pub(crate) fn read(reader: &mut Reader) -> Result<Self, ProbeError> {
        let head: &FileHeader64<LE> = reader.structure("the ELF header", 0).map_err(|error| match error {
            ProbeError::Outside { .. } => ProbeError::NotElf,
            other => other,
        })?;
        if head.e_ident.magic != elf::ELFMAG {
            return Err(ProbeError::NotElf);
        }
        if head.e_ident.class != elf::ELFCLASS64 || head.e_ident.data != elf::ELFDATA2LSB {
            return Err(ProbeError::Machine { machine: 0 });
        }
        let machine = head.e_machine.get(LE);
        if machine != elf::EM_X86_64 {
            return Err(ProbeError::Machine { machine: machine.0 });
        }
        let kind = head.e_type.get(LE);
        if kind != elf::ET_EXEC && kind != elf::ET_DYN {
            return Err(ProbeError::Kind(kind.0));
        }
        let sections = (head.e_shoff.get(LE), head.e_shnum.get(LE));
        let (start, count) = (head.e_phoff.get(LE), u64::from(head.e_phnum.get(LE)));
        let mut image = Self {
            segments: Vec::new(),
            build_id: None,
            dynamic: None,
            sections: (sections.0 != 0).then_some(sections),
        };
        if usize::from(head.e_phentsize.get(LE)) != size_of::<ProgramHeader64<LE>>() {
            return Err(ProbeError::NotElf);
        }
        within("program headers", count, PROGRAM_HEADERS)?;
        for number in 0..count {
            let offset = start.saturating_add(number * size_of::<ProgramHeader64<LE>>() as u64);
            let header = *reader.structure::<ProgramHeader64<LE>>("a program header", offset)?;
            image.take_segment(reader, &header);
        }
        Ok(image)
    }

    fn take_segment(&mut self, reader: &mut Reader, header: &ProgramHeader64<LE>) {
        let start = header.p_offset.get(LE);
        let file = start..start.saturating_add(header.p_filesz.get(LE));
        let highest = header.p_vaddr.get(LE).checked_add(header.p_filesz.get(LE));
        match header.p_type.get(LE) {
            // The kernel maps nothing there.
            elf::PT_LOAD if highest.is_none_or(|highest| highest > ADDRESSES) => {}
            elf::PT_LOAD => self.segments.push(Segment {
                address: header.p_vaddr.get(LE),
                file,
                executable: header.p_flags.get(LE).0 & elf::PF_X.0 != 0,
            }),
            elf::PT_DYNAMIC => self.dynamic = Some(file),
            // A note that cannot be read is a missing build id, nothing else.
            elf::PT_NOTE if self.build_id.is_none() => self.build_id = build_id(reader, file).unwrap_or(None),
            ProgramType(_) => {}
        }
    }

    /// Where in the file what is mapped at an address lies.
    pub(crate) fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| segment.offset_of(address))
    }

    /// The same for code, and up to where the file maps code from there.
    pub(crate) fn code_at(&self, address: u64) -> Option<Range<u64>> {
        let mut code = self.segments.iter().filter(|segment| segment.executable);
        code.find_map(|segment| Some(segment.offset_of(address)?..segment.file.end))
    }

    /// The table of symbols the loader binds by, `DT_SYMTAB`.
    pub(crate) fn dynamic_symbols(&self, reader: &mut Reader) -> Result<Option<Symbols>, ProbeError> {
        let table = self
            .dynamic_value(reader, elf::DT_SYMTAB)?
            .and_then(|address| self.offset_of(address));
        let names = self
            .dynamic_value(reader, elf::DT_STRTAB)?
            .and_then(|address| self.offset_of(address));
        let length = self.dynamic_value(reader, elf::DT_STRSZ)?.unwrap_or(0);
        let (Some(table), Some(names)) = (table, names) else {
            return Ok(None);
        };
        // No entry says how many symbols there are. Linkers put their names somewhere behind them; where not, what
        // follows is read as symbols too, and refused one by one: a name that is wanted, code at its address.
        let segment = self.segments.iter().find(|segment| segment.file.contains(&table));
        let end = segment.map_or(table, |segment| segment.file.end);
        let end = if names > table { names.min(end) } else { end };
        Ok(Some(Symbols {
            entries: table..end,
            names: names..names.saturating_add(length),
        }))
    }

    /// `DT_RELA` as a range of the file.
    pub(crate) fn relocations(&self, reader: &mut Reader) -> Result<Option<Range<u64>>, ProbeError> {
        let start = self
            .dynamic_value(reader, elf::DT_RELA)?
            .and_then(|address| self.offset_of(address));
        let length = self.dynamic_value(reader, elf::DT_RELASZ)?.unwrap_or(0);
        Ok(start.map(|start| start..start.saturating_add(length)))
    }

    /// The function of this file that a stub of the procedure linkage table leads to: `jmp *slot(%rip)`, the slot
    /// filled by a relocation of `DT_JMPREL` with a symbol's address. None if it is no such stub, or leads to another
    /// file.
    pub(crate) fn behind_stub(&self, reader: &mut Reader, address: u64) -> Result<Option<u64>, ProbeError> {
        let Some(code) = self.code_at(address) else {
            return Ok(None);
        };
        let stub = reader.up_to("a stub", code.start, 16)?;
        let endbr64 = [0xf3, 0x0f, 0x1e, 0xfa];
        let jump = stub.strip_prefix(&endbr64).unwrap_or(stub);
        let jump = jump.strip_prefix(&[0xf2]).unwrap_or(jump);
        let Some((&[0xff, 0x25, a, b, c, d], rest)) = jump.split_first_chunk() else {
            return Ok(None);
        };
        let next = address.saturating_add((stub.len() - rest.len()) as u64);
        let slot = next.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into());
        let (Some(symbols), Some(start)) = (
            self.dynamic_symbols(reader)?,
            self.dynamic_value(reader, elf::DT_JMPREL)?,
        ) else {
            return Ok(None);
        };
        let length = self.dynamic_value(reader, elf::DT_PLTRELSZ)?.unwrap_or(0);
        let start = self.offset_of(start).unwrap_or(u64::MAX);
        let mut symbol = None;
        reader.scan_records(start..start.saturating_add(length), size_of::<Rela64<LE>>(), |record| {
            if let Ok((relocation, _)) = from_bytes::<Rela64<LE>>(record)
                && relocation.r_offset.get(LE) == slot
            {
                symbol = Some(relocation.r_info.get(LE) >> 32);
            }
        })?;
        let Some(symbol) = symbol else { return Ok(None) };
        let place = symbols
            .entries
            .start
            .saturating_add(symbol * size_of::<Sym64<LE>>() as u64);
        let symbol = reader.structure::<Sym64<LE>>("a stub's symbol", place)?;
        Ok(defined_function(symbol).map(|(_, address, _)| address))
    }

    /// The first value of a tag in the dynamic section.
    fn dynamic_value(&self, reader: &mut Reader, tag: DynamicTag) -> Result<Option<u64>, ProbeError> {
        let Some(dynamic) = self.dynamic.clone() else {
            return Ok(None);
        };
        for offset in dynamic.step_by(size_of::<Dyn64<LE>>()).take(DYNAMIC) {
            let entry: &Dyn64<LE> = reader.structure("the dynamic section", offset)?;
            match entry.d_tag.get(LE) {
                elf::DT_NULL => break,
                found if found == tag => return Ok(Some(entry.d_val.get(LE))),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The full table of symbols, `.symtab`.
    pub(crate) fn local_symbols(&self, reader: &mut Reader) -> Result<Option<Symbols>, ProbeError> {
        let Some((start, count)) = self.sections else {
            return Ok(None);
        };
        within("sections", u64::from(count), SECTIONS)?;
        let place = |number: u64| start.saturating_add(number.saturating_mul(size_of::<SectionHeader64<LE>>() as u64));
        for number in 0..u64::from(count) {
            let table = *reader.structure::<SectionHeader64<LE>>("a section header", place(number))?;
            if table.sh_type.get(LE) == elf::SHT_SYMTAB {
                let names = place(table.sh_link.get(LE).into());
                let names = reader.structure::<SectionHeader64<LE>>("a section header", names)?;
                return Ok(Some(Symbols {
                    entries: file_range(&table),
                    names: file_range(names),
                }));
            }
        }
        Ok(None)
    }
}

fn file_range(header: &SectionHeader64<LE>) -> Range<u64> {
    let start = header.sh_offset.get(LE);
    if header.sh_type.get(LE) == elf::SHT_NOBITS {
        return start..start;
    }
    start..start.saturating_add(header.sh_size.get(LE))
}

fn within(what: &'static str, count: u64, limit: u64) -> Result<(), ProbeError> {
    if count > limit {
        return Err(ProbeError::TooMany { what, count, limit });
    }
    Ok(())
}

/// `NT_GNU_BUILD_ID` among the notes of a segment.
fn build_id(reader: &mut Reader, notes: Range<u64>) -> Result<Option<Vec<u8>>, ProbeError> {
    let end = notes.end.min(notes.start.saturating_add(NOTES));
    let mut at = notes.start;
    for _ in 0..PATIENCE {
        if at >= end {
            break;
        }
        let head: &NoteHeader64<LE> = reader.structure("a note", at)?;
        let (name, length) = (head.n_namesz.get(LE), head.n_descsz.get(LE));
        let wanted = head.n_type.get(LE) == elf::NT_GNU_BUILD_ID && name == 4 && (1..=BUILD_ID).contains(&length);
        let name_at = at.saturating_add(size_of::<NoteHeader64<LE>>() as u64);
        let value_at = name_at.saturating_add(u64::from(name).next_multiple_of(4));
        if wanted && reader.bytes("a note's name", name_at, 4)? == b"GNU\0" {
            return Ok(Some(reader.bytes("a build id", value_at, length as usize)?.to_vec()));
        }
        at = value_at.saturating_add(u64::from(length).next_multiple_of(4));
    }
    Ok(None)
}

/// One that is defined as a function here: its name's place in the table of names, address, size.
pub(crate) fn defined_function(symbol: &Sym64<LE>) -> Option<(u32, u64, u64)> {
    let defined = symbol.st_shndx.get(LE) != elf::SHN_UNDEF && symbol.st_value.get(LE) != 0;
    let function = symbol.st_info.st_type() == elf::STT_FUNC;
    (defined && function).then(|| (symbol.st_name.get(LE), symbol.st_value.get(LE), symbol.st_size.get(LE)))
}

#[cfg(test)]
mod tests;
