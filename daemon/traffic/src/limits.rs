/// What one connection may cost. Where a limit is met, what is not looked at is counted and the exchange says so ([`crate::Doubt`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head: request line or status line with all fields; of HTTP/2, the block before and after decompression.
    pub head_bytes: usize,
    /// Exchanges that are unfinished at the same time.
    pub exchanges: usize,
    /// Decoded bytes of one body; what comes after them is not decoded.
    pub body_bytes: u64,
    /// Decoded bytes for each encoded one, beyond the first megabyte.
    pub body_ratio: u64,
    /// Bytes that decoders of all bodies together may keep; a body that would need more is not decoded.
    pub decoder_bytes: usize,
    /// Tools of one call, and MCP messages of one exchange, that are kept; more are counted or told, and not kept.
    pub listed: usize,
}

impl Default for Limits {
    /// 64 KiB of head, 256 exchanges, 256 MiB of body, 200 to one, 24 MiB of decoders, 32 listed.
    fn default() -> Self {
        Self {
            head_bytes: 64 << 10,
            exchanges: 256,
            body_bytes: 256 << 20,
            body_ratio: 200,
            decoder_bytes: 24 << 20,
            listed: 32,
        }
    }
}

impl Limits {
    /// What so many encoded bytes may unpack to.
    pub(crate) fn unpacked(&self, taken: u64) -> u64 {
        let by_ratio = taken.saturating_mul(self.body_ratio).saturating_add(1 << 20);
        by_ratio.min(self.body_bytes)
    }
}
