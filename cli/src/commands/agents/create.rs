//! `berth agents create`

use berth_schema::AgentName;
use berth_schema::api::CreateAgent;

use crate::args::Global;
use crate::commands::secret::SecretOutput;
use crate::error::Error;
use crate::session::Session;

const HELP: &str = "\
Prints the agent's token, which the server cannot show again: it keeps only a hash of it.

Examples:
  berth agents create berlin > berlin.token
  berth agents create berlin | kubectl -n berth-agent create secret generic berth-agent \
    --from-file=token=/dev/stdin
  berth agents create berlin -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name
    #[arg(value_name = "NAME")]
    name: AgentName,

    #[command(flatten)]
    output: SecretOutput,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let created = session.organization.create_agent(&CreateAgent { name: args.name }).await?;
    let name = &created.agent.name;
    let Some(token) = &created.token else {
        return Err(Error::Lost {
            message: format!("agent '{name}' was created, but its token was lost with the connection"),
            hint: format!("`berth agents revoke {name}`, then create it again"),
        });
    };
    session.talk.say(&format!("Agent '{name}' is created. Keep its token: it is not shown again."));
    session.talk.say("To install it in your cluster (manifests/README.md has all of it):");
    session.talk.say("  kubectl apply -k manifests/base");
    let data = serde_json::json!({ "data": { "BERTH_SERVER_URL": session.organization.server() } });
    session
        .talk
        .say(&format!("  kubectl -n berth-agent patch configmap berth-agent --type merge -p '{data}'"));
    session.talk.say(&format!("{}   # paste the token, end with Ctrl-D", super::REPLACE_SECRET));
    args.output.print(token, &created)
}
