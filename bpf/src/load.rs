//! Open, load, attach and pin the kernel programs, or adopt what an earlier sensor left pinned.
//!
//! Everything lives below `/sys/fs/bpf/aa-sensord/<build>/`: `maps/`, `links/`, `tasks/` (iterators, which are read
//! as files) and `programs/` (those that the sensor attaches itself, to files it learns of). `<build>` names the ABI version and the objects' bytes. A sensor that finds its own build complete
//! adopts it: the programs never stopped. A sensor that finds another build of the same ABI reuses its maps, attaches
//! its own programs beside the old ones, and only then lets the old ones go: no instant is unjudged. Another ABI's maps
//! say nothing to this build, so while its programs govern somebody it stays in force, and this one does not start. The
//! folder gets its final name by a rename when everything is pinned, so that a crash in between leaves nothing half.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use libbpf_rs::libbpf_sys;
use libbpf_rs::{AsRawLibbpf, Link, MapCore, MapHandle, Object, ObjectBuilder, OpenObject, ProgramMut, ProgramType};

use crate::abi;
use crate::hooks::{Hooks, Way, cgroup_root};

/// The objects, in the order they are loaded; the first creates the maps.
pub(crate) const OBJECTS: [(&str, &[u8]); 10] = [
    ("process", include_bytes!(concat!(env!("OUT_DIR"), "/process.bpf.o"))),
    ("file", include_bytes!(concat!(env!("OUT_DIR"), "/file.bpf.o"))),
    ("net", include_bytes!(concat!(env!("OUT_DIR"), "/net.bpf.o"))),
    ("names", include_bytes!(concat!(env!("OUT_DIR"), "/names.bpf.o"))),
    ("contain", include_bytes!(concat!(env!("OUT_DIR"), "/contain.bpf.o"))),
    ("labels", include_bytes!(concat!(env!("OUT_DIR"), "/labels.bpf.o"))),
    ("content", include_bytes!(concat!(env!("OUT_DIR"), "/content.bpf.o"))),
    ("cgroup", include_bytes!(concat!(env!("OUT_DIR"), "/cgroup.bpf.o"))),
    ("tls", include_bytes!(concat!(env!("OUT_DIR"), "/tls.bpf.o"))),
    ("blind", include_bytes!(concat!(env!("OUT_DIR"), "/blind.bpf.o"))),
];

/// Where the pins are.
pub const PIN_ROOT: &str = "/sys/fs/bpf/aa-sensord";

/// What a build's folder holds. Removed in this order, links first: a map that an attached program uses stays alive with it.
const FOLDERS: [&str; 4] = ["links", "tasks", "programs", "maps"];

/// What a folder's name ends in while it is being filled.
const PARTIAL: &str = "-partial";

/// Why the kernel programs are not in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The kernel has no type information: no CO-RE.
    #[error("cannot read the kernel's type information")]
    Btf(#[source] io::Error),
    /// An object was refused.
    #[error("cannot load the `{object}` programs")]
    Load {
        /// Name of the object.
        object: &'static str,
        /// What libbpf said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A program was refused at its hook.
    #[error("cannot attach `{program}` to `{hook}`")]
    Attach {
        /// Name of the program.
        program: String,
        /// ELF section, which names the hook.
        hook: String,
        /// What libbpf said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A map or link could not be pinned or opened.
    #[error("cannot use the pin `{}`", .path.display())]
    Pin {
        /// Path below the BPF file system.
        path: PathBuf,
        /// What libbpf said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A folder of pins could not be made, read or renamed.
    #[error("cannot use `{}`", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// Programs of another ABI version govern processes, which would be free without them.
    #[error("`{}` governs processes and lays its tables out in another way", .0.display())]
    Foreign(PathBuf),
    /// A map this crate counts on is not there.
    #[error("there is no map `{0}`")]
    NoMap(&'static str),
    /// The constants of an object are not what this crate writes.
    #[error("the constants of `{0}` are not laid out as expected")]
    Constants(&'static str),
}

/// How large the maps are made.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Words of the automaton pool, a power of two; 4 bytes each.
    pub pool_words: u32,
    /// Bytes of the decisions ring, a power of two of pages.
    pub decisions_bytes: u32,
    /// Bytes of the activity ring, a power of two of pages.
    pub activity_bytes: u32,
    /// Bytes of the plaintext ring, a power of two of pages.
    pub plaintext_bytes: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            pool_words: 1 << 20,
            decisions_bytes: 4 << 20,
            activity_bytes: 4 << 20,
            plaintext_bytes: 8 << 20,
        }
    }
}

/// A program in force.
#[derive(Debug, Clone)]
pub struct Attached {
    /// Program name as `bpftool` shows it.
    pub program: String,
    /// How it is attached, and where: `lsm/file_open`, `fmod_ret/file_open`.
    pub hook: String,
    /// The link's id as `bpftool` shows it; 0 if the kernel does not tell.
    pub link_id: u32,
}

/// The loaded kernel side: maps by name, and the links that keep programs attached. Dropping it detaches nothing,
/// since everything is pinned.
#[derive(Debug)]
pub struct Kernel {
    maps: BTreeMap<String, MapHandle>,
    attached: Vec<Attached>,
    folder: PathBuf,
    /// Whether the programs were already in force.
    pub adopted: bool,
    /// Whether the tables are those of an earlier start: who was governed still is, by what they say.
    pub inherited: bool,
}

impl Kernel {
    /// Brings the kernel side into force: adopts this build's pins, or loads, attaches and pins.
    pub fn start(sizes: Sizes, way: Way) -> Result<Self, LoadError> {
        let root = Path::new(PIN_ROOT);
        let folder = root.join(build_name());
        let older = older_builds(root)?;
        for path in older.iter().filter(|path| !same_abi(path)) {
            if governs_somebody(path)? {
                return Err(LoadError::Foreign(path.clone()));
            }
        }
        let kernel = if folder.is_dir() {
            Self::adopt(folder)?
        } else {
            let reuse = older.iter().find(|path| same_abi(path));
            Self::load(&folder, sizes, way, reuse.map(PathBuf::as_path))?
        };
        for path in &older {
            remove_pins(path)?;
        }
        Ok(kernel)
    }

    /// The programs of this build that are in force now, if they are. Loads nothing.
    pub fn running() -> Result<Option<Self>, LoadError> {
        let folder = Path::new(PIN_ROOT).join(build_name());
        if folder.is_dir() {
            Self::adopt(folder).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Whether programs of any build are in force.
    pub fn is_pinned() -> Result<bool, LoadError> {
        let root = Path::new(PIN_ROOT);
        Ok(root.join(build_name()).is_dir() || !older_builds(root)?.is_empty())
    }

    /// Takes every program and map out of force. Nothing is enforced afterwards.
    pub fn unload() -> Result<(), LoadError> {
        let root = Path::new(PIN_ROOT);
        for path in older_builds(root)?.iter().chain([&root.join(build_name())]) {
            if path.is_dir() {
                remove_pins(path)?;
            }
        }
        Ok(())
    }

    /// A map by its full name in `lib/maps.bpf.h`.
    pub fn map(&self, name: &'static str) -> Result<&MapHandle, LoadError> {
        self.maps.get(name).ok_or(LoadError::NoMap(name))
    }

    /// A table, to be kept beside the kernel side.
    pub(crate) fn own_map(&self, name: &'static str) -> Result<MapHandle, LoadError> {
        MapHandle::try_from(self.map(name)?).map_err(|source| LoadError::Pin {
            path: name.into(),
            source,
        })
    }

    /// A program that is loaded and not attached.
    pub(crate) fn program(&self, name: &str) -> Result<OwnedFd, LoadError> {
        let path = self.folder.join("programs").join(name);
        let opened = libbpf_rs::Program::fd_from_pinned_path(&path);
        opened.map_err(|source| LoadError::Pin { path, source })
    }

    /// The programs in force.
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// The pinned iterator of this name.
    pub fn iterator(&self, name: &str) -> PathBuf {
        self.folder.join("tasks").join(name)
    }

    fn adopt(folder: PathBuf) -> Result<Self, LoadError> {
        let mut maps = BTreeMap::new();
        for path in entries(&folder.join("maps"))? {
            let handle = MapHandle::from_pinned_path(&path).map_err(|source| LoadError::Pin {
                path: path.clone(),
                source,
            })?;
            maps.insert(file_name(&path), handle);
        }
        let attached = entries(&folder.join("links"))?
            .iter()
            .map(|path| file_name(path))
            .filter_map(|name| {
                let (program, hook) = name.split_once('@')?;
                let link = Link::open(folder.join("links").join(&name)).ok()?;
                let link_id = link.info().map_or(0, |info| info.id);
                Some(Attached {
                    program: program.to_owned(),
                    hook: hook.replace(':', "/"),
                    link_id,
                })
            })
            .collect();
        Ok(Self {
            maps,
            attached,
            folder,
            adopted: true,
            inherited: true,
        })
    }

    fn load(folder: &Path, sizes: Sizes, way: Way, reuse: Option<&Path>) -> Result<Self, LoadError> {
        // The BPF file system refuses names with a dot.
        let partial = folder.with_file_name(format!("{}{PARTIAL}", build_name()));
        if partial.is_dir() {
            remove_pins(&partial)?;
        }
        let attached = load_into(&partial, sizes, way, reuse).inspect_err(|_| {
            // What is half in force would stay so until the next start.
            drop(remove_pins(&partial));
        })?;
        fs::rename(&partial, folder).map_err(|source| LoadError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            maps: pinned_maps(folder)?,
            attached,
            folder: folder.to_owned(),
            adopted: false,
            inherited: reuse.is_some(),
        })
    }
}

/// Loads, attaches and pins everything below `partial`.
fn load_into(partial: &Path, sizes: Sizes, way: Way, reuse: Option<&Path>) -> Result<Vec<Attached>, LoadError> {
    for name in FOLDERS {
        make_folder(&partial.join(name))?;
    }
    let hooks = Hooks::of_this_kernel(way).map_err(LoadError::Btf)?;
    let older = reuse.map_or_else(|| Ok(BTreeMap::new()), pinned_maps)?;
    let mut opened = Vec::new();
    for (name, bytes) in OBJECTS.into_iter().filter(|(name, _)| way.uses(name)) {
        opened.push((
            name,
            open_object(name, bytes, &hooks, sizes, &older, &partial.join("maps"))?,
        ));
    }
    // The first makes and pins the maps; the others find them pinned.
    if let Some((name, first)) = opened.first_mut() {
        make_maps(name, first)?;
    }
    let objects = load_all(opened)?;
    let mut attached = Vec::new();
    for object in &objects {
        attach_all(object, hooks.way, partial, &mut attached)?;
    }
    Ok(attached)
}

fn open_object(
    name: &'static str,
    bytes: &[u8],
    hooks: &Hooks,
    sizes: Sizes,
    older: &BTreeMap<String, MapHandle>,
    maps_folder: &Path,
) -> Result<OpenObject, LoadError> {
    let mut open = ObjectBuilder::default()
        .open_memory(bytes)
        .map_err(|source| LoadError::Load { object: name, source })?;
    for mut program in open.progs_mut() {
        // Programs of `?` sections are for hooks that not every kernel has; libbpf leaves them out by default.
        let section = program.section().to_string_lossy().into_owned();
        if !program.autoload() {
            program.set_autoload(hooks.has(&section));
        }
        if !hooks.way.loads(name, &section) {
            program.set_autoload(false);
        }
        if program.autoload() {
            let redirected = hooks.way.redirect(&mut program);
            redirected.map_err(|source| LoadError::Load { object: name, source })?;
        }
    }
    prepare_maps(name, &mut open, sizes, hooks.way, older, maps_folder)?;
    Ok(open)
}

fn make_maps(name: &'static str, object: &mut OpenObject) -> Result<(), LoadError> {
    // SAFETY: an object that is open and not loaded; libbpf-rs has no call for this step alone.
    let ret = unsafe { libbpf_sys::bpf_object__prepare(object.as_libbpf_object().as_ptr()) };
    if ret < 0 {
        let source = libbpf_rs::Error::from_raw_os_error(-ret);
        return Err(LoadError::Load { object: name, source });
    }
    Ok(())
}

/// Each on a thread of its own: verification is most of a start, and the kernel verifies side by side.
fn load_all(opened: Vec<(&'static str, OpenObject)>) -> Result<Vec<Object>, LoadError> {
    std::thread::scope(|scope| {
        let loading: Vec<_> = opened
            .into_iter()
            .map(|(name, open)| (name, scope.spawn(move || open.load())))
            .collect();
        let panicked = |_| Err(libbpf_rs::Error::from(io::Error::other("the loading thread panicked")));
        loading
            .into_iter()
            .map(|(name, thread)| {
                let loaded = thread.join().unwrap_or_else(panicked);
                loaded.map_err(|source| LoadError::Load { object: name, source })
            })
            .collect()
    })
}

/// Words of the pool that `automaton_pool` holds, without the slack behind it.
pub(crate) fn pool_words_of(pool: &MapHandle) -> u32 {
    pool.value_size().saturating_sub(abi::AA_POOL_SLACK_BYTES) / 4
}

/// Sizes the maps, says where they are pinned (one that is pinned there already is used), and takes over an older build's.
fn prepare_maps(
    name: &'static str,
    open: &mut OpenObject,
    sizes: Sizes,
    way: Way,
    older: &BTreeMap<String, MapHandle>,
    maps_folder: &Path,
) -> Result<(), LoadError> {
    let failed = |source| LoadError::Load { object: name, source };
    let pool_words = older.get("automaton_pool").map_or(sizes.pool_words, pool_words_of);
    for mut map in open.maps_mut() {
        let map_name = map.name().to_string_lossy().into_owned();
        let constant = match map_name.rsplit_once('.') {
            // `pool_mask` alone.
            Some((_, "rodata")) => Some((pool_words - 1) * 4),
            // `by_fmod_ret` alone.
            Some((_, "way")) => Some(u32::from(way == Way::FmodRet)),
            // `sends_can_fail` alone.
            Some((_, "sends")) => Some(u32::from(way != Way::Cgroup)),
            _ => None,
        };
        if let Some(value) = constant {
            let place = map.initial_value_mut().ok_or(LoadError::Constants(name))?;
            if place.len() != 4 {
                return Err(LoadError::Constants(name));
            }
            place.copy_from_slice(&value.to_ne_bytes());
            continue;
        }
        let unused = match way {
            Way::Lsm | Way::Cgroup => TABLES.as_slice(),
            Way::FmodRet => STORAGES.as_slice(),
        };
        if unused.contains(&map_name.as_str()) {
            map.set_autocreate(false).map_err(failed)?;
            continue;
        }
        match map_name.as_str() {
            "automaton_pool" => map
                .set_value_size(pool_words * 4 + abi::AA_POOL_SLACK_BYTES)
                .map_err(failed)?,
            "scratches" | "tls_buffers" => {
                let cpus = libbpf_rs::num_possible_cpus().map_err(failed)?;
                let count = u32::try_from(cpus).unwrap_or(1) * BUFFERS_PER_CPU;
                map.set_max_entries(count).map_err(failed)?;
            }
            "plaintext" => map.set_max_entries(sizes.plaintext_bytes).map_err(failed)?,
            "decisions" => map.set_max_entries(sizes.decisions_bytes).map_err(failed)?,
            "activity" => map.set_max_entries(sizes.activity_bytes).map_err(failed)?,
            _ => {}
        }
        if !map_name.contains('.') {
            map.set_pin_path(maps_folder.join(&map_name)).map_err(failed)?;
        }
        if let Some(existing) = older.get(&map_name) {
            map.reuse_fd(existing.as_fd()).map_err(failed)?;
        }
    }
    Ok(())
}

/// What is kept beside inodes and sockets, one way and the other: `lib/storage.bpf.h`.
const STORAGES: [&str; 4] = ["inode_verdicts", "inode_labels", "socket_owners", "contents"];
const TABLES: [&str; 3] = ["verdicts_by_address", "labels_by_address", "owners_by_cookie"];

/// The same as `AA_SCRATCHES_PER_CPU` in `lib/scratch.bpf.h` and `AA_TLS_BUFFERS_PER_CPU` in `lib/tls.bpf.h`, which only
/// fewer buffers than these would hurt.
const BUFFERS_PER_CPU: u32 = 4;

const AT_CGROUPS: [ProgramType; 4] = [
    ProgramType::CgroupSkb,
    ProgramType::CgroupSock,
    ProgramType::CgroupSockAddr,
    ProgramType::SockOps,
];

fn attach_all(object: &Object, way: Way, partial: &Path, attached: &mut Vec<Attached>) -> Result<(), LoadError> {
    let cgroup_path = cgroup_root();
    for program in object.progs_mut() {
        if !program.autoload() {
            continue;
        }
        let name = program.name().to_string_lossy().into_owned();
        let section = program.section().to_string_lossy().into_owned();
        if program.prog_type() == ProgramType::Kprobe {
            // For files nobody has named yet.
            pin_program(&program, &partial.join("programs").join(&name))?;
            continue;
        }
        let hook = way.place(&section);
        let failed = |source| LoadError::Attach {
            program: name.clone(),
            hook: hook.clone(),
            source,
        };
        let mut link: Link = if AT_CGROUPS.contains(&program.prog_type()) {
            let cgroup = fs::File::open(&cgroup_path).map_err(|source| LoadError::Folder {
                path: cgroup_path.clone(),
                source,
            })?;
            program.attach_cgroup(cgroup.as_raw_fd()).map_err(failed)?
        } else if way.is_redirected(&section) {
            program.attach_trace().map_err(failed)?
        } else {
            program.attach().map_err(failed)?
        };
        let path = if hook.starts_with("iter/") {
            partial.join("tasks").join(&name)
        } else {
            let link_id = link.info().map_or(0, |info| info.id);
            attached.push(Attached {
                program: name.clone(),
                hook: hook.clone(),
                link_id,
            });
            partial.join("links").join(format!("{name}@{}", hook.replace('/', ":")))
        };
        link.pin(&path).map_err(|source| LoadError::Pin { path, source })?;
    }
    Ok(())
}

fn pin_program(program: &ProgramMut<'_>, path: &Path) -> Result<(), LoadError> {
    let failed = |source| LoadError::Pin {
        path: path.to_owned(),
        source,
    };
    let name = CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| failed(libbpf_rs::Error::from(io::Error::other("a path with a NUL"))))?;
    // SAFETY: a live descriptor and a path that outlives the call. Pinned without libbpf-rs, which would unpin it when dropped.
    let ret = unsafe { libbpf_sys::bpf_obj_pin(program.as_fd().as_raw_fd(), name.as_ptr()) };
    if ret < 0 {
        return Err(failed(libbpf_rs::Error::from_raw_os_error(-ret)));
    }
    Ok(())
}

/// `<ABI version>-<hash of the objects>`.
fn build_name() -> String {
    format!("{}-{}", abi::AA_ABI_VERSION, env!("AA_OBJECTS_HASH"))
}

fn same_abi(path: &Path) -> bool {
    file_name(path)
        .split_once('-')
        .is_some_and(|(version, _)| version == abi::AA_ABI_VERSION.to_string())
}

/// Whether the programs pinned in a folder have a row for any task. The list is a file; how a row is laid out does not matter.
fn governs_somebody(folder: &Path) -> Result<bool, LoadError> {
    let path = folder.join("tasks/list_governed");
    match fs::read(&path) {
        Ok(rows) => Ok(!rows.is_empty()),
        // It was never whole, or is half removed already.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(LoadError::Folder { path, source }),
    }
}

fn older_builds(root: &Path) -> Result<Vec<PathBuf>, LoadError> {
    make_folder(root)?;
    let own = build_name();
    Ok(entries(root)?
        .into_iter()
        .filter(|path| path.file_name() != Some(OsStr::new(&own)) && !file_name(path).ends_with(PARTIAL))
        .collect())
}

fn pinned_maps(folder: &Path) -> Result<BTreeMap<String, MapHandle>, LoadError> {
    let mut maps = BTreeMap::new();
    for path in entries(&folder.join("maps"))? {
        let handle = MapHandle::from_pinned_path(&path).map_err(|source| LoadError::Pin {
            path: path.clone(),
            source,
        })?;
        maps.insert(file_name(&path), handle);
    }
    Ok(maps)
}

fn remove_pins(folder: &Path) -> Result<(), LoadError> {
    for name in FOLDERS {
        let folder = folder.join(name);
        if folder.is_dir() {
            for path in entries(&folder)? {
                fs::remove_file(&path).map_err(|source| LoadError::Folder { path, source })?;
            }
            fs::remove_dir(&folder).map_err(|source| LoadError::Folder { path: folder, source })?;
        }
    }
    fs::remove_dir(folder).map_err(|source| LoadError::Folder {
        path: folder.to_owned(),
        source,
    })
}

fn make_folder(path: &Path) -> Result<(), LoadError> {
    fs::create_dir_all(path).map_err(|source| LoadError::Folder {
        path: path.to_owned(),
        source,
    })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::Folder {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    found.sort();
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
