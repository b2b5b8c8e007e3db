//! Writes the binary files of `fuzz/corpus` anew, after a format has changed. The texts there are written by hand.

use std::fs;
use std::path::Path;

use aa_audit::{AuditLog, Options};
use aa_bpf::record::plaintext::testing::piece_bytes;
use aa_bpf::record::testing::record_bytes;
use aa_policy::{Environment, Limits, parse_policy};
use aa_wire::event::{Effect, Event};
use aa_wire::frame::encode;
use aa_wire::sensor::{FromSensor, LossCount, Reply, Request, Switch, ToSensor};
use aa_wire::{AgentId, Pid, Slot, Timestamp, WireError};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    records()?;
    frames()?;
    tables()?;
    programs()?;
    conversations()?;
    vault()?;
    log()
}

fn write(target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

fn records() -> Result<()> {
    let exec = record_bytes(9);
    write("ring_record", "exec_sudo", &exec)?;
    write("ring_record", "cut", exec.get(..391).unwrap_or_default())?;
    let with = |value: u32, field: std::ops::Range<usize>| {
        let mut bytes = exec.clone();
        let place = bytes.get_mut(field).into_iter().flatten();
        place.zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
        bytes
    };
    write("ring_record", "life", &with(2, 2..4))?;
    write("ring_record", "longer_than_it_is", &with(u32::MAX, 4..8))?;
    write("ring_record", "no_executable", &with(0, 116..120))?;
    write(
        "plaintext_record",
        "sent",
        &piece_bytes(false, 0, b"GET / HTTP/1.1\r\n"),
    )?;
    write(
        "plaintext_record",
        "received",
        &piece_bytes(true, 40, b"HTTP/1.1 200 OK\r\n"),
    )?;
    let sent = piece_bytes(false, 0, b"GET / HTTP/1.1\r\n");
    write("plaintext_record", "cut", sent.get(..140).unwrap_or_default())?;
    write("plaintext_record", "no_bytes", &piece_bytes(false, 9, b""))
}

fn programs() -> Result<()> {
    let [named, go, stripped] = aa_probes::testing::programs();
    for (name, program) in [("symbols", &named), ("go", &go), ("boringssl", &stripped)] {
        let answer = aa_probes::Answer::new(7, aa_probes::find(program));
        write("prober_answer", name, &answer.encode())?;
        write("prober_answer", "cut", answer.encode().get(..20).unwrap_or_default())?;
    }
    write("elf_probes", "symbols", &named)?;
    write("elf_probes", "go", &go)?;
    write("elf_probes", "boringssl", &stripped)?;
    write("elf_probes", "nothing", &aa_probes::testing::Program::default().bytes())
}

fn conversations() -> Result<()> {
    for (name, trace) in aa_traffic::testing::traces() {
        let mut bytes = vec![6];
        for (direction, part) in &trace {
            bytes.push(u8::from(*direction == aa_traffic::Direction::Received));
            bytes.extend(u16::try_from(part.len())?.to_be_bytes());
            bytes.extend_from_slice(part);
        }
        write("traffic_conversation", name, &bytes)?;
        // The second of its parts comes behind a gap.
        if let Some((_, first)) = trace.first()
            && let Some(kind) = bytes.get_mut(first.len() + 4)
        {
            *kind |= 2;
        }
        write("traffic_conversation", &format!("{name}_gap"), &bytes)?;
    }
    write("traffic_conversation", "smtp", b"\0\x01\0\x0b220 mail ok\r\n")?;
    // RFC 7541, C.4 and C.3.
    write("traffic_hpack", "huffman", b"\x11\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\x0c\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf")?;
    write(
        "traffic_hpack",
        "literal",
        b"\x14\x82\x86\x84\x41\x0fwww.example.com\x05\x82\x3e\x40\0\0",
    )?;
    write("traffic_hpack", "no_such_entry", b"\x01\xbe")
}

fn frames() -> Result<()> {
    let (pid, slot) = (Pid(7), Slot(3));
    let asked = [
        Request::Processes,
        Request::Status,
        Request::Losses,
        Request::Switch {
            agent: AgentId(3),
            to: Switch::Killed,
        },
        Request::Open {
            slot,
            until_ns: 1 << 50,
        },
        Request::Maps {
            pid,
            start_ns: u64::MAX,
        },
        Request::RetirePolicy { slot },
        Request::Govern {
            pid,
            start_ns: Some(9),
            slot,
            agent_name: "claude".to_owned(),
        },
        Request::LoadPolicy {
            name: "p".to_owned(),
            digest: "d".to_owned(),
            lowered: vec![1; 20],
            replaces: true,
            open_until_ns: 0,
        },
    ];
    let asked = asked.map(|body| encode(&ToSensor { body, id: 300 })).into_iter();
    let frames = asked.collect::<std::result::Result<Vec<_>, _>>()?;
    write("link_frames", "to_sensor", &[vec![3], frames.concat()].concat())?;
    let cause = "decisions-ring-full".to_owned();
    let refused = WireError::new("no-room", "full").hint("retire one");
    let results = [
        Ok(Reply::Losses(vec![LossCount { cause, count: 1 }])),
        Ok(Reply::Maps { text: b"abc".to_vec() }),
        Ok(Reply::Mapped),
        Err(refused),
    ];
    let answers = results
        .map(|result| encode(&FromSensor::Response { id: 1, result }))
        .into_iter();
    let frames = answers.chain([encode(&FromSensor::Reload), encode(&FromSensor::Shutdown)]);
    let frames = frames.collect::<std::result::Result<Vec<_>, _>>()?;
    write("link_frames", "from_sensor", &[vec![200], frames.concat()].concat())?;
    write("link_frames", "too_long", &[1, 0, 0, 32, 0, 4, 1])?;
    write(
        "link_frames",
        "list_of_four_billion",
        &[255, 8, 0, 0, 0, 2, 1, 0, 4, 255, 255, 255, 255],
    )
}

fn tables() -> Result<()> {
    let text = "policy: p\nversion: 1\nexec: {deny: [sudo]}\nnet: {allow: [\"10.0.0.0/8:443\"]}\n";
    let lowered = parse_policy(text, "p", &Environment::default())?.lower(&Limits::default())?;
    let bytes = postcard::to_stdvec(&lowered)?;
    write("policy_lowered", "small", &bytes)?;
    write(
        "policy_lowered",
        "cut",
        bytes.get(..bytes.len() / 2).unwrap_or_default(),
    )
}

fn log() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let directory = folder.path().join("log");
    let options = Options {
        segment_bytes: 100,
        ..Options::new(folder.path())
    };
    let (log, _) = AuditLog::open(&directory, &options)?;
    for unix_ns in 0..6 {
        let time = Timestamp { unix_ns };
        log.append(&Event {
            time,
            ..Event::lifecycle("start", Effect::Allowed, "seed")
        })?;
    }
    drop(log);
    notes(&directory)?;
    let mut files = fs::read_dir(&directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    let segments = files.iter().map(fs::read).collect::<std::io::Result<Vec<_>>>()?;
    let [first, second, third, ..] = segments.as_slice() else {
        return Err("the log has too few segments".into());
    };
    write("audit_log", "one_segment", first)?;
    write("audit_log", "two_segments", &[first.as_slice(), second].concat())?;
    write("audit_log", "second_missing", &[first.as_slice(), third].concat())?;
    write("audit_log", "torn", first.get(..first.len() - 5).unwrap_or_default())?;
    let mut edited = first.clone();
    edited.get_mut(100).into_iter().for_each(|byte| *byte ^= 1);
    write("audit_log", "edited", &[edited.as_slice(), second].concat())
}

fn vault() -> Result<()> {
    for (name, (key, value)) in aa_vault::testing::entries()? {
        let length = u8::try_from(key.len())?;
        let bytes = [&[length], key.as_slice(), &value].concat();
        write("vault_entry", name, &bytes)?;
    }
    write("vault_entry", "nothing_of_ours", b"\x02\0xabc")
}

fn notes(directory: &Path) -> Result<()> {
    let checkpoint = aa_audit::newest_checkpoint(directory)?.ok_or("the log has no checkpoint")?;
    let note = checkpoint.note.as_bytes();
    write("audit_note", "checkpoint", note)?;
    write("audit_note", "cut", note.get(..note.len() - 9).unwrap_or_default())?;
    write("audit_note", "key", &fs::read(directory.join("checkpoints.pub"))?)?;
    let inclusion = aa_audit::prove(directory, 2, &checkpoint)?;
    write("audit_note", "inclusion", &serde_json::to_vec(&inclusion)?)?;
    let consistency = aa_audit::prove_growth(directory, &checkpoint, &checkpoint)?;
    write("audit_note", "consistency", &serde_json::to_vec(&consistency)?)
}
