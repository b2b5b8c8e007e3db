//! Follows arguments from a function's entry, instruction by instruction.

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register as Machine};

use crate::{Argument, Place, Register, Role};

/// Where a function finds its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Convention {
    /// System V x86-64 psABI, 3.2.3: six registers, then the stack above the return address.
    SystemV,
    /// Go's ABIInternal, since Go 1.17 (`cmd/compile/abi-internal.md`): nine registers.
    Go,
}

impl Convention {
    fn registers(self) -> &'static [Machine] {
        use Machine::{R8, R9, R10, R11, RAX, RBX, RCX, RDI, RDX, RSI};
        match self {
            Self::SystemV => &[RDI, RSI, RDX, RCX, R8, R9],
            Self::Go => &[RAX, RBX, RCX, RDI, RSI, R8, R9, R10, R11],
        }
    }
}

/// The argument of a number, somewhere in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    register: Machine,
    argument: usize,
}

/// Which registers hold which arguments, and how far the stack has grown.
pub(crate) struct Tracker {
    roles: &'static [Role],
    convention: Convention,
    held: Vec<Held>,
    /// Bytes the stack grew since the entry; none once that cannot be told.
    grown: Option<u32>,
    info: InstructionInfoFactory,
}

impl Tracker {
    pub(crate) fn new(roles: &'static [Role], convention: Convention) -> Self {
        let registers = convention.registers().iter().zip(0..roles.len());
        let held = registers.map(|(register, argument)| Held {
            register: *register,
            argument,
        });
        Self {
            roles,
            convention,
            held: held.collect(),
            grown: Some(0),
            info: InstructionInfoFactory::new(),
        }
    }

    /// All arguments of a meaning with their places; none if one of them is lost.
    pub(crate) fn arguments(&self) -> Option<Vec<Argument>> {
        let meant = self.roles.iter().enumerate().filter(|(_, role)| **role != Role::Other);
        let placed = meant.map(|(number, role)| {
            Some(Argument {
                role: *role,
                place: self.place(number)?,
            })
        });
        placed.collect()
    }

    /// Whether all of them are where a function is handed them.
    pub(crate) fn at_home(&self) -> bool {
        let mut meant = self.roles.iter().zip(self.convention.registers()).enumerate();
        meant.all(|(argument, (role, register))| {
            let register = *register;
            // Where the count goes is the callee's own affair: it may be another variable, at another place.
            matches!(role, Role::Other | Role::Done) || self.held.contains(&Held { register, argument })
        })
    }

    fn place(&self, argument: usize) -> Option<Place> {
        let registers = self.convention.registers();
        if argument >= registers.len() {
            let above_return_address = 8 + 8 * u32::try_from(argument - registers.len()).ok()?;
            return Some(Place::Stack(self.grown?.checked_add(above_return_address)?));
        }
        let held = self.held.iter().find(|held| held.argument == argument)?;
        named(held.register).map(Place::Register)
    }

    /// What one instruction that is neither jump nor call does.
    pub(crate) fn step(&mut self, instruction: &Instruction) {
        let copied = self.copied(instruction);
        let info = self.info.info(instruction);
        let writes = |access| {
            use OpAccess::{CondWrite, ReadCondWrite, ReadWrite, Write};
            matches!(access, Write | CondWrite | ReadWrite | ReadCondWrite)
        };
        let mut moves_stack = false;
        for used in info.used_registers().iter().filter(|used| writes(used.access())) {
            let register = used.register().full_register();
            self.held.retain(|held| held.register != register);
            moves_stack |= register == Machine::RSP;
        }
        // Who writes above the frame may overwrite arguments there.
        let above = info.used_memory().iter().filter(|used| writes(used.access()));
        let frame = u64::from(self.grown.unwrap_or(0));
        let above = above.filter(|used| match used.base().full_register() {
            Machine::RSP => used.displacement().cast_signed() >= frame.cast_signed(),
            Machine::RBP => used.displacement().cast_signed() > 0,
            _ => false,
        });
        let lost = above.count() > 0;
        self.grown = if lost {
            None
        } else {
            self.grown_by(instruction, moves_stack)
        };
        self.held.extend(copied);
    }

    /// A move between registers that keeps an argument: whole, or of an `int` its 32 bits.
    fn copied(&self, instruction: &Instruction) -> Vec<Held> {
        if instruction.op_count() != 2
            || instruction.op0_kind() != OpKind::Register
            || instruction.op1_kind() != OpKind::Register
        {
            return Vec::new();
        }
        let (to, from) = (instruction.op0_register(), instruction.op1_register());
        let whole = instruction.mnemonic() == Mnemonic::Mov && to.is_gpr64() && from.is_gpr64();
        let half = matches!(instruction.mnemonic(), Mnemonic::Mov | Mnemonic::Movsxd) && from.is_gpr32();
        let keeps = |held: &&Held| {
            let role = self.roles.get(held.argument);
            let narrow = matches!(role, Some(Role::IntLength | Role::Descriptor | Role::RecordType));
            held.register == from.full_register() && (whole || (half && narrow))
        };
        let kept = self.held.iter().filter(keeps);
        kept.map(|held| Held {
            register: to.full_register(),
            argument: held.argument,
        })
        .collect()
    }

    /// How far the stack has grown behind an instruction. Only what prologues do is followed.
    fn grown_by(&self, instruction: &Instruction, moves_stack: bool) -> Option<u32> {
        let grown = self.grown?;
        if !moves_stack {
            return Some(grown);
        }
        let constant = || i32::try_from(instruction.try_immediate(1).ok()?.cast_signed()).ok();
        let by = match instruction.mnemonic() {
            Mnemonic::Push | Mnemonic::Pop if instruction.op0_register() != Machine::RSP => {
                -instruction.stack_pointer_increment()
            }
            Mnemonic::Sub => constant()?,
            Mnemonic::Add => constant()?.checked_neg()?,
            _ => return None,
        };
        grown.checked_add_signed(by)
    }
}

fn named(register: Machine) -> Option<Register> {
    Some(match register {
        Machine::RAX => Register::Rax,
        Machine::RBX => Register::Rbx,
        Machine::RCX => Register::Rcx,
        Machine::RDX => Register::Rdx,
        Machine::RSI => Register::Rsi,
        Machine::RDI => Register::Rdi,
        Machine::RBP => Register::Rbp,
        Machine::R8 => Register::R8,
        Machine::R9 => Register::R9,
        Machine::R10 => Register::R10,
        Machine::R11 => Register::R11,
        Machine::R12 => Register::R12,
        Machine::R13 => Register::R13,
        Machine::R14 => Register::R14,
        Machine::R15 => Register::R15,
        _ => return None,
    })
}
