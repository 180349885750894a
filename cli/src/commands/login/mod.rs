//! `berth login`

mod by_browser;
mod by_token;
mod place;
mod way;

use std::str::FromStr as _;

use berth_schema::ServerUrl;

use crate::args::Global;
use crate::client::{Authority, Client};
use crate::config::{Config, Context, Credential, Locked};
use crate::error::Error;
use crate::sign_in;
use by_browser::Door;
use place::place;
use way::{Surroundings, Way, way};

const HELP: &str = "\
A browser opens and asks whether to let this machine in. Over SSH, and where there is no display, a
code is shown instead, to be entered in a browser of any machine. What comes of it belongs to you,
is kept in a file that only you can read, and ends with `berth logout`. Services use tokens: from
standard input, or from BERTH_TOKEN. Each login makes a context; --context names it (default: the
server's host).

Examples:
  berth login https://berth.example.com
  berth login https://berth.example.com --device
  berth login https://berth.example.com --organization acme --context work
  berth login https://berth.example.com --token-stdin < token.txt
  berth login https://10.0.0.7:8443 --ca-file ca.pem
  berth login                                   # to the current context's server again";

#[derive(Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag, and clap takes one of them at most")]
#[command(after_help = HELP)]
#[command(group(clap::ArgGroup::new("way").args(["device", "no_browser", "token", "token_stdin"])))]
pub(crate) struct Args {
    /// The server, as in https://berth.example.com [default: that of the current context]
    // Read later: clap repeats what it does not understand, and after --token that may be a token.
    #[arg(value_name = "URL")]
    server: Option<String>,

    /// Show a code to enter in a browser of any machine
    #[arg(long)]
    device: bool,

    /// Show the page to open, and open no browser
    #[arg(long)]
    no_browser: bool,

    /// What this machine is called on the page that asks [default: its host name]
    #[arg(long, value_name = "NAME", value_parser = device_name, conflicts_with_all = ["token", "token_stdin"])]
    device_name: Option<String>,

    /// Ask for a token, without showing it
    #[arg(long)]
    token: bool,

    /// Read the token from standard input
    #[arg(long)]
    token_stdin: bool,
}

/// What came of it, to be stored.
struct LoggedIn {
    credential: Credential,
    organization: String,
    /// For the person.
    told: String,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let talk = global.talk();
    let config = Config::load(global.config.as_deref())?;
    let server = args.server.as_deref().map(|text| parse_server(text, args.token)).transpose()?;
    let (place, url, ca_file) = place(global, server.as_ref(), &config)?;
    let known = config.contents.contexts.get(place.name()).filter(|context| context.url == url);
    // Before anything secret is asked for.
    let reached = url.for_token(global.allow_http || known.is_some_and(|context| context.allow_http))?;
    let in_the_clear = url.for_token(false).is_err();
    if in_the_clear {
        talk.warn(&format!("{url} is not https: anybody on the way can read the token and use it"));
    }
    let authority = Authority::new(reached.clone(), ca_file.as_deref(), talk)?;
    let logged_in = match way(&args, Surroundings::of_this_process(global.token.is_some()))? {
        Way::Token => by_token::run(global, &args, &url, reached, ca_file.as_deref(), talk).await?,
        Way::Browser(way) => {
            let device_name = args.device_name.unwrap_or_else(sign_in::host_name);
            let door = Door { authority: &authority, url: &url, way, device_name: &device_name };
            let client = |bearer| Client::new(reached, bearer, ca_file.as_deref(), talk);
            let known = known.map(|context| context.organization.as_str());
            by_browser::run(global, door, client, known).await?
        }
    };
    let LoggedIn { credential, organization, told } = logged_in;
    let login = credential.login().cloned();
    let context = Context { url: url.clone(), organization, allow_http: in_the_clear, ca_file, credential };
    let stored = store(global, place, context).await;
    let (name, before, path) = match stored {
        Ok(stored) => stored,
        Err(error) => {
            // A session whose tokens are nowhere.
            if let Some(login) = &login {
                by_browser::end(&authority, login, global).await;
            }
            return Err(error);
        }
    };
    talk.say(&told);
    talk.say(&format!("Context '{name}' is the current one; it is stored in {path}."));
    match before.filter(|before| before.url == url).map(|before| before.credential) {
        Some(Credential::Login(before)) => by_browser::end(&authority, &before, global).await,
        Some(Credential::Token(_)) if login.is_some() => {
            talk.say("The token that it held is not kept here any more; it stays valid on the server.");
        }
        _ => {}
    }
    if login.is_some() && global.token.is_some() {
        talk.warn("BERTH_TOKEN is set and goes on being used instead");
    }
    Ok(())
}

/// Writes the context, which becomes the current one. Its name, what it held before, and the file.
async fn store(
    global: &Global,
    place: place::Place,
    context: Context,
) -> Result<(String, Option<Context>, String), Error> {
    let mut config = Locked::open(global.config.as_deref()).await?;
    let name = place.for_organization(&context.organization, &config)?;
    let before = config.contents.contexts.insert(name.clone(), context);
    config.contents.current = Some(name.clone());
    config.save()?;
    Ok((name, before, config.path().display().to_string()))
}

fn parse_server(text: &str, asks_for_token: bool) -> Result<ServerUrl, Error> {
    ServerUrl::from_str(text).map_err(|error| Error::Usage {
        message: format!("the server's URL {error}"),
        hint: asks_for_token.then(|| "--token takes no value: the token is asked for".to_owned()),
    })
}

fn device_name(text: &str) -> Result<String, String> {
    let is_plain = text.chars().all(berth_schema::text::is_plain);
    if text.trim().is_empty() || text.chars().count() > sign_in::LONGEST_DEVICE_NAME || !is_plain {
        return Err(format!("must be 1 to {} characters that can be seen", sign_in::LONGEST_DEVICE_NAME));
    }
    Ok(text.to_owned())
}
