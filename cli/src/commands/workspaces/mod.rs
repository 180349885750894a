//! `berth workspaces …`, and the same without the noun.

mod change;
mod create;
mod delete;
mod extend;
mod get;
mod list;
mod rebuild;
mod resize;
mod timeline;
mod watch;
mod why;

use berth_schema::Generation;
use berth_schema::api::Workspace;
use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::terminal::Talk;
use change::Verb;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a workspace from a repository, a devfile or an image
    Create(Box<create::Args>),
    /// List workspaces
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show one workspace
    #[command(visible_alias = "show")]
    Get(get::Args),
    /// Say why a workspace is as it is, and who acts next
    Why(why::Args),
    /// Show what a workspace went through, and how long each phase lasted
    Timeline(timeline::Args),
    /// Start workspaces
    #[command(after_help = change::START_HELP)]
    Start(change::Args),
    /// Stop workspaces; their volumes stay
    #[command(after_help = change::STOP_HELP)]
    Stop(change::Args),
    /// Stop workspaces, then start them
    #[command(after_help = change::RESTART_HELP)]
    Restart(change::Args),
    /// Put off that a lifecycle rule stops or deletes a workspace
    Extend(extend::Args),
    /// Replace what a workspace is made of; its volume and variables stay
    Rebuild(rebuild::Args),
    /// Give a workspace other resources
    Resize(resize::Args),
    /// Delete workspaces with their volumes
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Create(args) => Box::pin(create::run(global, *args)).await,
        Command::List(args) => list::run(global, args).await,
        Command::Get(args) => get::run(global, &args).await,
        Command::Why(args) => why::run(global, &args).await,
        Command::Timeline(args) => timeline::run(global, &args).await,
        Command::Start(args) => change::run(global, Verb::Start, &args).await,
        Command::Stop(args) => change::run(global, Verb::Stop, &args).await,
        Command::Restart(args) => change::run(global, Verb::Restart, &args).await,
        Command::Extend(args) => extend::run(global, &args).await,
        Command::Rebuild(args) => Box::pin(rebuild::run(global, args)).await,
        Command::Resize(args) => resize::run(global, &args).await,
        Command::Delete(args) => delete::run(global, &args).await,
    }
}

/// What `berth devfile lint` and the server read.
const DEVFILE_LIMIT: usize = berth_devfile::MAX_BYTES;

/// What a workspace is made of.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Origin {
    /// A container image
    #[arg(long, value_name = "IMAGE", value_parser = parse_image)]
    image: Option<String>,

    /// A devfile ('-': standard input)
    #[arg(long, value_name = "FILE")]
    devfile: Option<Source>,

    /// A devcontainer.json that names an image ('-': standard input)
    #[arg(long, value_name = "FILE")]
    devcontainer: Option<Source>,
}

/// The same, with the files read.
struct Given {
    image: Option<String>,
    devfile: Option<String>,
    devcontainer: Option<String>,
}

impl Origin {
    fn read(self, stdin: &mut Stdin) -> Result<Given, Error> {
        Ok(Given {
            devfile: text(self.devfile.as_ref(), "--devfile", stdin)?,
            devcontainer: text(self.devcontainer.as_ref(), "--devcontainer", stdin)?,
            image: self.image,
        })
    }

    const fn is_given(&self) -> bool {
        self.image.is_some() || self.devfile.is_some() || self.devcontainer.is_some()
    }
}

fn text(source: Option<&Source>, flag: &str, stdin: &mut Stdin) -> Result<Option<String>, Error> {
    let Some(source) = source else {
        return Ok(None);
    };
    let text = source.read_text(flag, DEVFILE_LIMIT, stdin)?;
    if text.trim().is_empty() {
        return Err(Error::usage(format!("{flag}: {source} is empty")));
    }
    Ok(Some(text.to_string()))
}

fn parse_image(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("must be the name of an image, as in debian:13 or registry.example.com/team/image:1.2");
    }
    Ok(text.to_owned())
}

/// Tells what of the file is not done as it is written.
fn warn(talk: Talk, workspace: &Workspace) {
    for warning in &workspace.warnings {
        talk.warn(&warning.to_string());
    }
}

/// Guards against changing what somebody else changed meanwhile.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Expect {
    /// Only if the workspace is still of this generation (see `berth get`)
    #[arg(long, value_name = "NUMBER")]
    if_generation: Option<Generation>,
}
