//! `berth agents rotate-token`

use berth_schema::agents::RotateAgentToken;
use jiff::SignedDuration;

use crate::args::Global;
use crate::commands::secret::SecretOutput;
use crate::commands::tokens::parse_period;
use crate::error::Error;
use crate::names::AgentRef;
use crate::session::Session;

const HELP: &str = "\
The agent stays the same, with its workspaces. The old token opens until the new one is used for
the first time, or until the overlap is over: put the new one where the old one was, and a running
agent takes it up by itself. With --now the old one ends at once, as it must where somebody stole
it. With an old token ends what was done with it: the leadership that was claimed, and the keys
that were registered.

Examples:
  berth agents rotate-token berlin | kubectl -n berth-agent create secret generic berth-agent \\
    --from-file=token=/dev/stdin --dry-run=client -o yaml | kubectl apply -f -
  berth agents rotate-token berlin --now > berlin.token";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    /// How long the old token opens at most, up to 7d
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = parse_period)]
    overlap: SignedDuration,

    /// End the old token at once: somebody stole it, or nobody has it any more
    #[arg(long, conflicts_with = "overlap")]
    now: bool,

    /// In place of a new token that was not used yet
    #[arg(long)]
    again: bool,

    #[command(flatten)]
    output: SecretOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let overlap_seconds = if args.now { 0 } else { args.overlap.as_secs().unsigned_abs() };
    let rotate = RotateAgentToken { overlap_seconds, replace_unused: args.again };
    let session = Session::open(global).await?;
    let rotated = session.organization.rotate_agent_token(&args.agent, rotate).await?;
    let name = &rotated.agent.name;
    let Some(token) = &rotated.token else {
        return Err(Error::Other("the server answered without a token".to_owned()));
    };
    let old = match rotated.agent.credential.and_then(|credential| credential.previous_valid_until) {
        Some(until) => format!("the old one opens until the new one is used, or {until}"),
        None => "every other has ended".to_owned(),
    };
    session.talk.say(&format!("Agent '{name}' has a new token; {old}. Keep it: it is not shown again."));
    session.talk.say("To give it to the agent, paste it (end with Ctrl-D) to:");
    session.talk.say(super::REPLACE_SECRET);
    args.output.print(token, &rotated)
}
