//! Programs that wait because the kernel did not read what is in them: the sensor reads them, nobody is asked.
//!
//! Whatever comes of it, the process goes on and the kernel judges it anew. It asks again where the program was written
//! to meanwhile, or its name led elsewhere; after some tries that is a denial.

use std::collections::HashMap;
use std::rc::Rc;

use aa_bpf::abi;
use aa_wire::sensor::Request;

use crate::approvals::{Asker, Note};
use crate::gateway::Gateway;

/// How often a program is read for a thread.
const TRIES: u32 = 3;
/// Threads that are remembered, beside those whose program is being read.
const REMEMBERED: usize = 1024;

#[derive(Debug)]
struct Reading {
    digest: [u64; 2],
    tries: u32,
    runs: bool,
}

/// What is read, and was.
#[derive(Debug, Default)]
pub(crate) struct Readings(HashMap<Asker, Reading>);

#[derive(Debug, PartialEq, Eq)]
enum Begun {
    Now,
    /// It is being read already.
    Before,
    TooOften,
}

impl Readings {
    fn begin(&mut self, asker: Asker, digest: [u64; 2]) -> Begun {
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, reading| reading.runs);
        }
        let reading = self.0.entry(asker).or_insert(Reading {
            digest,
            tries: 0,
            runs: false,
        });
        if reading.runs && reading.digest == digest {
            return Begun::Before;
        }
        if reading.digest != digest {
            (reading.digest, reading.tries) = (digest, 0);
        }
        reading.tries += 1;
        reading.runs = reading.tries <= TRIES;
        if reading.runs {
            Begun::Now
        } else {
            self.0.remove(&asker);
            Begun::TooOften
        }
    }

    fn end(&mut self, asker: Asker, digest: [u64; 2]) {
        if let Some(reading) = self.0.get_mut(&asker).filter(|reading| reading.digest == digest) {
            reading.runs = false;
        }
    }
}

impl Gateway {
    /// Has the program read that the thread waits for, and lets its process go on.
    pub(crate) fn read_for(self: &Rc<Self>, note: &Note, name: &[u8]) {
        let (asker, digest) = (note.asker, note.digest);
        match self.readings.borrow_mut().begin(asker, digest) {
            Begun::Now => {}
            Begun::Before => return,
            Begun::TooOften => {
                let why = "its program cannot be read";
                return self.refuse_outright(note, abi::AA_REASON_UNREADABLE_CONTENT, why);
            }
        }
        let request = Request::ReadProgram {
            pid: asker.pid,
            start_ns: asker.start_ns,
            name: name.to_vec(),
        };
        let gateway = Rc::clone(self);
        tokio::task::spawn_local(async move {
            if let Err(problem) = gateway.sensor.request(request).await {
                tracing::warn!(%problem, pid = %asker.pid, "a program was not read");
            }
            gateway.readings.borrow_mut().end(asker, digest);
            gateway.let_go_on_for_sure(asker).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use aa_wire::{AgentId, Pid};

    use super::*;

    #[test]
    fn a_program_is_read_once_at_a_time_and_not_for_ever() {
        let asker = |tid| Asker {
            agent: AgentId(1),
            pid: Pid(100),
            tid,
            start_ns: 5,
        };
        let mut readings = Readings::default();
        for _ in 0..TRIES {
            assert_eq!(readings.begin(asker(1), [1, 1]), Begun::Now);
            assert_eq!(readings.begin(asker(1), [1, 1]), Begun::Before);
            readings.end(asker(1), [1, 1]);
        }
        assert_eq!(readings.begin(asker(1), [1, 1]), Begun::TooOften);
        assert_eq!(readings.begin(asker(1), [1, 1]), Begun::Now);
        // Another program, another thread.
        assert_eq!(readings.begin(asker(1), [2, 1]), Begun::Now);
        for tid in 2..3000 {
            assert_eq!(readings.begin(asker(tid), [1, 1]), Begun::Now);
            readings.end(asker(tid), [1, 1]);
        }
        assert!(readings.0.len() <= REMEMBERED);
        assert_eq!(readings.begin(asker(1), [2, 1]), Begun::Before);
    }
}
