//! The names that are looked for, what the functions of these names do, and what they take.

use memchr::{memchr, memmem, memrchr};

use super::LONGEST;
use crate::Role::{
    Associated, AssociatedLength, Buffer, Descriptor, Done, IntLength, Length, Object, Other, RecordType,
};
use crate::{Function, Library, Role};

/// How a name is known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Name {
    /// This, nothing before and nothing behind.
    Whole(&'static str),
    /// This, behind a prefix that begins like so (AWS-LC's carry its version: `aws_lc_0_38_0_EVP_AEAD_CTX_seal`).
    Behind { prefix: &'static str, name: &'static str },
    /// Somewhere this, and all of these in this order (Rust's mangled names).
    Holding {
        part: &'static str,
        parts: &'static [&'static str],
    },
}

impl Name {
    /// What to look for in a table of names.
    pub(crate) fn pattern(&self) -> Vec<u8> {
        match self {
            Self::Whole(name) | Self::Behind { name, .. } => [name.as_bytes(), b"\0"].concat(),
            Self::Holding { part, .. } => part.as_bytes().to_vec(),
        }
    }

    /// Where the name begins whose pattern is at `hit`, if it is this one. Looks no further than [`LONGEST`] to
    /// either side, or tables without an end of any name would be looked through again and again.
    pub(crate) fn start(&self, window: &[u8], hit: usize) -> Option<usize> {
        let first = hit.saturating_sub(LONGEST);
        let start = memrchr(0, window.get(first..hit)?).map_or(first, |nul| first + nul + 1);
        match self {
            Self::Whole(_) => Some(hit),
            Self::Behind { prefix, .. } => window.get(start..hit)?.starts_with(prefix.as_bytes()).then_some(start),
            Self::Holding { parts, .. } => {
                let mut rest = window.get(start..)?;
                rest = rest.get(..memchr(0, rest.get(..2 * LONGEST).unwrap_or(rest))?)?;
                for part in *parts {
                    rest = rest.get(memmem::find(rest, part.as_bytes())? + part.len()..)?;
                }
                Some(start)
            }
        }
    }
}

/// A name, and what it stands for.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: Name,
    pub(crate) library: Library,
    /// None of those whose presence only tells whose API it is.
    pub(crate) function: Option<Function>,
    pub(crate) roles: &'static [Role],
}

/// `(object, buffer, length)`. `ssl_write_internal` begins like so; where the count goes is elsewhere since 3.2.
pub(crate) const WRITE: &[Role] = &[Object, Buffer, Length];
/// `EVP_AEAD_CTX_seal(ctx, out, out_len, max_out_len, nonce, nonce_len, in, in_len, ad, ad_len)`.
pub(crate) const SEAL: &[Role] = &[
    Object,
    Other,
    Other,
    Other,
    Other,
    Other,
    Buffer,
    Length,
    Associated,
    AssociatedLength,
];
/// `SSL_write(ssl, buf, num)`.
pub(crate) const INT: &[Role] = &[Object, Buffer, IntLength];
/// `EVP_AEAD_CTX_seal_scatter(ctx, out, out_tag, out_tag_len, max_out_tag_len, nonce, nonce_len, in, in_len, ...)`.
pub(crate) const SCATTER: &[Role] = &[
    Object,
    Other,
    Other,
    Other,
    Other,
    Other,
    Other,
    Buffer,
    Length,
    Other,
    Other,
    Associated,
    AssociatedLength,
];
/// `EVP_AEAD_CTX_open(ctx, out, out_len, max_out_len, ...)`.
pub(crate) const OPEN: &[Role] = &[
    Object,
    Buffer,
    Done,
    Length,
    Other,
    Other,
    Other,
    Other,
    Associated,
    AssociatedLength,
];
/// `EVP_AEAD_CTX_open_gather(ctx, out, nonce, nonce_len, in, in_len, ...)`: as much comes out as goes in.
pub(crate) const GATHER: &[Role] = &[
    Object,
    Buffer,
    Other,
    Other,
    Other,
    Length,
    Other,
    Other,
    Associated,
    AssociatedLength,
];
/// `SSL_write_ex(ssl, buf, num, written)`, and `ssl_read_internal`.
pub(crate) const EX: &[Role] = &[Object, Buffer, Length, Done];
const EX2: &[Role] = &[Object, Buffer, Length, Other, Done];
const FILE: &[Role] = &[Object, Descriptor];
const ALONE: &[Role] = &[Object];
const RECORD: &[Role] = &[Object, RecordType, Buffer, Length];

/// What passes on to `ssl_write_internal`.
pub(crate) const WRITERS: [&str; 3] = ["SSL_write", "SSL_write_ex", "SSL_write_ex2"];
/// What passes on to `ssl_read_internal`.
pub(crate) const READERS: [&str; 2] = ["SSL_read", "SSL_read_ex"];

const fn whole(name: &'static str, library: Library, function: Function, roles: &'static [Role]) -> Known {
    Known {
        name: Name::Whole(name),
        library,
        function: Some(function),
        roles,
    }
}

const fn ssl(name: &'static str, function: Function, roles: &'static [Role]) -> Known {
    whole(name, Library::OpenSsl, function, roles)
}

const fn gnutls(name: &'static str, function: Function, roles: &'static [Role]) -> Known {
    whole(name, Library::GnuTls, function, roles)
}

const fn nss(name: &'static str, function: Function, roles: &'static [Role]) -> Known {
    whole(name, Library::Nss, function, roles)
}

const fn go(name: &'static str, function: Function, roles: &'static [Role]) -> Known {
    whole(name, Library::GoTls, function, roles)
}

const fn mark(name: &'static str, library: Library) -> Known {
    Known {
        name: Name::Whole(name),
        library,
        function: None,
        roles: &[],
    }
}

const fn aws_lc(name: &'static str, function: Function, roles: &'static [Role]) -> Known {
    Known {
        name: Name::Behind {
            prefix: "aws_lc_",
            name,
        },
        library: Library::AwsLc,
        function: Some(function),
        roles,
    }
}

const fn rustls(part: &'static str, parts: &'static [&'static str], function: Function) -> Known {
    Known {
        name: Name::Holding { part, parts },
        library: Library::Rustls,
        function: Some(function),
        roles: WRITE,
    }
}

/// All of them. Those of OpenSSL may be BoringSSL's or AWS-LC's.
pub(crate) const KNOWN: &[Known] = &[
    ssl("SSL_write", Function::Write, INT),
    ssl("SSL_write_ex", Function::WriteEx, EX),
    ssl("SSL_write_ex2", Function::WriteEx, EX2),
    ssl("SSL_write_early_data", Function::WriteEarly, EX),
    ssl("ssl_write_internal", Function::WriteInternal, WRITE),
    ssl("SSL_sendfile", Function::SendFile, FILE),
    ssl("SSL_read", Function::Read, INT),
    ssl("SSL_read_ex", Function::ReadEx, EX),
    ssl("ssl_read_internal", Function::ReadInternal, EX),
    ssl("SSL_peek", Function::Peek, INT),
    ssl("SSL_peek_ex", Function::PeekEx, EX),
    ssl("SSL_set_fd", Function::SetDescriptor, FILE),
    ssl("SSL_set_rfd", Function::SetDescriptor, FILE),
    ssl("SSL_set_wfd", Function::SetDescriptor, FILE),
    ssl("SSL_set_bio", Function::SetTransport, ALONE),
    ssl("SSL_set0_rbio", Function::SetTransport, ALONE),
    ssl("SSL_set0_wbio", Function::SetTransport, ALONE),
    ssl("SSL_do_handshake", Function::Handshake, ALONE),
    ssl("SSL_connect", Function::Handshake, ALONE),
    ssl("SSL_accept", Function::Handshake, ALONE),
    ssl("SSL_free", Function::Free, ALONE),
    mark("SSL_get_early_data_reason", Library::BoringSsl),
    mark("awslc_api_version_num", Library::AwsLc),
    whole("EVP_AEAD_CTX_seal", Library::AwsLc, Function::Seal, SEAL),
    whole("EVP_AEAD_CTX_seal_scatter", Library::AwsLc, Function::Seal, SCATTER),
    whole("EVP_AEAD_CTX_open", Library::AwsLc, Function::Open, OPEN),
    whole("EVP_AEAD_CTX_open_gather", Library::AwsLc, Function::Open, GATHER),
    aws_lc("_EVP_AEAD_CTX_seal", Function::Seal, SEAL),
    aws_lc("_EVP_AEAD_CTX_seal_scatter", Function::Seal, SCATTER),
    aws_lc("_EVP_AEAD_CTX_open", Function::Open, OPEN),
    aws_lc("_EVP_AEAD_CTX_open_gather", Function::Open, GATHER),
    gnutls("gnutls_record_send", Function::Write, WRITE),
    gnutls("gnutls_record_send2", Function::Write, WRITE),
    gnutls("gnutls_record_send_range", Function::Write, WRITE),
    gnutls("gnutls_record_send_early_data", Function::WriteEarly, WRITE),
    gnutls("gnutls_record_send_file", Function::SendFile, FILE),
    gnutls("gnutls_record_recv", Function::Read, WRITE),
    gnutls("gnutls_record_recv_seq", Function::Read, WRITE),
    gnutls("gnutls_transport_set_int2", Function::SetDescriptor, FILE),
    gnutls("gnutls_transport_set_ptr", Function::SetTransport, ALONE),
    gnutls("gnutls_transport_set_ptr2", Function::SetTransport, ALONE),
    gnutls("gnutls_handshake", Function::Handshake, ALONE),
    gnutls("gnutls_deinit", Function::Free, ALONE),
    nss("PR_Write", Function::Write, INT),
    nss("PR_Send", Function::Write, INT),
    nss("PR_Read", Function::Read, INT),
    nss("PR_Recv", Function::Read, INT),
    nss("PR_Close", Function::Free, ALONE),
    go("crypto/tls.(*Conn).Write", Function::Write, WRITE),
    go("crypto/tls.(*Conn).writeRecordLocked", Function::WriteInternal, RECORD),
    go("crypto/tls.(*Conn).Read", Function::Read, WRITE),
    go("crypto/tls.(*Conn).handshakeContext", Function::Handshake, ALONE),
    go("crypto/tls.(*Conn).Close", Function::Free, ALONE),
    // rustc's two ways to mangle <rustls::conn::connection::Writer as std::io::Write>::write(&mut self, &[u8]) and
    // Reader's read. Their results are io::Result<usize>: 0 in rax and the count in rdx.
    rustls(
        "Write$GT$5write17h",
        &["rustls..", "Writer$u20$as$u20$std..io..Write$GT$5write17h"],
        Function::Write,
    ),
    rustls("2io5Write5write\0", &["6rustls", "6WriterN"], Function::Write),
    rustls(
        "Read$GT$4read17h",
        &["rustls..", "Reader$u20$as$u20$std..io..Read$GT$4read17h"],
        Function::Read,
    ),
    rustls("2io4Read4read\0", &["6rustls", "6ReaderN"], Function::Read),
];
