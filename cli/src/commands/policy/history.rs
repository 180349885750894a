//! `berth policy history`

use berth_schema::policy::PolicyVersion;

use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more};
use crate::error::Error;
use crate::output::{self, Cell};
use crate::session::Session;

const HELP: &str = "\
Examples:
  berth policy history
  berth policy get --version 3";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    page: PageArgs,

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
    let session = Session::open(global).await?;
    let page = session.organization.policy_versions(&args.page.listing()).await?;
    match args.output {
        Form::Json => output::write(&output::json(&page)?)?,
        Form::Yaml => output::write(&output::yaml(&page)?)?,
        Form::Table => {
            let rows: Vec<_> = page.items.iter().map(row).collect();
            session.printer.rows(&["VERSION", "RULES", "SET", "BY"], &rows)?;
        }
    }
    tell_of_more(&page, session.talk);
    Ok(())
}

fn row(version: &PolicyVersion) -> Vec<Cell> {
    let rules = if version.built_in { "built in" } else { "own" };
    let set = version.created_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let by = version.created_by.map_or_else(|| "-".to_owned(), |by| by.to_string());
    vec![version.version.into(), rules.into(), set.into(), by.into()]
}
