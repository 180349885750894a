//! Who commits in a new workspace.

use berth_schema::git::GitUser;

use crate::error::Error;

/// Flags that name who commits.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Git")]
pub(crate) struct GitUserArgs {
    /// user.name of commits, for a user who tells git nothing else
    #[arg(long, value_name = "NAME", requires = "git_email")]
    git_name: Option<String>,

    /// user.email of commits
    #[arg(long, value_name = "ADDRESS", requires = "git_name")]
    git_email: Option<String>,
}

impl GitUserArgs {
    pub(crate) fn read(&self) -> Result<Option<GitUser>, Error> {
        let (Some(name), Some(email)) = (&self.git_name, &self.git_email) else { return Ok(None) };
        let user = GitUser { name: name.clone(), email: email.clone() };
        match user.wrong().first() {
            None => Ok(Some(user)),
            Some(wrong) => {
                let flag = if wrong.field.ends_with("name") { "--git-name" } else { "--git-email" };
                Err(Error::usage(format!("{flag} {}", wrong.message)))
            }
        }
    }
}
