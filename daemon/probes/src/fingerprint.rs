//! Functions without symbols, by the constants of the errors they raise.
//!
//! BoringSSL and AWS-LC raise an error by `ERR_put_error(library, 0, reason, __FILE__, __LINE__)`. Reasons are constants of the API and
//! the file's name is a string, so neither moves with compiler, profile or link-time optimisation; registers and lines do.
//! A function is found in four steps: the string; the instructions that take its address; the functions these are in, which begin where calls
//! lead and where another has ended; the one whose constants, moved into one register, hold all reasons that its source raises.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use crate::code::Code;
use crate::elf::Image;
use crate::landmarks::Landmarks;
use crate::read::Reader;
use crate::symbols::{INT, SCATTER, SEAL};
use crate::{Found, FoundBy, Function, Library, ProbeError, Role, Search};

/// A source file, by the end of its path, and what of it is looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    library: Library,
    functions: &'static [Fingerprint],
}

/// A function by the reasons it raises.
#[derive(Debug, PartialEq, Eq)]
struct Fingerprint {
    name: &'static str,
    function: Function,
    reasons: &'static [u64],
    roles: &'static [Role],
}

/// `openssl/ssl.h` and `openssl/cipher.h` of BoringSSL and AWS-LC have the numbers, the files named here the functions.
pub(crate) const FILES: [File; 2] = [
    File {
        name: "/ssl/ssl_lib.cc\0",
        library: Library::BoringSsl,
        functions: &[Fingerprint {
            name: "BoringSSL's SSL_write",
            function: Function::Write,
            // ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, SSL_R_BAD_LENGTH, SSL_R_SSL_HANDSHAKE_FAILURE, SSL_R_UNINITIALIZED
            reasons: &[66, 111, 215, 226],
            roles: INT,
        }],
    },
    File {
        name: "/aws-lc/crypto/fipsmodule/cipher/aead.c\0",
        library: Library::AwsLc,
        functions: &[
            Fingerprint {
                name: "AWS-LC's EVP_AEAD_CTX_seal",
                function: Function::Seal,
                // CIPHER_R_BUFFER_TOO_SMALL, CIPHER_R_TOO_LARGE
                reasons: &[103, 117],
                roles: SEAL,
            },
            Fingerprint {
                name: "AWS-LC's EVP_AEAD_CTX_seal_scatter",
                function: Function::Seal,
                // CIPHER_R_INVALID_OPERATION, CIPHER_R_OUTPUT_ALIASES_INPUT
                reasons: &[112, 115],
                roles: SCATTER,
            },
        ],
    },
];

/// How far into a function an error can be raised.
const REACH: u64 = 16 << 10;
/// Instructions that take a string's address, and functions around these; `ssl_lib.cc` has some 150.
const MOST: usize = 4096;

/// Adds the functions of the files that are in the program.
pub(crate) fn find(search: &mut Search, landmarks: &Landmarks) {
    for file in &FILES {
        let missing = file
            .functions
            .iter()
            .any(|wanted| !search.has(file.library, wanted.function));
        let strings = landmarks.files.iter().filter(|(found, _)| *found == file);
        let strings: Vec<u64> = strings.map(|(_, address)| *address).collect();
        if missing && !strings.is_empty() {
            let raisers = Raisers::read(&mut search.reader, &search.image, &strings);
            let Some(raisers) = search.clear(raisers) else { continue };
            for wanted in file.functions {
                raisers.take(search, file.library, wanted);
            }
        }
    }
}

/// The functions that raise errors of one source file: where each begins and ends, and its constants by register.
struct Raisers(Vec<(u64, u64, HashMap<Register, HashSet<u64>>)>);

impl Raisers {
    fn read(reader: &mut Reader, image: &Image, strings: &[u64]) -> Result<Self, ProbeError> {
        let uses = uses(reader, image, strings)?;
        let entries = entries(reader, image, &uses)?;
        let mut spans = BTreeMap::new();
        for place in &uses {
            let Some(entry) = entries.range(..=place).next_back() else {
                continue;
            };
            let end = entries.range(place + 1..).next().copied().unwrap_or(u64::MAX);
            spans.insert(*entry, end.min(entry.saturating_add(REACH)));
        }
        let mut found = Vec::new();
        for (start, end) in spans {
            let code = Code::read(reader, image, start, end - start, false)?;
            for function in functions(code.instructions()) {
                let (Some(first), Some(last)) = (function.first(), function.last()) else {
                    continue;
                };
                if uses.range(first.ip()..last.next_ip()).next().is_some() {
                    found.push((first.ip(), last.next_ip(), constants(function)));
                }
            }
        }
        Ok(Self(found))
    }

    /// Adds the only function that raises all reasons; if there are several, none.
    fn take(&self, search: &mut Search, library: Library, wanted: &Fingerprint) {
        let all = |constants: &HashSet<u64>| wanted.reasons.iter().all(|reason| constants.contains(reason));
        let fit = self.0.iter().filter(|(_, _, constants)| constants.values().any(all));
        let what = wanted.name;
        match fit.collect::<Vec<_>>().as_slice() {
            [] => search.doubts.push(ProbeError::NotFound { what }),
            [(address, end, _)] => search.add(&Found {
                library,
                function: wanted.function,
                found_by: FoundBy::Fingerprint,
                address: *address,
                size: end - address,
                exact: false,
                roles: wanted.roles,
            }),
            several => search.doubts.push(ProbeError::Ambiguous {
                what,
                count: several.len(),
            }),
        }
    }
}

/// Shows each place of the code that has four bytes behind it: its address, and these as a number.
fn each_word(reader: &mut Reader, image: &Image, mut show: impl FnMut(u64, u32, u8)) -> Result<(), ProbeError> {
    for segment in image.segments.iter().filter(|segment| segment.executable) {
        reader.scan(segment.file.clone(), 4, |at, window| {
            let Some(address) = segment.address_of(at) else { return };
            for (place, five) in window.windows(5).enumerate() {
                if let [before, word @ ..] = five
                    && let Ok(word) = word.try_into()
                {
                    show(
                        address.wrapping_add(place as u64 + 1),
                        u32::from_le_bytes(word),
                        *before,
                    );
                }
            }
        })?;
    }
    Ok(())
}

/// The operands that are a string's address: absolute, or from the next instruction on.
fn uses(reader: &mut Reader, image: &Image, strings: &[u64]) -> Result<BTreeSet<u64>, ProbeError> {
    let mut found = BTreeSet::new();
    let lowest = strings.iter().min().copied().unwrap_or(0);
    let span = strings.iter().max().map_or(0, |highest| highest - lowest);
    each_word(reader, image, |address, word, _| {
        let relative = relative(address, word);
        let near = |to: u64| to.wrapping_sub(lowest) <= span;
        let taken = |to: u64| near(to) && strings.contains(&to);
        if (taken(relative) || taken(u64::from(word))) && found.len() < MOST {
            found.insert(address);
        }
    })?;
    Ok(found)
}

/// Where calls lead to that is not far before one of `uses`.
fn entries(reader: &mut Reader, image: &Image, uses: &BTreeSet<u64>) -> Result<BTreeSet<u64>, ProbeError> {
    let mut found = BTreeSet::new();
    let (Some(first), Some(last)) = (uses.first(), uses.last()) else {
        return Ok(found);
    };
    let lowest = first.saturating_sub(REACH);
    each_word(reader, image, |address, word, before| {
        let to = relative(address, word);
        let near = before == 0xe8 && to >= lowest && to <= last.saturating_add(REACH);
        if near
            && uses
                .range(to.saturating_sub(REACH)..to.saturating_add(REACH))
                .next()
                .is_some()
            && found.len() < 4 * MOST
        {
            found.insert(to);
        }
    })?;
    Ok(found)
}

/// The four bytes at an address as a distance from behind them.
fn relative(address: u64, word: u32) -> u64 {
    address
        .wrapping_add(4)
        .wrapping_add_signed(i64::from(word.cast_signed()))
}

/// Cuts instructions that begin with a function into functions: one ends where nothing goes on and nothing of it jumps
/// beyond. What follows a jump through a table could be either's, so nothing is taken from there on.
fn functions(mut rest: &[Instruction]) -> Vec<&[Instruction]> {
    let mut found = Vec::new();
    let after = rest.last().map_or(0, Instruction::next_ip);
    loop {
        let padding = |next: &&Instruction| matches!(next.mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
        rest = rest.get(rest.iter().take_while(padding).count()..).unwrap_or_default();
        let mut farthest = 0;
        let mut length = 0;
        for instruction in rest {
            length += 1;
            let target = instruction.near_branch_target();
            let inside = instruction.flow_control() != FlowControl::Call && target < after;
            farthest = farthest.max(if inside { target } else { 0 });
            let ends = match instruction.flow_control() {
                FlowControl::IndirectBranch => return found,
                FlowControl::Return | FlowControl::UnconditionalBranch | FlowControl::Exception => true,
                _ => instruction.mnemonic() == Mnemonic::Int3,
            };
            if ends && farthest < instruction.next_ip() {
                break;
            }
        }
        let Some((function, others)) = rest.split_at_checked(length).filter(|_| length > 0) else {
            return found;
        };
        found.push(function);
        rest = others;
    }
}

/// What is moved into each register as a constant: by `mov`, or by `push` and `pop` where code is kept small.
fn constants(instructions: &[Instruction]) -> HashMap<Register, HashSet<u64>> {
    let mut found: HashMap<Register, HashSet<u64>> = HashMap::new();
    let mut pushed = None;
    for instruction in instructions {
        let to_register = instruction.op0_kind() == OpKind::Register;
        let constant = match instruction.mnemonic() {
            Mnemonic::Mov if to_register => instruction.try_immediate(1).ok(),
            Mnemonic::Pop if to_register => pushed,
            _ => None,
        };
        if let Some(constant) = constant {
            found
                .entry(instruction.op0_register().full_register())
                .or_default()
                .insert(constant);
        }
        let push = instruction.mnemonic() == Mnemonic::Push;
        pushed = push.then(|| instruction.try_immediate(0).ok()).flatten();
    }
    found
}
