//! The daemon's life: start, serve, end.

use std::error::Error;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use aa_bpf::holds::Holds;
use aa_bpf::hooks::Way;
use aa_bpf::names::Names;
use aa_bpf::tables::Tables;
use aa_bpf::tasks::Tasks;
use aa_bpf::{Kernel, LoadError};
use aa_wire::WireError;
use aa_wire::sensor::{FromSensor, WRONG_CONFIGURATION};
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::halting::Halt;
use crate::link::Link;
use crate::mounts::MountList;
use crate::naming::Resolver;
use crate::notify::Notifier;
use crate::predecessor::Predecessor;
use crate::probing::{self, Probing, standing};
use crate::registry::{Registry, boot_id};
use crate::sensor::{Sensor, prepare_run_directory};
use crate::settings::Settings;
use crate::{cgroups, host, plan, privileges, self_test};

/// How often what has ended is forgotten and what selectors name is looked for again.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// How often it is looked whether an earlier sensor's gateway has ended.
pub(crate) const PREDECESSOR_INTERVAL: Duration = Duration::from_millis(20);
/// A gateway that lived shorter than this is not restarted at once.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(2);

/// How the daemon ended, told to a person and to whoever started it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) told: WireError,
    pub(crate) status: u8,
}

impl Failure {
    pub(crate) fn of(error: &dyn Error) -> Self {
        Self {
            told: WireError::from_error("AA-S000", error),
            status: 1,
        }
    }

    pub(crate) fn config(error: &dyn Error) -> Self {
        Self {
            told: WireError::from_error("AA-S004", error).hint("`man aa-sensord.toml` has its keys"),
            status: WRONG_CONFIGURATION,
        }
    }

    fn kernel(told: WireError) -> Self {
        Self { told, status: 69 }
    }
}

pub(crate) fn failed(error: &dyn Error) -> Failure {
    Failure::of(error)
}

/// Starts, serves until told to stop, ends. Enforcement stays.
pub(crate) fn live(settings: &Settings) -> Result<(), Failure> {
    let host = host::probe_host();
    let way = plan::decide(&host).map_err(Failure::kernel)?;
    prepare_run_directory(&settings.run_dir).map_err(|error| failed(&error))?;
    let _only_one = lock(settings, "systemctl status aa-sensord")?;
    let signals = block_signals().map_err(|error| failed(&error))?;
    let notifier = Notifier::new(std::env::var_os("NOTIFY_SOCKET").as_deref()).map_err(|error| failed(&error))?;

    let begun = Instant::now();
    cgroups::prepare().map_err(|error| failed(&error))?;
    let mut mounts = MountList::open().map_err(|error| failed(&error))?;
    let started = start(settings, host, way, &mut mounts);
    // Also where what is in force is not ours to take over.
    standing::let_left_go(&probing::note_in(&settings.run_dir));
    let mut sensor = started?;
    tracing::info!(
        via = way.name(),
        adopted = sensor.kernel.adopted,
        took_ms = begun.elapsed().as_millis(),
        "in force and proven"
    );
    privileges::drop_what_the_start_needed().map_err(|error| failed(&error))?;

    let mut server = Server {
        settings,
        notifier,
        signals,
        mounts,
        link: None,
        ready: false,
        misconfigured: false,
        restart_at: Instant::now(),
        predecessor: Predecessor::default(),
        halt_told: None,
    };
    let ended = server.serve(&mut sensor);
    sensor.let_all_go();
    ended
}

/// Held by the one sensor; `hint` says what to do where there is one.
pub(crate) fn lock(settings: &Settings, hint: &str) -> Result<Flock<File>, Failure> {
    let path = settings.run_dir.join("sensord.lock");
    let file = File::create(&path).map_err(|error| failed(&error))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| Failure {
        told: WireError::new("AA-S005", "aa-sensord is running already")
            .because(format!("`{}` is locked", path.display()))
            .hint(hint),
        status: 1,
    })
}

/// Loads or adopts, writes what every policy needs, proves the hooks.
fn start(settings: &Settings, host: host::HostSupport, way: Way, mounts: &mut MountList) -> Result<Sensor, Failure> {
    let mut steps = Steps(Instant::now());
    let kernel = Kernel::start(settings.sizes, way).map_err(|error| refused_by_kernel(&error, &host.kernel_release))?;
    steps.done("programs in force");
    let mut tables = Tables::new(&kernel).map_err(|error| failed(&error))?;
    let tasks = Tasks::new(&kernel).map_err(|error| failed(&error))?;
    let holds = Holds::new(&kernel).map_err(|error| failed(&error))?;
    let names = Names::new(&kernel).map_err(|error| failed(&error))?;
    let known = mounts.read().map_err(|error| failed(&error))?;
    tables.set_mount_points(&known).map_err(|error| failed(&error))?;
    tables
        .set_record_activity(settings.record_activity)
        .map_err(|error| failed(&error))?;
    steps.done("tables open");
    let mut rows =
        self_test::run(&kernel, &mut tables, &tasks, &names, &settings.run_dir, way).map_err(|error| failed(&error))?;
    if !plan::judges_content(&rows) {
        rows.retain(|row| row.hook != plan::READS_CONTENT);
    }
    steps.done("self-test");
    let failures = self_test::failures(&rows);
    if !failures.is_empty() {
        // Nothing is claimed that is not proven: what was loaded just now goes, unless somebody is governed by it.
        if !kernel.inherited {
            Kernel::unload().map_err(|error| failed(&error))?;
        }
        let told = WireError::new(
            "AA-K003",
            format!("kernel {} does not enforce what it was told", host.kernel_release),
        )
        .because(failures.join("\n"))
        .hint("`aasm doctor` shows what this host lacks; please report this kernel");
        // Where it did before, the unit tries again.
        let status = if kernel.inherited { 1 } else { 69 };
        return Err(Failure { told, status });
    }
    let boot_id = boot_id().map_err(|error| failed(&error))?;
    let probing = Probing::start(&kernel, way != Way::Cgroup, &settings.run_dir).map_err(|error| failed(&error))?;
    let registry = Registry::load(settings.state_file(), &boot_id, kernel.inherited).map_err(|error| failed(&error))?;
    let mut sensor = Sensor {
        host,
        way,
        kernel,
        tables,
        tasks,
        holds,
        names,
        resolver: Resolver::listen(&settings.run_dir).map_err(|error| failed(&error))?,
        probing,
        halt: Halt::watch(&settings.run_dir).map_err(|error| failed(&error))?,
        registry,
        boot_id,
        self_test: rows,
        standing: None,
    };
    sensor.refresh_selectors().map_err(|error| failed(&error))?;
    steps.done("selectors and running tasks");
    Ok(sensor)
}

/// Tells how long each step of the start took.
struct Steps(Instant);

impl Steps {
    fn done(&mut self, step: &str) {
        tracing::debug!(step, took_us = self.0.elapsed().as_micros(), "starting");
        self.0 = Instant::now();
    }
}

fn refused_by_kernel(error: &LoadError, release: &str) -> Failure {
    if let LoadError::Foreign(_) = error {
        return Failure::kernel(
            WireError::new(
                "AA-K006",
                "processes are governed by another version of aa-sensord, which cannot be taken over",
            )
            .because(format!(
                "{error}; it stays in force, and this version does not start beside it"
            ))
            .hint("end those processes and start again, or end enforcement: `aa-sensord unload`"),
        );
    }
    let told = WireError::from_error("AA-K004", error);
    Failure::kernel(WireError { message: format!("kernel {release} refuses the programs"), ..told }
        .because(format!("{error}{}", error.source().map_or(String::new(), |source| format!(": {source}"))))
        .hint("6.1 or newer is needed, without kernel lockdown in confidentiality mode; `aasm doctor` says what is missing"))
}

fn block_signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGCHLD,
        Signal::SIGUSR1,
    ] {
        set.add(signal);
    }
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// The loop and what it waits for.
struct Server<'a> {
    settings: &'a Settings,
    notifier: Notifier,
    signals: SignalFd,
    mounts: MountList,
    link: Option<Link>,
    ready: bool,
    /// The last gateway said so.
    misconfigured: bool,
    restart_at: Instant,
    predecessor: Predecessor,
    /// Which gateway was told of which halt.
    halt_told: Option<(Instant, u64)>,
}

/// What can wake the loop.
#[derive(Clone, Copy)]
enum Source {
    Signals,
    Mounts,
    NewResolver,
    Resolver,
    Gateway,
    Files,
    Halt,
}

enum Woken {
    Stop,
    Reload,
    Nothing,
}

impl Server<'_> {
    fn serve(&mut self, sensor: &mut Sensor) -> Result<(), Failure> {
        sensor.look_at_running().map_err(|error| failed(&error))?;
        let mut swept = Instant::now();
        loop {
            if sensor.probing.is_lame() {
                return Err(Failure {
                    told: WireError::new("AA-S007", "the process that attaches probes has ended")
                        .because("another takes privileges that the sensor gave up at its start; what is in force stays in force")
                        .hint("start the daemon again; its unit does"),
                    status: 1,
                });
            }
            self.keep_gateway(sensor)?;
            match self.wait(sensor)? {
                Woken::Stop => break,
                Woken::Reload => self.tell(&FromSensor::Reload),
                Woken::Nothing => {}
            }
            if swept.elapsed() >= HOUSEKEEPING {
                swept = Instant::now();
                housekeeping(sensor);
                self.notifier.tell("WATCHDOG=1");
            }
        }
        self.notifier.tell("STOPPING=1");
        if let Some(link) = self.link.take() {
            link.stop();
        }
        release_held(sensor);
        tracing::info!("ended; what is in force stays in force (`aa-sensord unload` ends it)");
        Ok(())
    }

    /// Starts a gateway where there is none.
    fn keep_gateway(&mut self, sensor: &Sensor) -> Result<(), Failure> {
        if self.link.as_mut().is_some_and(Link::ended) {
            self.drop_gateway("it ended");
        }
        // Later on it may be mended while the kernel enforces.
        if self.misconfigured && !self.ready {
            return Err(Failure {
                told: WireError::new("AA-S008", "the gateway cannot use its configuration")
                    .because("what is wrong with it stands above")
                    .hint("`man aa-sensord.toml` has its keys"),
                status: WRONG_CONFIGURATION,
            });
        }
        if self.link.is_some() || Instant::now() < self.restart_at {
            return Ok(());
        }
        if self.predecessor.runs(&self.settings.gateway_lock()) {
            self.restart_at = Instant::now() + PREDECESSOR_INTERVAL;
            return Ok(());
        }
        match Link::start(self.settings) {
            Ok(mut link) => match sensor.greet(&mut link) {
                Ok(()) => self.link = Some(link),
                Err(error) => {
                    tracing::error!(%error, "the gateway does not take its greeting");
                    link.kill();
                    self.misconfigured = link.refused_configuration();
                    self.restart_at = Instant::now() + GATEWAY_PATIENCE;
                }
            },
            Err(error) if !self.ready => return Err(failed(&error)),
            Err(error) => {
                tracing::error!(%error, "no gateway");
                self.restart_at = Instant::now() + GATEWAY_PATIENCE;
            }
        }
        Ok(())
    }

    fn drop_gateway(&mut self, why: &str) {
        if let Some(mut link) = self.link.take() {
            tracing::error!(why, "gateway lost; the kernel keeps enforcing, a new one is started");
            link.kill();
            self.misconfigured = link.refused_configuration();
            if link.started.elapsed() < GATEWAY_PATIENCE {
                self.restart_at = Instant::now() + GATEWAY_PATIENCE;
            }
        }
    }

    fn tell(&mut self, message: &FromSensor) {
        if let Some(link) = &mut self.link
            && let Err(error) = link.send(message, &[])
        {
            self.drop_gateway(&error.to_string());
        }
    }

    fn wait(&mut self, sensor: &mut Sensor) -> Result<Woken, Failure> {
        let woken_by: Vec<Source>;
        {
            let mut sources = vec![Source::Signals, Source::Mounts, Source::Halt];
            let mut waiting = vec![
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.mounts.file.as_fd(), PollFlags::POLLPRI),
                PollFd::new(sensor.halt.as_fd(), PollFlags::POLLIN),
            ];
            let resolver = sensor.resolver.descriptors();
            for (source, descriptor) in [Source::NewResolver, Source::Resolver].into_iter().zip(resolver) {
                sources.push(source);
                waiting.push(PollFd::new(descriptor, PollFlags::POLLIN));
            }
            if let Some(link) = &self.link {
                sources.push(Source::Gateway);
                waiting.push(PollFd::new(link.as_fd(), PollFlags::POLLIN));
            }
            for file in sensor.probing.descriptors() {
                sources.push(Source::Files);
                waiting.push(file);
            }
            match poll(&mut waiting, self.patience(sensor.probing.deadline())) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(failed(&error)),
            }
            let woken = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
            woken_by = waiting
                .iter()
                .zip(sources)
                .filter(|(fd, _)| woken(fd))
                .map(|(_, source)| source)
                .collect();
        }
        let mut woken = Woken::Nothing;
        for source in woken_by {
            match source {
                Source::Signals => woken = self.signal(sensor),
                Source::Halt => sensor.halt.hear(),
                Source::Mounts => match self.mounts.read().map(|known| sensor.tables.set_mount_points(&known)) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(%error, "mount points not written"),
                    Err(error) => tracing::error!(%error, "mount points not read"),
                },
                Source::NewResolver => sensor.accept_resolver(),
                Source::Resolver => sensor.hear_resolver(),
                Source::Gateway => self.answer(sensor),
                // Once, below.
                Source::Files => {}
            }
        }
        sensor.keep_halt();
        sensor.watch_files(self.settings);
        self.hand_on_news(sensor);
        Ok(woken)
    }

    /// What the gateway is to hear of names; it waits for one that is up. Then the resolver has its answers.
    fn hand_on_news(&mut self, sensor: &mut Sensor) {
        let mut news = sensor.resolver.take_news().into_iter();
        while let Some(link) = self.link.as_mut().filter(|link| link.heard) {
            let Some(one) = news.next() else { break };
            if let Err(error) = link.send(&one, &[]) {
                sensor.resolver.keep_news([one].into_iter());
                self.drop_gateway(&error.to_string());
            }
        }
        sensor.resolver.keep_news(news);
        if let Some(link) = self.link.as_mut().filter(|link| link.heard)
            && let Some((times, how)) = &sensor.halt.told
            && self.halt_told.replace((link.started, *times)) != Some((link.started, *times))
            && let Err(error) = link.send(&FromSensor::Halted(how.clone()), &[])
        {
            self.drop_gateway(&error.to_string());
        }
        sensor.answer_resolver();
    }

    /// How long there is nothing to do if nobody asks.
    fn patience(&self, sooner: Option<Instant>) -> PollTimeout {
        const LONGEST: Duration = Duration::from_secs(1);
        let now = Instant::now();
        let restart = self.link.is_none().then_some(self.restart_at);
        let next = restart.into_iter().chain(sooner).min();
        let until = next.map_or(LONGEST, |next| next.saturating_duration_since(now).min(LONGEST));
        // Rounded up: no turn is for nothing.
        PollTimeout::try_from(until.as_millis() + 1).unwrap_or(PollTimeout::from(1000_u16))
    }

    fn answer(&mut self, sensor: &mut Sensor) {
        let Some(link) = &mut self.link else { return };
        let mut done = link.receive();
        while done.is_ok() {
            let Some(asked) = link.next() else { break };
            done = sensor.answer(link, asked);
        }
        if let Some(standing) = sensor.standing.take() {
            self.notifier.stand(&standing);
            if !self.ready {
                self.ready = true;
                self.notifier.tell("READY=1");
                tracing::info!("ready");
            }
        }
        if let Err(error) = done {
            self.drop_gateway(&error.to_string());
        }
    }

    fn signal(&mut self, sensor: &Sensor) -> Woken {
        let mut woken = Woken::Nothing;
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo)
                .ok()
                .and_then(|number| Signal::try_from(number).ok())
            {
                Some(Signal::SIGTERM | Signal::SIGINT) => woken = Woken::Stop,
                Some(Signal::SIGUSR1) => {
                    let by = format!("SIGUSR1 of process {}, user {}", info.ssi_pid, info.ssi_uid);
                    if let Err(error) = sensor.halt.throw(&by) {
                        tracing::error!(%error, "the switch that halts everything cannot be set");
                    }
                }
                Some(Signal::SIGHUP) if !matches!(woken, Woken::Stop) => woken = Woken::Reload,
                _ => {}
            }
        }
        woken
    }
}

/// From now on nobody answers: who waits is told so by the kernel, as its policy says of that.
fn release_held(sensor: &Sensor) {
    let released = sensor.holds.attend(Duration::ZERO).map_err(|error| failed(&error));
    let released = released.and_then(|()| sensor.continue_held().map_err(|error| failed(&error)));
    match released {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "held processes go on without an answer"),
        Err(failure) => tracing::error!(problem = %failure.told, "held processes may stay stopped"),
    }
}

/// What nobody asks for: numbers of ended agents, cgroups and units that came to be.
fn housekeeping(sensor: &mut Sensor) {
    if let Err(error) = sensor.forget_ended() {
        tracing::error!(%error, "ended agents not forgotten");
    }
    if let Err(error) = sensor.holds.sweep() {
        tracing::error!(%error, "answers nobody took not removed");
    }
    if let Err(error) = sensor.names.sweep(|_| true) {
        tracing::error!(%error, "expired names not removed");
    }
    if sensor.selects_by_place()
        && let Err(error) = sensor.refresh_selectors()
    {
        tracing::error!(%error, "selectors not refreshed");
    }
}
