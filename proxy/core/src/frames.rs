//! Where the frames of a WebSocket begin and end (RFC 6455, 5.2), in bytes that pass: between two of them the proxy may say something of
//! its own.

/// Says that whoever says it goes away (RFC 6455, 7.4.1: 1001): a whole close frame of a server, which masks nothing.
pub const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xE9];

/// The first two bytes, the longest length, and a mask.
const LONGEST_HEAD: usize = 2 + 8 + 4;
const OPCODE: u8 = 0x0F;
const CLOSE: u8 = 0x08;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;

/// What has passed in one direction. Nothing of it is kept but the head of the frame that has begun.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    head: [u8; LONGEST_HEAD],
    /// Bytes of the head that have passed.
    known: usize,
    /// Bytes of the payload that have not.
    left: u64,
    is_closed: bool,
}

impl Frames {
    /// These bytes pass next.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= here as u64;
                bytes = &bytes[here..];
                continue;
            }
            self.head[self.known] = bytes[0];
            self.known += 1;
            bytes = &bytes[1..];
            if let Some(length) = self.length() {
                self.is_closed |= self.head[0] & OPCODE == CLOSE;
                (self.known, self.left) = (0, length);
            }
        }
    }

    /// The payload's length, once the head is whole.
    fn length(&self) -> Option<u64> {
        if self.known < 2 {
            return None;
        }
        let bytes = match self.head[1] & LENGTH {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        let mask = if self.head[1] & MASKED == 0 { 0 } else { 4 };
        if self.known < 2 + bytes + mask {
            return None;
        }
        let length = self.head[2..2 + bytes].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        Some(if bytes == 0 { u64::from(self.head[1] & LENGTH) } else { length })
    }

    /// Whether another frame may follow what has passed: no frame is under way, and none has said that it was the last.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        self.known == 0 && self.left == 0 && !self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, length: usize, mask: Option<[u8; 4]>) -> Vec<u8> {
        let with_mask = |length: u8| if mask.is_some() { MASKED | length } else { length };
        let mut frame = vec![0x80 | opcode];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => frame.push(with_mask(short)),
            (_, Ok(two)) => {
                frame.push(with_mask(126));
                frame.extend(two.to_be_bytes());
            }
            _ => {
                frame.push(with_mask(127));
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(mask.into_iter().flatten());
        // What looks like a close frame is none within another.
        frame.extend(std::iter::repeat_n(0x88, length));
        frame
    }

    #[test]
    fn it_is_known_between_which_bytes_a_frame_may_be_put_however_they_come() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for mask in [None, Some([0x88; 4])] {
                let all = [frame(0x1, length, mask), frame(0x9, 5, mask)].concat();
                let first = frame(0x1, length, mask).len();
                for step in [1, 2, 3, 7, 4_096, all.len()] {
                    let (mut frames, mut passed) = (Frames::default(), 0);
                    for some in all.chunks(step) {
                        frames.pass(some);
                        passed += some.len();
                        let may = passed == first || passed == all.len();
                        assert_eq!(frames.is_between(), may, "{length} {mask:?} {step} {passed}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut frames = Frames::default();
        assert!(frames.is_between());
        frames.pass(&GOING_AWAY);
        assert!(!frames.is_between());
        frames.pass(&frame(0x1, 1, None));
        assert!(!frames.is_between());
    }
}
