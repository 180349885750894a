//! `berth identity-providers delete`

use berth_schema::identity_providers::IdentityProviderName;

use crate::args::Global;
use crate::error::Error;
use crate::session::Session;

const HELP: &str = "\
Whom it has brought in stays a user, and is let in again when another provider of the same issuer
proves who they are.

Examples:
  berth identity-providers delete sso";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// What it is called
    #[arg(value_name = "NAME", value_parser = super::name)]
    name: IdentityProviderName,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let deleted = session.organization.delete_identity_provider(&args.name).await?;
    session.talk.say(&format!(
        "Nobody is signed in by '{}' any more, and the sessions that it has proven are over here.",
        deleted.name
    ));
    Ok(())
}
