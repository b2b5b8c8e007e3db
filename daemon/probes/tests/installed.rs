//! The programs and libraries of this machine. What is not installed is named, and not tested.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use aa_probes::{Findings, Function, Library, Place, ReadAt, Register, Role, find};

struct Program(File);

impl ReadAt for Program {
    fn length(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }
}

fn installed(paths: &[&str]) -> Option<Findings> {
    let Some(path) = paths.iter().find(|path| Path::new(path).exists()) else {
        eprintln!("NOT TESTED: none of {paths:?} is installed");
        return None;
    };
    let found = File::open(path).map(|file| find(&Program(file)));
    assert!(matches!(found, Ok(Ok(_))), "{path}: {found:?}");
    let findings = found.ok()?.ok()?;
    for site in &findings.sites {
        assert!(site.place(Role::Object).is_some(), "{path}: {site:?}");
    }
    Some(findings)
}

fn functions(findings: &Findings, library: Library) -> Vec<Function> {
    let of_it = findings.sites.iter().filter(|site| site.library == library);
    of_it.map(|site| site.function).collect()
}

#[test]
fn libssl_is_probed_at_its_internal_functions_without_a_single_step() {
    let paths = [
        "/usr/lib/x86_64-linux-gnu/libssl.so.3",
        "/usr/lib64/libssl.so.3",
        "/usr/lib/libssl.so.3",
    ];
    let Some(findings) = installed(&paths) else { return };
    let found = functions(&findings, Library::OpenSsl);
    for function in [
        Function::Write,
        Function::WriteEx,
        Function::Read,
        Function::ReadEx,
        Function::Free,
    ] {
        assert!(found.contains(&function), "{function:?}: {findings:?}");
    }
    for site in findings
        .sites
        .iter()
        .filter(|site| matches!(site.function, Function::Write | Function::WriteEx))
    {
        assert!(site.emulated, "{site:?}");
        assert_eq!(site.place(Role::Buffer), Some(Place::Register(Register::Rsi)));
    }
}

#[test]
fn libgnutls_sends_and_receives() {
    let paths = [
        "/usr/lib/x86_64-linux-gnu/libgnutls.so.30",
        "/usr/lib64/libgnutls.so.30",
        "/usr/lib/libgnutls.so.30",
    ];
    let Some(findings) = installed(&paths) else { return };
    let found = functions(&findings, Library::GnuTls);
    for function in [Function::Write, Function::Read, Function::Handshake, Function::Free] {
        assert!(found.contains(&function), "{function:?}: {findings:?}");
    }
}

#[test]
fn nspr_writes_and_reads() {
    let paths = [
        "/usr/lib/x86_64-linux-gnu/libnspr4.so",
        "/usr/lib64/libnspr4.so",
        "/usr/lib/libnspr4.so",
    ];
    let Some(findings) = installed(&paths) else { return };
    let found = functions(&findings, Library::Nss);
    assert!(
        found.contains(&Function::Write) && found.contains(&Function::Read),
        "{findings:?}"
    );
}

#[test]
fn node_brings_its_own_openssl_or_takes_the_systems() {
    let Some(findings) = installed(&["/usr/bin/node", "/usr/local/bin/node"]) else {
        return;
    };
    let found = functions(&findings, Library::OpenSsl);
    if found.is_empty() {
        eprintln!("NOT TESTED: this node is linked with the system's libssl");
    } else {
        assert!(
            found.contains(&Function::Write) && found.contains(&Function::Read),
            "{findings:?}"
        );
    }
    assert!(findings.doubts.is_empty(), "{:?}", findings.doubts);
}

#[test]
fn what_has_no_tls_has_no_sites() {
    let Some(findings) = installed(&["/usr/bin/true", "/bin/true"]) else {
        return;
    };
    assert!(findings.sites.is_empty() && findings.doubts.is_empty(), "{findings:?}");
}
