use proptest::prelude::*;

use super::*;
use testing::{BORINGSSL, CODE_OFFSET, Program, boringssl, go_functions, programs};

#[test]
fn boringssl_without_symbols_is_found_by_its_errors() {
    let (code, data) = boringssl();
    let program = Program {
        code: &code,
        data,
        ..Program::default()
    };
    let findings = find(&program.bytes()).unwrap();
    assert!(findings.doubts.is_empty(), "{:?}", findings.doubts);
    let [write, read] = findings.sites.as_slice() else {
        panic!("{findings:?}")
    };
    for (site, function, place) in [
        (write, Function::Write, BORINGSSL[0]),
        (read, Function::Read, BORINGSSL[1]),
    ] {
        assert_eq!(
            (site.library, site.function, site.found_by),
            (Library::BoringSsl, function, FoundBy::Fingerprint)
        );
        assert_eq!(
            (site.entry, site.probe, site.emulated),
            (CODE_OFFSET + place, CODE_OFFSET + place, true)
        );
        assert_eq!(site.place(Role::Buffer), Some(Place::Register(Register::Rsi)));
        assert!(matches!(site.returns, Returns::At(_)));
    }
}

#[test]
fn a_fingerprint_that_fits_twice_or_not_is_a_doubt() {
    let (code, data) = boringssl();
    let run = |code: &[u8]| {
        let program = Program {
            code,
            data,
            ..Program::default()
        };
        find(&program.bytes()).unwrap()
    };
    let mut other = code.clone();
    other[0x12] = 0;
    let findings = run(&other);
    assert_eq!(findings.sites.len(), 1);
    assert!(
        matches!(findings.doubts.as_slice(), [ProbeError::NotFound { .. }]),
        "{findings:?}"
    );
    // All of it once more; the string is as much nearer.
    let mut again = code.clone();
    let strings = again
        .windows(3)
        .enumerate()
        .filter(|(_, three)| *three == [0x48, 0x8d, 0x0d]);
    for at in strings.map(|(at, _)| at + 3).collect::<Vec<_>>() {
        let place = &mut again[at..at + 4];
        let distance = u32::from_le_bytes(place.try_into().unwrap()) - u32::try_from(code.len()).unwrap();
        place.copy_from_slice(&distance.to_le_bytes());
    }
    let findings = run(&[code, again].concat());
    assert!(findings.sites.is_empty());
    let twice = |doubt: &&ProbeError| matches!(doubt, ProbeError::Ambiguous { count: 2, .. });
    assert_eq!(findings.doubts.iter().filter(twice).count(), 2, "{findings:?}");
}

#[test]
fn bytes_that_look_like_a_call_into_a_function_do_not_cut_it() {
    let (mut code, data) = boringssl();
    let into = BORINGSSL[0] + 13;
    let distance = into.wrapping_sub(code.len() as u64 + 6);
    code.extend([0xcc, 0xe8]);
    code.extend(&distance.to_le_bytes()[..4]);
    let program = Program {
        code: &code,
        data,
        ..Program::default()
    };
    let findings = find(&program.bytes()).unwrap();
    let found: Vec<_> = findings
        .sites
        .iter()
        .map(|site| (site.function, site.entry - CODE_OFFSET))
        .collect();
    assert_eq!(found, [(Function::Write, BORINGSSL[0]), (Function::Read, BORINGSSL[1])]);
}

#[test]
fn go_without_symbols_or_sections_is_found_by_its_table_of_functions() {
    let table = go_functions(Function::Write);
    let mut code = vec![0x49, 0x3b, 0x66, 0x10, 0x76, 0x04, 0x55, 0x5d, 0x90, 0xc3, 0xeb, 0xf4];
    code.resize(0x80, 0xcc);
    let program = Program {
        code: &code,
        data: &table,
        ..Program::default()
    };
    let findings = find(&program.bytes()).unwrap();
    assert!(findings.doubts.is_empty(), "{:?}", findings.doubts);
    let [site] = findings.sites.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!((site.library, site.found_by), (Library::GoTls, FoundBy::GoTable));
    assert_eq!(
        (site.entry, site.probe - site.entry, site.emulated),
        (CODE_OFFSET, 6, true)
    );
    assert_eq!(site.place(Role::Length), Some(Place::Register(Register::Rcx)));
    assert_eq!(site.returns, Returns::At(vec![CODE_OFFSET + 9]));
}

#[test]
fn what_passes_its_arguments_on_to_another_site_says_so() {
    // gnutls_record_send: xor %r8d,%r8d; jmp gnutls_record_send2, which is behind it
    let code = [0x45, 0x31, 0xc0, 0xeb, 0x01, 0x90, 0x55, 0x5d, 0xc3];
    let program = Program {
        code: &code,
        dynamic: &[("gnutls_record_send", 0, 5), ("gnutls_record_send2", 6, 3)],
        ..Program::default()
    };
    let sites = find(&program.bytes()).unwrap().sites;
    let through: Vec<_> = sites.iter().map(|site| site.through).collect();
    assert_eq!(through, [Some(CODE_OFFSET + 6), None]);
}

#[test]
fn what_is_passed_on_twice_comes_to_the_last_and_in_a_circle_to_none() {
    // Each jumps to the next, the last returns or jumps to the first.
    let symbols = [
        ("gnutls_record_send", 0, 2),
        ("gnutls_record_send_range", 2, 2),
        ("gnutls_record_send2", 4, 2),
    ];
    for (last, expected) in [
        ([0x90, 0xc3], [Some(CODE_OFFSET + 4), Some(CODE_OFFSET + 4), None]),
        ([0xeb, 0xfa], [None; 3]),
    ] {
        let program = Program {
            code: &[[0xeb, 0], [0xeb, 0], last].concat(),
            dynamic: &symbols,
            ..Program::default()
        };
        let sites = find(&program.bytes()).unwrap().sites;
        assert_eq!(sites.iter().map(|site| site.through).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn what_is_called_by_way_of_a_stub_is_what_is_behind_it() {
    // gnutls_record_send: jmp to the stub. gnutls_record_send2: push, pop, ret. At 8: endbr64; bnd jmp *slot(%rip)
    let slot = testing::DATA + 0x8000;
    let mut code = vec![
        0xeb, 0x06, 0x90, 0x90, 0x55, 0x5d, 0xc3, 0x90, 0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25,
    ];
    let next = testing::CODE + code.len() as u64 + 4;
    code.extend(&(slot - next).to_le_bytes()[..4]);
    for (number, through) in [(2, Some(CODE_OFFSET + 4)), (1, None), (3, None)] {
        let program = Program {
            code: &code,
            dynamic: &[("gnutls_record_send", 0, 2), ("gnutls_record_send2", 4, 3)],
            slot: (slot, number),
            ..Program::default()
        };
        let sites = find(&program.bytes()).unwrap().sites;
        assert_eq!(sites.len(), 2);
        assert_eq!(sites[0].through, through);
    }
}

#[test]
fn what_two_functions_of_openssl_pass_on_to_is_the_internal_one() {
    // SSL_write: call 0x20; ret. SSL_write_ex: jmp 0x20. At 0x20: push, pop, ret.
    let mut code = vec![0x90; 0x23];
    code[..6].copy_from_slice(&[0xe8, 0x1b, 0, 0, 0, 0xc3]);
    code[0x10..0x12].copy_from_slice(&[0xeb, 0x0e]);
    code[0x20..].copy_from_slice(&[0x55, 0x5d, 0xc3]);
    let both: &[_] = &[("SSL_write", 0, 6), ("SSL_write_ex", 0x10, 2)];
    for (dynamic, agreed) in [(both, true), (&both[..1], false)] {
        let program = Program {
            code: &code,
            dynamic,
            ..Program::default()
        };
        let sites = find(&program.bytes()).unwrap().sites;
        let internal = sites.iter().find(|site| site.function == Function::WriteInternal);
        assert_eq!(
            internal.map(|site| (site.entry, site.found_by)),
            agreed.then_some((CODE_OFFSET + 0x20, FoundBy::Call))
        );
        assert!(
            sites
                .iter()
                .filter(|site| site.function != Function::WriteInternal)
                .all(|site| site.through.is_some() == agreed)
        );
    }
}

/// One program of each kind.
/// A number as files have it, or as none should.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), Just(u64::MAX), 0..0x60_1000_u64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_program_that_was_tampered_with_is_read_to_an_end(
        which in 0..3_usize,
        words in proptest::collection::vec((any::<prop::sample::Index>(), word(), 1..9_usize), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = programs()[which].clone();
        for (place, word, length) in words {
            let place = place.index(file.len() - 8);
            file[place..place + length.min(8)].copy_from_slice(&word.to_le_bytes()[..length.min(8)]);
        }
        if cut.index(4) == 0 {
            file.truncate(cut.index(file.len()));
        }
        let length = file.len() as u64;
        let Ok(findings) = find(&file) else { return Ok(()) };
        for site in findings.sites {
            prop_assert!(site.entry <= site.probe && site.probe < length, "{:?}", site);
        }
    }
}
