//! Whose variables or Git hosts a command is about: the same arguments for all of them.

use crate::client::{At, Whose};
use crate::names::{GroupRef, ProjectRef};

/// Nothing given: the organisation's.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(crate) struct WhoseArgs {
    /// Those of this group (path or id), for workspaces of all projects in it
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupRef>,

    /// Those of this project (path or id), for its workspaces
    #[arg(long, value_name = "PROJECT")]
    project: Option<ProjectRef>,

    /// Your own, for the workspaces that you create
    #[arg(long)]
    mine: bool,
}

impl WhoseArgs {
    /// Whose workspaces they are for, as the subject of a sentence. What is nearer to one of them may say something else.
    pub(crate) fn workspaces(&self) -> String {
        match (&self.group, &self.project, self.mine) {
            (Some(group), ..) => format!("Workspaces of projects in group '{group}'"),
            (_, Some(project), _) => format!("Workspaces of project '{project}'"),
            (None, None, true) => "Your workspaces".to_owned(),
            (None, None, false) => "Workspaces of the organization".to_owned(),
        }
    }

    pub(crate) fn whose(&self) -> Whose {
        match (&self.group, &self.project, self.mine) {
            (Some(group), ..) => Whose::There(At::Group(group.clone())),
            (_, Some(project), _) => Whose::There(At::Project(project.clone())),
            (None, None, true) => Whose::Mine,
            (None, None, false) => Whose::Organization,
        }
    }
}
