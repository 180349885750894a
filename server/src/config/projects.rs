//! Which Git repositories may be cloned into workspaces.

use clap::Args;

use crate::services::workspaces::ProjectRules;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Projects")]
pub struct ProjectOptions {
    /// Let projects be cloned over plain HTTP, where everything on the way can read and change them.
    #[arg(long, env = "BERTH_ALLOW_HTTP_PROJECTS")]
    pub allow_http_projects: bool,
}

impl From<&ProjectOptions> for ProjectRules {
    fn from(options: &ProjectOptions) -> Self {
        Self { allow_http: options.allow_http_projects }
    }
}
