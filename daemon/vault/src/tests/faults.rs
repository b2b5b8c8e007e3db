//! Every write and every sync of every change fails once, or is the last that happens.

use super::*;

/// A vault with some secrets, more than are wrapped anew at once.
fn filled() -> Memory {
    let memory = Memory::default();
    let vault = memory.vault().unwrap();
    let ids: Vec<SecretId> = (0..150).map(|number| id(&format!("S{number}"))).collect();
    let values: Vec<String> = (0..150).map(|number| format!("the value {number}")).collect();
    let scope = anybody();
    vault.set(&many(&ids, &values, &scope), Mode::New, doer()).unwrap();
    memory
}

fn all_are_there(vault: &Vault) {
    for number in 0..150 {
        let name = format!("S{number}");
        assert_eq!(reveal(vault, &name).unwrap(), format!("the value {number}").as_bytes());
    }
}

/// A change, and whether a vault shows it.
type Change = (fn(&Vault) -> Result<(), VaultError>, fn(&Vault) -> bool);

const CHANGES: [Change; 4] = [
    (
        |vault| set(vault, "NEW", b"new value", Mode::New).map(drop),
        |vault| reveal(vault, "NEW").is_ok(),
    ),
    (
        |vault| set(vault, "T", b"value two", Mode::Rotate).map(drop),
        |vault| reveal(vault, "T").unwrap() == b"value two",
    ),
    (
        |vault| vault.revoke(&id("T"), None, doer()).map(drop),
        |vault| matches!(reveal(vault, "T"), Err(VaultError::Revoked(_))),
    ),
    (
        |vault| vault.rotate_master(now()).map(drop),
        |vault| vault.key_state().master == 2 && vault.key_state().older_masters == 0,
    ),
];

/// The vault that a death after so many steps leaves, and whether the change was acknowledged.
fn died(change: &Change, steps: u64, done_anyway: bool) -> (Memory, Memory, bool) {
    let memory = filled();
    let vault = memory.vault().unwrap();
    set(&vault, "T", b"value one", Mode::New).unwrap();
    memory.fail_after(Some(steps), done_anyway);
    let acknowledged = change.0(&vault).is_ok();
    (memory.after_a_power_cut(), memory.after_a_kill(), acknowledged)
}

#[test]
fn a_death_at_any_step_leaves_what_was_or_what_is_to_be_and_all_of_it_readable() {
    for change in &CHANGES {
        let mut steps = 0;
        loop {
            let mut acknowledged = false;
            for done_anyway in [false, true] {
                let (cut, killed, done) = died(change, steps, done_anyway);
                acknowledged = done;
                for memory in [cut, killed] {
                    let vault = memory.vault().unwrap();
                    all_are_there(&vault);
                    assert!(!done || change.1(&vault), "what was acknowledged is there");
                    // Whatever was left half done is finished, and the next is done.
                    vault.finish_rotation().unwrap();
                    assert_eq!(vault.key_state().older_masters, 0);
                    all_are_there(&vault);
                    set(&vault, "LATER", b"later value", Mode::New).unwrap();
                    all_are_there(&memory.vault().unwrap());
                }
            }
            if acknowledged {
                break;
            }
            steps += 1;
        }
        assert!(steps >= 2, "a change is a write and a sync at least");
    }
}

#[test]
fn a_store_that_fails_for_a_while_refuses_and_then_goes_on_with_what_it_has() {
    for change in &CHANGES {
        let mut steps = 0;
        loop {
            let mut refused = false;
            for done_anyway in [false, true] {
                let memory = filled();
                let vault = memory.vault().unwrap();
                set(&vault, "T", b"value one", Mode::New).unwrap();
                memory.fail_after(Some(steps), done_anyway);
                refused = change.0(&vault).is_err();
                // Who reads is not held up by it.
                all_are_there(&vault);
                memory.fail_after(None, false);
                set(&vault, "LATER", b"later value", Mode::New).unwrap();
                all_are_there(&vault);
                let shown = change.1(&vault);
                let again = memory.vault().unwrap();
                all_are_there(&again);
                assert_eq!(change.1(&again), shown, "in memory as on the disk");
                assert_eq!(reveal(&again, "LATER").unwrap(), b"later value");
                vault.finish_rotation().unwrap();
                assert_eq!(vault.key_state().older_masters, 0);
            }
            if !refused {
                break;
            }
            steps += 1;
        }
    }
}

/// Afterwards it is the old key or the new one, and the vault that lives knows which.
#[test]
fn a_death_while_the_lock_is_changed_leaves_one_key_that_opens() {
    let (new, _) = Unlock::new_key().unwrap();
    for steps in 0..3 {
        for done_anyway in [false, true] {
            let memory = filled();
            let vault = memory.vault().unwrap();
            memory.fail_after(Some(steps), done_anyway);
            let done = vault.relock(&new, now()).is_ok();
            for memory in [memory.after_a_power_cut(), memory.after_a_kill()] {
                let opened = [memory.vault(), memory.vault_by(&new)];
                let opened: Vec<&Vault> = opened.iter().flatten().collect();
                assert_eq!(opened.len(), 1, "step {steps}");
                all_are_there(opened[0]);
            }
            assert!(!done || memory.vault_by(&new).is_ok());
            memory.fail_after(None, false);
            set(&vault, "LATER", b"later value", Mode::New).unwrap();
            all_are_there(&vault);
        }
    }
}

#[test]
fn secrets_are_set_and_read_while_the_master_is_rotated() {
    let memory = filled();
    let vault = memory.vault().unwrap();
    std::thread::scope(|scope| {
        let rotating = scope.spawn(|| {
            for _ in 0..20 {
                vault.rotate_master(now()).unwrap();
            }
        });
        let mut number = 0;
        while !rotating.is_finished() || number < 20 {
            set(&vault, &format!("NEW{number}"), b"new value", Mode::New).unwrap();
            all_are_there(&vault);
            number += 1;
        }
    });
    let again = memory.vault().unwrap();
    all_are_there(&again);
    assert_eq!(reveal(&again, "NEW0").unwrap(), b"new value");
    assert_eq!((again.key_state().master, again.key_state().older_masters), (21, 0));
}
