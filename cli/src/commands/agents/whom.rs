//! Whose workspaces an agent takes, as arguments.

use std::fmt;

use crate::names::GroupRef;

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whom {
    /// Workspaces of the projects in the group of this path or id, at any depth
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupRef>,

    /// Those of the whole organization, of no project included
    #[arg(long)]
    whole_organization: bool,
}

impl Whom {
    pub(super) fn group(&self) -> Option<String> {
        self.group.as_ref().map(ToString::to_string)
    }

    pub(super) const fn is_all(&self) -> bool {
        self.whole_organization
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "group '{group}'"),
            None => f.write_str("the whole organization"),
        }
    }
}
