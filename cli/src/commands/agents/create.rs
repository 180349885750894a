//! `berth agents create`

use berth_schema::AgentName;
use berth_schema::api::CreateAgent;

use crate::args::Global;
use crate::error::Error;
use crate::output;
use crate::session::Session;

const HELP: &str = "\
Prints the agent's token, which the server cannot show again: it keeps only a hash of it.

Examples:
  berth agents create berlin > berlin.token
  berth agents create berlin -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name
    #[arg(value_name = "NAME")]
    name: AgentName,

    /// The form of the output: token, json or yaml
    #[arg(long, short, value_name = "FORM", default_value = "token", hide_possible_values = true)]
    output: Form,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    Token,
    Json,
    Yaml,
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
    match args.output {
        Form::Token => output::write(&format!("{}\n", output::escape(token))),
        Form::Json => output::write(&output::json(&created)?),
        Form::Yaml => output::write(&output::yaml(&created)?),
    }
}
