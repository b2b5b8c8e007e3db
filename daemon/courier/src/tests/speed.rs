//! Figures: `make bench B=courier`.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use aa_audit::Durability;
use aa_wire::event::{Effect, Kind, Object};
use aa_wire::{Event, Timestamp};

use super::receiver::Receiver;
use super::{Scene, other, webhook};

const LASTING: Duration = Duration::from_secs(5);

fn typical() -> Event {
    let mut event = Event::bare(Timestamp::now(), Kind::Decision, Effect::Denied, "open-read");
    event.object = Some(Object::Path {
        path: "/home/dev/project/node_modules/typescript/lib/typescript.js".into(),
        flags: Vec::new(),
    });
    event.detail = Some("of a length that records have, with words in it, ".repeat(6));
    event
}

#[test]
#[ignore = "a measurement, half a minute on an idle machine"]
fn speed() {
    appended("nobody follows", &Scene::new());
    let scene = Scene::new();
    let away = other("otlp", "https", &Receiver::start());
    let port = away.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
    let route = scene.route(&away.replace(&port, "1"));
    std::thread::spawn(move || route.run());
    appended("a rule whose receiver is away", &scene);
    let scene = Scene::new();
    let route = scene.route("to = \"slack\"\nurl = \"https://127.0.0.1:1\"\nkind = [\"stack\"]");
    std::thread::spawn(move || route.run());
    appended("a rule that looks at all and sends nothing", &scene);
    for kind in ["otlp", "syslog", "webhook"] {
        sent(kind);
    }
}

/// Durable records of one waiter.
fn appended(what: &str, scene: &Scene) {
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < LASTING {
        let at = Instant::now();
        scene.log.append(&typical()).unwrap();
        times.push(at.elapsed());
    }
    times.sort();
    let at = |part: usize| times[times.len() * part / 1000];
    println!(
        "{what}: {:.0} durable records/s, p50 {:?} p99 {:?}",
        f64::from(u32::try_from(times.len()).unwrap()) / LASTING.as_secs_f64(),
        at(500),
        at(990)
    );
}

fn sent(kind: &str) {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let rule = match kind {
        "webhook" => webhook(&receiver, &[scene.secret("a", super::OLD)]),
        "syslog" => other(kind, "tls", &receiver),
        _ => other(kind, "https", &receiver),
    };
    let mut route = scene.route(&rule);
    let count = if kind == "webhook" { 500 } else { 20_000 };
    let (sender, done) = channel();
    let events = (0..count).map(|_| typical()).collect();
    scene.log.submit(events, Durability::Synced, move |result| {
        sender.send(result.is_ok()).unwrap();
    });
    assert!(done.recv().unwrap());
    let begun = Instant::now();
    while route.round().unwrap() {}
    println!(
        "{kind}: {:.0} records/s over TLS to this machine",
        f64::from(count) / begun.elapsed().as_secs_f64()
    );
    assert_eq!(scene.row().delivered, u64::try_from(count).unwrap());
}
