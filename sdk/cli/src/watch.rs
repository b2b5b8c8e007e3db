//! `aasm watch`: what agents say inside TLS, live.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use aa_sdk::{Client, Streamed};
use aa_wire::api::{EventFilter, EventsQuery, is_denial};
use aa_wire::event::{Effect, Kind};
use aa_wire::exchange::Exchange;
use aa_wire::{Event, SessionId, Timestamp};

use crate::cli::{RunArgs, WatchArgs};
use crate::exit::Failure;
use crate::{print, print_json, run};

/// How long it stays silent before all of a program that has ended was told.
const SILENCE: Duration = Duration::from_millis(600);
/// The longest that is waited for that.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn watch(socket: &Path, arguments: WatchArgs) -> Result<ExitCode, Failure> {
    let json = arguments.output.json;
    if arguments.command.is_empty() {
        follow(socket, &arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    let run = RunArgs {
        policy: arguments.policy,
        work: arguments.work,
        name: program_name(&arguments.command),
        user: arguments.user,
        command: arguments.command,
    };
    let since = Timestamp::now();
    run::run(socket, &run, Some(Watcher { json, since }))
}

/// The agent is called as its program is.
fn program_name(command: &[std::ffi::OsString]) -> Option<String> {
    let path = PathBuf::from(command.first()?);
    let name = path.file_name()?.to_str()?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

fn query(session: Option<SessionId>, agent: Option<String>, since: Option<Timestamp>) -> EventsQuery {
    EventsQuery {
        follow: true,
        since,
        after: None,
        limit: since.is_none().then_some(0),
        filter: EventFilter {
            agent,
            session,
            ..EventFilter::default()
        },
    }
}

/// Whether it belongs here: what was said, what was denied, and what would not have been said by a policy that only observes.
fn is_shown(event: &Event) -> bool {
    let observed = event.effect == Effect::WouldDeny && event.action != "send-data";
    event.kind == Kind::Exchange || (is_denial(event) && !observed)
}

fn follow(socket: &Path, arguments: &WatchArgs) -> Result<(), Failure> {
    let query = query(None, arguments.agent.clone(), None);
    let of_process = |event: &Event| {
        let pid = event.process.as_ref().map(|process| process.pid.0);
        arguments.pid.is_none_or(|wanted| pid == Some(wanted))
    };
    for streamed in Client::connect(socket)?.events(query)? {
        match streamed? {
            Streamed::Event(event) if !is_shown(&event) || !of_process(&event) => {}
            Streamed::Event(event) if arguments.output.json => print_json(&event)?,
            Streamed::Event(event) => print(&show(&event)),
            Streamed::Skipped(count) => eprintln!("aasm: too slow for {count} events; they are in the log"),
        }
    }
    Ok(())
}

/// Shows what a session says while its program runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watcher {
    json: bool,
    since: Timestamp,
}

/// A watcher at work.
#[derive(Debug)]
pub(crate) struct Watching {
    session: SessionId,
    told: Receiver<()>,
}

impl Watcher {
    pub(crate) fn start(self, socket: &Path, session: SessionId) -> Watching {
        let (telling, told) = channel();
        let socket = socket.to_owned();
        let spawned = std::thread::Builder::new().name("watch".into()).spawn(move || {
            if let Err(failure) = self.tell(&socket, session, &telling) {
                failure.tell();
            }
        });
        if let Err(error) = spawned {
            eprintln!("aasm: nothing will be shown here ({error}); see `aasm watch` in another terminal");
        }
        Watching { session, told }
    }

    /// On standard error: the other is the program's.
    fn tell(self, socket: &Path, session: SessionId, telling: &Sender<()>) -> Result<(), Failure> {
        let events = Client::connect(socket)?.events(query(Some(session), None, Some(self.since)))?;
        for streamed in events {
            match streamed? {
                Streamed::Event(event) if !is_shown(&event) => continue,
                Streamed::Event(event) if self.json => {
                    // In one write: the program writes there too.
                    eprint!("{}", serde_json::to_string(&event).unwrap_or_default() + "\n");
                }
                Streamed::Event(event) => eprint!("{}", show(&event)),
                Streamed::Skipped(count) => eprintln!("aasm: too slow for {count} events; they are in the log"),
            }
            if telling.send(()).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Watching {
    /// Waits until what the program said last was told.
    pub(crate) fn finish(self, socket: &Path) {
        // A daemon that does not answer tells nothing more either.
        let _ = Client::connect(socket).and_then(|mut client| client.denials(self.session, true));
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.told.recv_timeout(SILENCE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// An event in lines: who and what first, then what is to be known about it.
fn show(event: &Event) -> String {
    // 2026-11-21T01:58:55.123: the time of day.
    let time: String = event.time.to_string().chars().skip(11).take(8).collect();
    let name = event.agent.as_ref().and_then(|agent| agent.name.clone());
    let pid = event.process.as_ref().map_or(0, |process| process.pid.0);
    let exchange = event.exchange.as_ref();
    let (what, mut lines) = match exchange {
        Some(exchange) => (
            format!(
                "{} {}{}  {}",
                exchange.method,
                exchange.host,
                exchange.path,
                outcome(event, exchange)
            ),
            details(event, exchange),
        ),
        None => (format!("{}  {}", crate::why::what(event), loud(event)), Vec::new()),
    };
    let mut text = format!("{time}  {}[{pid}]  {what}\n", name.unwrap_or_default());
    if is_denial(event) {
        lines.extend(event.detail.clone());
        lines.push(format!("{} - aasm why {}", crate::why::short_reason(event), event.id));
    }
    for line in lines {
        text += "          ";
        text += &line;
        text.push('\n');
    }
    text
}

fn loud(event: &Event) -> String {
    event.effect.to_string().to_uppercase()
}

/// What came of it.
fn outcome(event: &Event, exchange: &Exchange) -> String {
    if is_denial(event) {
        return loud(event);
    }
    let status = exchange
        .status
        .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let (up, down) = (bytes(exchange.request_bytes), bytes(exchange.answer_bytes));
    format!("{status}  {}  {up} up, {down} down", duration(exchange.took_ms))
}

fn details(event: &Event, exchange: &Exchange) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(call) = &exchange.call {
        let mut line = format!("model {} ({})", call.model, call.provider);
        let tokens = [
            (call.tokens.input, "in"),
            (call.tokens.cache_read, "from cache"),
            (call.tokens.cache_write, "to cache"),
            (call.tokens.output, "out"),
            (call.tokens.reasoning, "thought"),
        ];
        let counted = tokens
            .iter()
            .filter_map(|(count, what)| Some(format!("{} {what}", (*count)?)));
        let counted: Vec<String> = counted.collect();
        if counted.is_empty() {
            line += if is_denial(event) { "" } else { "  tokens not told" };
        } else {
            line += "  tokens ";
            line += &counted.join(", ");
        }
        if let Some(cost) = call.cost {
            line += if cost.listed { "  " } else { "  at most " };
            line += &aa_policy::Money(cost.micro_dollars).to_string();
            line += if cost.listed { "" } else { " (no price is listed)" };
        }
        if !call.tools.is_empty() {
            let names: Vec<&str> = call.tools.iter().map(aa_wire::EscapedBytes::as_str).collect();
            line += "  calls ";
            line += &names.join(", ");
        }
        lines.push(line);
    }
    for message in exchange.mcp.iter().filter(|message| !message.method.is_empty()) {
        let way = if message.sent { "mcp" } else { "mcp asked" };
        lines.push(
            format!("{way} {} {}", message.method, message.name)
                .trim_end()
                .to_owned(),
        );
    }
    if !exchange.secrets.is_empty() {
        let counts = exchange.secrets.iter().map(ToString::to_string);
        let way = if is_denial(event) { "holds" } else { "sent" };
        lines.push(format!("{way} {}", counts.collect::<Vec<_>>().join(", ")));
    }
    if !exchange.doubts.is_empty() {
        lines.push(format!("not certain: {}", exchange.doubts.join(", ")));
    }
    lines
}

fn duration(milliseconds: u64) -> String {
    if milliseconds < 1000 {
        format!("{milliseconds} ms")
    } else {
        format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1000 => format!("{count} B"),
        1000..1_000_000 => format!("{}.{} kB", count / 1000, count % 1000 / 100),
        _ => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}
