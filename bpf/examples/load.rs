//! Loads and attaches every program, prints what is in force and what the verifier went through for each. Arguments: words of
//! the pool; anything more, and it is by fmod_ret.

use aa_bpf::{Kernel, hooks::Way, load::Sizes, tables::Tables};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words = std::env::args()
        .nth(1)
        .and_then(|words| words.parse().ok())
        .unwrap_or(1 << 20);
    let way = if std::env::args().nth(2).is_some() {
        Way::FmodRet
    } else {
        Way::Lsm
    };
    println!("programs are obeyed: {:?}", aa_bpf::obedience::is_obeyed(way));
    let sizes = Sizes {
        pool_words: words,
        ..Sizes::default()
    };
    let kernel = Kernel::start(sizes, way)?;
    for program in kernel.attached() {
        println!("{} {}", program.program, program.hook);
    }
    for program in libbpf_rs::query::ProgInfoIter::default() {
        println!(
            "{:>7} instructions verified: {}",
            program.verified_insns,
            program.name.to_string_lossy()
        );
    }
    let tables = Tables::new(&kernel)?;
    println!("{:?}", tables.fill());
    Ok(())
}
