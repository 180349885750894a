//! `berth login`

use std::path::PathBuf;

use berth_schema::ServerUrl;
use berth_schema::api::WhoAmI;
use zeroize::Zeroizing;

use crate::args::Global;
use crate::client::Client;
use crate::config::{Config, Context};
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::terminal::{self, Talk};
use crate::token::Token;

const HELP: &str = "\
The token is asked for without showing it, or read from standard input or from BERTH_TOKEN. It is
tried, then stored in a file that only you can read. Each login makes a context; --context names it
(default: the server's host).

Examples:
  berth login https://berth.example.com
  berth login https://berth.example.com --context work < token.txt --token-stdin
  berth login https://10.0.0.7:8443 --ca-file ca.pem
  berth login                                   # a new token for the current context";

/// A token is never longer.
const TOKEN_LIMIT: usize = 16 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The server, as in https://berth.example.com [default: that of the current context]
    #[arg(value_name = "URL")]
    server: Option<ServerUrl>,

    /// Read the token from standard input
    #[arg(long)]
    token_stdin: bool,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let talk = global.talk();
    let mut config = Config::load(global.config.as_deref())?;
    let (place, url, ca_file) = place(global, args.server.as_ref(), &config)?;
    let known = config.contents.contexts.get(place.name()).filter(|context| context.url == url);
    // Before the token is asked for.
    let reached = url.for_token(global.allow_http || known.is_some_and(|context| context.allow_http))?;
    let in_the_clear = url.for_token(false).is_err();
    if in_the_clear {
        talk.warn(&format!("{url} is not https: anybody on the way can read the token and use it"));
    }
    let token = read_token(global, &args, &url)?;
    let whoami = Client::new(reached, &token, ca_file.as_deref(), talk)?.whoami().await?;
    let organization = whoami.organization.to_string();
    let name = place.for_organization(&organization, &config)?;
    let context = Context { url: url.clone(), organization, allow_http: in_the_clear, ca_file, token };
    config.contents.contexts.insert(name.clone(), context);
    config.contents.current = Some(name.clone());
    config.save()?;
    tell(talk, &url, &whoami, &name, &config);
    Ok(())
}

/// The context's name, the server and its certificates. A context that exists keeps what is not given anew.
fn place(
    global: &Global,
    server: Option<&ServerUrl>,
    config: &Config,
) -> Result<(Place, ServerUrl, Option<PathBuf>), Error> {
    let given = server.or(global.url.as_ref());
    let known = match (&global.context, given) {
        (Some(name), _) => config.contents.contexts.get_key_value(name),
        (None, None) => {
            config.contents.current.as_ref().and_then(|name| config.contents.contexts.get_key_value(name))
        }
        (None, Some(url)) => config.contents.contexts.iter().find(|(_, context)| context.url == *url),
    };
    let known = known.filter(|(_, context)| given.is_none_or(|url| context.url == *url));
    let url = given.or(known.map(|(_, context)| &context.url)).ok_or_else(|| Error::Usage {
        message: "which server? No URL was given and there is no context to log in to again".to_owned(),
        hint: Some("berth login https://berth.example.com".to_owned()),
    })?;
    let name = match (&global.context, known) {
        (Some(name), _) => Place::Named(name.clone()),
        (None, Some((name, _))) => Place::Found(name.clone(), url.authority()),
        (None, None) => Place::Found(url.authority(), url.authority()),
    };
    let ca_file = match &global.ca_file {
        Some(path) => {
            let absolute =
                path.canonicalize().map_err(|error| Error::file("read the certificates in", path, error))?;
            Some(absolute)
        }
        None => known.and_then(|(_, context)| context.ca_file.clone()),
    };
    Ok((name, url.clone(), ca_file))
}

/// Where the token is to be stored.
enum Place {
    /// In the context that was named.
    Named(String),
    /// In the context that was found for the server, unless that is another organisation's; the server's host goes into the
    /// name of a new one.
    Found(String, String),
}

impl Place {
    fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::Found(name, _) => name,
        }
    }

    /// The context's name. No other organisation's token is written over: it may be the only copy.
    fn for_organization(self, organization: &str, config: &Config) -> Result<String, Error> {
        let contexts = &config.contents.contexts;
        let is_free = |name: &str| contexts.get(name).is_none_or(|held| held.organization == organization);
        match self {
            Self::Named(name) | Self::Found(name, _) if is_free(&name) => Ok(name),
            Self::Named(name) => Err(Error::Usage {
                message: format!(
                    "context '{name}' holds a token of organisation '{}', and this one is of '{organization}'",
                    contexts.get(&name).map_or("", |held| held.organization.as_str())
                ),
                hint: Some(format!("take another name, or `berth logout --context {name}` first")),
            }),
            Self::Found(_, host) => {
                let name = format!("{host}/{organization}");
                if is_free(&name) {
                    Ok(name)
                } else {
                    Self::Named(name).for_organization(organization, config)
                }
            }
        }
    }
}

fn read_token(global: &Global, args: &Args, url: &ServerUrl) -> Result<Token, Error> {
    if args.token_stdin {
        let text = Source::Stdin.read_text("--token-stdin", TOKEN_LIMIT, &mut Stdin::default())?;
        return Token::from_input(text.to_string());
    }
    if let Some(token) = global.environment_token()? {
        global.talk().say("Storing the token of BERTH_TOKEN.");
        return Ok(token);
    }
    if !terminal::is_interactive() {
        return Err(Error::Usage {
            message: "there is no terminal to ask for the token".to_owned(),
            hint: Some("give it on standard input with --token-stdin, or as BERTH_TOKEN".to_owned()),
        });
    }
    let text = Zeroizing::new(terminal::ask_secret(&format!("Token for {url}"))?);
    Token::from_input(text.to_string())
}

fn tell(talk: Talk, url: &ServerUrl, whoami: &WhoAmI, name: &str, config: &Config) {
    talk.say(&format!(
        "Logged in to {url} as '{}' of organisation '{}'.",
        whoami.token_name, whoami.organization
    ));
    talk.say(&format!("Context '{name}' is the current one; it is stored in {}.", config.path().display()));
}
