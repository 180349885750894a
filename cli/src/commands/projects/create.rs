//! `berth projects create`

use berth_schema::projects::{ProjectPath, ProjectSettings};
use berth_schema::{AgentName, GitReference, ProjectSpec, RepositoryPath};

use crate::args::Global;
use crate::error::Error;
use crate::names::repository;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
The groups before the last name have to be there.

Examples:
  berth projects create platform/api --repository https://git.example/platform/api.git --ref main
  berth projects create website --agent berlin";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Its name, behind the path of the group that it is to be in
    #[arg(value_name = "PATH")]
    path: ProjectPath,

    /// Its Git repository; https:// or ssh://, without credentials
    #[arg(long, value_name = "URL")]
    repository: Option<String>,

    /// The repository's branch, tag or commit [default: its default branch]
    #[arg(long = "ref", value_name = "REF", requires = "repository")]
    reference: Option<GitReference>,

    /// The file of the repository that its workspaces are made of [default: one where devfiles usually are]
    #[arg(long, value_name = "PATH", requires = "repository")]
    devfile_path: Option<RepositoryPath>,

    /// The agent that its workspaces run on
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentName>,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let url = args.repository.as_deref().map(repository).transpose()?;
    let repository = url.map(|url| ProjectSpec { url, reference: args.reference });
    let session = Session::open(global).await?;
    let settings = ProjectSettings { repository, devfile_path: args.devfile_path, agent: args.agent };
    let project = session.organization.create_project(&args.path, settings).await?;
    session.talk.say(&format!("Project '{}' is created.", project.path));
    session.printer.one(&project, args.output.output, now())
}
