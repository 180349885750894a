//! What the command line accepts where an object is meant.

use std::fmt;
use std::str::FromStr;

use berth_schema::access::{Role, TokenName, TokenNameError};
use berth_schema::{
    AgentId, AgentName, NameError, OrganizationId, OrganizationName, TokenId, WorkspaceId, WorkspaceName,
};

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
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if text.parse::<$id>().is_err() {
                    <$object_name>::new(text)?;
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
