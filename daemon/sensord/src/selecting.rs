//! Selectors: whom policies govern besides what `aasm run` starts.

use aa_policy::{Automaton, Limits, LoweredSelector};

use crate::sensor::{RequestError, Sensor};
use crate::{cgroups, translate};

impl Sensor {
    /// Writes the selectors of all slots into the kernel, and governs what already runs and matches.
    pub(crate) fn refresh_selectors(&mut self) -> Result<(), RequestError> {
        let mut globs: Vec<(&str, u32)> = Vec::new();
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        let mut highest = 0;
        for (slot, entry) in self.registry.slots() {
            let value = slot + 1;
            for selector in &entry.selectors {
                match selector {
                    LoweredSelector::Exec { pattern, .. } => {
                        highest = highest.max(value);
                        globs.push((pattern, value));
                    }
                    LoweredSelector::User { name, uid } => users.push((uid_of(name, *uid)?, value)),
                    LoweredSelector::Cgroup { path } => groups.extend(cgroups::id_of(path).map(|id| (id, value))),
                    LoweredSelector::Unit { name } => {
                        groups.extend(cgroups::ids_of_unit(name).into_iter().map(|id| (id, value)));
                    }
                }
            }
        }
        let automaton = if globs.is_empty() {
            None
        } else {
            let built = Automaton::from_globs(&globs, &Limits::default());
            Some(built.map_err(|error| RequestError::Selector(error.to_string()))?)
        };
        let table = automaton
            .as_ref()
            .map(|automaton| translate::selector_table(automaton, highest));
        self.tables.set_selectors(table.as_ref(), &users, &groups)?;
        if self.adopt_running()? > 0 {
            self.look_at_running()?;
        }
        Ok(())
    }

    /// Governs what runs already: pass after pass until one finds nobody new. How many there were.
    fn adopt_running(&self) -> Result<usize, RequestError> {
        let mut all = 0;
        for _ in 0..64 {
            let adopted = self.tasks.adopt()?;
            if adopted.is_empty() {
                return Ok(all);
            }
            all += adopted.len();
            tracing::info!(tasks = adopted.len(), "running tasks are governed from now on");
        }
        Err(RequestError::Refused(
            "tasks start faster than they can be found".into(),
        ))
    }

    /// Whether any policy selects at all: who is governed may become so a moment after a program began.
    pub(crate) fn selects(&self) -> bool {
        self.registry.slots().any(|(_, entry)| !entry.selectors.is_empty())
    }

    /// Whether any policy selects by something that may come to be later: a unit, a cgroup.
    pub(crate) fn selects_by_place(&self) -> bool {
        self.registry
            .slots()
            .flat_map(|(_, entry)| &entry.selectors)
            .any(|selector| matches!(selector, LoweredSelector::Unit { .. } | LoweredSelector::Cgroup { .. }))
    }
}

fn uid_of(name: &str, uid: Option<u32>) -> Result<u32, RequestError> {
    if let Some(uid) = uid {
        return Ok(uid);
    }
    match nix::unistd::User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(RequestError::Selector(format!("there is no user `{name}`"))),
        Err(error) => Err(RequestError::Selector(format!("user `{name}`: {error}"))),
    }
}

/// Before anything changes: what a policy selects by must be there, or be something that may come later.
pub(crate) fn check_selectors(selectors: &[LoweredSelector]) -> Result<(), RequestError> {
    for selector in selectors {
        if let LoweredSelector::User { name, uid } = selector {
            uid_of(name, *uid)?;
        }
    }
    Ok(())
}
