//! Names that people choose and names that go to Kubernetes, each with its longest length.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("must not be empty")]
    Empty,
    #[error("is {length} characters long, at most {max} are allowed")]
    TooLong { length: usize, max: usize },
    #[error(
        "must be lower-case letters, digits and '-', starting with a letter and ending with a letter or digit"
    )]
    Characters,
    #[error("must not start with the reserved prefix 'berth-'")]
    Reserved,
}

/// RFC 1035 label: what Kubernetes asks of a Service's name, the strictest of the names we make.
fn check_label(text: &str, max: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > max {
        return Err(NameError::TooLong { length: text.chars().count(), max });
    }
    let bytes = text.as_bytes();
    let inner = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    if inner && bytes[0].is_ascii_lowercase() && bytes[bytes.len() - 1] != b'-' {
        Ok(())
    } else {
        Err(NameError::Characters)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, max $max:literal, reserved_prefix_allowed $reserved:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = "^[a-z]([a-z0-9-]*[a-z0-9])?$", "maxLength" = $max))]
        pub struct $name(String);

        impl $name {
            /// The longest name, in characters (all of them ASCII).
            pub const MAX: usize = $max;

            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                check_label(&text, $max)?;
                if !$reserved && text.starts_with("berth-") {
                    return Err(NameError::Reserved);
                }
                Ok(Self(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// A workspace's name, unique among the living workspaces of its organisation. 33 characters leave room for
    /// `<port>-<workspace>` in a host name and for suffixes such as `-scripts` in object names.
    WorkspaceName, max 33, reserved_prefix_allowed false
);
name!(
    /// An agent's name, unique among the organisation's agents that are not revoked.
    AgentName, max 63, reserved_prefix_allowed true
);
name!(
    /// An organisation's name, unique in the installation.
    OrganizationName, max 63, reserved_prefix_allowed true
);
name!(
    /// A group's name, unique among those beside it. See [`GroupPath`](crate::groups::GroupPath).
    GroupName, max 63, reserved_prefix_allowed true
);
name!(
    /// A project's name, unique among those beside it.
    ProjectName, max 63, reserved_prefix_allowed true
);
name!(
    /// What its owner calls a port that they open.
    PortName, max 63, reserved_prefix_allowed true
);
name!(
    /// A Kubernetes namespace.
    NamespaceName, max 63, reserved_prefix_allowed true
);

impl From<WorkspaceName> for NamespaceName {
    fn from(name: WorkspaceName) -> Self {
        Self(name.0)
    }
}

impl AgentName {
    /// What stands for a stored name that this version cannot read.
    pub fn unreadable() -> Self {
        Self("unreadable".to_owned())
    }
}

impl WorkspaceName {
    /// A name of three words for a workspace that was given none, from any random number.
    pub fn generate(random: u64) -> Self {
        const ADJECTIVES: [&str; 32] = [
            "amber", "bold", "brisk", "calm", "clear", "coral", "crisp", "deep", "early", "fair", "fresh",
            "gentle", "golden", "grand", "green", "keen", "light", "lively", "lunar", "mellow", "mild",
            "noble", "open", "proud", "quick", "quiet", "silver", "solar", "steady", "swift", "vivid",
            "warm",
        ];
        const COLOURS: [&str; 16] = [
            "azure", "black", "blue", "bronze", "copper", "cyan", "indigo", "ivory", "jade", "olive",
            "pearl", "red", "ruby", "teal", "violet", "white",
        ];
        const NOUNS: [&str; 64] = [
            "anchor", "atoll", "barge", "bay", "beacon", "boat", "bow", "bridge", "buoy", "cabin", "canal",
            "canoe", "cape", "channel", "coast", "compass", "cove", "crane", "creek", "current", "deck",
            "delta", "dinghy", "dock", "dune", "eddy", "estuary", "ferry", "fjord", "fleet", "galley",
            "gull", "harbour", "haven", "heron", "hull", "inlet", "island", "jetty", "kayak", "keel",
            "lagoon", "lantern", "launch", "marina", "mast", "mole", "mooring", "oar", "ocean", "pier",
            "pilot", "port", "quay", "raft", "reef", "rudder", "sail", "sloop", "sound", "strait", "tide",
            "wave", "wharf",
        ];
        // Five, four and six bits: 32,768 names; the database says when one is taken, and the caller draws again.
        #[allow(clippy::cast_possible_truncation, reason = "the bits beyond those looked at do not matter")]
        let bits = random as usize;
        Self(format!("{}-{}-{}", ADJECTIVES[bits % 32], COLOURS[(bits >> 5) % 16], NOUNS[(bits >> 9) % 64]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_says_what_is_wrong_with_it() {
        assert_eq!(WorkspaceName::new(""), Err(NameError::Empty));
        assert_eq!(WorkspaceName::new("a".repeat(34)), Err(NameError::TooLong { length: 34, max: 33 }));
        for bad in ["Upper", "1st", "-a", "a-", "a_b", "a.b", "é", "a b"] {
            assert_eq!(WorkspaceName::new(bad), Err(NameError::Characters), "{bad}");
        }
        assert_eq!(WorkspaceName::new("berth-x"), Err(NameError::Reserved));
        assert!(WorkspaceName::new("a".repeat(33)).is_ok());
    }

    proptest! {
        #[test]
        fn every_generated_name_is_a_name(random: u64) {
            let name = WorkspaceName::generate(random);
            prop_assert_eq!(WorkspaceName::new(name.as_str()), Ok(name.clone()));
        }
    }
}
