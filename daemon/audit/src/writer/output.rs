//! The newest segment: staging records, writing them, going over to the next segment.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aa_wire::Event;

use crate::AuditError;
use crate::format::{self, Head, Header};
use crate::keys::EpochKey;
use crate::recover::Tail;
use crate::segment::{FILE_MODE, segment_path, share, sync_directory};

pub(super) struct Output {
    directory: PathBuf,
    segment_bytes: u64,
    path: PathBuf,
    file: File,
    /// End of the last whole record.
    offset: u64,
    dirty: bool,
    /// As far as it is written.
    committed: Head,
    /// As far as it is staged.
    staged: Head,
    buffer: Vec<u8>,
    /// Why the file's state is unknown.
    stopped: Option<String>,
}

impl Output {
    pub(super) fn open(directory: &Path, tail: Tail, segment_bytes: u64) -> Result<Self, AuditError> {
        let committed = tail.head;
        let (path, mut file, offset) = match tail.segment {
            Some((path, offset)) => {
                let opened = OpenOptions::new().write(true).open(&path);
                let file = opened.map_err(|error| AuditError::file("open", &path, error))?;
                (path, file, offset)
            }
            None => create(directory, &committed)?,
        };
        file.seek(SeekFrom::Start(offset))
            .map_err(|error| AuditError::file("open", &path, error))?;
        let buffer = Vec::with_capacity(64 << 10);
        let directory = directory.to_owned();
        let staged = committed.clone();
        Ok(Self {
            directory,
            segment_bytes,
            path,
            file,
            offset,
            dirty: false,
            committed,
            staged,
            buffer,
            stopped: None,
        })
    }

    /// Numbers events and makes their bytes; all of them or none.
    pub(super) fn stage(&mut self, events: &mut [Event], key: &EpochKey) -> Result<(), AuditError> {
        let (begin, before) = (self.buffer.len(), self.staged.clone());
        for event in events {
            event.id = self.staged.last + 1;
            if let Err(error) = format::encode_record(event, key, &mut self.staged, &mut self.buffer) {
                self.buffer.truncate(begin);
                self.staged = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes what is staged; if that fails, the file ends where it ended before.
    pub(super) fn write(&mut self) -> Result<(), AuditError> {
        let result = self.try_write();
        self.buffer.clear();
        match &result {
            Ok(()) => self.committed.clone_from(&self.staged),
            Err(_) => self.staged.clone_from(&self.committed),
        }
        result
    }

    fn try_write(&mut self) -> Result<(), AuditError> {
        if let Some(reason) = &self.stopped {
            return Err(AuditError::Stopped(reason.clone()));
        }
        if self.offset >= self.segment_bytes {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(&self.buffer) {
            let undone = self
                .file
                .set_len(self.offset)
                .and_then(|()| self.file.seek(SeekFrom::Start(self.offset)));
            if undone.is_err() {
                self.stopped = Some(format!("write to {}: {error}", self.path.display()));
            }
            return Err(AuditError::file("write", &self.path, error));
        }
        self.offset += self.buffer.len() as u64;
        self.dirty = true;
        Ok(())
    }

    /// Makes what is written durable. After a failed sync nobody knows what is on the disk, so nothing more is written.
    pub(super) fn sync(&mut self) -> Result<(), AuditError> {
        if !self.dirty {
            return Ok(());
        }
        self.file.sync_data().map_err(|error| {
            self.stopped = Some(format!("sync of {}: {error}", self.path.display()));
            AuditError::file("sync", &self.path, error)
        })?;
        self.dirty = false;
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), AuditError> {
        self.sync()?;
        (self.path, self.file, self.offset) = create(&self.directory, &self.committed)?;
        Ok(())
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.dirty && self.stopped.is_none()
    }

    pub(super) fn staged_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// As far as it is written.
    pub(super) fn head(&self) -> &Head {
        &self.committed
    }
}

fn create(directory: &Path, head: &Head) -> Result<(PathBuf, File, u64), AuditError> {
    let header = Header::after(head);
    let path = segment_path(directory, header.first);
    let failed = |operation| {
        let path = path.clone();
        move |error| AuditError::file(operation, &path, error)
    };
    let header = header.encode();
    let mut options = OpenOptions::new();
    // A file of this name can only be what an earlier attempt left without any record.
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&path)
        .map_err(failed("create"))?;
    share(&file, FILE_MODE);
    file.write_all(&header).map_err(failed("write"))?;
    file.sync_all().map_err(failed("sync"))?;
    sync_directory(directory).map_err(|error| AuditError::file("sync", directory, error))?;
    Ok((path, file, header.len() as u64))
}
