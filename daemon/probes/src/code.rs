//! The instructions of a function: where its probe goes, where the arguments are there, where it returns.

mod track;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};

use crate::elf::Image;
use crate::read::Reader;
use crate::{Argument, ProbeError, Returns, Role};
pub(crate) use track::Convention;
use track::Tracker;

/// The longest function that is looked through.
const FUNCTION: usize = 64 << 10;
/// Without a size: enough to see most loops.
const BEGINNING: usize = 4096;
/// How far from the entry a probe may be.
const NEAR: usize = 64;
const RETURNS: usize = 256;

/// A function's instructions, in the order of their addresses.
pub(crate) struct Code {
    instructions: Vec<Instruction>,
    bytes: Vec<u8>,
    address: u64,
    offset: u64,
    /// Whether `bytes` is all of it.
    whole: bool,
}

/// A place for a probe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picked {
    pub(crate) offset: u64,
    pub(crate) emulated: bool,
    pub(crate) arguments: Vec<Argument>,
}

impl Code {
    /// The function at an address, of so many bytes; 0 where that is not known, `exact` where it ends there.
    pub(crate) fn read(
        reader: &mut Reader,
        image: &Image,
        address: u64,
        size: u64,
        exact: bool,
    ) -> Result<Self, ProbeError> {
        let what = "a function";
        let outside = ProbeError::Outside { what, offset: address };
        let mapped = image.code_at(address).ok_or(outside)?;
        let known = size > 0 && size <= FUNCTION as u64 && mapped.start.saturating_add(size) <= mapped.end;
        let length = if known {
            size
        } else {
            (mapped.end - mapped.start).min(BEGINNING as u64)
        };
        let bytes = reader.up_to(what, mapped.start, usize::try_from(length).unwrap_or(BEGINNING))?;
        Ok(Self::decode(bytes.to_vec(), address, mapped.start, known && exact))
    }

    pub(crate) fn decode(bytes: Vec<u8>, address: u64, offset: u64, whole: bool) -> Self {
        let mut decoder = Decoder::with_ip(64, &bytes, address, DecoderOptions::NONE);
        let mut instructions = Vec::new();
        while decoder.can_decode() {
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                break;
            }
            instructions.push(instruction);
        }
        Self {
            instructions,
            bytes,
            address,
            offset,
            whole,
        }
    }

    pub(crate) fn entry(&self) -> u64 {
        self.offset
    }

    pub(crate) fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    fn offset_of(&self, instruction: &Instruction) -> u64 {
        self.offset + (instruction.ip() - self.address)
    }

    fn bytes_of(&self, instruction: &Instruction) -> &[u8] {
        let from = usize::try_from(instruction.ip() - self.address).unwrap_or(usize::MAX);
        let found = self.bytes.get(from..).and_then(|rest| rest.get(..instruction.len()));
        found.unwrap_or_default()
    }

    fn contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.address) < self.bytes.len() as u64
    }

    /// Where a jump within the function leads to: from there on, an instruction can run more than once a call.
    fn first_target(&self) -> u64 {
        let jumps = self.instructions.iter().filter(|instruction| is_branch(instruction));
        let targets = jumps.map(Instruction::near_branch_target);
        targets
            .filter(|target| *target > self.address && self.contains(*target))
            .min()
            .unwrap_or(u64::MAX)
    }

    /// The first instruction that every kernel emulates, that every call runs exactly once, and before which all
    /// arguments of a meaning are still where they can be read; without one, the entry.
    ///
    /// Go's functions begin by looking whether the stack is large enough, and begin again where it is not: there the
    /// place is behind that look, emulated or not.
    pub(crate) fn pick(&self, roles: &'static [Role], convention: Convention) -> Picked {
        let mut tracker = Tracker::new(roles, convention);
        let at_entry = tracker.arguments().unwrap_or_default();
        let mut fallback = Picked {
            offset: self.offset,
            emulated: false,
            arguments: at_entry,
        };
        let end = self.first_target();
        let mut look = convention == Convention::Go && self.restarts();
        for instruction in self.instructions.iter().take(NEAR).take_while(|next| next.ip() < end) {
            let Some(arguments) = tracker.arguments() else { break };
            if emulated(self.bytes_of(instruction)) && !look {
                return Picked {
                    offset: self.offset_of(instruction),
                    emulated: true,
                    arguments,
                };
            }
            match instruction.flow_control() {
                FlowControl::Next => tracker.step(instruction),
                FlowControl::ConditionalBranch if look => {
                    look = false;
                    let behind = instruction.next_ip();
                    if behind < end {
                        fallback.offset = self.offset + (behind - self.address);
                        fallback.arguments = arguments;
                    }
                }
                _ => break,
            }
        }
        fallback
    }

    /// Whether something in the function jumps back to its entry.
    fn restarts(&self) -> bool {
        let mut jumps = self.instructions.iter().filter(|instruction| is_branch(instruction));
        jumps.any(|jump| jump.near_branch_target() == self.address)
    }

    /// All places where it returns, if that can be told.
    pub(crate) fn returns(&self) -> Returns {
        let decoded: usize = self.instructions.iter().map(Instruction::len).sum();
        if !self.whole || decoded != self.bytes.len() {
            return Returns::Unknown;
        }
        let mut found = Vec::new();
        for instruction in &self.instructions {
            let leaves = is_branch(instruction) && !self.contains(instruction.near_branch_target());
            if leaves || instruction.flow_control() == FlowControl::IndirectBranch || found.len() > RETURNS {
                return Returns::Unknown;
            }
            if instruction.mnemonic() == Mnemonic::Ret {
                found.push(self.offset_of(instruction));
            }
        }
        if found.is_empty() {
            Returns::Unknown
        } else {
            Returns::At(found)
        }
    }

    /// The first function it calls with its own arguments of a meaning in their places, or ends by jumping to.
    pub(crate) fn passes_on_to(&self, roles: &'static [Role], convention: Convention) -> Option<u64> {
        let mut tracker = Tracker::new(roles, convention);
        let end = self.first_target();
        for instruction in self.instructions.iter().take(NEAR).take_while(|next| next.ip() < end) {
            let target = instruction.near_branch_target();
            match instruction.flow_control() {
                FlowControl::Next => tracker.step(instruction),
                FlowControl::ConditionalBranch => {}
                FlowControl::Call | FlowControl::UnconditionalBranch if !self.contains(target) => {
                    return tracker.at_home().then_some(target);
                }
                _ => return None,
            }
        }
        None
    }
}

/// A jump, not a call, to an address in the instruction.
fn is_branch(instruction: &Instruction) -> bool {
    instruction.is_jmp_short_or_near()
        || instruction.is_jcc_short_or_near()
        || instruction.is_loop()
        || instruction.is_jcx_short()
}

/// What `branch_setup_xol_ops` and `push_setup_xol_ops` (arch/x86/kernel/uprobes.c) emulate on every kernel since
/// 4.16: `push` of a register, `nop`, direct calls and jumps. `nop` of several bytes came later, a 0x66 before any of
/// these is refused, so both are left out.
pub(crate) fn emulated(code: &[u8]) -> bool {
    match code {
        [0x50..=0x57 | 0x90] | [0x41, 0x50..=0x57] | [0xeb | 0x70..=0x7f, _] => true,
        [0xe8 | 0xe9, rest @ ..] | [0x0f, 0x80..=0x8f, rest @ ..] => rest.len() == 4,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
