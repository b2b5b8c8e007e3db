//! `aasm redact`: secrets and personal data hidden in what is piped through, or told. Needs no daemon.

mod progress;
mod settings;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aa_redact::{Engine, EventRedactor, Finding, Redactor};
use aa_wire::WireError;
use serde::Serialize;

use crate::cli::RedactArgs;
use crate::exit::{FAILED, Failure};
use progress::Progress;

/// Bytes read at once.
const READ: usize = 256 * 1024;

/// A line of `--findings`. The value is not in it.
#[derive(Serialize)]
struct Told<'a> {
    file: &'a str,
    start: u64,
    end: u64,
    kind: &'a str,
    class: &'a str,
    confidence: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    example: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// A text or a stream of events.
enum Stream {
    Text(Box<Redactor>),
    Events(Box<EventRedactor>),
}

pub(crate) fn redact(arguments: &RedactArgs) -> Result<(), Failure> {
    let options = settings::options(arguments.policy.as_deref())?;
    let engine = Engine::new(&options).map_err(|error| WireError::from_error("bad-policy", &error))?;
    let engine = Arc::new(engine);
    let standard = [PathBuf::from("-")];
    let files = if arguments.files.is_empty() {
        standard.as_slice()
    } else {
        &arguments.files
    };
    let mut found = false;
    for file in files {
        found |= one(&engine, arguments, file)?;
    }
    if found && arguments.findings {
        return Err(Failure::Code(FAILED));
    }
    Ok(())
}

/// One file; whether something was found in it.
fn one(engine: &Arc<Engine>, arguments: &RedactArgs, file: &Path) -> Result<bool, Failure> {
    let name = file.display().to_string();
    let unread = |error: io::Error| WireError::new("cannot-read", format!("cannot read {name}")).because(error);
    let (mut input, length): (Box<dyn Read>, u64) = if file == Path::new("-") {
        (Box::new(io::stdin().lock()), 0)
    } else {
        let opened = File::open(file).map_err(unread)?;
        let length = opened.metadata().map_or(0, |data| data.len());
        (Box::new(opened), length)
    };
    let mut progress = Progress::new(&name, length);
    let mut output = io::stdout().lock();
    let result = pass(engine, arguments, &name, &mut input, &mut output, &mut |bytes| {
        progress.passed(bytes);
    });
    progress.end();
    match result {
        Ok(found) => Ok(found),
        // `aasm redact | head` ends like this; of findings, nothing is written unless there are some.
        Err(Ended::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(Failure::Code(if arguments.findings { FAILED } else { 0 }))
        }
        Err(Ended::Output(error)) => Err(WireError::new("cannot-write", "cannot write").because(error).into()),
        Err(Ended::Input(error)) => Err(unread(error).into()),
    }
}

/// What ended a pass early.
#[derive(Debug)]
enum Ended {
    Input(io::Error),
    Output(io::Error),
}

fn pass(
    engine: &Arc<Engine>,
    arguments: &RedactArgs,
    name: &str,
    input: &mut dyn Read,
    output: &mut dyn Write,
    passed: &mut dyn FnMut(usize),
) -> Result<bool, Ended> {
    let chunk = arguments
        .chunk
        .map_or(READ, |bytes| usize::try_from(bytes).unwrap_or(READ));
    let mut buffer = vec![0; READ];
    let mut stream = None;
    let mut found = false;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Ended::Input(error)),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        let stream = stream.get_or_insert_with(|| Stream::of(engine, bytes));
        for piece in bytes.chunks(chunk) {
            let redacted = stream.push(piece);
            if !arguments.findings {
                output.write_all(redacted).map_err(Ended::Output)?;
            }
        }
        if count == 0 && !arguments.findings {
            output
                .write_all(stream.finish())
                .and_then(|()| output.flush())
                .map_err(Ended::Output)?;
        } else if count == 0 {
            stream.finish();
        }
        for finding in stream.take_findings() {
            found |= !finding.example;
            if arguments.findings {
                tell(name, &finding, output).map_err(Ended::Output)?;
            }
        }
        if count == 0 {
            return Ok(found);
        }
        passed(count);
    }
}

fn tell(file: &str, finding: &Finding, output: &mut dyn Write) -> io::Result<()> {
    let told = Told {
        file,
        start: finding.start,
        end: finding.end,
        kind: finding.kind,
        class: finding.class.name(),
        confidence: finding.confidence.name(),
        example: finding.example,
        reason: finding.reason.map(aa_redact::Reason::code),
    };
    serde_json::to_writer(&mut *output, &told)?;
    output.write_all(b"\n")
}

impl Stream {
    fn of(engine: &Arc<Engine>, head: &[u8]) -> Self {
        let events = [b"data:".as_slice(), b"event:", b"id:", b": "]
            .iter()
            .any(|field| head.starts_with(field));
        if events {
            Self::Events(Box::new(EventRedactor::new(engine)))
        } else {
            Self::Text(Box::new(Redactor::new(engine)))
        }
    }

    fn push(&mut self, bytes: &[u8]) -> &[u8] {
        match self {
            Self::Text(stream) => stream.push(bytes),
            Self::Events(stream) => stream.push(bytes),
        }
    }

    fn finish(&mut self) -> &[u8] {
        match self {
            Self::Text(stream) => stream.finish(),
            Self::Events(stream) => stream.finish(),
        }
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        match self {
            Self::Text(stream) => stream.take_findings(),
            Self::Events(stream) => stream.take_findings(),
        }
    }
}
