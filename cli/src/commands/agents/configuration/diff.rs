//! `berth agents configuration diff`

use similar::TextDiff;

use super::Document;
use super::set::{effect, of_groups};
use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output;
use crate::session::Session;

const HELP: &str = "\
The server checks the document as `set` would. Prints nothing where the two say the same.

Examples:
  berth agents configuration diff berlin -f berlin.yaml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    #[command(flatten)]
    document: Document,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let document = args.document.read()?;
    let session = Session::open(global).await?;
    let before = session.organization.configuration(&args.agent).await?;
    let after = session.organization.try_configuration(&args.agent, &document).await?;
    let (old, new) = (output::yaml(&before.configuration)?, output::yaml(&after.configuration)?);
    if old == new {
        session.talk.say("No difference.");
        return Ok(());
    }
    let names = (format!("version {}", before.version), args.document.file.to_string());
    let diff = TextDiff::from_lines(&old, &new);
    output::write(&diff.unified_diff().header(&names.0, &output::escape(&names.1)).to_string())?;
    let effect = effect(after.rendered_again.unwrap_or(0), "would be", "would be");
    session.talk.say(&format!("With this, {effect}."));
    for line in of_groups(&after, "would", "would") {
        session.talk.say(&line);
    }
    Ok(())
}
