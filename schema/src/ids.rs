//! Identifiers. Each is a type of its own, so that an agent's id cannot be passed where a workspace's is meant.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new random id. Random rather than sequential: a unique-key error must not tell one organisation
            /// which ids another has.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id!(
    /// An organisation: the boundary that nothing but an account ever crosses.
    OrganizationId
);
id!(
    /// An agent: one identity in one cluster, assigned to one organisation for its whole life.
    AgentId
);
id!(
    /// A workspace. It never moves to another agent or organisation.
    WorkspaceId
);
id!(
    /// One request to find out whether a cluster enforces NetworkPolicy.
    NetworkCheckId
);
id!(
    /// An access token of a person or a service (not the token's secret).
    TokenId
);
id!(
    /// A person or service of an organisation, whatever they prove it with.
    SubjectId
);
id!(
    /// A person, whatever organisations they are in.
    AccountId
);
id!(
    /// A time that a person is signed in, in one browser or one command line.
    SessionId
);
id!(
    /// A link that signs somebody in once (not the link's secret).
    SignInLinkId
);
id!(
    /// A passkey of somebody's (not the authenticator's own id of it).
    PasskeyId
);
id!(
    /// A public key that somebody has registered for plain `ssh`.
    SshKeyId
);
id!(
    /// What an organisation has people signed in by.
    IdentityProviderId
);
id!(
    /// An invitation to an organisation (not its secret).
    InvitationId
);
id!(
    /// A group of an organisation. It keeps its id wherever in the tree it is moved.
    GroupId
);
id!(
    /// A project of an organisation, below a group or the organisation itself.
    ProjectId
);
id!(
    /// A role that somebody asks for, or has, for a time.
    ElevationId
);
id!(
    /// What somebody is connected to a workspace by: a browser at one port, a tunnel, a program's token.
    ConnectionId
);
id!(
    /// One copy of an agent's proxy, from its start to its end.
    ProxyCopyId
);
id!(
    /// A code that lets a command line in once (not the code's secret).
    AuthorizationCodeId
);
id!(
    /// One process' time as an agent's leader, drawn when it is elected. An epoch alone does not tell leaders apart: a
    /// Lease that was lost begins to count anew.
    TermId
);
