//! Finds the functions of TLS libraries in a program or shared library, and where to put probes on them.
//!
//! [`find`] is handed a file that can be read by offsets and answers with [`Findings`]. It is for a worker without
//! privileges: everything in the file is an attacker's, so every count is bounded, memory is bounded whatever the
//! file's size, and a file that leads in circles ends in an error. Pure: no I/O but by [`ReadAt`]. Only x86-64.
//!
//! * `elf`: segments, tables of symbols, build id.
//! * `symbols`: functions by their names, dynamic or local.
//! * `landmarks`: constants that tell what else is in a file.
//! * `go`: Go's `crypto/tls` by the table of functions that every Go program carries, stripped or not.
//! * `fingerprint`: BoringSSL and AWS-LC without symbols, by the constants of the errors they raise.
//! * `message`: what the worker is asked and answers.
//! * `code`: which instruction of a function the probe goes to, where its arguments are there, where it returns.
//!
//! A worker still wants a limit of processor time: a file of 400 MB made for it can take a minute. It needs 4 MB of
//! memory.
//!
//! What was found on 2026-11-22 (two shared processors; memory is the whole process's peak, 3.0-3.4 MB for every one;
//! what fired was run under gdb against a local server, with the plaintext where the arguments say):
//!
//! | program | MB | found by | what | processor seconds |
//! |---|---|---|---|---|
//! | libssl 3.0.19, Debian | 0.7 | names, calls | all of OpenSSL with both internal functions; write fired | 0.001 |
//! | libgnutls 3.7.9, libnspr4 4.35, Debian | 2.2, 0.3 | names | all | 0.001 |
//! | node 20.20.2 | 89 | names | all; `SSL_write` has taken in its internal function, both need probes | 0.1 |
//! | cryptography 50.0.2, wheel | 14 | local names | all | 0.01 |
//! | Bun 1.4.5 | 107 | errors | write, read: both fired | 0.3 |
//! | OpenCode 1.18.34 (Bun) | 186 | errors | write, read | 0.3 |
//! | Claude Code 2.1.330 (Bun) | 381 | errors | write, read | 0.6 |
//! | Chromium 147, headless | 197 | errors | write, read | 0.4 |
//! | Deno 2.9.6, 2.9.8 | 96 | errors | AWS-LC seal, `seal_scatter`, open, `open_gather` | 0.2 |
//! | uv 0.13.9 | 38 | errors | the same but for open, not found; seal and `open_gather` fired | 0.1 |
//! | Codex 0.169.0 | 294 | errors | the same, all four | 0.7 |
//! | esbuild 0.28.2 (Go 1.26.5, stripped) | 11 | Go's table | write, internal write, read | 0.08 |
//! | Go 1.19.8, with symbols, stripped, position-independent | 5-7 | Go's table | the same; write fired | 0.02 |

mod code;
mod elf;
mod error;
mod fingerprint;
mod go;
mod landmarks;
mod message;
mod read;
mod symbols;
#[cfg(any(test, feature = "testing"))]
#[expect(clippy::cast_possible_truncation, reason = "programs of a few bytes")]
pub mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use code::{Code, Convention};
pub use error::ProbeError;
pub use message::{ANSWER_LIMIT, Answer, Asked, Unreadable};
pub use read::ReadAt;
use serde::{Deserialize, Serialize};

/// Whose function it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Library {
    /// libssl, or built in (node).
    OpenSsl,
    /// Bun, Electron, Chromium; its API is OpenSSL's.
    BoringSsl,
    /// Amazon's of BoringSSL; below rustls in Deno, uv and Codex.
    AwsLc,
    /// git and wget of Debian.
    GnuTls,
    /// NSPR's files, which NSS puts TLS on. Plain files pass the same functions.
    Nss,
    /// Go's `crypto/tls`.
    GoTls,
    /// rustls itself, where it has symbols.
    Rustls,
}

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Function {
    /// Plaintext out, as the API has it.
    Write,
    /// Plaintext out; how much was written goes to [`Role::Done`], not into the result.
    WriteEx,
    /// Plaintext out before the handshake ends.
    WriteEarly,
    /// Plaintext out, behind the above: see [`Site::through`].
    WriteInternal,
    /// A file's contents out; the plaintext is in no buffer.
    SendFile,
    /// One record's plaintext goes into the cipher. The object is a key's, not a connection's.
    Seal,
    /// One record's plaintext comes out of the cipher: the buffer is filled at the return if the result is 1. How
    /// far, goes to [`Role::Done`]; where there is none it is [`Role::Length`].
    Open,
    /// Plaintext in: the buffer is filled at the return, the result says how far.
    Read,
    /// Plaintext in; how much was read goes to [`Role::Done`].
    ReadEx,
    /// Plaintext in, behind the above; how much was read goes to [`Role::Done`].
    ReadInternal,
    /// Plaintext in that will be read again.
    Peek,
    /// The same; how much goes to [`Role::Done`].
    PeekEx,
    /// Binds an object to a descriptor.
    SetDescriptor,
    /// Binds an object to other objects (BIO, callbacks).
    SetTransport,
    /// Begins or continues a handshake.
    Handshake,
    /// The object ends.
    Free,
}

/// How a function was found, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FoundBy {
    /// The loader binds by it.
    DynamicSymbol,
    /// The full symbol table, `.symtab`.
    LocalSymbol,
    /// Go's table of functions.
    GoTable,
    /// It is what functions found by name call, each with the same arguments.
    Call,
    /// The constants of the errors it raises.
    Fingerprint,
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// `SSL *`, `gnutls_session_t`, `*tls.Conn`, ...: tells connections apart.
    Object,
    /// Where the plaintext is, or will be.
    Buffer,
    /// Its length, bytes: the whole 64 bits.
    Length,
    /// Its length, bytes: an `int`, so the lower 32 bits, and negative is possible.
    IntLength,
    /// Where the count of bytes done goes, a `size_t *`; may be null.
    Done,
    /// A file descriptor, `int`.
    Descriptor,
    /// The TLS content type, a byte; 23 is application data.
    RecordType,
    /// Where the data is that a cipher authenticates beside the plaintext: of a TLS record what tells its type.
    Associated,
    /// Its length, bytes: 5 in TLS 1.3 (RFC 8446, 5.2), 13 in TLS 1.2 (RFC 5246, 6.2.3.3).
    AssociatedLength,
    /// None of these.
    Other,
}

/// A register, as `struct pt_regs` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "x86-64's names")]
pub enum Register {
    Rax,
    Rbx,
    Rcx,
    Rdx,
    Rsi,
    Rdi,
    Rbp,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

/// Where an argument is when the probe fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// In a register.
    Register(Register),
    /// In eight bytes of memory, so many bytes above the stack pointer.
    Stack(u32),
}

/// An argument at a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Argument {
    /// What it is.
    pub role: Role,
    /// Where it is.
    pub place: Place,
}

/// Where a function returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Returns {
    /// At exactly these instructions, `ret`: offsets in the file. The result is in `rax`; arguments are gone.
    At(Vec<u64>),
    /// Elsewhere too, as at the end of a function it jumps to, or its end is not known.
    Unknown,
}

/// A function and where to probe it. Offsets are in the file, as uprobes take them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Whose it is.
    pub library: Library,
    /// What it does.
    pub function: Function,
    /// How it was found.
    pub found_by: FoundBy,
    /// Its first instruction.
    pub entry: u64,
    /// The instruction for the probe: run once a call, before anything is done.
    pub probe: u64,
    /// Whether every kernel emulates that instruction. One that is not costs a single step, 3 to 30 times as much.
    pub emulated: bool,
    /// What has a meaning, where it is at `probe`; an argument's place is given once.
    pub arguments: Vec<Argument>,
    /// The entry of another site which it hands the very same arguments, before anything is done with them. That one
    /// alone needs a probe: with both, the same plaintext is seen twice. Other ways from one site to another are not
    /// told: OpenSSL's `SSL_write_early_data` comes to `SSL_write_ex`, GnuTLS's `gnutls_record_send_range` to
    /// `gnutls_record_send`.
    pub through: Option<u64>,
    /// Where it returns. Never put a return probe (uretprobe) on a [`Library::GoTls`] or in a program with fibres.
    pub returns: Returns,
}

impl Site {
    /// Where the argument of a role is at the probe.
    pub fn place(&self, role: Role) -> Option<Place> {
        let found = self.arguments.iter().find(|argument| argument.role == role);
        found.map(|argument| argument.place)
    }
}

/// What was found in a file.
#[derive(Debug, Default)]
pub struct Findings {
    /// The linker's mark of this very file, if it left one.
    pub build_id: Option<Vec<u8>>,
    /// By library, function and entry; none twice.
    pub sites: Vec<Site>,
    /// Parts that could not be read or were not clear. Without any, what is not in `sites` is not in the file by
    /// any means we have.
    pub doubts: Vec<ProbeError>,
}

/// More than any file has, that is not made for it.
const SITES: usize = 64;
/// Whoever is told of so many needs no more.
const DOUBTS: usize = 64;

/// Looks for functions of TLS libraries.
///
/// # Errors
/// The file cannot be read, is not ELF, is of another machine, or has headers beyond its end. What fails later
/// becomes a doubt, so that a file that lies in one part cannot hide what is in another.
pub fn find<R: ReadAt>(file: &R) -> Result<Findings, ProbeError> {
    let mut reader = read::Reader::new(file);
    let image = elf::Image::read(&mut reader)?;
    let mut search = Search {
        reader,
        image,
        sites: Vec::new(),
        doubts: Vec::new(),
    };
    symbols::find(&mut search);
    let landmarks = landmarks::find(&mut search);
    go::find(&mut search, &landmarks);
    fingerprint::find(&mut search, &landmarks);
    search.finish_through();
    search
        .sites
        .sort_by_key(|site| (site.library, site.function, site.entry, site.found_by));
    search
        .sites
        .dedup_by_key(|site| (site.library, site.function, site.entry));
    Ok(Findings {
        build_id: search.image.build_id,
        sites: search.sites,
        doubts: search.doubts,
    })
}

/// A file that is searched, and what was found so far.
struct Search<'a> {
    reader: read::Reader<'a>,
    image: elf::Image,
    sites: Vec<Site>,
    doubts: Vec<ProbeError>,
}

/// A function by its address.
struct FunctionAt {
    library: Library,
    function: Function,
    found_by: FoundBy,
    address: u64,
    /// Bytes; 0 if not known.
    size: u64,
    /// Whether it is known that it ends there.
    exact: bool,
    roles: &'static [Role],
}

impl Search<'_> {
    /// What was read, or a doubt.
    fn clear<T>(&mut self, result: Result<T, ProbeError>) -> Option<T> {
        result.map_err(|error| self.doubt(error)).ok()
    }

    fn doubt(&mut self, error: ProbeError) {
        if self.doubts.len() < DOUBTS {
            self.doubts.push(error);
        }
    }

    fn has(&self, library: Library, function: Function) -> bool {
        self.sites
            .iter()
            .any(|site| site.library == library && site.function == function)
    }

    fn code(&mut self, address: u64, size: u64, exact: bool) -> Result<Code, ProbeError> {
        Code::read(&mut self.reader, &self.image, address, size, exact)
    }

    /// Leaves of what is passed on to the last that is a site itself. Who hands on in a circle keeps its probe.
    fn finish_through(&mut self) {
        let passes: HashMap<_, _> = self
            .sites
            .iter()
            .map(|site| ((site.library, site.entry), site.through))
            .collect();
        for site in &mut self.sites {
            let mut last = None;
            let mut next = site.through;
            for _ in 0..=passes.len() {
                let Some(entry) = next.filter(|entry| passes.contains_key(&(site.library, *entry))) else {
                    break;
                };
                last = Some(entry);
                next = passes.get(&(site.library, entry)).copied().flatten();
            }
            let circle = next.is_some_and(|entry| passes.contains_key(&(site.library, entry)));
            site.through = last.filter(|_| !circle);
        }
    }

    /// Adds a function with the best place for its probe.
    fn add(&mut self, found: &FunctionAt) {
        let known = |site: &Site| site.library == found.library && site.function == found.function;
        if self.sites.len() >= SITES {
            return;
        }
        let code = self.code(found.address, found.size, found.exact);
        let Some(code) = self.clear(code) else { return };
        if self.sites.iter().any(|site| known(site) && site.entry == code.entry()) {
            return;
        }
        let convention = match found.library {
            Library::GoTls => Convention::Go,
            _ => Convention::SystemV,
        };
        let picked = code.pick(found.roles, convention);
        let through = code.passes_on_to(found.roles, convention).and_then(|target| {
            // An exported function is called by way of a stub, so that another library can replace it.
            let behind = self.image.behind_stub(&mut self.reader, target).ok().flatten();
            self.image.code_at(behind.unwrap_or(target))
        });
        let through = through.map(|code| code.start);
        self.sites.push(Site {
            library: found.library,
            function: found.function,
            found_by: found.found_by,
            entry: code.entry(),
            probe: picked.offset,
            emulated: picked.emulated,
            arguments: picked.arguments,
            through,
            returns: code.returns(),
        });
    }
}
