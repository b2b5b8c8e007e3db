//! `aa-gateway`: the part of aa-sensord that parses, and therefore may do nothing.
//!
//! Life: take the sensor's socket, hear its hello, open what needs privilege (rings, directories, the control socket),
//! give every privilege up, take up what a predecessor knew, then run until the sensor closes the socket or says
//! shutdown. [`gateway`] lists tasks, threads and channels.

mod actions;
mod alone;
mod answering;
mod approvals;
mod book;
mod clock;
mod config;
mod control;
mod courier;
mod describe;
mod events;
mod explaining;
mod gateway;
mod holes;
mod hours;
mod keys;
mod loading;
mod lookups;
mod pipeline;
mod plaintext;
mod prices;
mod privileges;
mod reading;
mod requests;
mod retention;
mod rings;
mod seccomp;
mod sensor_link;
mod sessions;
mod settings;
mod spending;
mod stacks;
mod state;
mod status;
mod switches;
mod vault;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use aa_audit::{AuditLog, Options, Recovery};
use aa_bpf::abi::AA_ABI_VERSION;
use aa_bpf::answers::Answers;
use aa_bpf::ring::Ring;
use aa_wire::event::Effect;
use aa_wire::sensor::{HELLO_DESCRIPTORS, WRONG_CONFIGURATION};
use aa_wire::{Event, WireError};
use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};

use crate::gateway::{Gateway, Parts};
use crate::holes::Holes;
use crate::plaintext::judge::{Judge, Shared};
use crate::sensor_link::{Greeted, Order};
use crate::settings::{Flags, Settings, SettingsError};
use crate::state::{RingsInLog, StateFile};
use crate::vault::strongroom::Strongroom;

/// How often policies that only a finished run used are taken out of force.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("AA_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match live(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", WireError::from_error("gateway-failed", error.as_ref()));
            // The sensor need not try again.
            if error.is::<SettingsError>() {
                ExitCode::from(WRONG_CONFIGURATION)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn live(mut flags: Flags) -> Result<()> {
    let unloaded_by = flags.record_unload.take();
    let settings = Settings::load(flags)?;
    if let Some(who) = unloaded_by {
        return record_unload(&settings, who);
    }
    let greeted = sensor_link::greet(sensor_link::take_stdin()?)?;
    let theirs = greeted.hello.abi_version;
    ensure!(
        theirs == AA_ABI_VERSION,
        "the kernel's records are of version {theirs}, this gateway reads {AA_ABI_VERSION}"
    );

    let account = privileges::find_account(&settings)?;
    privileges::prepare_directories(&settings, account)?;
    // As root: credentials and keys are nobody else's.
    let strongroom = Strongroom::find(&settings, account);
    // Before the rings are looked at: where to read on is known when nobody else reads.
    let _lock = settings.lock.as_deref().map(alone::take_lock).transpose()?;
    let listener = privileges::bind_control_socket(&settings)?;
    let (hello, maps, socket, inbox) = Greeted::into_parts(greeted);
    let (rings, plaintext, answers) = map_tables(maps)?;
    let (rings_id, backlog) = (rings[0].id(), rings[0].backlog());
    privileges::drop_all(account)?;

    let (audit, recovery) = open_log(&settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    LocalSet::new().block_on(&runtime, async move {
        let (sensor, reader) = sensor_link::connect(socket, inbox)?;
        let (orders, order) = mpsc::unbounded_channel();
        let shared = Shared::new(settings.ledger_dir(), &format!("{} {rings_id}", hello.boot_id));
        let named = shared.lookups.clone();
        let link = spawn_local(reader.run(move |order| match order {
            // At once: whoever hears an answer of the sensor knows what it said before.
            Order::Named(told) => named.lock().note(told.agent, &told.name, &told.addresses),
            // The receiver lives as long as the gateway runs.
            order => drop(orders.send(order)),
        }));
        let stacks = stacks::Stacks::start().context("cannot start the symbols thread")?;
        let judge = Judge::new(answers, shared.clone());
        let (listening, spoken) = plaintext::start(plaintext, judge)?;
        let (ring_thread, records) = rings::start(rings).context("cannot start the ring thread")?;
        let saved = StateFile::new(&settings.state_dir).load(&hello.boot_id);
        let in_kernel = hello.policies_in_kernel.clone();
        let (rings_in_log, holes) = seen_before(&audit, rings_id, saved.rings);
        let started = started(&recovery, &hello.boot_id);
        let (rings, agents) = (ring_thread.counts.clone(), saved.agents.clone());
        let parts = Parts {
            settings,
            hello,
            sensor,
            audit,
            rings,
            listening,
            backlog,
            stacks,
            saved: agents,
            shared,
            strongroom,
            rings_in_log,
        };
        let (gateway, recorded) = Gateway::new(parts);
        let gateway = Rc::new(gateway);
        spawn_local(pipeline::publish(Rc::clone(&gateway), recorded));
        spawn_local(plaintext::record(Rc::clone(&gateway), spoken));
        gateway.record(Event::lifecycle("start", Effect::Allowed, started));
        gateway.take_up(&saved, &in_kernel).await;
        gateway.save_state();
        gateway.open_vault().await;
        read_all(&gateway).await;
        run(gateway, ring_thread, records, holes, listener, link, order).await
    })
}

fn open_log(settings: &Settings) -> Result<(AuditLog, Recovery)> {
    let opened = AuditLog::open(&settings.audit_dir, &Options::new(&settings.state_dir))?;
    let recovery = &opened.1;
    tracing::info!(
        records = recovery.last,
        closed = recovery.closed,
        repairs = recovery.repairs.len(),
        "audit log open"
    );
    for replaced in &recovery.replaced_keys {
        tracing::warn!(replaced, "a key of the audit log is new");
    }
    Ok(opened)
}

/// The record of a start says after what.
fn started(recovery: &Recovery, boot_id: &str) -> String {
    let after = if recovery.closed {
        "the log was closed"
    } else {
        "the log was NOT closed: whoever wrote it died"
    };
    format!(
        "gateway {} started in boot {boot_id}; {after} at record {}",
        env!("CARGO_PKG_VERSION"),
        recovery.last
    )
}

/// What the kernel tells and is told by memory, in the order in which the sensor gives it.
fn map_tables(maps: [OwnedFd; HELLO_DESCRIPTORS]) -> Result<(rings::KernelRings, Ring, Answers)> {
    let map = |descriptor| Ring::new(descriptor).context("cannot map the kernel's rings");
    let [decisions, activity, plaintext, answers] = maps;
    let answers = Answers::new(answers).context("cannot map the kernel's table of answers")?;
    Ok(([map(decisions)?, map(activity)?], map(plaintext)?, answers))
}

/// What may not happen unrecorded: the sensor takes its programs out of force when this has ended well.
fn record_unload(settings: &Settings, who: String) -> Result<()> {
    let account = privileges::find_account(settings)?;
    privileges::prepare_directories(settings, account)?;
    let _lock = settings.lock.as_deref().map(alone::take_lock).transpose()?;
    privileges::drop_all(account)?;
    let (audit, _) = open_log(settings)?;
    audit.append(&Event::lifecycle("unload", Effect::Allowed, who))?;
    Ok(())
}

/// Which of these rings' records are in the log, so that none is recorded twice and what got lost between two gateways
/// is noticed.
fn seen_before(audit: &AuditLog, rings: u32, saved: RingsInLog) -> (RingsInLog, Holes) {
    const RECENT: u64 = 20_000;
    let last = audit.last().0;
    if saved.id != rings || saved.after > last {
        let begun = RingsInLog { id: rings, after: last };
        return (begun, Holes::default());
    }
    let from = last.saturating_sub(RECENT).max(saved.after);
    let mut holes = if from > saved.after {
        Holes::of_end()
    } else {
        Holes::default()
    };
    let now = Instant::now();
    for event in aa_audit::scan(audit.directory(), from + 1)
        .into_iter()
        .flatten()
        .flatten()
    {
        holes.seed(&event, now);
    }
    (saved, holes)
}

async fn run(
    gateway: Rc<Gateway>,
    ring_thread: rings::RingThread,
    records: mpsc::Receiver<rings::Batch>,
    holes: Holes,
    listener: UnixListener,
    link: tokio::task::JoinHandle<Result<(), sensor_link::LinkError>>,
    mut order: mpsc::UnboundedReceiver<Order>,
) -> Result<()> {
    spawn_local(pipeline::run(Rc::clone(&gateway), holes, records));
    spawn_local(pipeline::watch_losses(Rc::clone(&gateway)));
    spawn_local(sweep(Rc::clone(&gateway)));
    spawn_local(hours::keep(Rc::clone(&gateway)));
    spawn_local(retention::keep(Rc::clone(&gateway)));
    spawn_local(answering::attend(Rc::clone(&gateway)));
    spawn_local(answering::watch(Rc::clone(&gateway)));
    let serving = spawn_local(control::serve(Rc::clone(&gateway), listener));
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tracing::info!("ready");
    let mut link = std::pin::pin!(link);
    let (why, outcome) = loop {
        tokio::select! {
            ended = &mut link => break match ended.context("the sensor link's task failed") {
                Ok(Err(sensor_link::LinkError::Closed) | Ok(())) => ("the sensor is gone", Ok(())),
                Ok(Err(error)) => ("the sensor cannot be understood", Err(error.into())),
                Err(error) => ("the sensor link failed", Err(error)),
            },
            Some(order) = order.recv() => match order {
                Order::Reload => read_all(&gateway).await,
                Order::Halted(how) => gateway.record(Event::lifecycle("halt", Effect::Killed, how)),
                Order::Looked(looked) => gateway.record_lookup(&looked),
                // Taken when it came.
                Order::Named(_) => {}
                Order::Shutdown => break ("the sensor says shutdown", Ok(())),
            },
            _ = terminate.recv() => break ("SIGTERM", Ok(())),
        }
    };
    serving.abort();
    tracing::info!(why, "ending");
    // What is under way reaches the log; the rest stays in the rings, which a successor reads on.
    ring_thread.stop().await.context("cannot stop the ring thread")?;
    // The last record; whatever is queued before it is written too.
    let last = gateway
        .record_first(Event::lifecycle("stop", Effect::Allowed, why))
        .await;
    last?;
    outcome
}

/// What operators write: prices and policies.
async fn read_all(gateway: &Gateway) {
    gateway.read_prices();
    gateway.reload().await;
    gateway.tell_bad_policies();
    gateway.show_standing().await;
}

async fn sweep(gateway: Rc<Gateway>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        gateway.sweep().await;
    }
}
