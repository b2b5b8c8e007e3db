//! Loads and attaches every program, prints what is in force and what the verifier went through for each. Arguments: words of
//! the pool; anything more, and it is by fmod_ret.

use aa_bpf::{Kernel, hooks::Way, load::Sizes, tables::Tables};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let words = arguments.next().and_then(|words| words.parse().ok()).unwrap_or(1 << 20);
    let way = match arguments.next().as_deref() {
        None => Way::Lsm,
        Some("cgroup") => Way::Cgroup,
        Some(_) => Way::FmodRet,
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
