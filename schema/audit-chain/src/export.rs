//! An export: JSON Lines, each in canonical form, so that not a byte of it can be another without being noticed.
//!
//! The first line says what follows, the last one where it ends; between them is one entry a line.

use std::io::{self, Write};

use berth_schema::OrganizationId;
use berth_schema::audit::{Digest, Entry};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical;

/// The form of exports that this version writes and reads.
pub const FORM: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) berth_audit: u32,
    pub(crate) organization: OrganizationId,
    /// The sequence of the first entry.
    pub(crate) first: u64,
    /// What that follows.
    pub(crate) previous: Digest,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tail {
    /// The sequence of the last entry; one below the first where there is none.
    pub(crate) last: u64,
    pub(crate) hash: Digest,
}

/// Writes an export. What it is given is not looked at: [`crate::verify`] does that.
#[derive(Debug)]
pub struct Export<W> {
    to: W,
    last: u64,
    hash: Digest,
}

impl<W: Write> Export<W> {
    /// Begins with the entry of the sequence `first`, which follows `previous`.
    pub fn begin(to: W, organization: OrganizationId, first: u64, previous: Digest) -> io::Result<Self> {
        let mut export = Self { to, last: first.saturating_sub(1), hash: previous };
        export.line(&Head { berth_audit: FORM, organization, first, previous })?;
        Ok(export)
    }

    pub fn entry(&mut self, sequence: u64, entry: &Entry<Value>) -> io::Result<()> {
        (self.last, self.hash) = (sequence, entry.hash);
        self.line(entry)
    }

    /// The last line: without it the file is a part of one.
    pub fn end(mut self) -> io::Result<()> {
        let tail = Tail { last: self.last, hash: self.hash };
        self.line(&tail)?;
        self.to.flush()
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = canonical(line).map_err(io::Error::other)?;
        bytes.push(b'\n');
        self.to.write_all(&bytes)
    }
}
