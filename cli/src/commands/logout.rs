//! `berth logout`

use berth_schema::access::RevokeToken;

use crate::args::Global;
use crate::client::{Authority, Bearer, Client, Organization, interruptible};
use crate::config::{Context, Credential, Locked, Login};
use crate::error::Error;
use crate::names::TokenRef;
use crate::terminal::Talk;
use crate::token::Token;

const HELP: &str = "\
Forgets the current context, or the one of --context. A login is ended on the server; a token stays
valid there, wherever else it is used, unless --revoke takes it away first.

Examples:
  berth logout
  berth logout --context work --revoke";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Take a token away on the server, too
    #[arg(long)]
    revoke: bool,

    /// With --revoke: even the last token that may change anything
    #[arg(long, requires = "revoke")]
    force: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let talk = global.talk();
    // Held while the server is asked, so that no other command refreshes the login meanwhile.
    let mut config = Locked::open(global.config.as_deref()).await?;
    let name = global.context.clone().or_else(|| config.contents.current.clone());
    let name = name.ok_or_else(|| Error::NotFound {
        message: "there is no current context to log out of".to_owned(),
        hint: "name one with --context; `berth contexts list` shows those there are".to_owned(),
    })?;
    let context = config.context(&name)?;
    let mut lost = None;
    let left = match &context.credential {
        Credential::Login(login) => {
            // Whatever the server says: what is to be forgotten here is forgotten.
            lost = match interruptible(end(global, context, login, talk)).await {
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                ended => ended.err(),
            };
            if lost.is_some() { "" } else { "; its session is ended" }
        }
        Credential::Token(token) if args.revoke => {
            revoke(global, args, context, token, talk).await?;
            ""
        }
        Credential::Token(_) => "; its token stays valid on the server",
    };
    config.contents.contexts.remove(&name);
    if config.contents.current.as_ref() == Some(&name) {
        config.contents.current = None;
    }
    config.save()?;
    talk.say(&format!("Context '{name}' is forgotten{left}."));
    if std::env::var_os("BERTH_TOKEN").is_some() {
        talk.warn("BERTH_TOKEN is set and goes on being used");
    }
    match lost {
        None => Ok(()),
        Some(error) => Err(Error::Lost {
            message: format!("the session goes on on the server: {error}"),
            hint: "end it on the page of your sessions".to_owned(),
        }),
    }
}

/// Ends the session of a login.
async fn end(global: &Global, context: &Context, login: &Login, talk: Talk) -> Result<(), Error> {
    let reached = context.url.for_token(global.allow_http || context.allow_http)?;
    Authority::new(reached, context.ca_file.as_deref(), talk)?.revoke(&login.refresh_token).await
}

async fn revoke(
    global: &Global,
    args: &Args,
    context: &Context,
    token: &Token,
    talk: Talk,
) -> Result<(), Error> {
    let reached = context.url.for_token(global.allow_http || context.allow_http)?;
    let client = Client::new(reached, Bearer::Token(token.clone()), context.ca_file.as_deref(), talk)?;
    let whoami = client.whoami().await?;
    let id = whoami.token_id.ok_or_else(|| {
        Error::Other("the server is too old to take its tokens away; log out without --revoke".to_owned())
    })?;
    let organization = Organization::new(client, whoami.organization.into());
    let token = organization.revoke_token(&TokenRef::from(id), RevokeToken { force: args.force }).await?;
    talk.say(&format!("Token '{}' is revoked.", token.name));
    Ok(())
}
