//! `aasm status`: what is protected, and what is not as it should be.

use aa_sdk::Client;
use aa_wire::status::{
    FactState, GatewayStatus, ProbedFile, ProtectionState, SensorStatus, SocketCoverage, Status, TlsCoverage,
};

use crate::exit::{FAILED, Failure};
use crate::table::{pairs, table};
use crate::{print, print_json};

pub(crate) fn status(client: &mut Client, of_tls: bool, json: bool) -> Result<(), Failure> {
    let status = client.status()?;
    if of_tls {
        let coverage = status.sensor.map(|sensor| sensor.tls).unwrap_or_default();
        return if json {
            print_json(&coverage)
        } else {
            print(&tls(&coverage));
            Ok(())
        };
    }
    if json {
        print_json(&status)?;
    } else {
        print(&render(&status));
    }
    if status.healthy {
        Ok(())
    } else {
        Err(Failure::Code(FAILED))
    }
}

pub(crate) fn metrics(client: &mut Client) -> Result<(), Failure> {
    print(&crate::metrics::metrics(&client.status()?));
    Ok(())
}

fn render(status: &Status) -> String {
    let mut text = match status.complaints.as_slice() {
        [] => "aa-sensord is healthy\n".to_owned(),
        complaints => {
            let lines: Vec<String> = complaints.iter().map(|line| format!("  {line}\n")).collect();
            format!("aa-sensord needs attention:\n{}", lines.concat())
        }
    };
    text.push('\n');
    if let Some(sensor) = &status.sensor {
        text.push_str(&protections(sensor));
        text.push('\n');
    }
    text.push_str(&policies(&status.gateway));
    text.push('\n');
    text.push_str(&facts(status));
    text
}

fn protections(sensor: &SensorStatus) -> String {
    let row = |protection: &aa_wire::status::Protection| {
        let state = match &protection.state {
            ProtectionState::Enforced { via } => format!("enforced via {via}"),
            ProtectionState::Observed { via, missing } => format!("observed via {via}, missing {missing}"),
            ProtectionState::Refused { missing } => format!("refused, missing {missing}"),
            ProtectionState::Optional { missing } => format!("not judged, missing {missing}"),
        };
        vec![
            protection.name.clone(),
            if protection.proven { "yes" } else { "no" }.to_owned(),
            state,
        ]
    };
    table(
        &["PROTECTION", "PROVEN", "STATE"],
        &sensor.protections.iter().map(row).collect::<Vec<_>>(),
    )
}

/// What is probed, and how much of each connection was seen. Ciphertext is more than plaintext: by what a handshake takes, and 22
/// bytes or so for each record.
fn tls(coverage: &TlsCoverage) -> String {
    let file = |file: &ProbedFile| {
        let functions = match file.failed {
            0 => file.functions.to_string(),
            failed => format!("{} ({failed} failed)", file.functions),
        };
        vec![functions, file.libraries.join(", "), file.path.to_string()]
    };
    let mut text = if coverage.probed.is_empty() {
        "nothing is probed: nobody is governed, or what is governed has no TLS that is known\n".to_owned()
    } else {
        let rows: Vec<_> = coverage.probed.iter().map(file).collect();
        table(&["FUNCTIONS", "LIBRARY", "FILE"], &rows)
    };
    for blind in &coverage.blind {
        let line = format!("blind: {} ({})\n", blind.path, blind.why);
        text.push_str(&line);
    }
    if coverage.untold > 0 {
        let line = format!(
            "the kernel had no room to tell of {} mapped files: they may be unprobed\n",
            coverage.untold
        );
        text.push_str(&line);
    }
    let socket = |socket: &SocketCoverage| {
        let seen = |plain: u64, all: u64| match (plain, all) {
            (0, 0) => "-".to_owned(),
            (0, all) => format!("0 of {all}: not TLS, or blind"),
            (plain, all) => format!("{plain} of {all}"),
        };
        vec![
            format!("{}[{}]", socket.agent, socket.pid),
            socket.to.to_string(),
            seen(socket.said, socket.sent),
            seen(socket.heard, socket.received),
        ]
    };
    if !coverage.sockets.is_empty() {
        let rows: Vec<_> = coverage.sockets.iter().map(socket).collect();
        text.push('\n');
        text += &table(&["AGENT[PID]", "TO", "BYTES SENT, SEEN", "BYTES RECEIVED, SEEN"], &rows);
    }
    text
}

fn policies(gateway: &GatewayStatus) -> String {
    let row = |policy: &aa_wire::status::PolicyRow| {
        let generation = policy
            .generation
            .map_or_else(|| "not in force".to_owned(), |generation| generation.to_string());
        vec![
            policy.name.clone(),
            policy.version.to_string(),
            policy.mode.clone(),
            policy.rules.to_string(),
            generation,
            policy.source.clone(),
        ]
    };
    let rows: Vec<_> = gateway.policies.iter().map(row).collect();
    let mut text = table(&["POLICY", "VERSION", "MODE", "RULES", "GENERATION", "SOURCE"], &rows);
    for bad in &gateway.bad_policies {
        let line = format!("\n{} cannot be used:\n{}\n", bad.file, bad.diagnostics.trim_end());
        text.push_str(&line);
    }
    text
}

fn facts(status: &Status) -> String {
    let gateway = &status.gateway;
    let rings = &gateway.rings;
    let mut rows = vec![
        ("version", gateway.version.clone()),
        ("running since", gateway.started.to_string()),
        ("agents", gateway.agents.to_string()),
    ];
    if let Some(by) = status.sensor.as_ref().and_then(|sensor| sensor.halted.as_ref()) {
        let halted = format!("by {by}: every agent was killed, and nobody is governed anew until `aasm resume all`");
        rows.push(("HALTED", halted));
    }
    rows.extend([
        (
            "audit",
            format!("{} records in {}", status.audit.sequence, status.audit.directory),
        ),
        ("alerts", crate::alerts::short(status.alerts.as_deref())),
        (
            "kernel records",
            format!("{} decisions, {} activity", rings.decisions, rings.activity),
        ),
    ]);
    let mut losses: Vec<String> = Vec::new();
    let sensor_losses = status.sensor.iter().flat_map(|sensor| &sensor.losses);
    for loss in sensor_losses.chain(&gateway.losses).filter(|loss| loss.count > 0) {
        losses.push(format!("{} {}", loss.count, loss.cause));
    }
    rows.push((
        "lost",
        if losses.is_empty() {
            "nothing".to_owned()
        } else {
            losses.join(", ")
        },
    ));
    if let Some(sensor) = &status.sensor {
        rows.push((
            "kernel",
            format!("{}, lsm={}", sensor.host.kernel_release, sensor.host.lsm.join(",")),
        ));
        let names = if sensor.resolver {
            "looked up"
        } else {
            "not looked up: no resolver (systemctl status aa-resolver)"
        };
        rows.push(("names", names.to_owned()));
        rows.push(("programs", format!("{} attached", sensor.programs.len())));
        let passed = sensor.self_test.iter().filter(|row| row.passed).count();
        rows.push((
            "self-test",
            format!("{passed} of {} probes passed", sensor.self_test.len()),
        ));
        let missing = |state: &FactState| !matches!(state, FactState::Yes);
        let lacking: Vec<_> = sensor
            .host
            .facts
            .iter()
            .filter(|fact| missing(&fact.state))
            .map(|fact| fact.name.clone())
            .collect();
        if !lacking.is_empty() {
            rows.push(("host lacks", lacking.join(", ")));
        }
    }
    pairs(&rows)
}

#[cfg(test)]
pub(crate) mod tests {
    use aa_wire::Timestamp;
    use aa_wire::status::{AuditStatus, HostFacts, PolicyRow, Protection, RingStatus};

    use super::*;

    pub(crate) fn sample() -> Status {
        let protection = |name: &str, state, proven| Protection {
            name: name.into(),
            state,
            proven,
        };
        let sensor = SensorStatus {
            host: HostFacts {
                kernel_release: "6.12.1".into(),
                lsm: vec!["capability".into(), "bpf".into()],
                facts: vec![],
            },
            protections: vec![
                protection("exec", ProtectionState::Enforced { via: "bpf-lsm".into() }, true),
                protection("net", ProtectionState::Refused { missing: "BTF".into() }, false),
            ],
            ..SensorStatus::default()
        };
        let gateway = GatewayStatus {
            version: "0.1.0".into(),
            started: Timestamp::default(),
            rings: RingStatus {
                decisions: 3,
                activity: 4,
                undecodable: 0,
                missing: 0,
            },
            queue_depth: 0,
            losses: vec![],
            policies: vec![PolicyRow {
                name: "coding-agent".into(),
                version: 3,
                digest: "d".into(),
                source: "pack".into(),
                mode: "enforce".into(),
                rules: 40,
                slot: None,
                generation: None,
            }],
            bad_policies: vec![],
            agents: 1,
            followers: 0,
        };
        let complaints = vec!["net is refused, missing BTF".to_owned()];
        Status {
            healthy: false,
            complaints,
            sensor: Some(sensor),
            gateway,
            audit: AuditStatus {
                directory: "/var/lib/aa-sensord/audit".into(),
                sequence: 12,
                failing: None,
            },
            alerts: None,
        }
    }

    #[test]
    fn the_status_begins_with_what_needs_attention() {
        let expected = "\
aa-sensord needs attention:
  net is refused, missing BTF

PROTECTION  PROVEN  STATE
exec        yes     enforced via bpf-lsm
net         no      refused, missing BTF

POLICY        VERSION  MODE     RULES  GENERATION    SOURCE
coding-agent  3        enforce  40     not in force  pack

version:         0.1.0
running since:   1970-01-01T00:00:00.000000000Z
agents:          1
audit:           12 records in /var/lib/aa-sensord/audit
alerts:          none go out
kernel records:  3 decisions, 4 activity
lost:            nothing
kernel:          6.12.1, lsm=capability,bpf
names:           not looked up: no resolver (systemctl status aa-resolver)
programs:        0 attached
self-test:       0 of 0 probes passed
";
        assert_eq!(render(&sample()), expected);
    }
}
