//! How variables are sealed to the agent that asked for them: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, ChaCha20-Poly1305. One context an answer, one message of it for each workspace, in the order of
//! [`SealedBundle::position`]. The reasons are in `docs/decisions/0012-variables.md`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{AgentId, Generation, WorkspaceId};

/// What the context is for: HPKE's `info`.
pub const INFO: &[u8] = b"berth-bundle/1";

/// An X25519 public key: 32 bytes, base64 in text and JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(extend("contentEncoding" = "base64"))]
pub struct PublicKey(#[schemars(with = "String")] [u8; 32]);

/// A text that is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 bytes in base64 (RFC 4648, with padding)")]
pub struct NoPublicKey;

impl PublicKey {
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = NoPublicKey;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = STANDARD.decode(text).map_err(|_| NoPublicKey)?;
        bytes.try_into().map(Self).map_err(|_| NoPublicKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `POST /api/v1/agent/key`: the key that variables shall be sealed to from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterKey {
    pub public_key: PublicKey,
}

/// The answer: the key that the server has on record now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredKey {
    pub public_key: PublicKey,
    pub registered_at: Timestamp,
}

/// What opens the bundles of one answer, with the recipient's private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encapsulation {
    /// The registered key that this is for.
    pub recipient: PublicKey,
    /// HPKE's `enc`.
    pub encapsulated_key: PublicKey,
}

/// One workspace's variables: a [`crate::variables::VariableBundle`] as JSON, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedBundle {
    /// From 0, in the order of sealing, which is the order of opening.
    pub position: u32,
    /// Ciphertext and tag; base64 in JSON.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub ciphertext: Vec<u8>,
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(|_| serde::de::Error::custom("is not base64"))
}

/// What a bundle is bound to beside its place in the answer. Another agent, another term of leadership, another workspace
/// or another generation does not open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    pub agent: AgentId,
    pub epoch: i64,
    pub workspace: WorkspaceId,
    pub generation: Generation,
}

impl Binding {
    /// HPKE's `aad`. Every part has a fixed length, so that no two bindings give the same bytes.
    pub fn associated_data(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(self.agent.as_uuid().as_bytes());
        bytes[16..24].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[24..40].copy_from_slice(self.workspace.as_uuid().as_bytes());
        bytes[40..].copy_from_slice(&self.generation.get().to_be_bytes());
        bytes
    }

    /// The same for the workspace's Git credentials: one byte longer, so that neither bundle opens in the other's place.
    pub fn associated_data_of_credentials(&self) -> [u8; 49] {
        let mut bytes = [b'g'; 49];
        bytes[..48].copy_from_slice(&self.associated_data());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_exactly_32_bytes_of_base64() {
        let key = PublicKey::new([7; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in [
            "",
            "AAAA",
            "not base64",
            &STANDARD.encode([1; 33]),
            "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
        ] {
            assert_eq!(text.parse::<PublicKey>(), Err(NoPublicKey), "{text}");
        }
    }

    #[test]
    fn every_part_of_a_binding_counts() {
        let binding = Binding {
            agent: AgentId::random(),
            epoch: 1,
            workspace: WorkspaceId::random(),
            generation: Generation::of(1),
        };
        for other in [
            Binding { agent: AgentId::random(), ..binding },
            Binding { epoch: 2, ..binding },
            Binding { workspace: WorkspaceId::random(), ..binding },
            Binding { generation: Generation::of(2), ..binding },
        ] {
            assert_ne!(other.associated_data(), binding.associated_data());
        }
    }
}
