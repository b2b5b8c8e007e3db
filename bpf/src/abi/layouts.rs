//! What clang made of `abi/*.h` for the kernel is what rustc made of it for us: sizes and places from the BTF of the
//! objects that are loaded, compared with bindgen's types.

use std::collections::BTreeSet;
use std::mem::offset_of;

use libbpf_rs::btf::types::{Array, MemberAttr, Struct};
use libbpf_rs::btf::{Btf, BtfType, HasSize};
use libbpf_rs::btf_type_match;

use super::*;
use crate::load::OBJECTS;

/// A field: name, offset, bytes.
type Field = (&'static str, usize, usize);
/// A struct: name, bytes, fields.
type Layout = (&'static str, usize, &'static [Field]);

/// Bytes of the field that `_` leads to.
const fn width<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

include!(concat!(env!("OUT_DIR"), "/layouts.rs"));

/// Shared structs that no object has in its BTF: clang describes what maps, globals and functions' arguments are made of,
/// not what lives on a stack alone. Their sizes are asserted in the header.
const ON_STACKS: [&str; 2] = ["aa_task_row", "aa_mapped"];

fn bytes(ty: BtfType<'_>) -> usize {
    let ty = ty.skip_mods_and_typedefs();
    if let Ok(array) = Array::try_from(ty) {
        return array.capacity() * bytes(array.contained_type());
    }
    btf_type_match!(match ty {
        BtfKind::Int(int) => int.size(),
        BtfKind::Struct(structure) => structure.size(),
        _ => panic!("the ABI has only integers, arrays and structs, not {ty:?}"),
    })
}

/// The struct as the object has it, in the words of [`Layout`].
fn in_object(btf: &Btf<'_>, structure: &Struct<'_>) -> (usize, Vec<(String, usize, usize)>) {
    let field = |member: libbpf_rs::btf::types::StructMember<'_>| {
        let MemberAttr::Normal { offset } = member.attr else {
            panic!("{:?} is a bit field", member.name);
        };
        let ty = btf.type_by_id::<BtfType<'_>>(member.ty).unwrap();
        let name = member.name.unwrap().to_string_lossy().into_owned();
        (name, offset as usize / 8, bytes(ty))
    };
    (structure.size(), structure.iter().map(field).collect())
}

#[test]
fn every_shared_struct_lies_in_the_objects_as_it_lies_here() {
    let mut seen = BTreeSet::new();
    for (object, contents) in OBJECTS {
        let btf = Btf::from_raw(object, contents).unwrap().unwrap();
        for (name, size, fields) in LAYOUTS {
            let Some(structure) = btf.type_by_name::<Struct<'_>>(name) else {
                continue;
            };
            seen.insert(*name);
            let here: Vec<_> = fields
                .iter()
                .map(|(name, at, width)| ((*name).to_owned(), *at, *width))
                .collect();
            assert_eq!(in_object(&btf, &structure), (*size, here), "{name} in {object}.bpf.o");
        }
    }
    let missing: Vec<_> = LAYOUTS
        .iter()
        .map(|layout| layout.0)
        .filter(|name| !seen.contains(name))
        .collect();
    assert_eq!(missing, ON_STACKS, "shared structs that no object tells of");
}

#[test]
fn the_layouts_compared_are_all_structs_of_the_headers() {
    let headers = [
        include_str!("../../abi/policy.h"),
        include_str!("../../abi/event.h"),
        include_str!("../../abi/plaintext.h"),
    ]
    .concat();
    let begins = |line: &str| Some(line.strip_prefix("struct ")?.strip_suffix(" {")?.to_owned());
    let declared: BTreeSet<String> = headers.lines().filter_map(begins).collect();
    let compared: BTreeSet<String> = LAYOUTS.iter().map(|layout| layout.0.to_owned()).collect();
    assert_eq!(compared, declared);
    assert!(LAYOUTS.iter().all(|layout| !layout.2.is_empty()));
}
