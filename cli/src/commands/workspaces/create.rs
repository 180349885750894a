//! `berth workspaces create`

use berth_schema::api::{CreateWorkspace, ProjectInput};
use berth_schema::idle::IdleAfter;
use berth_schema::{GitReference, ProjectUrl, RepositoryPath, WorkspaceName};

use super::{Given, Origin, warn};
use crate::args::Global;
use crate::commands::idle;
use crate::error::Error;
use crate::input::variables::VariableArgs;
use crate::input::{GitUserArgs, Stdin};
use crate::names::{AgentRef, ProjectRef};
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::wait::WaitArgs;

const HELP: &str = "\
Prints the workspace's name. With neither devfile nor image it is made of the devfile or
devcontainer.json in the repository, or else of the default devfile.
Variables are encrypted on the server and cannot be read back.

Examples:
  berth create https://git.example/group/site.git
  berth create calm-blue-reef --repository https://git.example/group/site.git --ref main
  berth create --repository https://git.example/group/site.git --devfile-path apps/shop/devfile.yaml
  berth create --image debian:13 --wait
  berth create calm-blue-reef --devfile devfile.yaml --agent berlin
  berth create --devcontainer .devcontainer/devcontainer.json
  berth create --image debian:13 -e MODE=test -e API_KEY   # API_KEY as in your own environment
  berth create --image debian:13 --env-file .env --file id_ed25519=$HOME/.ssh/id_ed25519
  berth create --project platform/payments/api --wait
  berth create --project platform/payments/api --ref next --devfile devfile.yaml
  berth create --image debian:13 --repository https://git.example/group/site.git --ref main
  pass show api-key | berth create --image debian:13 --file api-key=-
  name=$(berth create --devfile - < devfile.yaml)";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name [default: three words that are drawn]; or the URL of the repository that it is of
    #[arg(value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    origin: Origin,

    /// The project (path or id) that it is made for, whose repository is cloned and whose agent runs it; or the URL of a repository
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,

    /// A Git repository to clone into it, in place of the project's; https:// or ssh://, without credentials
    #[arg(long, value_name = "URL")]
    repository: Option<String>,

    /// The repository's branch, tag or commit [default: the project's, or its default branch]
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<GitReference>,

    /// Where the repository's devfile or devcontainer.json is [default: the project's, or where they usually are]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["devfile", "devcontainer", "image"])]
    devfile_path: Option<RepositoryPath>,

    /// The agent (name or id) that runs it [default: the project's, or the organisation's only one]
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentRef>,

    /// Stop it once nothing happened in it for so long, as in 8h, or never [default: as its project, its groups and the organisation say]
    #[arg(long, value_name = "TIME", value_parser = idle::after)]
    idle_after: Option<IdleAfter>,

    #[command(flatten)]
    git_user: GitUserArgs,

    #[command(flatten)]
    output: ChangeOutput,

    #[command(flatten)]
    variables: VariableArgs,

    #[command(flatten)]
    wait: WaitArgs,
}

/// What it is made for, and what is cloned into it.
type MadeFor = (Option<ProjectRef>, Option<ProjectInput>);

/// Checked here and not by the parser of arguments, whose message would repeat a password that stands in a URL.
fn made_for(
    project: Option<&str>,
    repository: Option<&str>,
    (reference, devfile_path): (Option<GitReference>, Option<RepositoryPath>),
) -> Result<MadeFor, Error> {
    // No path and no id has a colon.
    let (project, url) = match (project, repository) {
        (Some(url), None) if url.contains(':') => (None, Some(("--project", url))),
        (Some(url), Some(_)) if url.contains(':') => {
            return Err(Error::usage(
                "--project is a URL beside --repository; give a project's path or id there",
            ));
        }
        (project, repository) => (project, repository.map(|url| ("--repository", url))),
    };
    let wrong = |error| Error::usage(format!("the project of --project {error}"));
    let project = project.map(|text| text.parse::<ProjectRef>().map_err(wrong)).transpose()?;
    let url = match url {
        Some((from, url)) => ProjectUrl::new(url)
            .map_err(|error| Error::usage(format!("the URL of {from} {error}")))?
            .to_string(),
        None => String::new(),
    };
    let (reference, devfile_path) = (reference.map(String::from), devfile_path.map(String::from));
    if url.is_empty() && project.is_none() && reference.is_some() {
        return Err(Error::usage("--ref is of nothing: give --project or --repository with it"));
    }
    if url.is_empty() && project.is_none() && devfile_path.is_some() {
        return Err(Error::usage("--devfile-path is of nothing: give --project or --repository with it"));
    }
    let input = ProjectInput { url, reference, devfile_path };
    Ok((project, Some(input).filter(|input| *input != ProjectInput::default())))
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let mut stdin = Stdin::default();
    let Given { devfile, devcontainer, image } = args.origin.read(&mut stdin)?;
    // No name has a colon.
    let (name, url) = match args.name {
        Some(url) if url.contains(':') => (None, Some(url)),
        name => (name, None),
    };
    let name = name.map(WorkspaceName::new).transpose();
    let name = name.map_err(|error| Error::usage(format!("the workspace's name {error}")))?;
    if url.is_some() && args.repository.is_some() {
        return Err(Error::usage(
            "the URL of a repository is given twice; give the workspace's name in place of the first",
        ));
    }
    let url = url.or(args.repository);
    let of_repository = (args.reference, args.devfile_path);
    let (made_for, project) = made_for(args.project.as_deref(), url.as_deref(), of_repository)?;
    let create = CreateWorkspace {
        devfile,
        devcontainer,
        image,
        git_user: args.git_user.read()?,
        variables: args.variables.read(&mut stdin)?,
        name,
        agent: args.agent.map(|agent| agent.to_string()),
        project,
        idle_after: args.idle_after,
    };
    let session = Session::open(global).await?;
    let created = session.organization.create_workspace(&create, made_for.as_ref()).await?;
    let name = created.name.clone();
    warn(session.talk, &created);
    session.talk.say(&format!("Workspace '{name}' is created on agent '{}'.", created.agent));
    if let Some(found) = &created.found {
        session.talk.say(&format!("It is made of {found}."));
    }
    if !args.wait.is_wanted() {
        session.talk.say(&format!("It starts on its own; `berth get {name}` shows how far it is."));
    }
    let workspace = args.wait.wait(&session.organization, created, session.talk).await?;
    session.printer.one(&workspace, args.output.output, now())
}
