//! `berth whoami`

use crate::args::Global;
use crate::error::Error;
use crate::output::{self, Printer};
use crate::session;

const HELP: &str = "\
Examples:
  berth whoami
  berth whoami -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The form of the output: table, json or yaml
    #[arg(long, short, value_name = "FORM", default_value = "table", hide_possible_values = true)]
    output: Form,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    Table,
    Json,
    Yaml,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let (target, client) = session::connect(global)?;
    let whoami = client.whoami().await?;
    match args.output {
        Form::Json => output::write(&output::json(&whoami)?),
        Form::Yaml => output::write(&output::yaml(&whoami)?),
        Form::Table => Printer::of(global).pairs(&[
            ("Server", target.url.into()),
            ("Context", target.context.unwrap_or_else(|| "-".to_owned()).into()),
            ("Organisation", whoami.organization.into()),
            ("Organisation id", whoami.organization_id.into()),
            ("Token", whoami.token_name.into()),
            ("Scope", whoami.scope.to_string().into()),
            ("Expires", whoami.expires_at.map_or_else(|| "never".to_owned(), |end| end.to_string()).into()),
        ]),
    }
}
