//! The files of a policy, where the kernel takes no LSM programs: a program closes for itself, by Landlock, all but the places
//! it is told. What it starts inherits that, and nothing takes it back. What Landlock refuses fails with EACCES, and is in no log.

use std::os::fd::OwnedFd;

use aa_wire::api::{FileExtent, FilePlace, FilePlaces};
use landlock::{
    AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, make_bitflags,
};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};

/// Why a program cannot be confined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    #[error("the kernel refuses to confine a program to files")]
    Landlock(#[from] RulesetError),
    #[error("`{path}` cannot be looked at")]
    Place {
        path: String,
        #[source]
        source: Errno,
    },
}

type Accesses = BitFlags<AccessFs>;

/// `AccessFs::Execute` is not among them: programs are judged by the daemon. Reading one is needed to run it.
const READ: Accesses = make_bitflags!(AccessFs::{ReadFile | ReadDir});
const WRITE: Accesses = make_bitflags!(AccessFs::{
    WriteFile | Truncate | RemoveDir | RemoveFile | MakeChar | MakeDir | MakeReg | MakeSock | MakeFifo | MakeBlock | MakeSym
});
const TO_FILES: Accesses = make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate});

/// Nothing of this is done by halves: what the kernel does not know is an error.
fn ruleset(handled: Accesses) -> Result<RulesetCreated, RulesetError> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    // Moving from directory to directory is closed unless it is opened, asked for or not.
    ruleset.handle_access(handled | AccessFs::Refer)?.create()
}

/// Whether the kernel has Landlock, and all of it that is needed (6.2 on).
pub(crate) fn is_possible() -> bool {
    ruleset(READ | WRITE).is_ok()
}

/// Confines this thread and all it becomes and starts. Returns the places that are not there.
pub(crate) fn apply(places: &FilePlaces) -> Result<Vec<&str>, ConfineError> {
    let wanted = [(&places.read, READ), (&places.write, WRITE)];
    let sections = wanted
        .iter()
        .filter_map(|(places, accesses)| places.as_ref().map(|places| (places, *accesses)));
    let handled = sections
        .clone()
        .fold(Accesses::EMPTY, |all, (_, accesses)| all | accesses);
    if handled.is_empty() {
        return Ok(Vec::new());
    }
    let mut rules = ruleset(handled)?;
    if places.write.is_none() {
        let root = open("/").map_err(|source| cannot_look("/", source))?;
        rules = rules.add_rule(PathBeneath::new(root, AccessFs::Refer))?;
    }
    let mut absent = Vec::new();
    for (places, accesses) in sections {
        for place in places {
            match find(place, accesses)? {
                Some((file, accesses)) => rules = rules.add_rule(PathBeneath::new(file, accesses))?,
                // What every program may use is allowed whether the machine has it or not.
                None if place.path.starts_with("/dev/") => {}
                None => absent.push(place.path.as_str()),
            }
        }
    }
    rules.restrict_self()?;
    absent.sort_unstable();
    absent.dedup();
    Ok(absent)
}

/// By no link: where it leads is another place, of which the policy said nothing.
fn open(path: &str) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(AT_FDCWD, path, how)
}

fn cannot_look(path: &str, source: Errno) -> ConfineError {
    ConfineError::Place {
        path: path.to_owned(),
        source,
    }
}

/// What is opened of a place and for what; nothing if it is not there, or Landlock would open more than is allowed: all below
/// a directory that is allowed alone.
fn find(place: &FilePlace, accesses: Accesses) -> Result<Option<(OwnedFd, Accesses)>, ConfineError> {
    let failed = |source| cannot_look(&place.path, source);
    let file = match open(&place.path) {
        Ok(file) => file,
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    let mode = SFlag::from_bits_truncate(fstat(&file).map_err(failed)?.st_mode);
    let directory = mode & SFlag::S_IFMT == SFlag::S_IFDIR;
    let granted = match (place.extent, directory) {
        (FileExtent::File | FileExtent::Tree, false) | (FileExtent::Entries, true) => accesses & TO_FILES,
        (FileExtent::Tree, true) if accesses == WRITE => accesses | AccessFs::Refer,
        (FileExtent::Tree, true) => accesses,
        (FileExtent::File, true) | (FileExtent::Entries, false) => return Ok(None),
    };
    Ok(Some((file, granted)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind::PermissionDenied;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn place(path: &Path, extent: FileExtent) -> FilePlace {
        FilePlace {
            path: path.to_str().unwrap().to_owned(),
            extent,
        }
    }

    /// In a thread that is confined to these places.
    fn confined(places: &FilePlaces, act: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            let acting = scope.spawn(|| {
                apply(places).unwrap();
                act();
            });
            acting.join().unwrap();
        });
    }

    #[test]
    fn what_is_allowed_is_open_and_all_else_is_closed_however_it_is_named() {
        if !is_possible() {
            eprintln!("skipped 1 test: the kernel has no Landlock");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["open", "closed", "lone"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("file"), "x").unwrap();
        }
        symlink(at("closed/file"), at("open/link")).unwrap();
        symlink(at("closed"), at("alias")).unwrap();
        let read = vec![
            place(&at("open"), FileExtent::Tree),
            place(&at("alias"), FileExtent::Tree),
            place(&at("lone"), FileExtent::File),
            place(&at("lone/file"), FileExtent::File),
            place(&at("absent"), FileExtent::Tree),
        ];
        let write = vec![
            place(&at("open"), FileExtent::Tree),
            place(&at("lone/file"), FileExtent::File),
        ];
        let places = FilePlaces {
            read: Some(read),
            write: Some(write),
        };
        let refused = |result: std::io::Result<()>| assert_eq!(result.unwrap_err().kind(), PermissionDenied);
        confined(&places, || {
            fs::read(at("open/file")).unwrap();
            fs::read(at("lone/file")).unwrap();
            fs::write(at("open/new"), "x").unwrap();
            fs::write(at("lone/file"), "y").unwrap();
            fs::create_dir(at("open/sub")).unwrap();
            fs::rename(at("open/new"), at("open/sub/new")).unwrap();
            fs::remove_file(at("open/sub/new")).unwrap();
            for name in ["closed/file", "open/link", "alias/file", "open/../closed/file"] {
                refused(fs::read(at(name)).map(drop));
                refused(fs::write(at(name), "x"));
            }
            refused(fs::read_dir(at("lone")).map(drop));
            refused(fs::remove_file(at("lone/file")));
            refused(fs::write(at("lone/new"), "x"));
            let moved = fs::rename(at("closed/file"), at("open/taken"));
            assert!(moved.is_err());
            let linked = fs::hard_link(at("closed/file"), at("open/linked"));
            assert!(linked.is_err());
        });
        fs::read(at("closed/file")).unwrap();
    }

    #[test]
    fn what_is_not_judged_stays_open() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert_eq!(apply(&FilePlaces::default()).unwrap(), Vec::<&str>::new());
        if !is_possible() {
            return;
        }
        let read_only = FilePlaces {
            read: Some(Vec::new()),
            write: None,
        };
        confined(&read_only, || {
            fs::write(&file, "x").unwrap();
            fs::create_dir(folder.path().join("sub")).unwrap();
            fs::rename(&file, folder.path().join("sub/file")).unwrap();
            assert!(fs::read(folder.path().join("sub/file")).is_err());
        });
    }
}
