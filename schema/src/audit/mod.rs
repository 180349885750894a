//! What is on record: one typed record for each thing that somebody changed, read of secrets, or was denied.
//!
//! A record holds ids and what matters of a change, never a body, a value or a name of a person. Its canonical JSON (RFC 8785) is
//! what is hashed, so that what is written here never changes its form: a field is only ever added, and only where it is absent
//! in the records of before.

mod concern;
mod details;
mod told;
mod who;
mod words;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

pub use concern::{Concern, Use};
pub use details::{Details, Suspicion};
pub use told::Told;
pub use who::{By, Who};
pub use words::{Internal, NoAction, Resource, What};

use crate::{ElevationId, OrganizationId};

/// Everything that is hashed of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub organization: OrganizationId,
    /// From 1, without a gap.
    pub sequence: u64,
    /// Of the operation. It does not rise with the sequence.
    pub time: Timestamp,
    pub who: Who,
    pub action: What,
    pub resource: Resource,
    pub outcome: Outcome,
    /// Of the request that it was done in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Uuid>,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// By which role for a time whoever did it was allowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elevation: Option<ElevationId>,
    pub details: Details,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// Nothing was done; the name of the reason.
    Denied(String),
}

impl Outcome {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied(_) => "denied",
        }
    }
}

/// What happened, as whoever did it tells it. Who, when and in what request is known of the operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `None`: the action of the operation itself.
    pub internal: Option<Internal>,
    pub resource: Resource,
    pub details: Details,
}

impl Event {
    /// The operation's own action was done.
    pub const fn new(resource: Resource, details: Details) -> Self {
        Self { internal: None, resource, details }
    }

    /// Something that is no action of a route.
    pub const fn internal(internal: Internal, resource: Resource, details: Details) -> Self {
        Self { internal: Some(internal), resource, details }
    }
}

/// A record with its place in the chain. `hash` is SHA-256 of the hash before it (32 zero bytes before the first) followed by
/// the record's canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub struct Entry<R = Record> {
    pub hash: Digest,
    pub record: R,
}

/// An entry in a list, with what its record does not say since it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ListedAuditEntry")]
pub struct Listed<R = Record> {
    #[serde(flatten)]
    pub entry: Entry<R>,
    /// What the member whose doing it is is called now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_name: Option<String>,
}

/// A SHA-256, in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
pub struct Digest(#[schemars(with = "String")] [u8; 32]);

impl Digest {
    /// What the first record follows.
    pub const ZERO: Self = Self([0; 32]);

    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The text is no SHA-256 in 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 lower-case hexadecimal digits")]
pub struct NoDigest;

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NoDigest),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(NoDigest);
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? * 16 + digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
