//! Where a chunked body ends, and whether it is one.

/// The most that extensions and trailers, which nobody reads, may take of one body, in bytes.
const MAX_IGNORED: usize = 16 * 1024;

/// The place in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the size of a chunk, with so many digits read.
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
    },
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataReturn,
    DataEnd,
    /// At the begin of a line after the last chunk.
    Trailer,
    TrailerLine,
    TrailerReturn,
    LastReturn,
    End,
}

/// What a piece of a body came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// All of it belongs to the body, and more must come.
    More,
    /// So many bytes are the last of the body.
    Done(usize),
    /// So many bytes are right, and the next one is not.
    Broken(usize),
}

/// Reads a chunked body byte by byte and keeps none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    place: Place,
    ignored: usize,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self { place: Place::Size { size: 0, digits: 0 }, ignored: 0 }
    }

    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut at = 0;
        while at < bytes.len() {
            if let Place::Data { left } = self.place {
                let here = (bytes.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
                at += here;
                let left = left - here as u64;
                self.place = if left == 0 { Place::DataReturn } else { Place::Data { left } };
                continue;
            }
            let Some(next) = self.next(bytes[at]) else { return Scan::Broken(at) };
            self.place = next;
            at += 1;
            if next == Place::End {
                return Scan::Done(at);
            }
        }
        Scan::More
    }

    /// The place after a byte that is no data; `None`: it may not stand here.
    #[expect(clippy::match_same_arms, reason = "a line for each place, in the order of a body")]
    fn next(&mut self, byte: u8) -> Option<Place> {
        Some(match (self.place, byte) {
            (Place::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = char::from(byte).to_digit(16)?;
                Place::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Place::Size { digits: 0, .. }, _) => return None,
            (Place::Size { size, .. } | Place::Extension { size }, b'\r') => Place::SizeEnd { size },
            (Place::Size { size, .. }, b';') | (Place::Extension { size }, b'\t' | b' '..=b'~') => {
                self.ignore(Place::Extension { size })?
            }
            (Place::SizeEnd { size: 0 }, b'\n') => Place::Trailer,
            (Place::SizeEnd { size }, b'\n') => Place::Data { left: size },
            (Place::DataReturn, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => Place::Size { size: 0, digits: 0 },
            (Place::Trailer, b'\r') => Place::LastReturn,
            (Place::LastReturn, b'\n') => Place::End,
            (Place::TrailerLine, b'\r') => Place::TrailerReturn,
            (Place::TrailerReturn, b'\n') => Place::Trailer,
            (Place::Trailer | Place::TrailerLine, b'\t' | b' '..=b'~') => self.ignore(Place::TrailerLine)?,
            _ => return None,
        })
    }

    fn ignore(&mut self, place: Place) -> Option<Place> {
        self.ignored += 1;
        (self.ignored <= MAX_IGNORED).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole, and byte by byte: the same.
    fn scan(text: &str) -> Scan {
        let whole = Chunks::new().scan(text.as_bytes());
        let mut chunks = Chunks::new();
        for (at, byte) in text.bytes().enumerate() {
            let expected = match chunks.scan(&[byte]) {
                Scan::More => continue,
                Scan::Done(more) => Scan::Done(at + more),
                Scan::Broken(more) => Scan::Broken(at + more),
            };
            assert_eq!(whole, expected, "{text:?}");
            return whole;
        }
        assert_eq!(whole, Scan::More, "{text:?}");
        whole
    }

    #[test]
    fn a_body_ends_after_its_last_chunk_and_trailers() {
        for body in ["0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "a;x=y\r\n0123456789\r\n00\r\nA: b\r\n\r\n"] {
            assert_eq!(scan(&format!("{body}GET")), Scan::Done(body.len()), "{body:?}");
        }
        assert_eq!(scan("ffffffffffffffff\r\nx"), Scan::More);
    }

    #[test]
    fn what_another_reader_might_take_for_another_end_is_refused() {
        for (body, right) in [
            ("5\nhello", 1),
            ("5\r\nhello\n", 8),
            ("5\r\nhelloX", 8),
            ("+5\r\n", 0),
            ("-1\r\n", 0),
            ("0x5\r\n", 1),
            (" 5\r\n", 0),
            ("5 \r\n", 1),
            ("\r\n", 0),
            (";a\r\n", 0),
            ("5;a\n", 3),
            ("5;\u{1}", 2),
            ("00000000000000005\r\n", 16),
            ("10000000000000000\r\n", 16),
            ("0\r\n\n", 3),
            ("0\r\nA: b\n", 7),
            ("0\r\nA: b\rX", 8),
        ] {
            assert_eq!(scan(body), Scan::Broken(right), "{body:?}");
        }
    }

    #[test]
    fn what_nobody_reads_is_bounded() {
        let extension = format!("5;{}\r\n", "x".repeat(MAX_IGNORED));
        assert_eq!(scan(&extension), Scan::Broken(1 + MAX_IGNORED));
        let trailers = format!("0\r\n{}", "A: b\r\n".repeat(MAX_IGNORED));
        assert!(matches!(scan(&trailers), Scan::Broken(_)));
    }
}
