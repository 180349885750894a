//! What arrives on a connection, cut into heads and bodies.

use super::chunks::{Chunks, Scan};
use super::head::{self, Framing, Head, Refusal, Rules};

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes are an empty line before a request, which nobody needs.
    Skip(usize),
    /// The bytes begin with a head.
    Head(Head),
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
    /// Nothing is looked at any more.
    Upgraded,
}

/// Follows a connection from head to body to head.
#[derive(Debug)]
pub struct Inbound {
    phase: Phase,
    rules: Rules,
    /// What is left of the limit for the current body, in bytes.
    body_left: u64,
}

impl Inbound {
    /// At the begin of a connection.
    pub const fn new(rules: Rules) -> Self {
        Self { phase: Phase::Head { scanned: 0 }, rules, body_left: rules.body_bytes }
    }

    /// Whether the next bytes are a head's, or nothing has come yet.
    pub const fn is_in_head(&self) -> bool {
        matches!(self.phase, Phase::Head { .. })
    }

    /// Judges the bytes that have arrived and were not passed on. What the step covers must be taken away before the next one.
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        if bytes.is_empty() {
            return Step::More;
        }
        match &mut self.phase {
            Phase::Head { scanned } => match find(bytes, scanned, self.rules) {
                Ok((step, Some(framing))) => {
                    self.body_left = self.rules.body_bytes;
                    self.phase = match framing {
                        Framing::None => Phase::Head { scanned: 0 },
                        Framing::Length(left) => Phase::Length { left },
                        Framing::Chunked => Phase::Chunks(Chunks::new()),
                        Framing::Upgrade => Phase::Upgraded,
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
            Phase::Upgraded => Step::Body(bytes.len()),
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
fn find(bytes: &[u8], scanned: &mut usize, rules: Rules) -> Result<(Step, Option<Framing>), Refusal> {
    match bytes {
        [b'\r'] => return Ok((Step::More, None)),
        [b'\r', b'\n', ..] => return Ok((Step::Skip(2), None)),
        _ => {}
    }
    match head::end(&bytes[..bytes.len().min(rules.head_bytes)], scanned)? {
        Some(length) => {
            let framing = head::read(&bytes[..length], rules.target)?;
            let head = Head { length, upgrades: framing == Framing::Upgrade };
            Ok((Step::Head(head), Some(framing)))
        }
        None if bytes.len() >= rules.head_bytes => Err(Refusal::TooLarge),
        None => Ok((Step::More, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Target;

    const HEAD: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
    const RULES: Rules = Rules { head_bytes: 1_024, body_bytes: 1_000, target: Target::Here };

    fn head(length: usize) -> Step {
        Step::Head(Head { length, upgrades: false })
    }

    /// The steps through a text, and what is left of it.
    fn steps(text: &str, rules: Rules) -> (Vec<Step>, usize) {
        let (mut inbound, mut rest, mut steps) = (Inbound::new(rules), text.as_bytes(), vec![]);
        loop {
            let step = inbound.step(rest);
            steps.push(step);
            match step {
                Step::Skip(length) | Step::Head(Head { length, .. }) | Step::Body(length) => {
                    rest = &rest[length..];
                }
                Step::More | Step::Refuse(_) | Step::End => return (steps, rest.len()),
            }
        }
    }

    #[test]
    fn requests_follow_each_other() {
        let get = format!("{HEAD}\r\n");
        let length = format!("{HEAD}Content-Length: 3\r\n\r\n");
        let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        let (all, left) = steps(&format!("{get}\r\n{length}abc{chunked}1\r\nx\r\n0\r\n\r\n{get}GET"), RULES);
        let heads = (get.len(), length.len(), chunked.len());
        assert_eq!(
            all,
            [
                head(heads.0),
                Step::Skip(2),
                head(heads.1),
                Step::Body(3),
                head(heads.2),
                Step::Body(11),
                head(heads.0),
                Step::More
            ]
        );
        assert_eq!(left, 3);
    }

    #[test]
    fn a_broken_chunk_ends_what_was_right_before_it() {
        let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        let (all, _) = steps(&format!("{chunked}1\r\nxy"), RULES);
        assert_eq!(all, [head(chunked.len()), Step::Body(4), Step::End]);
    }

    #[test]
    fn a_body_that_never_ends_is_ended() {
        let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        let (all, _) = steps(&format!("{chunked}{}", "1\r\nx\r\n".repeat(1_000)), RULES);
        assert_eq!(all.last(), Some(&Step::End));
    }

    #[test]
    fn behind_an_upgrade_nothing_is_looked_at() {
        let upgrade = format!("{HEAD}Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
        let text = format!("{upgrade}\0GET\n\n");
        let (all, left) = steps(&text, Rules { target: Target::Behind, ..RULES });
        assert_eq!(
            (all, left),
            (vec![Step::Head(Head { length: upgrade.len(), upgrades: true }), Step::Body(6), Step::More], 0)
        );
        let (all, _) = steps(&text, RULES);
        assert!(matches!(all.as_slice(), [Step::Refuse(Refusal::Malformed(_))]), "{all:?}");
        for body in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
            let text = format!("{HEAD}{body}Upgrade: websocket\r\n\r\n");
            let (all, _) = steps(&text, Rules { target: Target::Behind, ..RULES });
            assert!(matches!(all.as_slice(), [Step::Refuse(Refusal::Malformed(_))]), "{all:?}");
        }
    }

    #[test]
    fn a_head_that_never_ends_is_too_large() {
        let (all, _) = steps(&format!("{HEAD}X: {}", "y".repeat(RULES.head_bytes)), RULES);
        assert_eq!(all, [Step::Refuse(Refusal::TooLarge)]);
    }
}
