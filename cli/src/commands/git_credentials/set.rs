//! `berth git-credentials set`

use berth_schema::git::{MAX_TOKEN, SetGitCredential};
use berth_schema::scope::Secret;
use zeroize::Zeroizing;

use crate::args::Global;
use crate::commands::whose::WhoseArgs;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::session::Session;

const HELP: &str = "\
Workspaces log in at the host with what is nearest: yours, then their project's, that of the groups
it is in, the organisation's. The running ones have it within two minutes.
A stored token is encrypted on the server and cannot be read back. A signed token lives for minutes
and is renewed; the host has to trust the keys at /.well-known/jwks.json of the server.

Examples:
  pass show git-token | berth git-credentials set git.example.com --token-file -
  berth git-credentials set git.example.com:8443 --username oauth2 --token-file token.txt
  berth git-credentials set git.example.com --audience https://git.example.com
  berth git-credentials set git.example.com --mine --username ada --token-file -";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The host as git names it, with the port if it is not the usual one
    #[arg(value_name = "HOST")]
    host: String,

    #[command(flatten)]
    whose: WhoseArgs,

    #[command(flatten)]
    method: Method,

    /// The user name to log in with [default: berth]
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// For http:// instead of https://: everybody on the way can read the token
    #[arg(long)]
    plain_http: bool,
}

/// Where the credential comes from.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Method {
    /// File that holds a token of the host ('-': standard input)
    #[arg(long, value_name = "FILE")]
    token_file: Option<Source>,

    /// Sign a token each time, whose audience is this and whose it is
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let host = super::host(&args.host)?;
    let token = match &args.method.token_file {
        Some(source) => Some(token(source)?),
        None => None,
    };
    let set = SetGitCredential {
        username: args.username.clone(),
        token,
        audience: args.method.audience.clone(),
        plain_http: args.plain_http,
    };
    let session = Session::open(global).await?;
    let set = session.organization.set_git_credential(&args.whose.whose(), &host, set).await?;
    session.talk.say(&format!(
        "{} log in at {} by {}, unless something nearer says another.",
        args.whose.workspaces(),
        set.host,
        super::method(set.method)
    ));
    if let Some(audience) = &set.token_audience {
        session.talk.say(&format!("The host has to demand this audience: {audience}"));
    }
    Ok(())
}

/// One line, whose end is not a part of it.
fn token(source: &Source) -> Result<Secret, Error> {
    let text = source.read_text("--token-file", MAX_TOKEN + 2, &mut Stdin::default())?;
    let token = text.trim_end_matches(['\r', '\n']);
    if token.is_empty() {
        return Err(Error::usage(format!("--token-file: {source} is empty")));
    }
    Ok(Secret(Zeroizing::new(token.to_owned())))
}
