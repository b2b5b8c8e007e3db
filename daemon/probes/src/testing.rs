//! Small programs for tests and the fuzzer's corpus: one segment of code, one of data, what tables are asked for.

use crate::Function;

/// Where a program's code is loaded.
pub const CODE: u64 = 0x40_1000;
/// Where its data is loaded.
pub const DATA: u64 = 0x60_0000;
/// Where its code is in the file; its data follows.
pub const CODE_OFFSET: u64 = 0x200;

/// A name, its place in the code, its size.
pub type Symbol<'a> = (&'a str, u64, u64);

/// What a program is made of.
#[derive(Debug, Default)]
pub struct Program<'a> {
    /// Instructions.
    pub code: &'a [u8],
    /// Constants.
    pub data: &'a [u8],
    /// For the loader.
    pub dynamic: &'a [Symbol<'a>],
    /// The address of a stub's slot, and the number of the dynamic symbol whose address comes there, from 1 on.
    pub slot: (u64, u64),
    /// Of `.symtab`.
    pub local: &'a [Symbol<'a>],
    /// The linker's mark.
    pub build_id: &'a [u8],
}

impl Program<'_> {
    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let data_at = CODE_OFFSET + self.code.len() as u64;
        let mut data = self.data.to_vec();
        let note_at = data_at + pad(&mut data);
        data.extend([4, self.build_id.len() as u32, 3].map(u32::to_le_bytes).concat());
        data.extend(b"GNU\0");
        data.extend(self.build_id);
        let note_length = data_at + data.len() as u64 - note_at;
        let (symbols, names) = table(self.dynamic);
        let symbols_at = pad(&mut data);
        data.extend(symbols);
        let names_at = data.len() as u64;
        data.extend(&names);
        let slots_at = pad(&mut data);
        data.extend([self.slot.0, self.slot.1 << 32 | 7, 0].map(u64::to_le_bytes).concat());
        let dynamic_at = pad(&mut data);
        let names = [[5, DATA + names_at], [10, names.len() as u64]];
        let slots = [[23, DATA + slots_at], [2, 24]];
        let dynamic = [&[[6, DATA + symbols_at]][..], &names, &slots, &[[0, 0]]].concat();
        data.extend(dynamic.concat().iter().flat_map(|word| word.to_le_bytes()));
        let length = data.len() as u64;

        let (local, local_names) = table(self.local);
        let local_at = data_at + pad(&mut data);
        data.extend(&local);
        let local_names_at = data_at + data.len() as u64;
        data.extend(&local_names);
        let sections_at = data_at + pad(&mut data);
        data.extend([0; 64]);
        data.extend(section(2, local_at, local.len(), 2));
        data.extend(section(3, local_names_at, local_names.len(), 0));

        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([3_u16, 62].map(u16::to_le_bytes).concat());
        file.extend(1_u32.to_le_bytes());
        file.extend([CODE, 64, sections_at].map(u64::to_le_bytes).concat());
        file.extend(0_u32.to_le_bytes());
        file.extend([64_u16, 56, 4, 64, 3, 0].map(u16::to_le_bytes).concat());
        file.extend(segment(1, 5, CODE_OFFSET, CODE, self.code.len() as u64));
        file.extend(segment(1, 4, data_at, DATA, length));
        file.extend(segment(2, 4, data_at + dynamic_at, DATA + dynamic_at, 96));
        file.extend(segment(4, 4, note_at, DATA + note_at - data_at, note_length));
        file.resize(CODE_OFFSET as usize, 0);
        file.extend(self.code);
        file.extend(data);
        file
    }
}

/// Where [`boringssl`] has its functions, from the beginning of the code on.
pub const BORINGSSL: [u64; 3] = [0x10, 0x50, 0x70];

/// Functions that raise BoringSSL's errors of `SSL_write`, `SSL_read` and `ssl_read_impl`, calls of these at the
/// beginning of the code, and the string they do it with.
pub fn boringssl() -> (Vec<u8>, &'static [u8]) {
    let path = b"\0../../vendor/boringssl/ssl/ssl_lib.cc\0";
    let mut code = Vec::new();
    for to in BORINGSSL {
        call(&mut code, to);
    }
    let raised: [&[u32]; 3] = [&[66, 111, 215, 226], &[66], &[215, 226]];
    for (start, reasons) in BORINGSSL.into_iter().zip(raised) {
        code.push(0xc3);
        code.resize(start as usize, 0xcc);
        code.push(0x55);
        for reason in reasons {
            raise(&mut code, *reason);
        }
        if reasons == [66] {
            call(&mut code, BORINGSSL[2]);
        }
        code.push(0x5d);
    }
    code.push(0xc3);
    (code, path)
}

/// `call`
fn call(code: &mut Vec<u8>, to: u64) {
    let distance = to.wrapping_sub(code.len() as u64 + 5) as u32;
    code.push(0xe8);
    code.extend(distance.to_le_bytes());
}

/// `mov $reason,%edx; lea string(%rip),%rcx`
fn raise(code: &mut Vec<u8>, reason: u32) {
    code.push(0xba);
    code.extend(reason.to_le_bytes());
    code.extend([0x48, 0x8d, 0x0d]);
    let next = CODE + code.len() as u64 + 4;
    code.extend(((DATA + 1 - next) as u32).to_le_bytes());
}

/// A table of Go's functions with one of `crypto/tls` at the beginning of the code, then one of no name.
pub fn go_functions(function: Function) -> Vec<u8> {
    let name: &[u8] = match function {
        Function::Read => b"crypto/tls.(*Conn).Read\0",
        _ => b"crypto/tls.(*Conn).Write\0",
    };
    let mut table = vec![0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
    let names_at = 72 + 1;
    let names_end = names_at - 1 + 1 + name.len() as u64;
    let words = [2, 0, CODE, names_at - 1, names_end, names_end, names_end, names_end];
    table.extend(words.map(u64::to_le_bytes).concat());
    table.push(0);
    table.extend(name);
    // Two functions and the end, then what is known of each: the entry again, and the name.
    table.extend(
        [0_u32, 24, 0x40, 32, 0x80, 0, 0, 1, 0x40, 0]
            .map(u32::to_le_bytes)
            .concat(),
    );
    table
}

/// Fills up to a multiple of eight bytes; the length then.
fn pad(data: &mut Vec<u8>) -> u64 {
    data.resize(data.len().next_multiple_of(8), 0);
    data.len() as u64
}

fn table(symbols: &[Symbol]) -> (Vec<u8>, Vec<u8>) {
    let (mut entries, mut names) = (vec![0; 24], vec![0]);
    for (name, place, size) in symbols {
        entries.extend((names.len() as u32).to_le_bytes());
        entries.extend([0x12, 0, 1, 0]);
        entries.extend([CODE + place, *size].map(u64::to_le_bytes).concat());
        names.extend(name.as_bytes());
        names.push(0);
    }
    (entries, names)
}

fn section(kind: u32, offset: u64, size: usize, link: u32) -> Vec<u8> {
    let mut header = [0, kind].map(u32::to_le_bytes).concat();
    header.extend([0, 0, offset, size as u64].map(u64::to_le_bytes).concat());
    header.extend([link, 0].map(u32::to_le_bytes).concat());
    header.extend([1_u64, 24].map(u64::to_le_bytes).concat());
    header
}

fn segment(kind: u32, flags: u32, offset: u64, address: u64, size: u64) -> Vec<u8> {
    let mut header = [kind, flags].map(u32::to_le_bytes).concat();
    header.extend([offset, address, address, size, size, 1].map(u64::to_le_bytes).concat());
    header
}

/// One with symbols, one of Go, and BoringSSL without symbols: to be read as they are, and tampered with.
pub fn programs() -> [Vec<u8>; 3] {
    let symbols = [
        ("SSL_write", 0, 3),
        ("SSL_read", 3, 3),
        ("aws_lc_0_38_0_EVP_AEAD_CTX_seal", 6, 3),
    ];
    let code = [0x55, 0x5d, 0xc3].repeat(0x20);
    let table = go_functions(Function::Write);
    let (raising, path) = boringssl();
    let named = Program {
        code: &code,
        dynamic: &symbols,
        local: &symbols,
        build_id: &[7; 20],
        ..Program::default()
    };
    let of = |code, data| Program {
        code,
        data,
        ..Program::default()
    };
    [named.bytes(), of(&code, &table).bytes(), of(&raising, path).bytes()]
}
