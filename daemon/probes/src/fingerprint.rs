//! Functions without symbols, by the constants of the errors they raise.
//!
//! BoringSSL and AWS-LC raise an error by `ERR_put_error(library, 0, reason, __FILE__, __LINE__)`. Reasons are
//! constants of the API and the file's name is a string, so neither moves with compiler, profile or link-time
//! optimisation; registers and lines do. A function is found in four steps: the string; the instructions that take
//! its address; the functions these are in, which begin where calls lead and where another has ended; the one whose
//! constants, moved into one register, hold all reasons that its source raises.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use crate::code::Code;
use crate::elf::Image;
use crate::landmarks::Landmarks;
use crate::read::Reader;
use crate::symbols::{GATHER, INT, OPEN, SCATTER, SEAL};
use crate::{FoundBy, Function, FunctionAt, Library, ProbeError, Role, Search};

/// A source file, by the end of its path, and what of it is looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    library: Library,
    functions: &'static [Fingerprint],
}

/// A function by the errors it raises.
#[derive(Debug, PartialEq, Eq)]
struct Fingerprint {
    name: &'static str,
    function: Function,
    raises: Reasons,
    /// Or it raises the first and calls a function of the same file that raises the second, where that is not inlined.
    or_calls: Option<(Reasons, Reasons)>,
    roles: &'static [Role],
}

/// Reasons that are raised, and such as are not.
#[derive(Debug, PartialEq, Eq)]
struct Reasons {
    all: &'static [u64],
    none: &'static [u64],
}

const fn raises(all: &'static [u64]) -> Reasons {
    Reasons { all, none: &[] }
}

/// `openssl/err.h`, `ssl.h` and `cipher.h` of BoringSSL and AWS-LC have the numbers, the files named here the
/// functions.
const SHOULD_NOT_HAVE_BEEN_CALLED: u64 = 66;
const BAD_LENGTH: u64 = 111;
const SSL_HANDSHAKE_FAILURE: u64 = 215;
const UNINITIALIZED: u64 = 226;
const BAD_DECRYPT: u64 = 101;
const BUFFER_TOO_SMALL: u64 = 103;
const CTRL_NOT_IMPLEMENTED: u64 = 104;
const INVALID_OPERATION: u64 = 112;
const OUTPUT_ALIASES_INPUT: u64 = 115;
const TOO_LARGE: u64 = 117;

pub(crate) const FILES: [File; 2] = [
    File {
        name: "/ssl/ssl_lib.cc\0",
        library: Library::BoringSsl,
        functions: &[
            Fingerprint {
                name: "BoringSSL's SSL_write",
                function: Function::Write,
                raises: raises(&[
                    SHOULD_NOT_HAVE_BEEN_CALLED,
                    BAD_LENGTH,
                    SSL_HANDSHAKE_FAILURE,
                    UNINITIALIZED,
                ]),
                or_calls: None,
                roles: INT,
            },
            // SSL_read gets all it reads from SSL_peek, with its own arguments, where it has not taken it in. Both
            // begin with ssl_read_impl, called or taken in.
            Fingerprint {
                name: "BoringSSL's SSL_read",
                function: Function::Read,
                raises: Reasons {
                    all: &[SHOULD_NOT_HAVE_BEEN_CALLED, SSL_HANDSHAKE_FAILURE, UNINITIALIZED],
                    none: &[BAD_LENGTH],
                },
                or_calls: Some((
                    Reasons {
                        all: &[SHOULD_NOT_HAVE_BEEN_CALLED],
                        none: &[BAD_LENGTH],
                    },
                    Reasons {
                        all: &[SSL_HANDSHAKE_FAILURE, UNINITIALIZED],
                        none: &[SHOULD_NOT_HAVE_BEEN_CALLED, BAD_LENGTH],
                    },
                )),
                roles: INT,
            },
        ],
    },
    File {
        name: "/aws-lc/crypto/fipsmodule/cipher/aead.c\0",
        library: Library::AwsLc,
        functions: &[
            Fingerprint {
                name: "AWS-LC's EVP_AEAD_CTX_seal",
                function: Function::Seal,
                raises: raises(&[BUFFER_TOO_SMALL, TOO_LARGE]),
                or_calls: None,
                roles: SEAL,
            },
            Fingerprint {
                name: "AWS-LC's EVP_AEAD_CTX_seal_scatter",
                function: Function::Seal,
                raises: raises(&[INVALID_OPERATION, OUTPUT_ALIASES_INPUT]),
                or_calls: None,
                roles: SCATTER,
            },
            Fingerprint {
                name: "AWS-LC's EVP_AEAD_CTX_open",
                function: Function::Open,
                raises: raises(&[BAD_DECRYPT, BUFFER_TOO_SMALL]),
                or_calls: None,
                roles: OPEN,
            },
            Fingerprint {
                name: "AWS-LC's EVP_AEAD_CTX_open_gather",
                function: Function::Open,
                // The other open may have taken this one in.
                raises: Reasons {
                    all: &[CTRL_NOT_IMPLEMENTED, OUTPUT_ALIASES_INPUT],
                    none: &[BAD_DECRYPT, BUFFER_TOO_SMALL],
                },
                or_calls: None,
                roles: GATHER,
            },
        ],
    },
];

/// How far into a function an error can be raised.
const REACH: u64 = 16 << 10;
/// How far before an entry others tell whether it is one, and how many are asked: one that is none itself may be out
/// of step.
const BEFORE: u64 = 4 << 10;
const WITNESSES: usize = 3;
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
        let strings: Vec<u64> = strings.map(|(_, place)| place.address).collect();
        if missing && !strings.is_empty() {
            let raisers = Raisers::read(&mut search.reader, &search.image, &strings);
            let Some(raisers) = search.clear(raisers) else { continue };
            for wanted in file.functions {
                raisers.take(search, file.library, wanted);
            }
            // Of two ways to do the same, a program may have linked one alone.
            let missing = file
                .functions
                .iter()
                .filter(|wanted| !search.has(file.library, wanted.function));
            let missing = missing.map(|wanted| ProbeError::NotFound { what: wanted.name });
            for missing in missing.collect::<Vec<_>>() {
                search.doubt(missing);
            }
        }
    }
}

/// The functions that raise errors of one source file.
struct Raisers(Vec<Raiser>);

/// Where it begins and ends, its constants by register, and what it calls.
struct Raiser {
    start: u64,
    end: u64,
    constants: HashMap<Register, HashSet<u64>>,
    calls: HashSet<u64>,
}

impl Raiser {
    fn new(start: u64, end: u64, instructions: &[Instruction]) -> Self {
        let calls = instructions.iter().filter(|instruction| instruction.is_call_near());
        Self {
            start,
            end,
            constants: constants(instructions),
            calls: calls.map(Instruction::near_branch_target).collect(),
        }
    }

    fn raises(&self, reasons: &Reasons) -> bool {
        let fits = |constants: &HashSet<u64>| {
            let all = reasons.all.iter().all(|reason| constants.contains(reason));
            all && !reasons.none.iter().any(|reason| constants.contains(reason))
        };
        self.constants.values().any(fits)
    }
}

impl Raisers {
    fn read(reader: &mut Reader, image: &Image, strings: &[u64]) -> Result<Self, ProbeError> {
        let uses = uses(reader, image, strings)?;
        let called = entries(reader, image, &uses)?;
        let entries = certain(reader, image, &called);
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
                let (start, end) = (first.ip(), last.next_ip());
                if uses.range(start..end).next().is_some() {
                    found.push(Raiser::new(start, end, function));
                }
            }
        }
        Ok(Self(found))
    }

    /// Adds the only function that raises all reasons; if there are several, none.
    fn take(&self, search: &mut Search, library: Library, wanted: &Fingerprint) {
        let calls = |raiser: &Raiser, reasons| {
            let mut called = self.0.iter().filter(|called| raiser.calls.contains(&called.start));
            called.any(|called| called.raises(reasons))
        };
        let fits = |raiser: &&Raiser| {
            let or_calls = wanted.or_calls.as_ref();
            raiser.raises(&wanted.raises)
                || or_calls.is_some_and(|(own, others)| raiser.raises(own) && calls(raiser, others))
        };
        let what = wanted.name;
        match self.0.iter().filter(fits).collect::<Vec<_>>().as_slice() {
            [] => {}
            [raiser] => search.add(&FunctionAt {
                library,
                function: wanted.function,
                found_by: FoundBy::Fingerprint,
                address: raiser.start,
                size: raiser.end - raiser.start,
                exact: true,
                roles: wanted.roles,
            }),
            several => search.doubt(ProbeError::Ambiguous {
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

/// Without those that only look like it: in 200 MB of code, some of the bytes 0xe8 that are no calls lead into any
/// function. Code from an earlier entry on shows them, as nothing ends before them.
fn certain(reader: &mut Reader, image: &Image, entries: &BTreeSet<u64>) -> BTreeSet<u64> {
    let begins = |reader: &mut Reader, from: u64, entry: u64| {
        let code = Code::read(reader, image, from, entry - from, false).ok();
        code.is_some_and(|code| {
            let instructions = code.instructions();
            let whole = instructions.last().is_some_and(|last| last.next_ip() == entry);
            let mut before = instructions
                .iter()
                .rev()
                .skip_while(|last| last.mnemonic() == Mnemonic::Nop);
            whole && before.next().is_some_and(ends)
        })
    };
    let of_all = entries.iter().copied().filter(|entry| {
        let before = entries
            .range(entry.saturating_sub(BEFORE)..*entry)
            .rev()
            .take(WITNESSES);
        let before: Vec<u64> = before.copied().collect();
        before.is_empty() || before.into_iter().any(|from| begins(reader, from, *entry))
    });
    of_all.collect()
}

/// Whether a function can end here: what is called may not return.
fn ends(instruction: &Instruction) -> bool {
    use FlowControl::{Call, Exception, IndirectBranch, IndirectCall, Interrupt, Return, UnconditionalBranch};
    matches!(
        instruction.flow_control(),
        Return | UnconditionalBranch | IndirectBranch | Call | IndirectCall | Exception | Interrupt
    )
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
