//! Whether an export is what was written.

use std::io::{self, BufRead};

use berth_schema::OrganizationId;
use berth_schema::audit::{Digest, Entry};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::export::{FORM, Head, Tail};
use crate::{canonical, follow};

/// The longest line. A record is a few hundred bytes; the longest holds the ids of the workspaces of one message.
const MAX_LINE: u64 = 4 * 1024 * 1024;

/// What a whole export says. It was not changed since it was written; whether the end of the chain, or all of it, was written
/// anew before, only a hash can tell that somebody kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    pub organization: OrganizationId,
    pub first: u64,
    pub last: u64,
    /// Of the last record.
    pub hash: Digest,
}

/// Where an export is not what was written, and what is wrong there.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, {}: {fault}", place(*.sequence))]
pub struct Tampered {
    pub line: u64,
    /// The record that ought to stand there; `None` before the first one is known.
    pub sequence: Option<u64>,
    pub fault: Fault,
}

fn place(sequence: Option<u64>) -> String {
    sequence.map_or_else(|| "the head of the export".to_owned(), |sequence| format!("record {sequence}"))
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the export ends without its last line: its end is missing")]
    CutOff,
    #[error("it is no line of an export")]
    Unreadable,
    #[error("the bytes are not the ones that were written, although they may mean the same")]
    NotCanonical,
    #[error("this version reads exports of form {FORM} alone")]
    OtherForm,
    #[error("it is record {found}: records are missing, repeated or in another order")]
    OtherSequence { found: u64 },
    #[error("it is a record of another organisation")]
    OtherOrganization,
    #[error("the record, or one before it, was changed: its hash is not the one that follows")]
    OtherHash,
    #[error("the last line is not of the last record")]
    OtherEnd,
    #[error("something stands behind the last line")]
    GoesOn,
    #[error("the first record of an organisation follows nothing")]
    OtherBeginning,
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Reads an export to its end and follows the chain.
pub fn verify(from: impl BufRead) -> Result<Verified, Tampered> {
    let mut lines = Lines { from, number: 0 };
    let head: Head = lines.needed(None).and_then(|line| lines.read(&line, None))?;
    let wrong = |fault| Tampered { line: 1, sequence: None, fault };
    if head.berth_audit != FORM {
        return Err(wrong(Fault::OtherForm));
    }
    if head.first == 0 || (head.first == 1 && head.previous != Digest::ZERO) {
        return Err(wrong(Fault::OtherBeginning));
    }
    let (mut next, mut hash) = (head.first, head.previous);
    loop {
        let line = lines.needed(Some(next))?;
        let wrong = |fault| Tampered { line: lines.number, sequence: Some(next), fault };
        let value: Value = lines.read(&line, Some(next))?;
        if value.get("record").is_none() {
            let tail: Tail = lines.read(&line, Some(next))?;
            if (tail.last, tail.hash) != (next - 1, hash) {
                return Err(wrong(Fault::OtherEnd));
            }
            return match lines.next(Some(next))? {
                None => {
                    Ok(Verified { organization: head.organization, first: head.first, last: tail.last, hash })
                }
                Some(_) => Err(Tampered { line: lines.number, sequence: Some(next), fault: Fault::GoesOn }),
            };
        }
        let entry: Entry<Value> = lines.read(&line, Some(next))?;
        let found = entry.record.get("sequence").and_then(Value::as_u64);
        match found {
            None => return Err(wrong(Fault::Unreadable)),
            Some(found) if found != next => return Err(wrong(Fault::OtherSequence { found })),
            Some(_) => {}
        }
        let organization = entry.record.get("organization").and_then(Value::as_str);
        if organization != Some(head.organization.to_string().as_str()) {
            return Err(wrong(Fault::OtherOrganization));
        }
        let record = canonical(&entry.record).map_err(|_| wrong(Fault::Unreadable))?;
        hash = follow(hash, &record);
        if entry.hash != hash {
            return Err(wrong(Fault::OtherHash));
        }
        next = next.checked_add(1).ok_or_else(|| wrong(Fault::Unreadable))?;
    }
}

struct Lines<R> {
    from: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self, sequence: Option<u64>) -> Result<Option<Vec<u8>>, Tampered> {
        self.number += 1;
        let wrong = |fault| Tampered { line: self.number, sequence, fault };
        let mut line = Vec::new();
        let read = io::Read::take(&mut self.from, MAX_LINE).read_until(b'\n', &mut line);
        if read.map_err(|error| wrong(error.into()))? == 0 {
            return Ok(None);
        }
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            _ if line.len() as u64 + 1 >= MAX_LINE => Err(wrong(Fault::Unreadable)),
            _ => Err(wrong(Fault::CutOff)),
        }
    }

    fn needed(&mut self, sequence: Option<u64>) -> Result<Vec<u8>, Tampered> {
        let line = self.next(sequence)?;
        line.ok_or(Tampered { line: self.number, sequence, fault: Fault::CutOff })
    }

    /// The line as a type, if it is byte by byte what its value is written as: nothing may stand in it twice, or besides.
    fn read<T: DeserializeOwned>(&self, line: &[u8], sequence: Option<u64>) -> Result<T, Tampered> {
        let wrong = |fault| Tampered { line: self.number, sequence, fault };
        let value: Value = serde_json::from_slice(line).map_err(|_| wrong(Fault::Unreadable))?;
        if canonical(&value).map_err(|_| wrong(Fault::Unreadable))? != line {
            return Err(wrong(Fault::NotCanonical));
        }
        serde_json::from_value(value).map_err(|_| wrong(Fault::Unreadable))
    }
}
