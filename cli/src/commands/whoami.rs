//! `berth whoami`

use berth_schema::api::WhoAmI;
use berth_schema::api::account::{Account, AccountOrganization};
use serde::Serialize;

use crate::args::Global;
use crate::config::{Credential, Target};
use crate::error::Error;
use crate::names::OrganizationRef;
use crate::output::{self, Cell, Printer};
use crate::session;

const HELP: &str = "\
For a login the account and its session, and what it is in the current organisation; for a token
the token.

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
    match &target.credential {
        Credential::Token(_) => {
            let whoami = client.whoami().await?;
            args.show(global, &target, &whoami, of_token)
        }
        Credential::Login(_) => {
            let account = client.account().await?;
            args.show(global, &target, &account, |account| of_login(account, &target))
        }
    }
}

impl Args {
    fn show<T: Serialize>(
        &self,
        global: &Global,
        target: &Target,
        answer: &T,
        pairs: impl FnOnce(&T) -> Vec<(&'static str, Cell)>,
    ) -> Result<(), Error> {
        match self.output {
            Form::Json => output::write(&output::json(answer)?),
            Form::Yaml => output::write(&output::yaml(answer)?),
            Form::Table => {
                let context = target.context.as_deref().unwrap_or("-");
                let mut all = vec![("Server", (&target.url).into()), ("Context", context.into())];
                all.extend(pairs(answer));
                Printer::of(global).pairs(&all)
            }
        }
    }
}

fn of_token(whoami: &WhoAmI) -> Vec<(&'static str, Cell)> {
    vec![
        ("Organisation", (&whoami.organization).into()),
        ("Organisation id", whoami.organization_id.into()),
        ("Token", (&whoami.token_name).into()),
        ("Scope", whoami.scope.to_string().into()),
        ("Role", whoami.role.map_or_else(|| "-".to_owned(), |role| role.to_string()).into()),
        ("Expires", whoami.expires_at.map_or_else(|| "never".to_owned(), |end| end.to_string()).into()),
    ]
}

fn of_login(account: &Account, target: &Target) -> Vec<(&'static str, Cell)> {
    let current = target.organization.as_ref().map(OrganizationRef::as_str).unwrap_or_default();
    let is_current =
        |one: &&AccountOrganization| one.name.as_str() == current || one.id.to_string() == current;
    let organization = account.organizations.iter().find(is_current);
    let role = match organization {
        Some(one) if one.suspended => format!("{} (suspended)", one.role),
        Some(one) => one.role.to_string(),
        None => "none".to_owned(),
    };
    let elevations = organization.map(|one| one.elevations.as_slice()).unwrap_or_default();
    let mut pairs = vec![
        ("Organisation", organization.map_or(current, |one| one.name.as_str()).into()),
        ("Role", role.into()),
        (
            "Member id",
            organization
                .and_then(|one| one.member_id)
                .map_or_else(|| "-".to_owned(), |id| id.to_string())
                .into(),
        ),
        ("Account", (&account.name).into()),
        ("Account id", account.id.into()),
        ("Session", account.session.id.into()),
        ("Expires", account.session.expires_at.into()),
    ];
    // Behind the role that it stands beside.
    let for_a_time = elevations.iter().map(|elevated| ("For a time", output::for_a_time(elevated).into()));
    pairs.splice(2..2, for_a_time);
    if let Some(since) = account.new_device_at {
        let url = target.url.to_string();
        let page = format!("{}/sessions", url.trim_end_matches('/'));
        pairs.push(("New device", format!("since {since}; was it you? {page}").into()));
    }
    pairs
}
