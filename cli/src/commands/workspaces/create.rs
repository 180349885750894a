//! `berth workspaces create`

use berth_schema::api::{CreateWorkspace, ProjectInput};
use berth_schema::{GitReference, ProjectUrl, WorkspaceName};

use super::{Given, Origin, warn};
use crate::args::Global;
use crate::error::Error;
use crate::input::variables::VariableArgs;
use crate::input::{GitUserArgs, Stdin};
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::wait::WaitArgs;

const HELP: &str = "\
Prints the workspace's name. With neither devfile nor image it is made from the default devfile.
Variables are encrypted on the server and cannot be read back.

Examples:
  berth create --image debian:13 --wait
  berth create calm-blue-reef --devfile devfile.yaml --agent berlin
  berth create --devcontainer .devcontainer/devcontainer.json
  berth create --image debian:13 -e MODE=test -e API_KEY   # API_KEY as in your own environment
  berth create --image debian:13 --env-file .env --file id_ed25519=$HOME/.ssh/id_ed25519
  berth create --image debian:13 --project https://git.example/group/site.git --ref main
  pass show api-key | berth create --image debian:13 --file api-key=-
  name=$(berth create --devfile - < devfile.yaml)";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name [default: three words that are drawn]
    #[arg(value_name = "NAME")]
    name: Option<WorkspaceName>,

    #[command(flatten)]
    origin: Origin,

    /// A Git repository to clone into it; https:// or ssh://, without credentials
    #[arg(long, value_name = "URL")]
    project: Option<String>,

    /// The project's branch, tag or commit [default: its default branch]
    #[arg(long = "ref", value_name = "REF", requires = "project")]
    reference: Option<GitReference>,

    /// The agent (name or id) that runs it [default: the organisation's only one]
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentRef>,

    #[command(flatten)]
    git_user: GitUserArgs,

    #[command(flatten)]
    output: ChangeOutput,

    #[command(flatten)]
    variables: VariableArgs,

    #[command(flatten)]
    wait: WaitArgs,
}

/// Checked here and not by the parser of arguments, whose message would repeat a password that stands in a URL.
fn project(url: Option<&str>, reference: Option<GitReference>) -> Result<Option<ProjectInput>, Error> {
    let Some(url) = url else { return Ok(None) };
    let url = ProjectUrl::new(url).map_err(|error| Error::usage(format!("the URL of --project {error}")))?;
    Ok(Some(ProjectInput { url: url.to_string(), reference: reference.map(Into::into) }))
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let mut stdin = Stdin::default();
    let Given { devfile, devcontainer, image } = args.origin.read(&mut stdin)?;
    let create = CreateWorkspace {
        devfile,
        devcontainer,
        image,
        git_user: args.git_user.read()?,
        variables: args.variables.read(&mut stdin)?,
        name: args.name,
        agent: args.agent.map(|agent| agent.to_string()),
        project: project(args.project.as_deref(), args.reference)?,
    };
    let session = Session::open(global).await?;
    let created = session.organization.create_workspace(&create).await?;
    let name = created.name.clone();
    warn(session.talk, &created);
    session.talk.say(&format!("Workspace '{name}' is created on agent '{}'.", created.agent));
    if !args.wait.is_wanted() {
        session.talk.say(&format!("It starts on its own; `berth get {name}` shows how far it is."));
    }
    let workspace = args.wait.wait(&session.organization, created, session.talk).await?;
    session.printer.one(&workspace, args.output.output, now())
}
