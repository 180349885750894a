//! Whether an agent's cluster enforces NetworkPolicy. Objects that nobody enforces are accepted all the same, so it is tried out, with
//! two pods, when an administrator asks for it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Message, NetworkCheckId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkVerdict {
    Enforced,
    NotEnforced,
    /// It could not be found out, or in a word that this version does not know.
    #[serde(other)]
    Unknown,
}

impl NetworkVerdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::NotEnforced => "not_enforced",
            Self::Unknown => "unknown",
        }
    }

    /// [`NetworkVerdict::Unknown`] for every word that is none.
    pub fn from_word(word: &str) -> Self {
        [Self::Enforced, Self::NotEnforced]
            .into_iter()
            .find(|one| one.as_str() == word)
            .unwrap_or(Self::Unknown)
    }
}

/// What an agent found out, in its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkCheckReport {
    /// Which request it answers.
    pub id: NetworkCheckId,
    pub verdict: NetworkVerdict,
    /// What was seen, for people.
    pub reason: Message,
}

/// What is known of an agent's cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkCheck {
    /// Since when a check is asked for that has no result yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// The last result, of an earlier check where one is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<NetworkCheckResult>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkCheckResult {
    pub verdict: NetworkVerdict,
    pub reason: Message,
    /// When the server was told.
    pub checked_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_of_a_later_version_is_unknown_and_no_error() {
        for (text, verdict) in [
            ("enforced", NetworkVerdict::Enforced),
            ("not_enforced", NetworkVerdict::NotEnforced),
            ("unknown", NetworkVerdict::Unknown),
            ("half", NetworkVerdict::Unknown),
        ] {
            assert_eq!(serde_json::from_value::<NetworkVerdict>(text.into()).expect("a word"), verdict);
            assert_eq!(NetworkVerdict::from_word(text), verdict);
        }
        assert_eq!(serde_json::to_value(NetworkVerdict::NotEnforced).expect("JSON"), "not_enforced");
    }
}
