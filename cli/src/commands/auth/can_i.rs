//! `berth auth can-i`

use berth_schema::FieldError;

use crate::args::Global;
use crate::error::{Error, OWNERS_SET_RULES};
use crate::output;
use crate::session::Session;

const HELP: &str = "\
Prints 'yes'; 'no' with exit code 8; or 'not now' with exit code 8, where the rules permit it and it
would be refused at the moment all the same. What you may not know of is not found, like what does
not exist.

Examples:
  berth auth can-i workspace.create
  berth auth can-i workspace.stop blue-otter --explain
  berth auth can-i orphan.remove berlin/0191e2b4-0000-4000-8000-000000000001";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// What is done, as in workspace.stop
    #[arg(value_name = "ACTION")]
    action: String,

    /// What it is done to, by name or id
    #[arg(value_name = "RESOURCE")]
    resource: Option<String>,

    /// Tell by which rule
    #[arg(long)]
    explain: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let permission = session.organization.can_i(&args.action, args.resource.as_deref()).await?;
    let answer = &permission.answer;
    output::write(match (answer.allowed, &permission.objection) {
        (true, None) => "yes\n",
        (true, Some(_)) => "not now\n",
        (false, _) => "no\n",
    })?;
    if args.explain {
        let rules = match answer.rules.as_slice() {
            [] => "no rule".to_owned(),
            rules => format!("rule {}", rules.join(", ")),
        };
        let given =
            permission.given.iter().map(|given| format!(", {} of {} '{}'", given.role, given.at, given.path));
        let for_a_time = permission.elevations.iter();
        let for_a_time = for_a_time.map(|one| format!(", for a time {}{}", one.role, one.place.words()));
        session.talk.say(&format!(
            "As {}{}{}, by version {} of the policy: {} ({rules}).",
            permission.role,
            given.collect::<String>(),
            for_a_time.collect::<String>(),
            permission.policy_version,
            answer.reason
        ));
    }
    if let (true, Some(FieldError { field, message, .. })) = (answer.allowed, &permission.objection) {
        return Err(Error::Unproven {
            message: format!(
                "you may, and it would be refused at the moment all the same: {field}: {message}"
            ),
            hint: "`berth agents get NAME` shows whose workspaces an agent takes".to_owned(),
        });
    }
    if answer.allowed {
        return Ok(());
    }
    let hint = if args.explain { OWNERS_SET_RULES } else { "`--explain` tells by which rule" };
    Err(Error::Unproven { message: "you may not".to_owned(), hint: hint.to_owned() })
}
