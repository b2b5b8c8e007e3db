use proptest::prelude::*;

use super::*;
use crate::{Place, Register};

const WRITE: &[Role] = &[Role::Object, Role::Buffer, Role::IntLength];
const EX: &[Role] = &[Role::Object, Role::Buffer, Role::Length, Role::Done];
const SEAL: &[Role] = crate::symbols::SEAL;
const START: u64 = 0x35980;

/// `SSL_write` of Debian's libssl 3.0.19, whole.
const SSL_WRITE: &str = "48 83 ec 18 64 48 8b 04 25 28 00 00 00 48 89 44 24 08 31 c0 85 d2 78 2f 48 89 e1 48
    63 d2 e8 fd fb ff ff 85 c0 7e 03 8b 04 24 48 8b 54 24 08 64 48 2b 14 25 28 00 00 00
    75 44 48 83 c4 18 31 d2 31 c9 31 f6 31 ff c3 e8 f4 99 fe ff 48 8d 15 25 cf 04 00 be
    46 08 00 00 48 8d 3d 12 c7 04 00 e8 dc a0 fe ff 31 c0 31 d2 be 0f 01 00 00 bf 14 00
    00 00 e8 f9 9e fe ff b8 ff ff ff ff eb ac e8 ed ab fe ff";

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

fn code(hex: &str) -> Code {
    Code::decode(bytes(hex), START, START, true)
}

/// The place from the entry on, whether it is emulated, the arguments.
fn picked(hex: &str, roles: &'static [Role], convention: Convention) -> (u64, bool, Vec<Place>) {
    let picked = code(hex).pick(roles, convention);
    let places = picked.arguments.iter().map(|argument| argument.place).collect();
    (picked.offset - START, picked.emulated, places)
}

fn registers(registers: &[Register]) -> Vec<Place> {
    registers.iter().map(|register| Place::Register(*register)).collect()
}

use Register::{Rax, Rbx, Rcx, Rdi, Rdx, Rsi};

#[test]
fn debians_ssl_write_is_probed_at_its_first_jump_and_not_at_its_sub() {
    let expected = (0x16, true, registers(&[Rdi, Rsi, Rdx]));
    assert_eq!(picked(SSL_WRITE, WRITE, Convention::SystemV), expected);
}

#[test]
fn debians_ssl_write_hands_its_arguments_to_ssl_write_internal() {
    assert_eq!(code(SSL_WRITE).passes_on_to(WRITE, Convention::SystemV), Some(0x355a0));
    // A whole length is not the same after `movslq %edx,%rdx`.
    assert_eq!(code(SSL_WRITE).passes_on_to(EX, Convention::SystemV), None);
}

#[test]
fn debians_ssl_write_returns_at_one_place() {
    assert_eq!(code(SSL_WRITE).returns(), Returns::At(vec![START + 0x46]));
}

#[test]
fn a_function_that_ends_elsewhere_returns_who_knows_where() {
    for (hex, why) in [
        ("85 ff 74 01 c3 e9 00 10 00 00", "ends by a jump to another"),
        ("ff e0 c3", "jumps where a register says"),
        ("0f 05", "does not return"),
        ("c3 06", "is not code to the end"),
    ] {
        assert_eq!(code(hex).returns(), Returns::Unknown, "{why}");
    }
}

#[test]
fn the_place_is_the_first_that_every_kernel_emulates() {
    let all = registers(&[Rdi, Rsi, Rdx]);
    for (hex, at, emulated, what) in [
        ("55 c3", 0, true, "push"),
        ("f3 0f 1e fa 41 57 c3", 4, true, "endbr64, push r15"),
        ("48 83 ec 08 e8 00 10 00 00", 4, true, "sub, call"),
        ("48 83 ec 08 ff d0", 0, false, "an indirect call before anything else"),
        ("66 90 c3", 0, false, "a nop with a prefix"),
        ("0f 1f 40 00 c3", 0, false, "a nop of four bytes"),
    ] {
        assert_eq!(
            picked(hex, WRITE, Convention::SystemV),
            (at, emulated, all.clone()),
            "{what}"
        );
    }
}

#[test]
fn what_is_emulated_is_what_the_kernel_lists() {
    let yes = [
        "50",
        "57",
        "41 50",
        "41 57",
        "90",
        "eb 00",
        "70 00",
        "7f 00",
        "e8 0 0 0 0",
        "e9 0 0 0 0",
        "0f 80 0 0 0 0",
        "0f 8f 0 0 0 0",
    ];
    for hex in yes {
        assert!(emulated(&bytes(hex)), "{hex}");
    }
    let no = [
        "",
        "48 50",
        "49 57",
        "66 90",
        "f3 90",
        "66 e8 0 0",
        "f2 e8 0 0 0 0",
        "ff d0",
        "c3",
        "f3 0f 1e fa",
        "0f 1f 0",
        "e3 0",
        "68 0 0 0 0",
        "58",
    ];
    for hex in no {
        assert!(!emulated(&bytes(hex)), "{hex}");
    }
}

#[test]
fn an_argument_that_moved_is_taken_where_it_is() {
    let moved = (5, true, registers(&[Rbx, Rsi, Rdx]));
    assert_eq!(
        picked("48 89 fb 31 ff 55 c3", WRITE, Convention::SystemV),
        moved,
        "mov %rdi,%rbx; xor %edi,%edi; push"
    );
    let half = (4, true, registers(&[Rdi, Rsi, Rcx]));
    assert_eq!(
        picked("89 d1 31 d2 55 c3", WRITE, Convention::SystemV),
        half,
        "an int keeps its value in half a register"
    );
}

#[test]
fn behind_an_argument_that_is_lost_there_is_no_place() {
    let entry = |roles: &[Register]| (0, false, registers(roles));
    assert_eq!(
        picked("31 ff 55 c3", WRITE, Convention::SystemV),
        entry(&[Rdi, Rsi, Rdx])
    );
    assert_eq!(
        picked("89 d2 55 c3", EX, Convention::SystemV),
        entry(&[Rdi, Rsi, Rdx, Rcx]),
        "a length of 64 bits is cut"
    );
    assert_eq!(
        picked("0f b0 3e 48 0f 44 f8 55", WRITE, Convention::SystemV),
        entry(&[Rdi, Rsi, Rdx]),
        "cmov may write"
    );
}

#[test]
fn what_runs_more_than_once_is_no_place() {
    // xor %eax,%eax; 1: inc %eax; push %rbp; jne 1b
    let (at, emulated, _) = picked("31 c0 ff c0 55 75 fb c3", WRITE, Convention::SystemV);
    assert_eq!((at, emulated), (0, false));
}

#[test]
fn arguments_on_the_stack_are_found_from_where_the_stack_is_then() {
    let on_stack = |[buffer, length]: [u32; 2]| {
        let places = [buffer, length, length + 8, length + 16].map(Place::Stack);
        [vec![Place::Register(Rdi)], places.to_vec()].concat()
    };
    let at = |hex| picked(hex, SEAL, Convention::SystemV);
    assert_eq!(at("55 c3"), (0, true, on_stack([8, 16])));
    assert_eq!(at("48 83 ec 18 55 c3"), (4, true, on_stack([0x20, 0x28])));
    assert_eq!(
        at("48 83 c4 f8 55 c3"),
        (4, true, on_stack([0x10, 0x18])),
        "add $-8,%rsp"
    );
    assert_eq!(
        at("48 83 e4 f0 55 c3"),
        (0, false, on_stack([8, 16])),
        "aligned by and: by how much is unknown"
    );
    assert_eq!(
        at("48 89 44 24 08 55 c3"),
        (0, false, on_stack([8, 16])),
        "written over"
    );
}

#[test]
fn gos_look_at_the_stack_is_passed_because_it_starts_again() {
    // crypto/tls.(*Conn).Close of Go 1.26: cmp 0x10(%r14),%rsp; jbe end; push %rbp; ...; end: jmp to the entry
    let hex = "49 3b 66 10 0f 86 04 00 00 00 55 5d 90 c3 eb f0";
    assert_eq!(
        picked(hex, WRITE, Convention::Go),
        (10, true, registers(&[Rax, Rbx, Rcx]))
    );
    // Go 1.19: sub $0xe8,%rsp instead of the push
    let hex = "49 3b 66 10 76 0a 48 81 ec e8 00 00 00 31 c0 c3 eb ee";
    assert_eq!(
        picked(hex, WRITE, Convention::Go),
        (6, false, registers(&[Rax, Rbx, Rcx]))
    );
}

proptest! {
    #[test]
    fn any_bytes_have_a_place_within_them(bytes in proptest::collection::vec(any::<u8>(), 0..200), go: bool) {
        let length = bytes.len() as u64;
        let code = Code::decode(bytes.clone(), START, 0, true);
        let picked = code.pick(WRITE, if go { Convention::Go } else { Convention::SystemV });
        prop_assert!(picked.offset <= length);
        prop_assert_eq!(picked.arguments.len(), WRITE.len());
        if let Returns::At(places) = code.returns() {
            prop_assert!(places.iter().all(|place| *place < length));
        }
        code.passes_on_to(SEAL, Convention::SystemV);
    }
}
