//! What the command line accepts where an object is meant.

use std::fmt;
use std::str::FromStr;

use berth_schema::access::{Role, TokenName, TokenNameError};
use berth_schema::groups::GroupPath;
use berth_schema::projects::ProjectPath;
use berth_schema::{
    AgentId, AgentName, GroupId, OrganizationId, OrganizationName, ProjectId, ProjectUrl, TokenId,
    WorkspaceId, WorkspaceName,
};

use crate::error::Error;

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident, $id:ty, $object_name:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $name(String);

        impl $name {
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = <$object_name as FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text.parse::<$id>().is_err() {
                    text.parse::<$object_name>()?;
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl From<$id> for $name {
            fn from(id: $id) -> Self {
                Self(id.to_string())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

reference!(
    /// A workspace's name or id, fit for a URL path.
    WorkspaceRef, WorkspaceId, WorkspaceName
);
reference!(
    /// An agent's name or id, fit for a URL path.
    AgentRef, AgentId, AgentName
);
reference!(
    /// An organisation's name or id, fit for a URL path.
    OrganizationRef, OrganizationId, OrganizationName
);

reference!(
    /// A group's path or id, one part of a URL path.
    GroupRef, GroupId, GroupPath
);
reference!(
    /// A project's path or id, one part of a URL path.
    ProjectRef, ProjectId, ProjectPath
);

/// A token's name or id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenRef(String);

impl TokenRef {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenRef {
    type Err = TokenNameError;

    fn from_str(text: &str) -> Result<Self, TokenNameError> {
        if text.parse::<TokenId>().is_err() {
            text.parse::<TokenName>()?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<TokenId> for TokenRef {
    fn from(id: TokenId) -> Self {
        Self(id.to_string())
    }
}

impl fmt::Display for TokenRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<OrganizationName> for OrganizationRef {
    fn from(name: OrganizationName) -> Self {
        Self(name.into())
    }
}

/// A repository's URL. Checked here and not by the parser of arguments, whose message would repeat a password that stands in it.
pub(crate) fn repository(text: &str) -> Result<ProjectUrl, Error> {
    ProjectUrl::new(text).map_err(|error| Error::usage(format!("the URL of --repository {error}")))
}

/// A role that can be given.
pub(crate) fn role(word: &str) -> Result<Role, String> {
    let role = Role::ALL.into_iter().find(|role| role.as_str() == word);
    role.ok_or_else(|| format!("must be one of {}", Role::ALL.map(Role::as_str).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_cannot_leave_its_place_in_the_path() {
        for bad in ["", "..", ".", "a/b", "a?b", "%2e%2e", "A"] {
            assert!(bad.parse::<WorkspaceRef>().is_err(), "{bad}");
        }
        assert!("calm-blue-reef".parse::<WorkspaceRef>().is_ok());
        assert!("0191e2b4-0000-4000-8000-000000000001".parse::<WorkspaceRef>().is_ok());
    }
}
