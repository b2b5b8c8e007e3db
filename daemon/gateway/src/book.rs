//! The policies: which there are, which are in force where, and which policy a generation was.
//!
//! The book only remembers; [`crate::loading`] reads, parses and has the sensor load.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use aa_policy::{Mode, Policy};
use aa_wire::api::EnvironmentPaths;
use aa_wire::sensor::PolicyInKernel;
use aa_wire::status::{BadPolicy, PolicyRow};
use aa_wire::{Generation, Slot};

use crate::plaintext::judge::Sayings;

/// Retired generations that are still explained.
const RETIRED_KEPT: usize = 256;

/// The text of a policy and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) text: Arc<str>,
    pub(crate) file_name: String,
    pub(crate) origin: Origin,
}

/// Where a policy comes from. A later one hides an earlier one of the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Ships with the daemon.
    Pack,
    /// A file in the policy directory.
    File(PathBuf),
    /// `aasm policy apply`.
    Applied(PathBuf),
    /// A client brought it for itself.
    Client,
}

/// A policy that was put in force, still or once.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) policy: Arc<Policy>,
    pub(crate) source: Source,
    pub(crate) digest: String,
    pub(crate) environment: Option<EnvironmentPaths>,
    pub(crate) slot_name: String,
    pub(crate) slot: Slot,
    pub(crate) retired: bool,
}

/// Everything known of policies.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// By name: files and applied ones. Parsed without an environment if that is possible.
    sources: BTreeMap<String, (Source, Option<Arc<Policy>>)>,
    bad: BTreeMap<String, BadPolicy>,
    loads: BTreeMap<Generation, Load>,
    in_force: HashMap<String, Generation>,
    /// What the kernel holds, by the slot's name, whether it is understood here or not.
    kernel: HashMap<String, PolicyInKernel>,
    /// What those that are known say of what is sent, for the thread that judges it.
    sayings: Sayings,
}

impl Book {
    pub(crate) fn new(sayings: Sayings) -> Self {
        Self {
            sayings,
            ..Self::default()
        }
    }

    pub(crate) fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(name).map(|(source, _)| source)
    }

    /// A policy that was parsed without an environment, hiding one of the same name and lesser origin.
    pub(crate) fn add_source(&mut self, name: String, source: Source, policy: Option<Arc<Policy>>) {
        let hidden = self
            .sources
            .get(&name)
            .is_some_and(|(known, _)| known.origin > source.origin);
        self.bad.remove(&source.file_name);
        if !hidden {
            self.sources.insert(name, (source, policy));
        }
    }

    /// Forgets sources for which this does not hold; the names forgotten.
    pub(crate) fn retain_sources(&mut self, mut keep: impl FnMut(&Source) -> bool) -> Vec<String> {
        let mut gone = Vec::new();
        self.sources.retain(|name, (source, _)| {
            let kept = keep(source);
            if !kept {
                gone.push(name.clone());
            }
            kept
        });
        gone
    }

    /// A file that could not be read as a policy. What was in force of it stays.
    pub(crate) fn add_bad(&mut self, file: String, diagnostics: String) {
        let kept = self.sources.values().find(|(source, _)| source.file_name == file);
        let kept = kept
            .and_then(|(_, policy)| policy.as_ref())
            .map(|policy| digest_text(policy));
        self.bad.insert(
            file.clone(),
            BadPolicy {
                file,
                diagnostics,
                kept,
            },
        );
    }

    /// How many policies files and clients brought that can be used.
    pub(crate) fn count(&self) -> usize {
        self.sources.len()
    }

    pub(crate) fn clear_bad(&mut self) {
        self.bad.clear();
    }

    pub(crate) fn bad(&self) -> Vec<BadPolicy> {
        self.bad.values().cloned().collect()
    }

    /// Names of policies that say themselves whom they govern.
    pub(crate) fn selecting(&self) -> Vec<String> {
        let selects = |policy: &Arc<Policy>| !policy.governs().is_empty();
        let selecting = self
            .sources
            .iter()
            .filter(|(_, (_, policy))| policy.as_ref().is_some_and(selects));
        selecting.map(|(name, _)| name.clone()).collect()
    }

    /// What the sensor said the kernel holds already.
    pub(crate) fn add_kernel(&mut self, in_kernel: &[PolicyInKernel]) {
        self.kernel
            .extend(in_kernel.iter().map(|known| (known.name.clone(), known.clone())));
    }

    /// What the kernel holds under a slot's name.
    pub(crate) fn in_kernel(&self, slot_name: &str) -> Option<&PolicyInKernel> {
        self.kernel.get(slot_name)
    }

    pub(crate) fn add_load(&mut self, generation: Generation, load: Load) {
        if !load.retired {
            let (name, digest) = (load.slot_name.clone(), load.digest.clone());
            self.kernel.insert(
                name.clone(),
                PolicyInKernel {
                    slot: load.slot,
                    generation,
                    name,
                    digest,
                },
            );
        }
        if !load.retired
            && let Some(before) = self.in_force.insert(load.slot_name.clone(), generation)
            && before != generation
            && let Some(before) = self.loads.get_mut(&before)
        {
            before.retired = true;
        }
        self.sayings.add(generation, &load.policy);
        self.loads.insert(generation, load);
        let retired: Vec<_> = self
            .loads
            .iter()
            .filter(|(_, load)| load.retired)
            .map(|(key, _)| *key)
            .collect();
        for key in retired.iter().take(retired.len().saturating_sub(RETIRED_KEPT)) {
            self.loads.remove(key);
            self.sayings.remove(*key);
        }
    }

    pub(crate) fn retire(&mut self, slot_name: &str) {
        self.kernel.remove(slot_name);
        if let Some(generation) = self.in_force.remove(slot_name)
            && let Some(load) = self.loads.get_mut(&generation)
        {
            load.retired = true;
        }
    }

    pub(crate) fn load(&self, generation: Generation) -> Option<&Load> {
        self.loads.get(&generation)
    }

    /// What is in force under a slot's name.
    pub(crate) fn in_force(&self, slot_name: &str) -> Option<(Generation, &Load)> {
        let generation = *self.in_force.get(slot_name)?;
        Some((generation, self.loads.get(&generation)?))
    }

    /// What is in force of just this text with just these paths.
    pub(crate) fn in_force_of(&self, source: &Source, paths: Option<&EnvironmentPaths>) -> Option<(Generation, &Load)> {
        let in_force = self
            .in_force
            .values()
            .filter_map(|generation| Some((*generation, self.loads.get(generation)?)));
        let same = |load: &Load| load.environment.as_ref() == paths && load.source == *source;
        in_force.into_iter().find(|(_, load)| same(load))
    }

    pub(crate) fn all_in_force(&self) -> Vec<(Generation, Load)> {
        self.in_force
            .values()
            .filter_map(|generation| Some((*generation, self.loads.get(generation)?.clone())))
            .collect()
    }

    pub(crate) fn loads(&self) -> impl Iterator<Item = (Generation, &Load)> {
        self.loads.iter().map(|(generation, load)| (*generation, load))
    }

    /// Every policy in force, and every known one that is not.
    pub(crate) fn rows(&self) -> Vec<PolicyRow> {
        let mut rows: Vec<PolicyRow> = self
            .all_in_force()
            .iter()
            .map(|(generation, load)| row(&load.policy, &load.source, Some((load.slot, *generation))))
            .collect();
        for (source, policy) in self.sources.values() {
            if let Some(policy) = policy
                && !rows.iter().any(|row| row.name == policy.name())
            {
                rows.push(row(policy, source, None));
            }
        }
        rows.sort_by(|a, b| (&a.name, a.generation).cmp(&(&b.name, b.generation)));
        rows
    }
}

fn row(policy: &Policy, source: &Source, loaded: Option<(Slot, Generation)>) -> PolicyRow {
    PolicyRow {
        name: policy.name().to_owned(),
        version: policy.version().into(),
        digest: digest_text(policy),
        source: match &source.origin {
            Origin::Pack => "pack".to_owned(),
            Origin::Client => format!("client: {}", source.file_name),
            Origin::File(path) | Origin::Applied(path) => path.display().to_string(),
        },
        mode: mode_text(policy.mode()).to_owned(),
        rules: policy.rules().len() as u64,
        slot: loaded.map(|(slot, _)| slot),
        generation: loaded.map(|(_, generation)| generation),
    }
}

pub(crate) fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    }
}

/// A policy's digest, hexadecimal.
pub(crate) fn digest_text(policy: &Policy) -> String {
    hexadecimal(&policy.digest())
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
