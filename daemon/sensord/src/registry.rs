//! What is in force, by name: slots and agents. Owned by the sensor's one thread; kept in a file of the run directory,
//! since a sensor that comes after this one must know what the kernel's numbers mean.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aa_bpf::abi;
use aa_policy::LoweredSelector;
use serde::{Deserialize, Serialize};

use crate::naming::Hosts;

/// A policy in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SlotEntry {
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) generation: u32,
    /// Index in the kernel's `policies`.
    pub(crate) index: u32,
    /// The agent that processes found by its selectors become; 0 if it has none.
    pub(crate) agent: u32,
    pub(crate) selectors: Vec<LoweredSelector>,
    /// What names decide, if it has rules about names.
    pub(crate) hosts: Option<Hosts>,
}

/// An agent: one `aasm run`, or all processes one policy's selectors found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AgentEntry {
    pub(crate) name: String,
    pub(crate) slot: u32,
    /// It belongs to its slot and lives as long.
    pub(crate) by_selector: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    boot_id: String,
    slots: BTreeMap<u32, SlotEntry>,
    agents: BTreeMap<u32, AgentEntry>,
}

/// Slots and agents, and the file they are kept in.
#[derive(Debug)]
pub(crate) struct Registry {
    path: PathBuf,
    content: Content,
}

/// The slot and the agent of the self-test: never given out.
pub(crate) const SELF_TEST_SLOT: u32 = 0;
pub(crate) const SELF_TEST_AGENT: u32 = abi::AA_SELF_TEST_AGENT;

impl Registry {
    /// What an earlier sensor of this boot left, or nothing.
    pub(crate) fn load(path: PathBuf, boot_id: &str, inherited: bool) -> io::Result<Self> {
        let fresh = Content {
            boot_id: boot_id.to_owned(),
            ..Content::default()
        };
        if !inherited {
            return Ok(Self { path, content: fresh });
        }
        let content = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<Content>(&bytes).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => fresh,
            Err(error) => return Err(error),
        };
        Ok(Self { path, content })
    }

    /// Writes the file beside and renames it.
    fn save(&self) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut file = fs::File::create(&beside)?;
        file.write_all(&serde_json::to_vec(&self.content).map_err(io::Error::other)?)?;
        fs::rename(&beside, &self.path)
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = (u32, &SlotEntry)> {
        self.content.slots.iter().map(|(slot, entry)| (*slot, entry))
    }

    pub(crate) fn slot(&self, slot: u32) -> Option<&SlotEntry> {
        self.content.slots.get(&slot)
    }

    pub(crate) fn slot_named(&self, name: &str) -> Option<u32> {
        self.slots().find(|(_, entry)| entry.name == name).map(|(slot, _)| slot)
    }

    /// A slot nobody uses; slot 0 is the self-test's.
    pub(crate) fn free_slot(&self) -> Option<u32> {
        (1..abi::AA_MAX_SLOTS).find(|slot| !self.content.slots.contains_key(slot))
    }

    /// An agent number nobody has; 0 is none.
    pub(crate) fn free_agent(&self) -> Option<u32> {
        (1..SELF_TEST_AGENT).find(|agent| !self.content.agents.contains_key(agent))
    }

    pub(crate) fn agents(&self) -> impl Iterator<Item = (u32, &AgentEntry)> {
        self.content.agents.iter().map(|(agent, entry)| (*agent, entry))
    }

    pub(crate) fn agent(&self, agent: u32) -> Option<&AgentEntry> {
        self.content.agents.get(&agent)
    }

    pub(crate) fn set_slot(&mut self, slot: u32, entry: SlotEntry) -> io::Result<()> {
        self.content.slots.insert(slot, entry);
        self.save()
    }

    pub(crate) fn remove_slot(&mut self, slot: u32) -> io::Result<()> {
        self.content.slots.remove(&slot);
        self.save()
    }

    pub(crate) fn set_agent(&mut self, agent: u32, entry: AgentEntry) -> io::Result<()> {
        self.content.agents.insert(agent, entry);
        self.save()
    }

    pub(crate) fn remove_agent(&mut self, agent: u32) -> io::Result<()> {
        self.content.agents.remove(&agent);
        self.save()
    }
}

/// This boot.
pub(crate) fn boot_id() -> io::Result<String> {
    fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id")).map(|text| text.trim().to_owned())
}
