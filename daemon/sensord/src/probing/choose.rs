//! Which of the functions found in a file are probed, and how. Pure.

use aa_bpf::abi;
use aa_bpf::uprobes::When;
use aa_probes::{Function, Library, Place, Register, Returns, Role, Site};

/// A site and its probes: when, and at which offset in the file.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) library: Library,
    pub(super) function: Function,
    pub(super) site: abi::aa_tls_site,
    pub(super) probes: Vec<(When, u64)>,
}

/// What to attach. A function that hands its arguments on to another that is probed is left alone; one that calls another
/// in its midst the kernel programs know.
pub(super) fn choose(sites: &[Site]) -> Vec<Choice> {
    let all: Vec<_> = sites.iter().filter_map(|site| Some((site, one(site)?))).collect();
    let probed: Vec<_> = all.iter().map(|(site, _)| (site.library, site.entry)).collect();
    let alone = |site: &Site| {
        site.through
            .is_none_or(|entry| !probed.contains(&(site.library, entry)))
    };
    all.into_iter()
        .filter(|(site, _)| alone(site))
        .map(|(_, choice)| choice)
        .collect()
}

fn one(site: &Site) -> Option<Choice> {
    let mut flags = match (site.library, site.function) {
        (Library::OpenSsl | Library::BoringSsl | Library::GnuTls | Library::GoTls, Function::Write) => 0,
        (Library::OpenSsl | Library::BoringSsl | Library::GnuTls | Library::GoTls, Function::Read) => {
            abi::AA_TLS_RECEIVES
        }
        (Library::OpenSsl | Library::BoringSsl, Function::WriteEx) => abi::AA_TLS_COUNT_AT_DONE,
        (Library::OpenSsl | Library::BoringSsl, Function::WriteInternal) => {
            abi::AA_TLS_COUNT_AT_DONE | abi::AA_TLS_FLAGS_FIRST
        }
        (Library::OpenSsl | Library::BoringSsl, Function::ReadEx | Function::ReadInternal) => {
            abi::AA_TLS_COUNT_AT_DONE | abi::AA_TLS_RECEIVES
        }
        (Library::OpenSsl | Library::BoringSsl | Library::GnuTls, Function::Free) => abi::AA_TLS_ENDS,
        (Library::OpenSsl | Library::BoringSsl | Library::GnuTls | Library::GoTls, Function::Handshake) => {
            abi::AA_TLS_GREETS
        }
        (Library::AwsLc, Function::Seal) => abi::AA_TLS_HALF | abi::AA_TLS_WHOLE,
        (Library::AwsLc, Function::Open) => abi::AA_TLS_HALF | abi::AA_TLS_RECEIVES | abi::AA_TLS_COUNT_AT_DONE,
        _ => return None,
    };
    if site.library == Library::GoTls {
        flags |= abi::AA_TLS_GOROUTINE;
        if site.function == Function::Write {
            flags |= abi::AA_TLS_WHOLE;
        }
    }
    if matches!(site.library, Library::OpenSsl | Library::BoringSsl | Library::AwsLc) {
        flags |= abi::AA_TLS_INT_RESULT;
    }
    if site.place(Role::IntLength).is_some() {
        flags |= abi::AA_TLS_INT_LENGTH;
    }
    let speaks = flags & (abi::AA_TLS_ENDS | abi::AA_TLS_GREETS) == 0;
    let length = site.place(Role::Length).or_else(|| site.place(Role::IntLength));
    if site.place(Role::Object).is_none() || (speaks && (length.is_none() || site.place(Role::Buffer).is_none())) {
        return None;
    }
    if flags & abi::AA_TLS_HALF != 0 && site.place(Role::AssociatedLength).is_none() {
        return None;
    }
    let done = if flags & abi::AA_TLS_FLAGS_FIRST != 0 {
        Some(site.place(Role::Done).unwrap_or(Place::Register(Register::Rcx)))
    } else {
        site.place(Role::Done)
    };
    let mut probes = vec![(When::Enter, site.probe)];
    if speaks && flags & abi::AA_TLS_WHOLE == 0 {
        match (&site.returns, site.library) {
            (Returns::At(places), Library::GoTls) => {
                // At its return first, so that no call is seen that has none.
                probes = places.iter().map(|place| (When::Leave, *place)).chain(probes).collect();
            }
            (Returns::Unknown, Library::GoTls) => return None,
            _ => probes.insert(0, (When::Return, site.entry)),
        }
    }
    Some(Choice {
        library: site.library,
        function: site.function,
        site: abi::aa_tls_site {
            flags,
            object: number(site.place(Role::Object)),
            buffer: number(site.place(Role::Buffer)),
            length: number(length),
            done: number(done),
            associated: number(site.place(Role::Associated)),
            associated_bytes: number(site.place(Role::AssociatedLength)),
            file: 0,
        },
        probes,
    })
}

/// A place as `enum aa_tls_place` has it: registers in the order of `struct pt_regs`.
fn number(place: Option<Place>) -> u32 {
    match place {
        None => abi::AA_PLACE_NONE,
        // Farther than any function's arguments are: the kernel programs would look elsewhere.
        Some(Place::Stack(above)) if above >= abi::AA_PLACE_STACK => abi::AA_PLACE_NONE,
        Some(Place::Stack(above)) => abi::AA_PLACE_STACK + above,
        Some(Place::Register(register)) => match register {
            Register::R15 => 0,
            Register::R14 => 1,
            Register::R13 => 2,
            Register::R12 => 3,
            Register::Rbp => 4,
            Register::Rbx => 5,
            Register::R11 => 6,
            Register::R10 => 7,
            Register::R9 => 8,
            Register::R8 => 9,
            Register::Rax => 10,
            Register::Rcx => 11,
            Register::Rdx => 12,
            Register::Rsi => 13,
            Register::Rdi => 14,
        },
    }
}

#[cfg(test)]
mod tests {
    use aa_probes::{Argument, FoundBy};

    use super::*;

    fn site(library: Library, function: Function, entry: u64, roles: &[(Role, Register)]) -> Site {
        Site {
            library,
            function,
            found_by: FoundBy::DynamicSymbol,
            entry,
            probe: entry + 4,
            emulated: true,
            arguments: roles
                .iter()
                .map(|(role, register)| Argument {
                    role: *role,
                    place: Place::Register(*register),
                })
                .collect(),
            through: None,
            returns: Returns::At(vec![entry + 40, entry + 50]),
        }
    }

    const WRITE: [(Role, Register); 3] = [
        (Role::Object, Register::Rdi),
        (Role::Buffer, Register::Rsi),
        (Role::IntLength, Register::Rdx),
    ];
    const INTERNAL: [(Role, Register); 3] = [
        (Role::Object, Register::Rdi),
        (Role::Buffer, Register::Rsi),
        (Role::Length, Register::Rdx),
    ];

    #[test]
    fn what_hands_on_is_left_to_the_function_behind_it() {
        let mut outer = site(Library::OpenSsl, Function::Write, 0x100, &WRITE);
        outer.through = Some(0x200);
        let inner = site(Library::OpenSsl, Function::WriteInternal, 0x200, &INTERNAL);
        let chosen = choose(&[outer.clone(), inner]);
        let [one] = chosen.as_slice() else { panic!("{chosen:?}") };
        assert_eq!(one.function, Function::WriteInternal);
        assert_eq!(
            (one.site.object, one.site.buffer, one.site.length, one.site.done),
            (14, 13, 12, 11)
        );
        assert_eq!(one.probes, [(When::Return, 0x200), (When::Enter, 0x204)]);
        // Behind it is nothing that can be probed.
        let alone = choose(&[outer]);
        assert_eq!(alone[0].function, Function::Write);
        let flags = abi::AA_TLS_INT_LENGTH | abi::AA_TLS_INT_RESULT;
        assert_eq!((alone[0].site.flags, alone[0].site.done), (flags, abi::AA_PLACE_NONE));
    }

    #[test]
    fn go_is_never_probed_by_its_return_address() {
        let write = site(Library::GoTls, Function::Write, 0x100, &INTERNAL);
        let read = site(Library::GoTls, Function::Read, 0x200, &INTERNAL);
        let mut unclear = site(Library::GoTls, Function::Read, 0x300, &INTERNAL);
        unclear.returns = Returns::Unknown;
        let chosen = choose(&[write, read, unclear]);
        assert_eq!(chosen.len(), 2);
        assert_eq!(chosen[0].probes, [(When::Enter, 0x104)]);
        let places = [
            (When::Leave, 0x200 + 40),
            (When::Leave, 0x200 + 50),
            (When::Enter, 0x204),
        ];
        assert_eq!(chosen[1].probes, places);
        assert_eq!(chosen[1].site.flags, abi::AA_TLS_GOROUTINE | abi::AA_TLS_RECEIVES);
    }

    #[test]
    fn what_lacks_an_argument_and_what_has_no_plaintext_is_not_probed() {
        let without = site(Library::OpenSsl, Function::Write, 0x100, &WRITE[..2]);
        let descriptor = site(Library::OpenSsl, Function::SetDescriptor, 0x200, &WRITE);
        assert!(choose(&[without, descriptor]).is_empty());
    }
}
