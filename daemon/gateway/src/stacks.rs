//! Names for the user stacks of denials: which library and function asked.
//!
//! The gateway may not look into other processes, so the sensor hands it the text of `/proc/PID/maps` and descriptors of
//! the files mapped there. A thread of its own reads their symbol tables, which can take long for a large program. All of
//! it is bounded: stacks at once, stacks a second, time for one, modules kept. What does not fit, or is gone, stays an
//! address; a denial is never held up or lost for its stack.

mod symbols;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aa_procfs::maps::{self, Mapping, ModuleKey};
use aa_wire::event::Frame;
use aa_wire::sensor::{Reply, Request};
use aa_wire::{EscapedBytes, Pid};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::describe::bare_frame;
use crate::sensor_link::Sensor;
use symbols::{Job, Lookup, Module, SymbolThread};

const AT_ONCE: usize = 32;
const PER_SECOND: u32 = 100;
/// Nobody waits for it; the symbols of a large program that is seen for the first time take long to read.
const TIME_FOR_ONE: Duration = Duration::from_secs(5);
/// How long a process's maps are taken to be as they were.
const MAPS_FRESH: Duration = Duration::from_millis(500);
const MAPS_KEPT: usize = 64;
/// Files kept open; the thread keeps as many symbol tables.
const MODULES_KEPT: usize = 32;

/// See the module.
pub(crate) struct Stacks {
    turns: Arc<Semaphore>,
    second: Cell<(Instant, u32)>,
    maps: RefCell<HashMap<(Pid, u64), ReadMaps>>,
    modules: RefCell<Vec<(ModuleKey, Arc<Module>)>>,
    thread: SymbolThread,
}

/// A process's executable mappings, and when they were read.
type ReadMaps = (Instant, Rc<Vec<Mapping>>);

/// The right to have one stack named now.
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Stacks {
    /// Starts the thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        Ok(Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            second: Cell::new((Instant::now(), 0)),
            maps: RefCell::default(),
            modules: RefCell::default(),
            thread: SymbolThread::start(MODULES_KEPT)?,
        })
    }

    /// The right to have a stack named, if there are not too many already.
    pub(crate) fn begin(&self) -> Option<Turn> {
        let (since, count) = self.second.get();
        let (since, count) = if since.elapsed() > Duration::from_secs(1) {
            (Instant::now(), 0)
        } else {
            (since, count)
        };
        self.second.set((since, count + 1));
        if count >= PER_SECOND {
            return None;
        }
        Arc::clone(&self.turns)
            .try_acquire_owned()
            .ok()
            .map(|permit| Turn { _permit: permit })
    }

    /// Names a stack as well as can be done in time; `None` if not at all.
    pub(crate) async fn name(&self, sensor: &Sensor, pid: Pid, start_ns: u64, stack: &[Frame]) -> Option<Vec<Frame>> {
        let addresses: Vec<u64> = stack.iter().map(|frame| frame.address).collect();
        let named = tokio::time::timeout(TIME_FOR_ONE, self.try_name(sensor, pid, start_ns, &addresses)).await;
        named.ok().flatten()
    }

    async fn try_name(&self, sensor: &Sensor, pid: Pid, start_ns: u64, addresses: &[u64]) -> Option<Vec<Frame>> {
        let maps = self.maps_of(sensor, pid, start_ns).await?;
        let mut lookups = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            // All but the innermost are return addresses: the call is just before.
            let call = address.saturating_sub(u64::from(index > 0));
            let Some(mapping) = maps.iter().find(|mapping| mapping.contains(call)) else {
                lookups.push(Lookup {
                    frame: bare_frame(*address),
                    offset: 0,
                    module: None,
                });
                continue;
            };
            let offset = mapping.file_offset(call);
            let frame = Frame {
                module: Some(EscapedBytes::from_bytes(&mapping.path)),
                offset: Some(offset).filter(|_| mapping.inode != 0),
                ..bare_frame(*address)
            };
            let module = self.module_of(sensor, pid, start_ns, mapping).await;
            lookups.push(Lookup { frame, offset, module });
        }
        let (reply, answer) = oneshot::channel();
        self.thread.submit(Job { lookups, reply }).then_some(())?;
        answer.await.ok()
    }

    async fn maps_of(&self, sensor: &Sensor, pid: Pid, start_ns: u64) -> Option<Rc<Vec<Mapping>>> {
        if let Some((read, maps)) = self.maps.borrow().get(&(pid, start_ns))
            && read.elapsed() < MAPS_FRESH
        {
            return Some(Rc::clone(maps));
        }
        let Ok(Reply::Maps { text }) = sensor.request(Request::Maps { pid, start_ns }).await else {
            return None;
        };
        let maps = Rc::new(maps::parse(&text));
        let mut kept = self.maps.borrow_mut();
        kept.retain(|_, (read, _)| read.elapsed() < MAPS_FRESH);
        if kept.len() < MAPS_KEPT {
            kept.insert((pid, start_ns), (Instant::now(), Rc::clone(&maps)));
        }
        Some(maps)
    }

    async fn module_of(&self, sensor: &Sensor, pid: Pid, start_ns: u64, mapping: &Mapping) -> Option<Arc<Module>> {
        let key = mapping.key()?;
        if let Some(module) = self.kept_module(&key) {
            return Some(module);
        }
        let request = Request::OpenMapped {
            pid,
            start_ns,
            from: mapping.from,
            to: mapping.to,
        };
        let (Reply::Mapped, descriptors) = sensor.request_with_descriptors(request).await.ok()? else {
            return None;
        };
        let file: OwnedFd = descriptors.into_iter().next()?;
        let module = Arc::new(Module { key: key.clone(), file });
        let mut modules = self.modules.borrow_mut();
        modules.push((key, Arc::clone(&module)));
        if modules.len() > MODULES_KEPT {
            modules.remove(0);
        }
        Some(module)
    }

    /// Finds a module and makes it the most recently used.
    fn kept_module(&self, key: &ModuleKey) -> Option<Arc<Module>> {
        let mut modules = self.modules.borrow_mut();
        let place = modules.iter().position(|(known, _)| known == key)?;
        let entry = modules.remove(place);
        let module = Arc::clone(&entry.1);
        modules.push(entry);
        Some(module)
    }
}
