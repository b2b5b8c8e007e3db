//! Policies from files and clients into the kernel: read, parse, lower, have the sensor load, remember.
//!
//! One load at a time. Parsing and lowering run on a blocking thread, so that a large policy does not hold up records.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aa_policy::{Environment, Extent, Gap, Limits, OnGap, Place, Policy, parse_policy};
use aa_wire::api::{EnvironmentPaths, FileExtent, FilePlace, FilePlaces, LoadedRow, POLICY_TEXT_LIMIT};
use aa_wire::event::Effect;
use aa_wire::sensor::{PolicyInKernel, Reply, Request};
use aa_wire::{Event, Generation, Slot, WireError};
use sha2::{Digest, Sha256};

use crate::book::{Load, Origin, Source, digest_text, hexadecimal};
use crate::gateway::Gateway;
use crate::state::{SavedLoad, replace};

/// A policy that is in force.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) slot: Slot,
    pub(crate) generation: Generation,
    pub(crate) slot_name: String,
    pub(crate) policy: Arc<Policy>,
    /// How long loading took; `None` if it was in force already.
    pub(crate) took_us: Option<u64>,
}

fn place(Place { path, extent }: Place) -> FilePlace {
    let extent = match extent {
        Extent::File => FileExtent::File,
        Extent::Entries => FileExtent::Entries,
        Extent::Tree => FileExtent::Tree,
    };
    FilePlace { path, extent }
}

fn environment_of(paths: Option<&EnvironmentPaths>) -> Result<Environment, WireError> {
    let Some(paths) = paths else {
        return Ok(Environment::default());
    };
    let text = |name: &str, path: &Path| {
        let text = path.to_str().filter(|_| path.is_absolute());
        text.map(str::to_owned).ok_or_else(|| {
            WireError::new("bad-path", format!("${name} must be an absolute path in UTF-8")).because(path.display())
        })
    };
    let work = [("work".to_owned(), text("work", &paths.work)?)];
    Ok(Environment {
        home: Some(text("home", &paths.home)?),
        run: Some(text("run", &paths.run)?),
        lets: work.into(),
    })
}

/// Parses on a blocking thread.
pub(crate) async fn parse(source: &Source, paths: Option<&EnvironmentPaths>) -> Result<Arc<Policy>, WireError> {
    let (environment, source) = (environment_of(paths)?, source.clone());
    let parsed = tokio::task::spawn_blocking(move || parse_policy(&source.text, &source.file_name, &environment));
    match parsed.await {
        Ok(Ok(policy)) => Ok(Arc::new(policy)),
        Ok(Err(diagnostics)) => Err(WireError::new("bad-policy", "the policy cannot be used").because(diagnostics)),
        Err(_) => Err(WireError::new("internal", "parsing the policy failed")),
    }
}

/// Lowers on a blocking thread.
async fn lower(policy: &Arc<Policy>) -> Result<Vec<u8>, WireError> {
    let policy = Arc::clone(policy);
    let lowered = tokio::task::spawn_blocking(move || {
        let lowered = policy.lower(&Limits::default()).map_err(|error| {
            WireError::new(error.code, error.message)
                .because(error.reason)
                .hint(error.hint)
        })?;
        // They are kept in the policy; made here, where waiting holds nobody up.
        policy.warnings_from(&lowered);
        postcard::to_stdvec(&lowered).map_err(|error| WireError::from_error("internal", &error))
    });
    lowered
        .await
        .unwrap_or_else(|_| Err(WireError::new("internal", "lowering the policy failed")))
}

/// One name for one slot: the policy, the text if a client brought it, and what its `$` names stand for.
fn slot_name(policy: &Policy, origin: &Origin, paths: Option<&EnvironmentPaths>) -> String {
    let mut name = policy.name().to_owned();
    let short = |bytes: &[u8]| hexadecimal(bytes.get(..6).unwrap_or(bytes));
    if *origin == Origin::Client {
        name = format!("{name}#{}", short(&policy.digest()));
    }
    if let Some(paths) = paths {
        let mut hasher = Sha256::new();
        for path in [&paths.home, &paths.work, &paths.run] {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update([0]);
        }
        name = format!("{name}@{}", short(&hasher.finalize()));
    }
    name
}

impl Gateway {
    /// Sees to it that a policy is in force with these paths. `policy` is what the source says with them.
    pub(crate) async fn ensure(
        &self,
        source: &Source,
        paths: Option<&EnvironmentPaths>,
        policy: &Arc<Policy>,
    ) -> Result<InForce, WireError> {
        let _turn = self.loading.lock().await;
        self.ensure_in_turn(source, paths, Some(policy)).await
    }

    async fn ensure_in_turn(
        &self,
        source: &Source,
        paths: Option<&EnvironmentPaths>,
        policy: Option<&Arc<Policy>>,
    ) -> Result<InForce, WireError> {
        if let Some(in_force) = self.in_force_of(source, paths) {
            return Ok(in_force);
        }
        let policy = match policy {
            Some(policy) => Arc::clone(policy),
            None => parse(source, paths).await?,
        };
        let slot_name = slot_name(&policy, &source.origin, paths);
        let digest = digest_text(&policy);
        let held = self.book.borrow().in_kernel(&slot_name).cloned();
        let load = |policy: &Arc<Policy>, slot| Load {
            policy: Arc::clone(policy),
            source: source.clone(),
            digest: digest.clone(),
            environment: paths.cloned(),
            slot_name: slot_name.clone(),
            slot,
            retired: false,
        };
        if let Some(held) = &held
            && held.digest == digest
        {
            let (slot, generation) = (held.slot, held.generation);
            self.book.borrow_mut().add_load(generation, load(&policy, slot));
            self.save_state();
            return Ok(InForce {
                slot,
                generation,
                slot_name,
                policy,
                took_us: None,
            });
        }
        let gaps = self.accepted_gaps(&policy, paths.is_some())?;
        let lowered = lower(&policy).await?;
        let request = Request::LoadPolicy {
            name: slot_name.clone(),
            digest: digest.clone(),
            lowered,
            replaces: held.is_some(),
            open_until_ns: self.open_until_ns(&policy),
        };
        let Reply::Loaded {
            slot,
            generation,
            took_us,
        } = self.sensor.request(request).await?
        else {
            return Err(WireError::new("protocol", "the sensor answered something else"));
        };
        self.book.borrow_mut().add_load(generation, load(&policy, slot));
        self.save_state();
        tracing::info!(policy = policy.name(), slot_name, %slot, %generation, took_us, "policy loaded");
        self.record_load(&policy, slot, generation, &gaps);
        Ok(InForce {
            slot,
            generation,
            slot_name,
            policy,
            took_us: Some(took_us),
        })
    }

    fn record_load(&self, policy: &Policy, slot: Slot, generation: Generation, gaps: &[Gap]) {
        let (name, version) = (policy.name(), policy.version());
        let detail = format!("{name} version {version} is generation {generation}, slot {slot}");
        self.record(Event::lifecycle("policy-loaded", Effect::Allowed, detail));
        for gap in gaps {
            let detail = format!("{name} is not carried out here: {gap}");
            self.record(Event::lifecycle("policy-gap", Effect::Allowed, detail));
        }
    }

    /// Whether a process that does so has to confine itself to the policy's files. Who is selected by the policy does not.
    fn is_confined(&self, policy: &Policy, confines_itself: bool) -> bool {
        self.hello.without_lsm && confines_itself && policy.governs().is_empty()
    }

    /// The files it has to confine itself to.
    pub(crate) fn places(&self, policy: &Policy, confines_itself: bool) -> Option<FilePlaces> {
        let of = |places: Vec<Place>| places.into_iter().map(place).collect();
        self.is_confined(policy, confines_itself).then(|| {
            let trees = policy.trees();
            FilePlaces {
                read: trees.read.map(of),
                write: trees.write.map(of),
            }
        })
    }

    /// What of the policy this host does not carry out.
    pub(crate) fn gaps(&self, policy: &Policy, confines_itself: bool) -> Vec<Gap> {
        if self.hello.without_lsm {
            policy.gaps_without_lsm(self.is_confined(policy, confines_itself))
        } else if self.hello.judges_content {
            Vec::new()
        } else {
            policy.gaps_without_contents()
        }
    }

    /// The same, if the policy takes them.
    pub(crate) fn accepted_gaps(&self, policy: &Policy, confines_itself: bool) -> Result<Vec<Gap>, WireError> {
        let gaps = self.gaps(policy, confines_itself);
        if gaps.is_empty() || policy.on_gap() == OnGap::Degrade {
            return Ok(gaps);
        }
        let named: Vec<String> = gaps.iter().map(ToString::to_string).collect();
        Err(WireError::new(
            "not-enforceable",
            "the policy asks for what the kernel of this host does not let be judged",
        )
        .because(named.join("\n"))
        .hint("write `on_gap: degrade` to load the rest of it; `aasm status` says what the kernel lacks"))
    }

    /// What is in force of just this text with just these paths; spares parsing it again.
    pub(crate) fn in_force_of(&self, source: &Source, paths: Option<&EnvironmentPaths>) -> Option<InForce> {
        let book = self.book.borrow();
        let (generation, load) = book.in_force_of(source, paths)?;
        let (slot_name, policy) = (load.slot_name.clone(), Arc::clone(&load.policy));
        Some(InForce {
            slot: load.slot,
            generation,
            slot_name,
            policy,
            took_us: None,
        })
    }

    /// A policy by name: applied, a file, or a pack.
    pub(crate) fn find_source(&self, name: &str) -> Result<Source, WireError> {
        if let Some(source) = self.book.borrow().source(name) {
            return Ok(source.clone());
        }
        let pack = aa_policy::pack(name).map(|text| Source {
            text: text.into(),
            file_name: format!("{name}.yaml"),
            origin: Origin::Pack,
        });
        pack.ok_or_else(|| {
            let packs: Vec<_> = aa_policy::packs().map(|(name, _)| name).collect();
            WireError::new("unknown-policy", format!("there is no policy `{name}`"))
                .hint(format!("give a file, or one of those that ship: {}", packs.join(", ")))
        })
    }

    /// Reads the policy files again and puts what changed in force. One bad file changes nothing but the status.
    pub(crate) async fn reload(&self) {
        let _turn = self.loading.lock().await;
        self.book.borrow_mut().clear_bad();
        let mut seen = Vec::new();
        for (path, origin) in self.policy_files() {
            seen.push(path.display().to_string());
            self.read_source(&path, origin).await;
        }
        let gone = self
            .book
            .borrow_mut()
            .retain_sources(|source| seen.contains(&source.file_name));
        for name in gone {
            self.retire_quietly(&name).await;
        }
        let selecting = self.book.borrow().selecting();
        for name in selecting {
            if let Ok(source) = self.find_source(&name) {
                self.ensure_or_complain(&source, None).await;
            }
        }
        let in_force = self.book.borrow().all_in_force();
        for (_, load) in in_force {
            let Ok(source) = self.find_source(load.policy.name()) else {
                continue;
            };
            if load.source.origin != Origin::Client && source.text != load.source.text {
                self.ensure_or_complain(&source, load.environment.as_ref()).await;
            }
        }
    }

    async fn ensure_or_complain(&self, source: &Source, paths: Option<&EnvironmentPaths>) {
        if let Err(problem) = self.ensure_in_turn(source, paths, None).await {
            self.book
                .borrow_mut()
                .add_bad(source.file_name.clone(), problem.to_string());
        }
    }

    async fn read_source(&self, path: &Path, origin: Origin) {
        let file_name = path.display().to_string();
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) => {
                return self
                    .book
                    .borrow_mut()
                    .add_bad(file_name, format!("cannot read it: {error}"));
            }
        };
        let source = Source {
            text: text.into(),
            file_name: file_name.clone(),
            origin,
        };
        // Stand-ins for `$home`, `$run` and `$work`, which only a run knows.
        let stand_ins = EnvironmentPaths {
            home: "/home/agent".into(),
            work: "/srv/work".into(),
            run: "/run/agent".into(),
        };
        let result = match parse(&source, None).await {
            Ok(policy) => Ok(policy),
            Err(_) => parse(&source, Some(&stand_ins)).await,
        };
        match result {
            Ok(policy) => self
                .book
                .borrow_mut()
                .add_source(policy.name().to_owned(), source, Some(policy)),
            Err(problem) => self.book.borrow_mut().add_bad(file_name, problem.to_string()),
        }
    }

    /// Policy files, weaker origin first.
    fn policy_files(&self) -> Vec<(PathBuf, Origin)> {
        let files = |directory: &Path, origin: fn(PathBuf) -> Origin| -> Vec<(PathBuf, Origin)> {
            let Ok(entries) = fs::read_dir(directory) else {
                return Vec::new();
            };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
            paths.sort();
            paths.into_iter().map(|path| (path.clone(), origin(path))).collect()
        };
        let mut all = files(&self.settings.policy_dir, Origin::File);
        all.extend(files(&self.applied_directory(), Origin::Applied));
        all
    }

    pub(crate) fn applied_directory(&self) -> PathBuf {
        self.settings.state_dir.join("applied")
    }

    async fn retire_quietly(&self, slot_name: &str) {
        let Some(slot) = self.book.borrow().in_force(slot_name).map(|(_, load)| load.slot) else {
            return;
        };
        match self.sensor.request(Request::RetirePolicy { slot }).await {
            Ok(_) => {
                self.book.borrow_mut().retire(slot_name);
                self.save_state();
                self.record(Event::lifecycle("policy-retired", Effect::Allowed, slot_name));
            }
            Err(problem) => tracing::warn!(slot_name, code = problem.code, "policy stays in force"),
        }
    }

    /// Takes policies out of force that a run brought along and no process uses any more.
    pub(crate) async fn retire_unused(&self, used: &[String]) {
        let _turn = self.loading.lock().await;
        let in_force = self.book.borrow().all_in_force();
        for (_, load) in in_force {
            let of_a_run = load.environment.is_some();
            if of_a_run && !used.contains(&load.slot_name) {
                self.retire_quietly(&load.slot_name).await;
            }
        }
    }

    /// Puts a client's policy in force for all it governs and keeps its text.
    pub(crate) async fn apply(&self, text: &str, file_name: &str) -> Result<(Arc<Policy>, Vec<LoadedRow>), WireError> {
        let stand_ins = EnvironmentPaths {
            home: "/home/agent".into(),
            work: "/srv/work".into(),
            run: "/run/agent".into(),
        };
        let mut source = Source {
            text: text.into(),
            file_name: file_name.to_owned(),
            origin: Origin::Client,
        };
        let plain = parse(&source, None).await.ok();
        let policy = match &plain {
            Some(policy) => Arc::clone(policy),
            None => parse(&source, Some(&stand_ins)).await?,
        };
        let name = policy.name().to_owned();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.starts_with('.') || name.len() > 128 || !name.bytes().all(is_plain) {
            return Err(WireError::new(
                "bad-name",
                "a policy that is applied is named by letters, digits, `.`, `_`, `-`",
            ));
        }
        let path = self.applied_directory().join(format!("{name}.yaml"));
        source.file_name = path.display().to_string();
        source.origin = Origin::Applied(path.clone());

        let _turn = self.loading.lock().await;
        let mut targets: Vec<Option<EnvironmentPaths>> = Vec::new();
        if !policy.governs().is_empty() {
            targets.push(None);
        }
        for (_, load) in self.book.borrow().all_in_force() {
            if load.policy.name() == name
                && load.source.origin != Origin::Client
                && !targets.contains(&load.environment)
            {
                targets.push(load.environment);
            }
        }
        let mut loaded = Vec::new();
        for paths in targets {
            let parsed = plain.as_ref().filter(|_| paths.is_none());
            let in_force = self.ensure_in_turn(&source, paths.as_ref(), parsed).await?;
            let row = |took_us| LoadedRow {
                slot: in_force.slot,
                generation: in_force.generation,
                took_us,
            };
            loaded.extend(in_force.took_us.map(row));
        }
        fs::create_dir_all(self.applied_directory())
            .and_then(|()| replace(&path, text.as_bytes()))
            .map_err(|error| {
                WireError::new("not-kept", "the policy is in force, but could not be kept").because(error)
            })?;
        self.book
            .borrow_mut()
            .add_source(name, source, Some(Arc::clone(&policy)));
        let warned = Arc::clone(&policy);
        // Kept in the policy; worked out here if nothing was loaded, where waiting holds nobody up.
        let found = tokio::task::spawn_blocking(move || warned.warnings().len()).await;
        found.map_err(|_| WireError::new("internal", "looking for warnings failed"))?;
        Ok((policy, loaded))
    }

    /// Takes up what the kernel has in force already, as far as the saved state still knows it.
    pub(crate) async fn take_up(&self, saved: &crate::state::State, in_kernel: &[PolicyInKernel]) {
        self.book.borrow_mut().add_kernel(in_kernel);
        for (generation, load) in &saved.loads {
            let Some(text) = saved.texts.get(&load.digest) else {
                continue;
            };
            let current = in_kernel.iter().any(|known| {
                known.generation.0 == *generation && known.name == load.slot_name && known.digest == load.digest
            });
            self.remember(Generation(*generation), load, text, !current).await;
        }
        for known in in_kernel {
            if self.book.borrow().load(known.generation).is_none() {
                tracing::warn!(name = known.name, generation = %known.generation, "a policy in force is not known here");
            }
        }
    }

    async fn remember(&self, generation: Generation, saved: &SavedLoad, text: &str, retired: bool) {
        let origin = if saved.private {
            Origin::Client
        } else if Path::new(&saved.file_name).starts_with(self.applied_directory()) {
            Origin::Applied(saved.file_name.clone().into())
        } else if Path::new(&saved.file_name).is_absolute() {
            Origin::File(saved.file_name.clone().into())
        } else {
            Origin::Pack
        };
        let source = Source {
            text: text.into(),
            file_name: saved.file_name.clone(),
            origin,
        };
        let Ok(policy) = parse(&source, saved.environment.as_ref()).await else {
            return;
        };
        let load = Load {
            policy,
            source,
            digest: saved.digest.clone(),
            environment: saved.environment.clone(),
            slot_name: saved.slot_name.clone(),
            slot: Slot(saved.slot),
            retired,
        };
        self.book.borrow_mut().add_load(generation, load);
    }
}

/// A policy, or a file that is as short.
pub(crate) fn read_text(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let limit = POLICY_TEXT_LIMIT as u64;
    let read = fs::File::open(path)?.take(limit + 1).read_to_string(&mut text)? as u64;
    if read > limit {
        return Err(std::io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_a_code_of_its_own() {
        let ports: Vec<String> = (1..140).step_by(2).map(|port| format!("192.0.2.1:{port}")).collect();
        let text = format!(
            "policy: p\nversion: 1\nnet: {{allow: [\"{}\"]}}\n",
            ports.join("\", \"")
        );
        let policy = Arc::new(parse_policy(&text, "p.yaml", &Environment::default()).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let refused = runtime.block_on(lower(&policy)).map(|_| ()).unwrap_err();
        assert_eq!(refused.code, "policy-too-large");
        assert!(refused.hint.is_some());
    }
}
