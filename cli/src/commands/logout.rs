//! `berth logout`

use berth_schema::access::RevokeToken;

use crate::args::Global;
use crate::client::{Client, Organization};
use crate::config::Config;
use crate::error::Error;
use crate::names::TokenRef;

const HELP: &str = "\
Forgets the current context, or the one of --context, with its token. With --revoke the token is
taken away on the server first, wherever else it is used.

Examples:
  berth logout
  berth logout --context work --revoke";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Take the token away on the server, too
    #[arg(long)]
    revoke: bool,

    /// With --revoke: even the last token that may change anything
    #[arg(long, requires = "revoke")]
    force: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let talk = global.talk();
    let mut config = Config::load(global.config.as_deref())?;
    let name = global.context.clone().or_else(|| config.contents.current.clone());
    let name = name.ok_or_else(|| Error::NotFound {
        message: "there is no current context to log out of".to_owned(),
        hint: "name one with --context; `berth contexts list` shows those there are".to_owned(),
    })?;
    let context = config.context(&name)?;
    if args.revoke {
        let reached = context.url.for_token(global.allow_http || context.allow_http)?;
        let client = Client::new(reached, &context.token, context.ca_file.as_deref(), talk)?;
        let whoami = client.whoami().await?;
        let id = whoami.token_id.ok_or_else(|| {
            Error::Other("the server is too old to take its tokens away; log out without --revoke".to_owned())
        })?;
        let organization = Organization::new(client, whoami.organization.into());
        let token = organization.revoke_token(&TokenRef::from(id), RevokeToken { force: args.force }).await?;
        talk.say(&format!("Token '{}' is revoked.", token.name));
    }
    config.contents.contexts.remove(&name);
    if config.contents.current.as_ref() == Some(&name) {
        config.contents.current = None;
    }
    config.save()?;
    let token = if args.revoke { "" } else { "; its token stays valid on the server" };
    talk.say(&format!("Context '{name}' is forgotten{token}."));
    if std::env::var_os("BERTH_TOKEN").is_some() {
        talk.warn("BERTH_TOKEN is set and goes on being used");
    }
    Ok(())
}
