//! How a secret that is shown once is printed.

use serde::Serialize;

use crate::error::Error;
use crate::output;

/// `-o` of commands that make a secret.
#[derive(Debug, clap::Args)]
pub(super) struct SecretOutput {
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

impl SecretOutput {
    /// The secret alone, or the whole answer that it came with.
    pub(super) fn print(&self, secret: &str, answer: &impl Serialize) -> Result<(), Error> {
        match self.output {
            Form::Token => output::write(&format!("{}\n", output::escape(secret))),
            Form::Json => output::write(&output::json(answer)?),
            Form::Yaml => output::write(&output::yaml(answer)?),
        }
    }
}
