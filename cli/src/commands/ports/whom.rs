//! Whom a port is shared with, as arguments.

use std::fmt;

use berth_schema::ports::ShareWith;

use crate::names::GroupRef;

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct Whom {
    /// The person of this id, which `berth whoami` shows them; or name, if you may look at members
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Whoever is something at the group of this path or id, or at one in it
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupRef>,

    /// Whoever belongs to the organization
    #[arg(long)]
    whole_organization: bool,

    /// Whoever has the address, without signing in: where the organization's rules permit it
    #[arg(long)]
    public: bool,
}

impl Whom {
    /// `None`: nobody is named.
    pub(super) fn with(&self) -> Option<ShareWith> {
        match (&self.user, &self.group) {
            (Some(user), _) => Some(ShareWith::User(user.clone())),
            (None, Some(group)) => Some(ShareWith::Group(group.to_string())),
            (None, None) if self.whole_organization => Some(ShareWith::Organization),
            (None, None) => self.public.then_some(ShareWith::Public),
        }
    }
}

/// As the rest of a sentence: `with …`.
pub(super) struct Words<'a>(pub(super) &'a ShareWith);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ShareWith::User(user) => write!(f, "'{user}'"),
            ShareWith::Group(group) => write!(f, "group '{group}'"),
            ShareWith::Organization => f.write_str("the whole organization"),
            ShareWith::Public => f.write_str("whoever has its address"),
        }
    }
}
