//! The symbols thread: from places in files to names of functions, by blazesym.
//!
//! blazesym's caches only grow, so each module has a symboliser of its own; forgetting the module frees all of it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use aa_procfs::maps::ModuleKey;
use aa_wire::event::Frame;
use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};
use tokio::sync::oneshot;

const QUEUED: usize = 64;
/// Bytes of a function's name: names of templates have no end.
const NAME_LIMIT: usize = 256;

/// A mapped file, open.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) key: ModuleKey,
    pub(super) file: OwnedFd,
}

/// One frame to be named.
pub(super) struct Lookup {
    pub(super) frame: Frame,
    /// In the module's file.
    pub(super) offset: u64,
    pub(super) module: Option<Arc<Module>>,
}

/// One stack to be named.
pub(super) struct Job {
    pub(super) lookups: Vec<Lookup>,
    pub(super) reply: oneshot::Sender<Vec<Frame>>,
}

/// The thread's handle. The thread ends when the handle is dropped and its queue empty.
pub(super) struct SymbolThread {
    jobs: SyncSender<Job>,
}

impl SymbolThread {
    pub(super) fn start(modules_kept: usize) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUED);
        // blazesym's symbolisers stay on the thread that makes them.
        let run = move || {
            Names {
                modules: Vec::new(),
                modules_kept,
            }
            .run(&queue);
        };
        std::thread::Builder::new().name("symbols".into()).spawn(run)?;
        Ok(Self { jobs })
    }

    /// Whether there was room.
    pub(super) fn submit(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }
}

struct Names {
    /// The most recently used last.
    modules: Vec<(Arc<Module>, Symbolizer)>,
    modules_kept: usize,
}

impl Names {
    fn run(mut self, queue: &Receiver<Job>) {
        for job in queue {
            if job.reply.is_closed() {
                continue;
            }
            let frames = job.lookups.into_iter().map(|lookup| self.name(lookup)).collect();
            // Whoever asked may have run out of patience.
            let _ = job.reply.send(frames);
        }
    }

    fn name(&mut self, lookup: Lookup) -> Frame {
        let named = lookup.module.and_then(|module| self.find(&module, lookup.offset));
        match named {
            Some((symbol, offset)) => Frame {
                symbol: Some(symbol),
                offset: Some(offset),
                ..lookup.frame
            },
            None => lookup.frame,
        }
    }

    fn find(&mut self, module: &Arc<Module>, offset: u64) -> Option<(String, u64)> {
        let place = self.modules.iter().position(|(known, _)| known.key == module.key);
        let entry = match place {
            Some(place) => self.modules.remove(place),
            None => (Arc::clone(module), new_symbolizer()),
        };
        let mut elf = Elf::new(format!("/proc/self/fd/{}", entry.0.file.as_raw_fd()));
        elf.debug_syms = false;
        let found = entry.1.symbolize_single(&Source::Elf(elf), Input::FileOffset(offset));
        let found = match found {
            Ok(Symbolized::Sym(symbol)) => Some((shorten(&symbol.name), symbol.offset as u64)),
            Ok(Symbolized::Unknown(_)) | Err(_) => None,
        };
        self.modules.push(entry);
        if self.modules.len() > self.modules_kept {
            self.modules.remove(0);
        }
        found
    }
}

fn new_symbolizer() -> Symbolizer {
    Symbolizer::builder()
        .enable_code_info(false)
        .enable_inlined_fns(false)
        .enable_auto_reload(false)
        .build()
}

fn shorten(name: &str) -> String {
    aa_wire::text::escape(name.as_bytes())
        .chars()
        .take(NAME_LIMIT)
        .collect()
}

#[cfg(test)]
mod tests {
    use aa_procfs::maps;

    use super::*;
    use crate::describe::bare_frame;

    #[inline(never)]
    fn a_function_with_a_name() -> usize {
        std::hint::black_box(3)
    }

    #[test]
    fn a_function_of_this_program_is_found_by_its_address() {
        let address = a_function_with_a_name as *const () as u64;
        assert_eq!(a_function_with_a_name(), 3);
        let maps = maps::parse(&std::fs::read("/proc/self/maps").unwrap());
        let mapping = maps.iter().find(|mapping| mapping.contains(address)).unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap().into();
        let module = Arc::new(Module {
            key: mapping.key().unwrap(),
            file,
        });
        let thread = SymbolThread::start(1).unwrap();
        let (reply, answer) = oneshot::channel();
        let lookup = Lookup {
            frame: bare_frame(address),
            offset: mapping.file_offset(address),
            module: Some(module),
        };
        assert!(thread.submit(Job {
            lookups: vec![lookup],
            reply
        }));
        let frames = answer.blocking_recv().unwrap();
        let symbol = frames[0].symbol.as_ref().unwrap();
        assert!(symbol.contains("a_function_with_a_name"), "{symbol}");
    }
}
