//! `berth devfile lint`

use berth_devfile::{Diagnostic, Options, devcontainer};
use berth_schema::{Warning, WorkspaceSpec};
use serde::Serialize;

use super::Format;
use crate::args::Global;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::output;

const HELP: &str = "\
Needs no server and no login. Prints FILE:LINE:COLUMN: and what is wrong there, everything together,
in the order of the text; of a file that is accepted, what is passed over or taken otherwise.
Bounds that an agent sets itself are known to the server alone.

Examples:
  berth devfile lint devfile.yaml
  berth devfile lint .devcontainer/devcontainer.json
  berth devfile lint - < devfile.yaml
  berth devfile lint devfile.yaml -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The devfile ('-': standard input)
    #[arg(value_name = "FILE")]
    file: Source,

    /// Read it as a devcontainer.json, as is done with a file of that name
    #[arg(long)]
    devcontainer: bool,

    /// The form of the output: text, json or yaml
    #[arg(long, short, value_name = "FORM", default_value = "text", hide_possible_values = true)]
    output: Format,
}

/// What `-o json` prints.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    file: String,
    accepted: bool,
    errors: &'a [Diagnostic],
    /// Of a file that is accepted.
    warnings: &'a [Warning],
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let devcontainer = args.devcontainer || is_devcontainer(&args.file);
    let limit = if devcontainer { devcontainer::MAX_BYTES } else { berth_devfile::MAX_BYTES };
    let bytes = args.file.read_beyond("FILE", limit, &mut Stdin::default())?;
    let read = if devcontainer { devcontainer::translate } else { berth_devfile::parse };
    let result = match text(&bytes, limit) {
        Ok(text) => read(text, &Options::default()),
        Err(diagnostic) => Err(vec![diagnostic]),
    };
    let errors = result.as_ref().err().map_or(&[][..], Vec::as_slice);
    let warnings = result.as_ref().map_or(&[][..], |spec| spec.warnings.as_slice());
    let file = args.file.to_string();
    let verdict = Verdict { file: file.clone(), accepted: errors.is_empty(), errors, warnings };
    output::write(&match args.output {
        Format::Text => lines(&verdict),
        Format::Json => output::json(&verdict)?,
        Format::Yaml => output::yaml(&verdict)?,
    })?;
    match result {
        Ok(spec) => {
            global.talk().say(&format!("{file} is accepted: {}.", summary(&spec)));
            Ok(())
        }
        Err(errors) if errors.len() == 1 => Err(Error::Other(format!("{file} has an error"))),
        Err(errors) => Err(Error::Other(format!("{file} has {} errors", errors.len()))),
    }
}

/// The file as text, or why it is none that can be read, told like everything else that is wrong with it.
pub(super) fn text(bytes: &[u8], limit: usize) -> Result<&str, Diagnostic> {
    let at = |line, column, message| Diagnostic { line, column, path: String::new(), message };
    if bytes.len() > limit {
        return Err(at(1, 1, format!("the file is larger than {} KiB, the most that is read", limit / 1024)));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let (before, _) = bytes.split_at(error.valid_up_to());
        let lines = String::from_utf8_lossy(before);
        let column = lines.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        at(lines.matches('\n').count() + 1, column, "is not UTF-8 text".to_owned())
    })
}

fn is_devcontainer(file: &Source) -> bool {
    matches!(file, Source::File(path) if devcontainer::is_named(&path.to_string_lossy()))
}

/// One error or warning a line, as compilers print them and editors follow them.
fn lines(verdict: &Verdict<'_>) -> String {
    let mut lines = String::new();
    for error in verdict.errors {
        let path = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
        let line = format!("{}:{}:{}: {path}{}", verdict.file, error.line, error.column, error.message);
        lines.push_str(&output::escape(&line));
        lines.push('\n');
    }
    for warning in verdict.warnings {
        let Warning { line, column, path, what, why } = warning;
        let line = format!("{}:{line}:{column}: warning: {path}: {what}: {why}", verdict.file);
        lines.push_str(&output::escape(&line));
        lines.push('\n');
    }
    lines
}

fn summary(spec: &WorkspaceSpec) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let mut parts = vec![count(spec.containers.len(), "container")];
    let others = [(spec.volumes.len(), "volume"), (spec.warnings.len(), "warning")];
    parts.extend(
        others.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| count(number, what)),
    );
    parts.join(", ")
}
