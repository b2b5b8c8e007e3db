//! What the sensor writes into the kernel: agents, policies, selectors, settings.
//!
//! A policy is built beside those in force (pool extent, addresses under its own generation, an entry of `policies`)
//! and takes force when one word of `policy_slots` names it. Nothing of it is changed afterwards.

mod given;
mod labels;
mod layout;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use crate::abi;
use crate::load::{Kernel, LoadError, pool_words_of};
use crate::pool::{Extent, Pool, PoolError};
pub use given::{AddressRow, AutomatonTable, HostTables, LabelTable, PolicyTables};
use layout::{Layout, automaton_words, fill_automaton};

/// How long the words of a retired policy stay untouched: a hook that began under it has long returned.
const GRACE: Duration = Duration::from_secs(2);

/// A table could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The map refused.
    #[error("cannot write the `{map}` map")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// What the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A fixed number of entries is used up.
    #[error("the `{map}` map is full: {capacity} entries")]
    Full {
        /// Name of the map.
        map: &'static str,
        /// How many it holds.
        capacity: u32,
    },
    /// The automaton pool is full.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A map is missing.
    #[error(transparent)]
    Kernel(#[from] LoadError),
    /// The tables handed in contradict themselves.
    #[error("the lowered policy is inconsistent: {0}")]
    Inconsistent(&'static str),
}

/// A policy resident in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Index in `policies`.
    pub index: u32,
    /// Its generation.
    pub generation: u32,
    /// Its words of the pool.
    pub extent: Extent,
}

/// How full a map is.
#[derive(Debug, Clone, Copy)]
pub struct Fill {
    /// Name of the map.
    pub map: &'static str,
    /// Entries (or words) used.
    pub used: u32,
    /// Entries (or words) there are.
    pub capacity: u32,
}

/// The writer of all tables; one per sensor.
#[derive(Debug)]
pub struct Tables {
    agents: MapHandle,
    slots: MapHandle,
    policies: MapHandle,
    addresses: MapHandle,
    contents: MapHandle,
    users: MapHandle,
    cgroups: MapHandle,
    openings: MapHandle,
    buckets: MapHandle,
    mounts: MapHandle,
    settings: MapHandle,
    losses: MapHandle,
    label_names: MapHandle,
    shared_labels: MapHandle,
    pool: Pool,
    /// Every policy in the kernel, in force or not, by its index.
    residents: BTreeMap<u32, Resident>,
    address_count: u32,
    selectors: Option<Extent>,
    retired: Vec<(Instant, Extent)>,
}

fn handle(kernel: &Kernel, name: &'static str) -> Result<MapHandle, TableError> {
    MapHandle::try_from(kernel.map(name)?).map_err(|source| TableError::Map { map: name, source })
}

fn index_key(index: u32) -> [u8; 4] {
    index.to_ne_bytes()
}

fn write<V: IntoBytes + Immutable>(
    map: &MapHandle,
    name: &'static str,
    key: &[u8],
    value: &V,
) -> Result<(), TableError> {
    map.update(key, value.as_bytes(), MapFlags::ANY)
        .map_err(|source| match source.kind() {
            ErrorKind::TooBig => TableError::Full {
                map: name,
                capacity: map.max_entries(),
            },
            _ => TableError::Map { map: name, source },
        })
}

fn read<V: FromBytes>(map: &MapHandle, name: &'static str, key: &[u8]) -> Result<Option<V>, TableError> {
    let found = map
        .lookup(key, MapFlags::ANY)
        .map_err(|source| TableError::Map { map: name, source })?;
    Ok(found.and_then(|bytes| V::read_from_bytes(&bytes).ok()))
}

impl Tables {
    /// Opens the tables of a kernel side, fresh or adopted.
    pub fn new(kernel: &Kernel) -> Result<Self, TableError> {
        let pool_map = kernel.map("automaton_pool")?;
        let mut tables = Self {
            agents: handle(kernel, "agents")?,
            slots: handle(kernel, "policy_slots")?,
            policies: handle(kernel, "policies")?,
            addresses: handle(kernel, "address_rules")?,
            contents: handle(kernel, "content_rules")?,
            users: handle(kernel, "user_selectors")?,
            cgroups: handle(kernel, "cgroup_selectors")?,
            openings: handle(kernel, "openings")?,
            buckets: handle(kernel, "buckets")?,
            mounts: handle(kernel, "mount_points")?,
            settings: handle(kernel, "settings")?,
            losses: handle(kernel, "losses")?,
            label_names: handle(kernel, "label_names")?,
            shared_labels: handle(kernel, "shared_labels")?,
            pool: Pool::new(pool_map, pool_words_of(pool_map))?,
            residents: BTreeMap::new(),
            address_count: 0,
            selectors: None,
            retired: Vec::new(),
        };
        tables.residents = tables.find_residents()?;
        for policy in tables.residents.values() {
            tables.pool.adopt(policy.extent);
        }
        let settings = tables.settings()?;
        if settings.selectors_words > 0 {
            let extent = Extent {
                start: settings.selectors.classes / 4,
                words: settings.selectors_words,
            };
            tables.pool.adopt(extent);
            tables.selectors = Some(extent);
        }
        tables.address_count = u32::try_from(tables.addresses.keys().count()).unwrap_or(u32::MAX);
        Ok(tables)
    }

    /// The policy at an index, in force or not.
    pub fn resident(&self, index: u32) -> Option<Resident> {
        self.residents.get(&index).copied()
    }

    fn find_residents(&self) -> Result<BTreeMap<u32, Resident>, TableError> {
        let mut found = BTreeMap::new();
        for index in 1..abi::AA_MAX_POLICIES {
            if let Some(policy) = self.policy(index)?.filter(|policy| policy.generation != 0) {
                let extent = Extent {
                    start: policy.pool_start,
                    words: policy.pool_words,
                };
                let resident = Resident {
                    index,
                    generation: policy.generation,
                    extent,
                };
                found.insert(index, resident);
            }
        }
        Ok(found)
    }

    fn policy(&self, index: u32) -> Result<Option<abi::aa_policy>, TableError> {
        read(&self.policies, "policies", &index_key(index))
    }

    /// Builds a policy beside those in force. It governs nobody until a slot names it. All or nothing.
    pub fn add_policy(&mut self, tables: &PolicyTables<'_>, slot: u32) -> Result<Resident, TableError> {
        self.reclaim();
        let index = (1..abi::AA_MAX_POLICIES)
            .find(|index| !self.residents.contains_key(index))
            .ok_or(TableError::Full {
                map: "policies",
                capacity: abi::AA_MAX_POLICIES,
            })?;
        let wanted = u32::try_from(tables.addresses.len()).unwrap_or(u32::MAX);
        if self.address_count.saturating_add(wanted) > abi::AA_MAX_ADDRESSES {
            return Err(TableError::Full {
                map: "address_rules",
                capacity: abi::AA_MAX_ADDRESSES,
            });
        }
        let bits = self.label_bits(&tables.labels)?;
        let renumbered = labels::renumber(tables, &bits);
        let tables = renumbered.as_ref().unwrap_or(tables);
        let generation = self.next_generation()?;
        let mut layout = Layout::new(tables)?;
        let extent = self.pool.store(layout.words()?, |start| {
            layout.fill(tables, &labels::rules(tables, &bits), start)
        })?;
        let policy = abi::aa_policy {
            generation,
            flags: flags(tables),
            paths: layout.paths,
            sockets: layout.sockets,
            argv: layout.argv,
            default_net: tables.default_net,
            memfd: tables.memfd,
            deleted: tables.deleted,
            pool_start: extent.start,
            pool_words: extent.words,
            slot,
            otherwise: if tables.otherwise_allow {
                abi::AA_ALLOW
            } else {
                abi::AA_DENY
            },
            hosts: layout.hosts.0,
            host_count: layout.hosts.1,
            dns: tables.hosts.as_ref().map_or(0, |hosts| hosts.dns),
            hours: tables.hours,
            privileges: tables.privileges,
            rates: tables.rates,
            labels: bits.iter().fold(0, |all, bit| all | 1 << bit),
            label_rules: layout.label_rules,
            label_taken: labels::taken(tables, &bits),
            contents: contents_flags(tables),
            blind: tables.blind,
            pad: 0,
        };
        let resident = Resident {
            index,
            generation,
            extent,
        };
        if let Err(error) = self
            .write_addresses(generation, tables, &layout)
            .and_then(|()| self.write_contents(generation, tables))
            .and_then(|()| write(&self.policies, "policies", &index_key(index), &policy))
        {
            self.remove_policy(resident)?;
            return Err(error);
        }
        self.residents.insert(index, resident);
        Ok(resident)
    }

    fn write_addresses(
        &mut self,
        generation: u32,
        tables: &PolicyTables<'_>,
        layout: &Layout,
    ) -> Result<(), TableError> {
        for (row, (ranges, count)) in tables.addresses.iter().zip(&layout.ranges) {
            let key = address_key(generation, row);
            let value = abi::aa_address_value {
                ranges: *ranges,
                count: *count,
            };
            write(&self.addresses, "address_rules", key.as_bytes(), &value)?;
            self.address_count += 1;
        }
        Ok(())
    }

    fn write_contents(&self, generation: u32, tables: &PolicyTables<'_>) -> Result<(), TableError> {
        tables.contents.iter().try_for_each(|(digest, decision)| {
            let key = abi::aa_content_key {
                generation,
                digest: *digest,
            };
            write(&self.contents, "content_rules", key.as_bytes(), decision)
        })
    }

    /// Removes a policy no slot names any more. Its words are given back after a grace period.
    pub fn remove_policy(&mut self, policy: Resident) -> Result<(), TableError> {
        write(
            &self.policies,
            "policies",
            &index_key(policy.index),
            &abi::aa_policy::new_zeroed(),
        )?;
        self.residents.remove(&policy.index);
        let generation = policy.generation;
        let gone = remove_keys(&self.addresses, "address_rules", |key| {
            abi::aa_address_key::read_from_bytes(key).is_ok_and(|key| key.generation == generation)
        })?;
        self.address_count = self.address_count.saturating_sub(gone);
        remove_keys(&self.contents, "content_rules", |key| {
            abi::aa_content_key::read_from_bytes(key).is_ok_and(|key| key.generation == generation)
        })?;
        self.retired.push((Instant::now(), policy.extent));
        Ok(())
    }

    fn reclaim(&mut self) {
        let (done, waiting) = self.retired.drain(..).partition(|(since, _)| since.elapsed() >= GRACE);
        self.retired = waiting;
        let done: Vec<(Instant, Extent)> = done;
        for (_, extent) in done {
            self.pool.free(extent);
        }
    }

    fn next_generation(&self) -> Result<u32, TableError> {
        let mut settings = self.settings()?;
        settings.generations = settings.generations.checked_add(1).ok_or(TableError::Inconsistent(
            "the policy generations are used up: restart the machine",
        ))?;
        write(&self.settings, "settings", &index_key(0), &settings)?;
        Ok(settings.generations)
    }

    /// A session number that no session begun in the kernel has: those are odd.
    pub fn next_session(&self) -> Result<u64, TableError> {
        let mut settings = self.settings()?;
        settings.sessions += 2;
        write(&self.settings, "settings", &index_key(0), &settings)?;
        Ok(settings.sessions)
    }

    /// Puts a policy into force for a slot: the one write that swaps generations.
    pub fn set_slot(&self, slot: u32, policy_index: u32, agent: u32) -> Result<(), TableError> {
        write(
            &self.slots,
            "policy_slots",
            &index_key(slot),
            &abi::aa_slot {
                policy: policy_index,
                agent,
            },
        )
    }

    /// The slot's policy index and selector agent.
    pub fn slot(&self, slot: u32) -> Result<abi::aa_slot, TableError> {
        Ok(read(&self.slots, "policy_slots", &index_key(slot))?.unwrap_or_default())
    }

    /// Sets which slot governs an agent, and its flags.
    pub fn set_agent(&self, agent: u32, slot: u32, flags: u32) -> Result<(), TableError> {
        write(
            &self.agents,
            "agents",
            &index_key(agent),
            &abi::aa_agent { slot, flags },
        )
    }

    /// An agent's slot and flags.
    pub fn agent(&self, agent: u32) -> Result<abi::aa_agent, TableError> {
        Ok(read(&self.agents, "agents", &index_key(agent))?.unwrap_or_default())
    }

    /// A new agent: nothing of an earlier one of this number stays.
    pub fn begin_agent(&self, agent: u32, slot: u32) -> Result<(), TableError> {
        for class in 0..abi::AA_RATES {
            write(
                &self.buckets,
                "buckets",
                &index_key(agent * abi::AA_RATES + class),
                &0_u64,
            )?;
        }
        self.set_agent(agent, slot, 0)
    }

    /// Until when the policy in this slot is open, if it has hours: boot time, nanoseconds.
    pub fn opening(&self, slot: u32) -> Result<u64, TableError> {
        Ok(read(&self.openings, "openings", &index_key(slot))?.unwrap_or_default())
    }

    /// Sets that. What has passed closes it: every action of its agents is denied.
    pub fn set_opening(&self, slot: u32, until_ns: u64) -> Result<(), TableError> {
        write(&self.openings, "openings", &index_key(slot), &until_ns)
    }

    /// Replaces the selectors: by path (an automaton of one column), by uid, by cgroup id; values are slots plus one.
    pub fn set_selectors(
        &mut self,
        paths: Option<&AutomatonTable<'_>>,
        users: &[(u32, u32)],
        cgroups: &[(u64, u32)],
    ) -> Result<(), TableError> {
        self.reclaim();
        let mut settings = self.settings()?;
        settings.selectors = abi::aa_automaton::default();
        settings.selectors_words = 0;
        let mut stored = None;
        if let Some(table) = paths {
            let words = automaton_words(table)?;
            let extent = self.pool.store(words, |start| {
                let mut content = Vec::new();
                settings.selectors = fill_automaton(table, start, &mut content);
                content
            })?;
            settings.selectors_words = extent.words;
            stored = Some(extent);
        }
        write(&self.settings, "settings", &index_key(0), &settings)?;
        if let Some(old) = std::mem::replace(&mut self.selectors, stored) {
            self.retired.push((Instant::now(), old));
        }
        replace_all(
            &self.users,
            "user_selectors",
            users.iter().map(|(uid, slot)| (uid.to_ne_bytes().to_vec(), *slot)),
        )?;
        replace_all(
            &self.cgroups,
            "cgroup_selectors",
            cgroups.iter().map(|(id, slot)| (id.to_ne_bytes().to_vec(), *slot)),
        )
    }

    /// Tells the kernel where each superblock is mounted outside of bind mounts: (device number, mount point).
    pub fn set_mount_points(&self, mounts: &[(u32, Vec<u8>)]) -> Result<(), TableError> {
        for (device, prefix) in mounts {
            let mut mount = abi::aa_mount::new_zeroed();
            if prefix != b"/" {
                let room = mount
                    .prefix
                    .get_mut(..prefix.len())
                    .ok_or(TableError::Inconsistent("a mount point is too long"))?;
                room.copy_from_slice(prefix);
                mount.length = u32::try_from(prefix.len()).unwrap_or(0);
            }
            write(&self.mounts, "mount_points", &device.to_ne_bytes(), &mount)?;
        }
        Ok(())
    }

    /// The settings the programs read.
    pub fn settings(&self) -> Result<abi::aa_settings, TableError> {
        Ok(read(&self.settings, "settings", &index_key(0))?.unwrap_or_default())
    }

    /// Whether allowed actions are recorded too.
    pub fn set_record_activity(&self, on: bool) -> Result<(), TableError> {
        let settings = abi::aa_settings {
            record_activity: u32::from(on),
            ..self.settings()?
        };
        write(&self.settings, "settings", &index_key(0), &settings)
    }

    /// Injects a fault for one agent (an `aa_fault` number), to prove that what cannot be read is denied.
    pub fn set_fault(&self, fault: u32, agent: u32) -> Result<(), TableError> {
        let settings = abi::aa_settings {
            fault,
            fault_agent: agent,
            ..self.settings()?
        };
        write(&self.settings, "settings", &index_key(0), &settings)
    }

    /// Losses by cause, summed over cpus, by index.
    pub fn losses(&self) -> Result<Vec<u64>, TableError> {
        (0..abi::AA_LOSS_COUNT)
            .map(|cause| {
                let per_cpu = self
                    .losses
                    .lookup_percpu(&index_key(cause), MapFlags::ANY)
                    .map_err(|source| TableError::Map { map: "losses", source })?
                    .unwrap_or_default();
                Ok(per_cpu
                    .iter()
                    .filter_map(|bytes| u64::read_from_bytes(bytes).ok())
                    .sum())
            })
            .collect()
    }

    /// How full the tables are that can fill up.
    pub fn fill(&self) -> Vec<Fill> {
        let policies = u32::try_from(self.residents.len()).unwrap_or(u32::MAX);
        vec![
            Fill {
                map: "automaton_pool",
                used: self.pool.used(),
                capacity: self.pool.capacity(),
            },
            Fill {
                map: "policies",
                used: policies,
                capacity: abi::AA_MAX_POLICIES,
            },
            Fill {
                map: "address_rules",
                used: self.address_count,
                capacity: abi::AA_MAX_ADDRESSES,
            },
        ]
    }
}

fn flags(tables: &PolicyTables<'_>) -> u32 {
    let set = |flag, is_set| if is_set { flag } else { 0 };
    set(abi::AA_POLICY_OBSERVE, tables.observe) | set(abi::AA_POLICY_BLOCKS_DATA, tables.blocks_data)
}

fn contents_flags(tables: &PolicyTables<'_>) -> u32 {
    let restricts = |(_, decision): &(_, u32)| decision & abi::AA_DECISION_VERDICT > abi::AA_ALLOW;
    match &tables.contents {
        none if none.is_empty() => 0,
        some if some.iter().any(restricts) => abi::AA_CONTENTS_NAMED | abi::AA_CONTENTS_RESTRICT,
        _ => abi::AA_CONTENTS_NAMED,
    }
}

fn address_key(generation: u32, row: &AddressRow) -> abi::aa_address_key {
    abi::aa_address_key {
        prefix_bits: 32 + u32::from(row.prefix_bits),
        generation,
        address: row.prefix,
    }
}

/// Removes the entries that `gone` says of; how many these were.
fn remove_keys(map: &MapHandle, name: &'static str, gone: impl Fn(&[u8]) -> bool) -> Result<u32, TableError> {
    let keys: Vec<Vec<u8>> = map.keys().filter(|key| gone(key)).collect();
    for key in &keys {
        map.delete(key)
            .map_err(|source| TableError::Map { map: name, source })?;
    }
    Ok(u32::try_from(keys.len()).unwrap_or(u32::MAX))
}

/// Adds what is new before removing what is gone, so that nobody selected before and after escapes in between.
fn replace_all(
    map: &MapHandle,
    name: &'static str,
    entries: impl Iterator<Item = (Vec<u8>, u32)>,
) -> Result<(), TableError> {
    let mut kept = BTreeSet::new();
    for (key, slot) in entries {
        write(map, name, &key, &slot)?;
        kept.insert(key);
    }
    remove_keys(map, name, |key| !kept.contains(key)).map(|_| ())
}
