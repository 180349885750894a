//! `berth policy test`

use berth_schema::policy::{Question, TestPolicy};

use super::{MAX_BYTES, rules};
use crate::args::Global;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::output::escape;
use crate::session::Session;

const HELP: &str = "\
Questions are a JSON list. Each says a role and an action, and what else matters: own, resource, subject,
kind, suspended, scope, session_age_seconds, session_idle_seconds, mfa, address. With 'expect' it says what the answer should be;
where one is another, the command fails.

Examples:
  berth policy test --questions questions.json
  berth policy test -f policy.cedar --questions - <<< \\
    '[{\"role\": \"developer\", \"action\": \"workspace.stop\", \"own\": true, \"expect\": true}]'";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The rules to try, in place of those that hold ('-': standard input)
    #[arg(long, short, value_name = "FILE")]
    file: Option<Source>,

    /// What to ask, as JSON ('-': standard input)
    #[arg(long, value_name = "FILE")]
    questions: Source,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let mut stdin = Stdin::default();
    let given = args.file.as_ref().map(|file| rules(file, &mut stdin)).transpose()?;
    let text = args.questions.read_text("--questions", MAX_BYTES, &mut stdin)?;
    let questions: Vec<Question> = serde_json::from_str(&text)
        .map_err(|error| Error::usage(format!("--questions: {} cannot be read: {error}", args.questions)))?;
    let asked = TestPolicy { rules: given, questions };
    let session = Session::open(global).await?;
    let answers = session.organization.test_policy(&asked).await?.answers;
    let word = |allowed: bool| if allowed { "yes" } else { "no" };
    let rows: Vec<Vec<_>> = asked
        .questions
        .iter()
        .zip(&answers)
        .map(|(question, answer)| {
            vec![
                question.role.as_str().into(),
                escape(&question.action).into(),
                word(answer.allowed).into(),
                question.expect.map_or("-", word).into(),
                escape(&answer.reason).into(),
                escape(&answer.rules.join(", ")).into(),
            ]
        })
        .collect();
    session.printer.rows(&["ROLE", "ACTION", "ALLOWED", "EXPECTED", "REASON", "RULES"], &rows)?;
    let both = asked.questions.iter().zip(&answers);
    let wrong = both.filter(|(question, answer)| question.expect.is_some_and(|is| is != answer.allowed));
    match wrong.count() {
        0 => Ok(()),
        wrong => Err(Error::Unproven {
            message: format!("{wrong} of {} answers are not as expected", answers.len()),
            hint: "the table names the rule that decided each of them".to_owned(),
        }),
    }
}
