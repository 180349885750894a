//! `berth projects set`

use berth_schema::projects::{ChangeProject, ProjectSettings};
use berth_schema::{AgentName, GitReference, ProjectSpec, ProjectUrl, RepositoryPath};

use crate::args::Global;
use crate::error::Error;
use crate::names::{ProjectRef, repository};
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
What is not given stays. Another repository begins at its default branch.

Examples:
  berth projects set platform/api --ref release
  berth projects set platform/api --repository https://git.example/platform/api.git
  berth projects set platform/api --devfile-path .devfile/ruby.yaml
  berth projects set platform/api --no-agent";

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each takes one setting back")]
#[command(after_help = HELP, override_usage = "berth projects set [OPTIONS] <PROJECT>")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["repository", "reference", "devfile_path", "agent", "no_repository", "no_reference", "no_devfile_path", "no_agent"])))]
pub(crate) struct Args {
    /// The project's path or id
    #[arg(value_name = "PROJECT")]
    project: ProjectRef,

    /// Its Git repository; https:// or ssh://, without credentials
    #[arg(long, value_name = "URL", conflicts_with = "no_repository")]
    repository: Option<String>,

    /// The repository's branch, tag or commit
    #[arg(long = "ref", value_name = "REF", conflicts_with_all = ["no_repository", "no_reference"])]
    reference: Option<GitReference>,

    /// The file of the repository that its workspaces are made of
    #[arg(long, value_name = "PATH", conflicts_with_all = ["no_repository", "no_devfile_path"])]
    devfile_path: Option<RepositoryPath>,

    /// The agent that its workspaces run on
    #[arg(long, value_name = "AGENT", conflicts_with = "no_agent")]
    agent: Option<AgentName>,

    /// It has no repository
    #[arg(long)]
    no_repository: bool,

    /// It begins at the repository's default branch
    #[arg(long = "no-ref")]
    no_reference: bool,

    /// Its workspaces are made of a file where devfiles usually are
    #[arg(long)]
    no_devfile_path: bool,

    /// Its workspaces run on no agent of its own choice
    #[arg(long)]
    no_agent: bool,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let url = args.repository.as_deref().map(repository).transpose()?;
    let session = Session::open(global).await?;
    let before = session.organization.project(&args.project).await?;
    let settings = applied(&args, url, before.settings)?;
    let change = ChangeProject { path: None, settings: Some(settings) };
    // By id and version: what was looked at is what is changed.
    let project = ProjectRef::from(before.id);
    let project = session.organization.change_project(&project, &change, Some(before.version)).await?;
    session.talk.say(&format!("Project '{}' is at version {}.", project.path, project.version));
    session.printer.one(&project, args.output.output, now())
}

fn applied(args: &Args, url: Option<ProjectUrl>, before: ProjectSettings) -> Result<ProjectSettings, Error> {
    let mut repository = match url {
        Some(url) => Some(ProjectSpec { url, reference: None }),
        None => before.repository.filter(|_| !args.no_repository),
    };
    match (&mut repository, &args.reference) {
        (None, Some(_)) => return Err(Error::usage("--ref is of a repository, and the project has none")),
        (Some(repository), Some(reference)) => repository.reference = Some(reference.clone()),
        (Some(repository), None) if args.no_reference => repository.reference = None,
        _ => {}
    }
    if repository.is_none() && args.devfile_path.is_some() {
        return Err(Error::usage("--devfile-path is of a repository, and the project has none"));
    }
    let is_kept = repository.is_some() && !args.no_devfile_path;
    let devfile_path = args.devfile_path.clone().or(before.devfile_path).filter(|_| is_kept);
    let agent = args.agent.clone().or(before.agent).filter(|_| !args.no_agent);
    Ok(ProjectSettings { repository, devfile_path, agent })
}
