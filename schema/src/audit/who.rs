//! Who did it: ids alone, which say nothing of a person to whoever has only the record.

use serde::{Deserialize, Serialize};

use crate::{AgentId, IdentityProviderId, SubjectId, TokenId};

/// Whoever acts. Nothing is on record without one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Who {
    /// A person or service of the organisation.
    Subject {
        subject: SubjectId,
        by: By,
    },
    /// Somebody who has not proven that they are this subject.
    Unproven {
        subject: SubjectId,
    },
    Agent {
        agent: AgentId,
    },
    /// An identity provider of the organisation, or whoever came with its word and is nobody here.
    Provider {
        provider: IdentityProviderId,
    },
    /// A background task of the server.
    Task {
        name: String,
    },
    /// Somebody at the server's own machine, by this command of `berth-server`.
    Command {
        name: String,
    },
}

impl Who {
    /// Whose doing it is, or is said to be.
    pub const fn subject(&self) -> Option<SubjectId> {
        match self {
            Self::Subject { subject, .. } | Self::Unproven { subject } => Some(*subject),
            Self::Agent { .. } | Self::Provider { .. } | Self::Task { .. } | Self::Command { .. } => None,
        }
    }
}

/// What a subject proved it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person who is signed in acts by a token with the id of their session.
    Token(TokenId),
}
