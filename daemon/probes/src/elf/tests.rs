use super::*;
use crate::testing::{CODE, CODE_OFFSET, Program};
use crate::{Findings, FoundBy, Function, Library, find};

fn found(file: &[u8]) -> Findings {
    find(&file.to_vec()).unwrap()
}

#[test]
fn what_is_not_a_program_of_this_machine_is_refused() {
    let program = Program::default().bytes();
    let with = |place: usize, byte: u8| {
        let mut file = program.clone();
        file[place] = byte;
        find(&file).unwrap_err()
    };
    assert!(matches!(with(0, 0), ProbeError::NotElf));
    assert!(matches!(with(4, 1), ProbeError::Machine { machine: 0 }));
    assert!(matches!(with(5, 2), ProbeError::Machine { machine: 0 }));
    assert!(matches!(with(18, 183), ProbeError::Machine { machine: 183 }));
    assert!(matches!(with(16, 4), ProbeError::Kind(4)));
    assert!(matches!(with(57, 9), ProbeError::TooMany { count: 2308, .. }));
    assert!(matches!(find(&b"\x7fELF".to_vec()), Err(ProbeError::NotElf)));
}

#[test]
fn a_symbol_is_found_in_either_table_by_its_whole_name() {
    let code = [0x55, 0xc3].repeat(8);
    let symbols: &[_] = &[("SSL_write", 4, 2), ("my_SSL_read", 8, 2), ("SSL_read_more", 10, 2)];
    for (dynamic, local, found_by) in [
        (symbols, &[][..], FoundBy::DynamicSymbol),
        (&[], symbols, FoundBy::LocalSymbol),
    ] {
        let program = Program {
            code: &code,
            dynamic,
            local,
            build_id: &[1, 2, 3],
            ..Program::default()
        };
        let findings = found(&program.bytes());
        assert!(findings.doubts.is_empty(), "{:?}", findings.doubts);
        assert_eq!(findings.build_id, Some(vec![1, 2, 3]));
        let sites: Vec<_> = findings
            .sites
            .iter()
            .map(|site| (site.function, site.entry, site.found_by))
            .collect();
        assert_eq!(sites, [(Function::Write, CODE_OFFSET + 4, found_by)]);
    }
}

#[test]
fn a_function_in_both_tables_is_one() {
    let symbols = [("SSL_write", 0, 2)];
    let program = Program {
        code: &[0x55, 0xc3],
        dynamic: &symbols,
        local: &symbols,
        ..Program::default()
    };
    let findings = found(&program.bytes());
    assert_eq!(findings.sites.len(), 1);
    assert_eq!(findings.sites[0].found_by, FoundBy::DynamicSymbol);
}

#[test]
fn section_headers_that_lie_cost_only_what_they_add() {
    let symbols = [("SSL_write", 0, 2)];
    let program = Program {
        code: &[0x55, 0xc3],
        dynamic: &symbols,
        local: &[("SSL_read", 0, 2)],
        ..Program::default()
    };
    let mut file = program.bytes();
    file[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
    let findings = found(&file);
    assert_eq!(findings.sites.len(), 1);
    assert!(matches!(findings.doubts.as_slice(), [ProbeError::Outside { .. }]));
}

#[test]
fn symbols_outside_of_the_code_are_doubts() {
    let program = Program {
        code: &[0x55, 0xc3],
        dynamic: &[("SSL_write", 1 << 40, 2), ("SSL_read", 0, u64::MAX)],
        ..Program::default()
    };
    let findings = found(&program.bytes());
    assert!(matches!(findings.doubts.as_slice(), [ProbeError::Outside { offset, .. }] if *offset == CODE + (1 << 40)));
    assert_eq!(findings.sites.len(), 1, "a size that cannot be is no size");
}

#[test]
fn whose_api_it_is_its_marks_tell() {
    for (mark, library) in [
        ("SSL_ctrl", Library::OpenSsl),
        ("SSL_get_early_data_reason", Library::BoringSsl),
        ("awslc_api_version_num", Library::AwsLc),
    ] {
        let program = Program {
            code: &[0x55, 0xc3],
            local: &[("SSL_write", 0, 2), (mark, 0, 2)],
            ..Program::default()
        };
        assert_eq!(found(&program.bytes()).sites[0].library, library);
    }
}

#[test]
fn names_with_a_version_or_a_mangling_are_known() {
    for (name, library, function) in [
        ("aws_lc_0_38_0_EVP_AEAD_CTX_seal", Library::AwsLc, Function::Seal),
        (
            "aws_lc_fips_0_13_4_EVP_AEAD_CTX_seal_scatter",
            Library::AwsLc,
            Function::Seal,
        ),
        (
            "_ZN76_$LT$rustls..conn..connection..Writer$u20$as$u20$std..io..Write$GT$5write17h0123456789abcdefE",
            Library::Rustls,
            Function::Write,
        ),
        (
            "_RNvXs4_NtNtCs1q_6rustls4conn10connectionNtB5_6ReaderNtNtCs2_3std2io4Read4read",
            Library::Rustls,
            Function::Read,
        ),
    ] {
        let program = Program {
            code: &[0x55, 0xc3],
            local: &[(name, 0, 2)],
            ..Program::default()
        };
        let sites = found(&program.bytes()).sites;
        assert_eq!((sites[0].library, sites[0].function), (library, function), "{name}");
    }
}
