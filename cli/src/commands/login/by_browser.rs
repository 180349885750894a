//! As a person, who lets this machine in with a browser.

use std::time::Duration;

use berth_schema::ServerUrl;
use berth_schema::api::account::{Account, AccountOrganization};

use super::LoggedIn;
use crate::args::Global;
use crate::client::{Authority, Bearer, Client, interruptible};
use crate::config::{Credential, Login};
use crate::error::Error;
use crate::names::OrganizationRef;
use crate::sign_in::{self, Way};
use crate::terminal;

/// Whoever has pressed Ctrl-C waits no longer for the end of the session.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where to log in, and as what machine.
pub(super) struct Door<'a> {
    pub(super) authority: &'a Authority,
    pub(super) url: &'a ServerUrl,
    pub(super) way: Way,
    pub(super) device_name: &'a str,
}

/// Waits for the person, then finds out where they belong. `known`: the organisation that the context has had so far.
///
/// A session that leads nowhere is ended again.
pub(super) async fn run(
    global: &Global,
    door: Door<'_>,
    client: impl FnOnce(Bearer) -> Result<Client, Error>,
    known: Option<&str>,
) -> Result<LoggedIn, Error> {
    let waiting = sign_in::run(door.authority, door.way, door.device_name, global.talk());
    let login = interruptible(waiting).await?;
    let entered = match client(Bearer::Token(login.access_token.clone())) {
        Ok(client) => enter(global, client, known).await,
        Err(error) => Err(error),
    };
    match entered {
        Ok((account, organization)) => Ok(LoggedIn {
            told: format!(
                "Logged in to {} as '{}' in organisation '{}' ({}). The login ends on {}, or by `berth logout`.",
                door.url, account.name, organization.name, organization.role, account.session.expires_at
            ),
            organization: organization.name.to_string(),
            credential: Credential::Login(login),
        }),
        Err(error) => {
            end(door.authority, &login, global).await;
            Err(error)
        }
    }
}

/// Ends a session that nobody will use; where that fails it ends by itself.
pub(super) async fn end(authority: &Authority, login: &Login, global: &Global) {
    let ended = tokio::time::timeout(PATIENCE, authority.revoke(&login.refresh_token)).await;
    if let Ok(Err(error)) = ended {
        global.talk().trace(&error.to_string());
    }
}

async fn enter(
    global: &Global,
    client: Client,
    known: Option<&str>,
) -> Result<(Account, AccountOrganization), Error> {
    let account = client.account().await?;
    let organization = match choose(&account, global.organization.as_ref(), known)? {
        Choice::One(organization) => organization.clone(),
        Choice::Several(open) => ask(&open)?,
    };
    Ok((account, organization))
}

#[derive(Debug)]
enum Choice<'a> {
    One(&'a AccountOrganization),
    Several(Vec<&'a AccountOrganization>),
}

fn choose<'a>(
    account: &'a Account,
    named: Option<&OrganizationRef>,
    known: Option<&str>,
) -> Result<Choice<'a>, Error> {
    let all = &account.organizations;
    if let Some(named) = named {
        let is_named = |one: &&AccountOrganization| {
            one.name.as_str() == named.as_str() || one.id.to_string() == named.as_str()
        };
        return match all.iter().find(is_named) {
            Some(one) if one.suspended => {
                Err(Error::Denied(format!("'{}' is suspended in organisation '{}'", account.name, one.name)))
            }
            Some(one) => Ok(Choice::One(one)),
            None => Err(Error::NotFound {
                message: format!("'{}' does not belong to organisation '{named}'", account.name),
                hint: format!("they belong to: {}", list(all.iter())),
            }),
        };
    }
    let open: Vec<_> = all.iter().filter(|one| !one.suspended).collect();
    match (open.as_slice(), known.and_then(|known| open.iter().find(|one| one.name.as_str() == known))) {
        ([], _) if all.is_empty() => Err(Error::Denied(format!(
            "'{}' belongs to no organisation; somebody who owns one has to take them in",
            account.name
        ))),
        ([], _) => Err(Error::Denied(format!("'{}' is suspended in every organisation", account.name))),
        (_, Some(one)) | ([one], None) => Ok(Choice::One(one)),
        _ => Ok(Choice::Several(open)),
    }
}

fn ask(open: &[&AccountOrganization]) -> Result<AccountOrganization, Error> {
    if !terminal::is_interactive() {
        return Err(Error::Usage {
            message: format!("which organisation? There are {}", list(open.iter().copied())),
            hint: Some("say it with --organization NAME".to_owned()),
        });
    }
    let items: Vec<_> = open.iter().map(|one| format!("{} ({})", one.name, one.role)).collect();
    let chosen = terminal::choose("Organisation", &items)?;
    open.get(chosen).map(|one| (*one).clone()).ok_or(Error::Declined)
}

fn list<'a>(all: impl Iterator<Item = &'a AccountOrganization>) -> String {
    let names: Vec<_> = all.map(|one| one.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn account(organizations: &[(&str, bool)]) -> Account {
        let organizations: Vec<_> = organizations
            .iter()
            .map(|(name, suspended)| {
                let id = "0191e2b4-0000-4000-8000-00000000000f";
                json!({ "id": id, "name": name, "role": "developer", "suspended": suspended })
            })
            .collect();
        let id = "0191e2b4-0000-4000-8000-000000000001";
        let account = json!({
            "id": id, "name": "Zoë", "organizations": organizations,
            "session": { "id": id, "expires_at": "2026-01-01T00:00:00Z" },
        });
        serde_json::from_value(account).expect("an account")
    }

    fn chosen(organizations: &[(&str, bool)], named: Option<&str>, known: Option<&str>) -> String {
        let named = named.map(|name| name.parse().expect("a name"));
        match choose(&account(organizations), named.as_ref(), known) {
            Ok(Choice::One(one)) => one.name.to_string(),
            Ok(Choice::Several(all)) => format!("? {}", list(all.into_iter())),
            Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
        }
    }

    #[test]
    fn the_only_organisation_is_taken_and_of_several_the_one_that_was_said_or_known() {
        assert_eq!(chosen(&[("acme", false)], None, None), "acme");
        assert_eq!(chosen(&[("acme", false), ("other", true)], None, Some("other")), "acme");
        let two = [("acme", false), ("other", false)];
        assert_eq!(chosen(&two, None, None), "? acme, other");
        assert_eq!(chosen(&two, Some("other"), Some("acme")), "other");
        assert_eq!(chosen(&two, None, Some("other")), "other");
        assert_eq!(chosen(&two, None, Some("gone")), "? acme, other");
        assert_eq!(chosen(&two, Some("0191e2b4-0000-4000-8000-00000000000f"), None), "acme");
    }

    #[test]
    fn who_belongs_nowhere_is_told_so() {
        assert!(chosen(&[], None, None).contains("belongs to no organisation"));
        assert!(chosen(&[("acme", true)], None, None).contains("suspended in every organisation"));
        assert!(chosen(&[("acme", true)], Some("acme"), None).contains("suspended in organisation 'acme'"));
        assert!(chosen(&[("acme", false)], Some("x"), None).contains("belong to: acme"));
        assert!(chosen(&[], Some("x"), None).contains("belong to: none"));
    }
}
