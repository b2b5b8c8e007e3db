//! Every decoder of bytes from outside, each as a function of bytes that panics when the decoder is wrong.
//!
//! `fuzz/fuzz_targets/<name>.rs` hands these to libFuzzer; the tests run `fuzz/corpus/<name>/` through them with
//! every `cargo test`. A crash that fuzzing finds becomes a file of the corpus.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic of any of these says that a decoder is wrong"
)]

mod alerts;
mod audit;
mod dns;
mod policy;
mod probes;
mod proc;
mod record;
mod redact;
#[cfg(test)]
mod replay;
mod traffic;
mod vault;
mod wire;

pub use alerts::{alert_address, alert_answer};
pub use audit::{audit_log, audit_note};
pub use dns::{dns_answer, dns_question};
pub use policy::{policy_action, policy_condition, policy_lowered, policy_tables, policy_text};
pub use probes::{elf_probes, prober_answer};
pub use proc::{proc_maps, proc_mountinfo, proc_stat};
pub use record::{plaintext_record, ring_record};
pub use redact::{redact_body, redact_events, redact_frames, redact_stream};
pub use traffic::{traffic_conversation, traffic_hpack, traffic_stdio};
pub use vault::{vault_dotenv, vault_entry};
pub use wire::{control_lines, link_frames, scalars};

/// A decoder, and what must hold of its answer; whether it took the bytes for what it decodes.
pub type Decoder = fn(&[u8]) -> bool;

/// All of them; the name is that of the fuzz target and of the folder of its corpus.
pub const ALL: [(&str, Decoder); 30] = [
    ("alert_address", alert_address),
    ("alert_answer", alert_answer),
    ("audit_log", audit_log),
    ("audit_note", audit_note),
    ("control_lines", control_lines),
    ("dns_answer", dns_answer),
    ("dns_question", dns_question),
    ("elf_probes", elf_probes),
    ("link_frames", link_frames),
    ("plaintext_record", plaintext_record),
    ("policy_action", policy_action),
    ("policy_condition", policy_condition),
    ("policy_lowered", policy_lowered),
    ("policy_tables", policy_tables),
    ("policy_text", policy_text),
    ("prober_answer", prober_answer),
    ("proc_maps", proc_maps),
    ("proc_mountinfo", proc_mountinfo),
    ("proc_stat", proc_stat),
    ("redact_body", redact_body),
    ("redact_events", redact_events),
    ("redact_frames", redact_frames),
    ("redact_stream", redact_stream),
    ("ring_record", ring_record),
    ("scalars", scalars),
    ("traffic_conversation", traffic_conversation),
    ("traffic_hpack", traffic_hpack),
    ("traffic_stdio", traffic_stdio),
    ("vault_dotenv", vault_dotenv),
    ("vault_entry", vault_entry),
];
