//! Builds the seam: `abi/*.h` through bindgen, one object per `progs/*.bpf.c`, the names of actions, reasons and losses
//! from the lists in `abi/reasons.h`, and the layouts a test compares with the objects.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use bindgen::callbacks::{DeriveInfo, ParseCallbacks, TypeKind};
use libbpf_cargo::SkeletonBuilder;

const OBJECTS: [&str; 10] = [
    "process", "file", "net", "names", "contain", "labels", "content", "cgroup", "tls", "blind",
];
/// Loaded for a moment, and in force never.
const PROBES: [&str; 2] = ["obedience", "forking"];
const TABLES: [(&str, &str); 3] = [
    ("AA_ACTIONS", "ACTIONS"),
    ("AA_REASONS", "REASONS"),
    ("AA_LOSSES", "LOSSES"),
];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for watched in ["abi", "lib", "progs"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    bind_abi(&out)?;
    write_layouts(&out)?;
    write_tables(&out)?;
    for object in OBJECTS.into_iter().chain(PROBES) {
        SkeletonBuilder::new()
            .source(format!("progs/{object}.bpf.c"))
            .clang_args(clang_args()?)
            .obj(out.join(format!("{object}.bpf.o")))
            .build()?;
    }
    println!("cargo:rustc-env=AA_OBJECTS_HASH={:016x}", hash_of_objects(&out)?);
    Ok(())
}

/// Names a build: FNV-1a over the objects' bytes.
fn hash_of_objects(out: &Path) -> Result<u64, Failure> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for object in OBJECTS {
        for byte in fs::read(out.join(format!("{object}.bpf.o")))? {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    Ok(hash)
}

/// Warnings are errors; the source path is kept out of BTF so that builds in two places are the same bytes.
fn clang_args() -> Result<Vec<OsString>, Failure> {
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let mut args: Vec<OsString> = [
        "-mcpu=v3",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unused-parameter",
        "-Wno-unused-function",
    ]
    .map(OsString::from)
    .into();
    args.push(format!("-ffile-prefix-map={root}=/bpf").into());
    if let Some(include) = multiarch_include() {
        args.push("-I".into());
        args.push(include.into());
    }
    Ok(args)
}

/// Debian keeps `asm/types.h` in a folder named for the architecture, which clang's BPF target does not search.
fn multiarch_include() -> Option<PathBuf> {
    let output = Command::new("gcc").arg("-print-multiarch").output().ok()?;
    let path = Path::new("/usr/include").join(String::from_utf8(output.stdout).ok()?.trim());
    path.join("asm/types.h").exists().then_some(path)
}

#[derive(Debug)]
struct ZerocopyDerives;

impl ParseCallbacks for ZerocopyDerives {
    fn add_derives(&self, info: &DeriveInfo<'_>) -> Vec<String> {
        if info.kind == TypeKind::Struct {
            ["FromBytes", "IntoBytes", "Immutable", "KnownLayout"]
                .map(|derive| format!("zerocopy::{derive}"))
                .into()
        } else {
            vec![]
        }
    }
}

fn bind_abi(out: &Path) -> Result<(), Failure> {
    bindgen::Builder::default()
        .header("abi/policy.h")
        .header("abi/event.h")
        .header("abi/plaintext.h")
        .allowlist_item("(aa|AA)_.*")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_default(true)
        .layout_tests(true)
        .parse_callbacks(Box::new(ZerocopyDerives))
        .generate()?
        .write_to_file(out.join("abi.rs"))?;
    Ok(())
}

/// Writes out what Rust makes of each shared struct, (name, bytes, (field, offset, bytes) each), for the test that
/// compares it with the objects' BTF. The list of fields is that of bindgen's own layout assertions.
fn write_layouts(out: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(out.join("abi.rs"))?;
    let mut generated = "const LAYOUTS: &[Layout] = &[\n".to_owned();
    for structure in text.lines().filter_map(|line| quoted(line, "Size of ")) {
        writeln!(generated, "    (\"{structure}\", size_of::<{structure}>(), &[")?;
        let fields = text.lines().filter_map(|line| quoted(line, "Offset of field: "));
        for field in fields.filter_map(|path| path.strip_prefix(structure)?.strip_prefix("::")) {
            let place = format!("offset_of!({structure}, {field})");
            writeln!(
                generated,
                "        (\"{field}\", {place}, width(|s: &{structure}| &s.{field})),"
            )?;
        }
        writeln!(generated, "    ]),")?;
    }
    writeln!(generated, "];")?;
    fs::write(out.join("layouts.rs"), generated)?;
    Ok(())
}

/// What stands between `["<what>` and the closing quote.
fn quoted<'line>(line: &'line str, what: &str) -> Option<&'line str> {
    line.trim().strip_prefix("[\"")?.strip_prefix(what)?.split('"').next()
}

/// Turns the X-lists of `abi/reasons.h` into tables of (number, name, sentence).
fn write_tables(out: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string("abi/reasons.h")?;
    let mut generated = String::new();
    for (list, name) in TABLES {
        let start = text
            .find(&format!("#define {list}(X)"))
            .ok_or_else(|| format!("no list `{list}` in abi/reasons.h"))?;
        writeln!(generated, "pub(crate) const {name}: &[(u32, &str, &str)] = &[")?;
        for line in text[start..]
            .lines()
            .skip(1)
            .map_while(|line| line.trim().strip_prefix("X("))
        {
            let row = line.trim_end_matches('\\').trim().trim_end_matches(')');
            let (_, rest) = row.split_once(',').ok_or("a row has a name")?;
            let (number, texts) = rest.split_once(',').ok_or("a row has a number")?;
            writeln!(generated, "    ({}, {}),", number.trim(), texts.trim())?;
        }
        writeln!(generated, "];")?;
    }
    fs::write(out.join("tables.rs"), generated)?;
    Ok(())
}
