//! The file of a log's checkpoints: signed notes in the order in which they were made, an empty line after each.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Take, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::AuditError;
use crate::merkle::Tree;
use crate::note::{Checkpoint, NOTE_LIMIT, PublicKey, Signatory};
use crate::segment::sync_directory;

const NOTES: &str = "checkpoints";
const PUBLIC_KEY: &str = "checkpoints.pub";

/// The key that lies beside a log; `None` if there is none, or something else.
pub fn public_key(directory: &Path) -> Result<Option<PublicKey>, AuditError> {
    let path = directory.join(PUBLIC_KEY);
    match File::open(&path) {
        Ok(file) => {
            let mut text = String::new();
            let read = file.take(4096).read_to_string(&mut text);
            Ok(PublicKey::parse(&text).filter(|_| read.is_ok()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(AuditError::file("read", &path, error)),
    }
}

/// The newest checkpoint of a log.
pub fn newest_checkpoint(directory: &Path) -> Result<Option<Checkpoint>, AuditError> {
    let path = directory.join(NOTES);
    let Some(notes) = Notes::open(directory)? else {
        return Ok(None);
    };
    let mut newest = None;
    for note in notes {
        let (_, note) = note.map_err(|error| AuditError::file("read", &path, error))?;
        if let Note::Checkpoint(checkpoint) = note {
            newest = Some(checkpoint);
        }
    }
    Ok(newest)
}

pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join(NOTES)
}

/// What stands where a note should.
pub(crate) enum Note {
    Checkpoint(Checkpoint),
    Malformed,
    /// The file ends within it.
    Unfinished,
}

/// Reads the notes that are there now, with the places where they begin.
pub(crate) struct Notes {
    input: BufReader<Take<File>>,
    offset: u64,
    ended: bool,
}

impl Notes {
    /// `None` if there is no such file.
    pub(crate) fn open(directory: &Path) -> Result<Option<Self>, AuditError> {
        Self::of(&path(directory))
    }

    /// Those of another file.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>, AuditError> {
        let at = |error| AuditError::file("read", path, error);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(error)),
        };
        let length = file.metadata().map_err(at)?.len();
        let input = BufReader::with_capacity(64 << 10, file.take(length));
        Ok(Some(Self {
            input,
            offset: 0,
            ended: false,
        }))
    }

    /// Text, an empty line, signatures, an empty line.
    fn read(&mut self) -> io::Result<Option<(u64, Note)>> {
        let begin = self.offset;
        let (mut bytes, mut empty_lines) = (Vec::new(), 0);
        while empty_lines < 2 {
            let room = (NOTE_LIMIT as u64).saturating_sub(bytes.len() as u64);
            let before = bytes.len();
            let got = (&mut self.input).take(room).read_until(b'\n', &mut bytes)?;
            self.offset += got as u64;
            if got == 0 || !bytes.ends_with(b"\n") {
                self.ended = true;
                let note = if room == got as u64 {
                    Note::Malformed
                } else {
                    Note::Unfinished
                };
                return Ok((!bytes.is_empty()).then_some((begin, note)));
            }
            empty_lines += usize::from(bytes.len() == before + 1);
        }
        bytes.pop();
        let note = String::from_utf8(bytes).ok().and_then(|text| Checkpoint::parse(&text));
        Ok(Some((begin, note.map_or(Note::Malformed, Note::Checkpoint))))
    }
}

impl Iterator for Notes {
    type Item = io::Result<(u64, Note)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        self.ended |= read.is_err();
        read.transpose()
    }
}

/// Signs, and appends what it signed.
pub(crate) struct Sealer {
    signatory: Signatory,
    path: PathBuf,
    file: File,
    offset: u64,
    /// Of the newest checkpoint.
    size: u64,
}

impl Sealer {
    /// Cuts off a note that was not finished and publishes the key.
    pub(crate) fn open(directory: &Path, signatory: Signatory) -> Result<Self, AuditError> {
        let path = path(directory);
        let at = |operation| {
            let path = path.clone();
            move |error| AuditError::file(operation, &path, error)
        };
        let (mut end, mut size) = (None, 0);
        for note in Notes::open(directory)?.into_iter().flatten() {
            match note.map_err(at("read"))? {
                (_, Note::Checkpoint(checkpoint)) => size = checkpoint.size,
                (begin, Note::Unfinished) => end = Some(begin),
                (_, Note::Malformed) => {}
            }
        }
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o640);
        let mut file = options.open(&path).map_err(at("open"))?;
        if let Some(end) = end {
            file.set_len(end).map_err(at("truncate"))?;
        }
        let offset = file.seek(SeekFrom::End(0)).map_err(at("open"))?;
        publish(directory, signatory.public())?;
        Ok(Self {
            signatory,
            path,
            file,
            offset,
            size,
        })
    }

    /// How many records the newest checkpoint is about.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// A checkpoint of this tree, whose records are on the disk. It needs not be itself: it can be made again.
    pub(crate) fn seal(&mut self, tree: &Tree) -> Result<(), AuditError> {
        let note = self.signatory.sign(tree.size(), &tree.root()) + "\n";
        if let Err(error) = self.file.write_all(note.as_bytes()) {
            // What stays of it if this fails too is cut off at the next start.
            let _ = self.file.set_len(self.offset);
            let _ = self.file.seek(SeekFrom::Start(self.offset));
            return Err(AuditError::file("write", &self.path, error));
        }
        self.offset += note.len() as u64;
        self.size = tree.size();
        Ok(())
    }

    pub(crate) fn signatory(&self) -> &Signatory {
        &self.signatory
    }

    pub(crate) fn sync(&self) -> Result<(), AuditError> {
        let synced = self.file.sync_all();
        synced.map_err(|error| AuditError::file("sync", &self.path, error))
    }
}

fn publish(directory: &Path, key: &PublicKey) -> Result<(), AuditError> {
    if public_key(directory)?.as_ref() == Some(key) {
        return Ok(());
    }
    let path = directory.join(PUBLIC_KEY);
    let new = path.with_extension("new");
    let written = fs::write(&new, format!("{key}\n")).and_then(|()| fs::rename(&new, &path));
    written
        .and_then(|()| sync_directory(directory))
        .map_err(|error| AuditError::file("write", &path, error))
}
