//! What arrives on a connection, cut into heads and bodies.

use super::chunks::{Chunks, Scan};
use super::head::{self, Framing, MAX_HEAD, Refusal};

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes are an empty line before a request, which nobody needs.
    Skip(usize),
    /// So many bytes are a head.
    Head(usize),
    /// So many bytes belong to a body.
    Body(usize),
    /// What is there is not enough.
    More,
    /// The head goes no further, and nothing that comes after it.
    Refuse(Refusal),
    /// The body is broken or larger than any: nothing after this belongs to anything.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// So much of the head has been looked at.
    Head {
        scanned: usize,
    },
    Length {
        left: u64,
    },
    Chunks(Chunks),
}

/// Follows a connection from head to body to head.
#[derive(Debug)]
pub(super) struct Inbound {
    phase: Phase,
    /// What one body may be on the wire, and what is left of that for the current one, in bytes.
    body_limit: u64,
    body_left: u64,
}

impl Inbound {
    pub(super) const fn new(body_limit: u64) -> Self {
        Self { phase: Phase::Head { scanned: 0 }, body_limit, body_left: body_limit }
    }

    pub(super) const fn is_in_head(&self) -> bool {
        matches!(self.phase, Phase::Head { .. })
    }

    /// Judges the bytes that have arrived and were not passed on. What the step covers must be taken away before the next one.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        if bytes.is_empty() {
            return Step::More;
        }
        match &mut self.phase {
            Phase::Head { scanned } => match find(bytes, scanned) {
                Ok((step, Some(framing))) => {
                    self.body_left = self.body_limit;
                    self.phase = match framing {
                        Framing::None => Phase::Head { scanned: 0 },
                        Framing::Length(left) => Phase::Length { left },
                        Framing::Chunked => Phase::Chunks(Chunks::new()),
                    };
                    step
                }
                Ok((step, None)) => step,
                Err(refusal) => Step::Refuse(refusal),
            },
            Phase::Length { left } => {
                let here = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= here as u64;
                if *left == 0 {
                    self.phase = Phase::Head { scanned: 0 };
                }
                self.counted(here)
            }
            Phase::Chunks(chunks) => match chunks.scan(bytes) {
                Scan::More => self.counted(bytes.len()),
                Scan::Done(length) => {
                    self.phase = Phase::Head { scanned: 0 };
                    self.counted(length)
                }
                Scan::Broken(0) => Step::End,
                // What is wrong comes first the next time.
                Scan::Broken(right) => self.counted(right),
            },
        }
    }

    fn counted(&mut self, length: usize) -> Step {
        match self.body_left.checked_sub(length as u64) {
            Some(left) => {
                self.body_left = left;
                Step::Body(length)
            }
            None => Step::End,
        }
    }
}

/// The framing with a head that is whole.
fn find(bytes: &[u8], scanned: &mut usize) -> Result<(Step, Option<Framing>), Refusal> {
    match bytes {
        [b'\r'] => return Ok((Step::More, None)),
        [b'\r', b'\n', ..] => return Ok((Step::Skip(2), None)),
        _ => {}
    }
    match head::end(&bytes[..bytes.len().min(MAX_HEAD)], scanned)? {
        Some(length) => Ok((Step::Head(length), Some(head::read(&bytes[..length])?))),
        None if bytes.len() >= MAX_HEAD => Err(Refusal::TooLarge),
        None => Ok((Step::More, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "GET / HTTP/1.1\r\nHost: a\r\n";

    /// The steps through a text, and what is left of it.
    fn steps(text: &str) -> (Vec<Step>, usize) {
        let (mut inbound, mut rest, mut steps) = (Inbound::new(1_000), text.as_bytes(), vec![]);
        loop {
            let step = inbound.step(rest);
            steps.push(step);
            match step {
                Step::Skip(length) | Step::Head(length) | Step::Body(length) => rest = &rest[length..],
                Step::More | Step::Refuse(_) | Step::End => return (steps, rest.len()),
            }
        }
    }

    #[test]
    fn requests_follow_each_other() {
        let get = format!("{HEAD}\r\n");
        let length = format!("{HEAD}Content-Length: 3\r\n\r\n");
        let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        let (all, left) = steps(&format!("{get}\r\n{length}abc{chunked}1\r\nx\r\n0\r\n\r\n{get}GET"));
        let heads = (get.len(), length.len(), chunked.len());
        assert_eq!(
            all,
            [
                Step::Head(heads.0),
                Step::Skip(2),
                Step::Head(heads.1),
                Step::Body(3),
                Step::Head(heads.2),
                Step::Body(11),
                Step::Head(heads.0),
                Step::More
            ]
        );
        assert_eq!(left, 3);
    }

    #[test]
    fn a_broken_chunk_ends_what_was_right_before_it() {
        let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        let (all, _) = steps(&format!("{chunked}1\r\nxy"));
        assert_eq!(all, [Step::Head(chunked.len()), Step::Body(4), Step::End]);
    }

    #[test]
    fn a_body_that_never_ends_is_ended() {
        let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        let (all, _) = steps(&format!("{chunked}{}", "1\r\nx\r\n".repeat(1_000)));
        assert_eq!(all.last(), Some(&Step::End));
    }

    #[test]
    fn a_head_that_never_ends_is_too_large() {
        let (all, _) = steps(&format!("{HEAD}X: {}", "y".repeat(MAX_HEAD)));
        assert_eq!(all, [Step::Refuse(Refusal::TooLarge)]);
    }
}
