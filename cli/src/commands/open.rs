//! `berth open`

use berth_schema::kubernetes::EDITOR_PORT;

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output;
use crate::session::Session;

const HELP: &str = "\
Examples:
  berth open calm-blue-reef
  berth open calm-blue-reef --port 8080
  berth open calm-blue-reef --print";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// A port that the devfile declares or `berth ports open` has opened, in place of the editor
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Print the address and open nothing
    #[arg(long)]
    print: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let connection = session.organization.connect(&args.workspace, None).await?;
    let url = connection.url.replace("{port}", &args.port.unwrap_or(EDITOR_PORT).to_string());
    show(&session, &url, args.print)
}

/// Prints an address, or has the system open it. What opens it is somebody else's program: it gets what is a URL and nothing else.
pub(super) fn show(session: &Session, url: &str, print: bool) -> Result<(), Error> {
    let url: url::Url = url
        .parse()
        .map_err(|_| Error::Other("the server's answer names no address that can be opened".to_owned()))?;
    if !matches!(url.scheme(), "https" | "vscode" | "jetbrains-gateway") {
        return Err(Error::Other("the server's answer names no address that may be opened".to_owned()));
    }
    if print {
        return output::write(&format!("{url}\n"));
    }
    session.talk.say(&format!("Opening {url}"));
    open::that_detached(url.as_str()).map_err(|error| Error::Lost {
        message: format!("nothing opens it: {error}"),
        hint: "--print prints the address".to_owned(),
    })
}
