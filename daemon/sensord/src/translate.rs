//! From the policy language's tables to the kernel's: the one place that knows both.

use aa_bpf::abi;
use aa_bpf::tables::{AddressRow, AutomatonTable, HostTables, LabelTable, PolicyTables};
use aa_policy::{Automaton, Decision, Lowered, LoweredRate, Mode, PathDecision, PortRange, RateClass, Verdict};

/// The tables of a lowered policy; they borrow its automata.
pub(crate) fn policy_tables(lowered: &Lowered) -> PolicyTables<'_> {
    let decisions = lowered.path_decisions.iter().flat_map(columns).collect();
    PolicyTables {
        observe: lowered.mode == Mode::Observe,
        blocks_data: lowered.judges_sends,
        blind: lowered.blind.0,
        paths: automaton(&lowered.paths, decisions, abi::AA_COLUMNS),
        sockets: single(&lowered.sockets, &lowered.socket_decisions),
        // An automaton that begins dead says nothing of any argument.
        argv: (lowered.argv.start != 0).then(|| single(&lowered.argv, &lowered.argv_decisions)),
        default_net: lowered.defaults.net.0,
        memfd: lowered.memfd.0,
        deleted: lowered.deleted.0,
        contents: lowered
            .contents
            .iter()
            .map(|(content, decision)| (content.0, decision.0))
            .collect(),
        privileges: lowered.privileges.map(|decision| decision.0),
        hours: lowered.hours.map_or(0, |decision| decision.0),
        rates: rates(&lowered.rates),
        otherwise_allow: lowered.otherwise == Verdict::Allow,
        addresses: lowered
            .addresses
            .iter()
            .map(|entry| AddressRow {
                prefix: entry.prefix,
                prefix_bits: entry.prefix_len,
                ranges: rows(&entry.ranges),
            })
            .collect(),
        hosts: lowered.hosts.as_ref().map(|hosts| HostTables {
            dns: hosts.dns.0,
            classes: hosts.classes.iter().map(|class| rows(&class.ranges)).collect(),
        }),
        labels: lowered
            .labels
            .iter()
            .zip(&lowered.carried)
            .map(|(name, carried)| LabelTable {
                name,
                taken: carried.map(|decision| decision.0),
            })
            .collect(),
    }
}

fn rates(limits: &[LoweredRate]) -> [abi::aa_rate; abi::AA_RATES as usize] {
    let mut rates = [abi::aa_rate::default(); abi::AA_RATES as usize];
    for limit in limits {
        let class = match limit.class {
            RateClass::Connect => abi::AA_RATE_CONNECT,
            RateClass::Exec => abi::AA_RATE_EXEC,
            RateClass::Fork => abi::AA_RATE_FORK,
            RateClass::Create => abi::AA_RATE_CREATE,
            RateClass::Rename => abi::AA_RATE_RENAME,
            RateClass::Unlink => abi::AA_RATE_UNLINK,
        };
        if let Some(rate) = rates.get_mut(class as usize) {
            rate.interval_ns = limit.interval_ns;
            rate.burst_ns = limit.burst_ns;
            rate.decision = limit.decision.0;
        }
    }
    rates
}

fn rows(ranges: &[PortRange]) -> Vec<[u32; 4]> {
    let row = |range: &PortRange| [u32::from(range.from), range.tcp.0, range.udp.0, range.other.0];
    ranges.iter().map(row).collect()
}

/// An automaton whose accepted value is itself the decision: selectors, by slot plus one.
pub(crate) fn selector_table(automaton_: &Automaton, highest: u32) -> AutomatonTable<'_> {
    automaton(automaton_, (0..=highest).collect(), 1)
}

/// An automaton with one decision for what it accepts.
fn single<'a>(table: &'a Automaton, decisions: &[Decision]) -> AutomatonTable<'a> {
    automaton(table, decisions.iter().map(|decision| decision.0).collect(), 1)
}

fn automaton(automaton: &Automaton, decisions: Vec<u32>, columns: u32) -> AutomatonTable<'_> {
    AutomatonTable {
        classes: &automaton.classes,
        start: automaton.start,
        rows: automaton
            .rows
            .iter()
            .map(|row| (row.accept, row.guarded, row.next.as_slice()))
            .collect(),
        decisions,
        columns,
    }
}

/// In the order of `enum aa_path_column`.
fn columns(decision: &PathDecision) -> [u32; abi::AA_COLUMNS as usize] {
    [
        decision.read.0,
        decision.write.0,
        decision.exec.0,
        decision.load.0,
        decision.labels,
        decision.labelled_by.0,
    ]
}
