//! `berth agents configuration …`

mod diff;
mod get;
mod set;

use berth_schema::configuration::{MAX_BYTES, UniqueKeys};
use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use crate::args::Global;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show an agent's configuration as a document that `set` takes
    #[command(visible_alias = "show")]
    Get(get::Args),
    /// Replace an agent's configuration
    Set(set::Args),
    /// Show what `set` would change, and change nothing
    Diff(diff::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Get(args) => get::run(global, &args).await,
        Command::Set(args) => set::run(global, &args).await,
        Command::Diff(args) => diff::run(global, &args).await,
    }
}

/// The forms of a document.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    Yaml,
    Json,
}

fn print(form: Form, document: &impl Serialize) -> Result<String, Error> {
    match form {
        Form::Yaml => output::yaml(document),
        Form::Json => output::json(document),
    }
}

/// Where the new configuration comes from.
#[derive(Debug, clap::Args)]
struct Document {
    /// The new configuration, YAML or JSON ('-': standard input)
    #[arg(long, short, value_name = "FILE")]
    file: Source,
}

impl Document {
    /// The document as JSON. What it says is for the server to judge.
    fn read(&self) -> Result<Value, Error> {
        let text = self.file.read_text("--file", MAX_BYTES, &mut Stdin::default())?;
        if text.trim().is_empty() {
            let message =
                format!("--file: {} is empty; the configuration that says nothing is {{}}", self.file);
            return Err(Error::usage(message));
        }
        let document = self.parse(&text)?;
        if document.is_object() {
            return Ok(document);
        }
        Err(Error::usage(format!("--file: {} must hold an object, as in 'user: 5001'", self.file)))
    }

    /// JSON writes some texts in ways that YAML does not have, so it is tried first.
    fn parse(&self, text: &str) -> Result<Value, Error> {
        if let Ok(UniqueKeys(value)) = serde_json::from_str(text) {
            return Ok(value);
        }
        berth_devfile::plain::to_json(text).map_err(|errors| {
            let more = errors.len().saturating_sub(1);
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            let first = errors.first().map(ToString::to_string).unwrap_or_default();
            Error::usage(format!("--file: {}, {first}{more}", self.file))
        })
    }
}
