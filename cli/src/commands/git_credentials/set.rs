//! `berth git-credentials set`

use berth_schema::git::{GitHost, MAX_TOKEN, SetGitCredential};
use berth_schema::scope::Secret;

use crate::args::Global;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::session::Session;

const HELP: &str = "\
Workspaces get a credential by themselves, running ones with their next renewal (at most 30 minutes).
A stored token is encrypted on the server and cannot be read back. A signed token lives for minutes;
the host has to trust the keys at /.well-known/jwks.json of the server.

Examples:
  pass show git-token | berth git-credentials set git.example.com --token-file -
  berth git-credentials set git.example.com:8443 --username oauth2 --token-file token.txt
  berth git-credentials set git.example.com --audience https://git.example.com";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[group(id = "source", required = true, multiple = false, args = ["token_file", "audience"])]
pub(crate) struct Args {
    /// The host as git names it, with the port if it is not the usual one
    #[arg(value_name = "HOST")]
    host: GitHost,

    /// File that holds a token of the host ('-': standard input)
    #[arg(long, value_name = "FILE")]
    token_file: Option<Source>,

    /// Sign a token of minutes for this audience each time
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,

    /// The user name to log in with [default: berth]
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let token = match &args.token_file {
        Some(source) => {
            let text = source.read_text("--token-file", MAX_TOKEN + 2, &mut Stdin::default())?;
            Some(Secret(zeroize::Zeroizing::new(text.trim_end().to_owned())))
        }
        None => None,
    };
    let set = SetGitCredential { username: args.username.clone(), token, audience: args.audience.clone() };
    let session = Session::open(global).await?;
    let set = session.organization.set_git_credential(&args.host, &set).await?;
    session.talk.say(&format!("Workspaces log in at {} by a {}.", set.host, set.method.as_str()));
    Ok(())
}
