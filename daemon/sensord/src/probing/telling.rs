//! Who tells of code that is mapped.

use std::os::fd::BorrowedFd;

use aa_bpf::Kernel;
use aa_bpf::load::LoadError;
use aa_bpf::mapped::{FileVersion, Looked, MappedCode, MappedFiles, Mapper, Mappers, News};

use super::awaited::Number;

/// Mappings that are looked at in one turn; the kernel's rings hold no more.
const TURN: usize = 8192;

/// See the module.
#[derive(Debug)]
pub(super) enum Telling {
    /// LSM programs: of governed processes, and of files that are not known.
    Lsm(Mapping),
    /// Perf: of all processes and files, while it is to.
    Perf(MappedFiles),
}

/// How LSM programs tell, and what they need not tell.
#[derive(Debug)]
pub(super) struct Mapping {
    mappers: Mappers,
    looked: Looked,
}

/// What was told since the last time.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By perf.
    pub(super) code: Vec<MappedCode>,
    pub(super) lost: u64,
    /// What processes are about to map.
    pub(super) announced: Vec<(u32, Number)>,
    /// Processes that are governed from now on.
    pub(super) begun: Vec<u32>,
}

impl Telling {
    /// To be called while privileges are there.
    pub(super) fn prepare(kernel: &Kernel, by_lsm: bool) -> Result<Self, LoadError> {
        if !by_lsm {
            let mapped = MappedFiles::open().map_err(|source| LoadError::Folder {
                path: "perf_event_open".into(),
                source,
            })?;
            return Ok(Self::Perf(mapped));
        }
        let mapping = Mapping {
            mappers: Mappers::new(kernel)?,
            looked: Looked::new(kernel)?,
        };
        // What a predecessor had looked at is not probed any more.
        mapping.looked.clear();
        Ok(Self::Lsm(mapping))
    }

    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Lsm(mapping) => vec![mapping.mappers.descriptor()],
            Self::Perf(mapped) => mapped.descriptors().collect(),
        }
    }

    /// Whether who is selected says itself that it is governed now.
    pub(super) fn tells_of_selected(&self) -> bool {
        matches!(self, Self::Lsm(_))
    }

    /// Whether perf is to tell.
    pub(super) fn listen(&mut self, listens: bool) {
        if let Self::Perf(mapped) = self
            && let Err(error) = mapped.tell(listens)
        {
            tracing::error!(%error, "perf cannot be told whether to tell of mappings");
        }
    }

    pub(super) fn hear(&mut self) -> Told {
        let mut told = Told::default();
        match self {
            Self::Lsm(mapping) => {
                mapping.mappers.read(|mapper| match mapper {
                    Mapper::Maps { pid, file } => told.announced.push((pid, file)),
                    Mapper::Begins(pid) => told.begun.push(pid),
                });
            }
            Self::Perf(mapped) => mapped.read(|news| match news {
                News::Mapped(one) if one.inode == 0 => {}
                News::Mapped(one) if told.code.len() < TURN => told.code.push(one),
                News::Mapped(_) => told.lost += 1,
                News::Lost(count) => told.lost += count,
            }),
        }
        told
    }

    /// All is known of a file.
    pub(super) fn know(&self, file: &FileVersion) {
        if let Self::Lsm(mapping) = self {
            mapping.looked.add(file);
        }
    }

    /// Nothing is known of any file.
    pub(super) fn forget(&mut self) {
        if let Self::Lsm(mapping) = self {
            mapping.looked.clear();
        }
    }
}
