//! Server-sent events (WHATWG HTML, 9.2.6) as they come: what stands behind `data:` goes on, of everything else nothing is kept.

use memchr::memchr2;

/// What a stream has next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Bytes of the event's data.
    Data(&'a [u8]),
    /// An empty line: the event is whole.
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes of `data` began the line.
    Name(usize),
    /// Behind the colon, where one space does not count.
    Colon,
    Data,
    /// A field or comment that says nothing to us.
    Other,
}

const NAME: &[u8] = b"data";

pub(crate) struct Sse {
    state: State,
    /// The last byte was CR, after which an LF ends no line of its own.
    carriage: bool,
    /// The event has data, so that a further line of it goes behind a line feed.
    data: bool,
}

impl Default for Sse {
    fn default() -> Self {
        Self {
            state: State::Name(0),
            carriage: false,
            data: false,
        }
    }
}

impl Sse {
    /// Begins somewhere in a line.
    pub(crate) fn torn() -> Self {
        Self {
            state: State::Other,
            ..Self::default()
        }
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(Part<'_>)) {
        while let Some((&byte, rest)) = bytes.split_first() {
            let carriage = std::mem::replace(&mut self.carriage, byte == b'\r');
            if byte == b'\n' && carriage {
                bytes = rest;
                continue;
            }
            if matches!(byte, b'\r' | b'\n') {
                self.end_line(&mut take);
                bytes = rest;
                continue;
            }
            bytes = match self.state {
                State::Name(at) if NAME.get(at) == Some(&byte) => {
                    self.state = State::Name(at + 1);
                    rest
                }
                State::Name(at) if byte == b':' && at == NAME.len() => {
                    self.state = State::Colon;
                    rest
                }
                State::Colon => {
                    self.state = State::Data;
                    if std::mem::replace(&mut self.data, true) {
                        take(Part::Data(b"\n"));
                    }
                    if byte == b' ' { rest } else { bytes }
                }
                State::Name(_) => {
                    self.state = State::Other;
                    rest
                }
                State::Data | State::Other => {
                    let end = memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
                    let (line, rest) = bytes.split_at(end);
                    if self.state == State::Data {
                        take(Part::Data(line));
                    }
                    rest
                }
            };
        }
    }

    fn end_line(&mut self, take: &mut impl FnMut(Part<'_>)) {
        if self.state == State::Name(0) && std::mem::take(&mut self.data) {
            take(Part::End);
        }
        self.state = State::Name(0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
        let (mut sse, mut all, mut event) = (Sse::default(), Vec::new(), Vec::new());
        for piece in pieces {
            sse.push(&piece, |part| match part {
                Part::Data(bytes) => event.extend_from_slice(bytes),
                Part::End => all.push(String::from_utf8_lossy(&std::mem::take(&mut event)).into_owned()),
            });
        }
        all
    }

    #[test]
    fn lines_end_as_the_standard_has_them() {
        for end in ["\n", "\r", "\r\n"] {
            let text = [
                "event: x", "data: a", "data:b", ": c", "data", "datax: y", "", "id: 1", "", "data:  d", "", "data: e",
            ];
            assert_eq!(
                events([text.join(end).into_bytes()].into_iter()),
                ["a\nb", " d"],
                "{end:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_the_same(text in "(data|:|: |\r|\n|\r\n|x|id){0,40}") {
            let bytes = text.into_bytes();
            prop_assert_eq!(events(bytes.chunks(1).map(<[u8]>::to_vec)), events([bytes.clone()].into_iter()));
        }
    }
}
