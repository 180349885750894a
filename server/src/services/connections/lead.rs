//! Leading somebody who is signed in back to the workspace's host that they came from.

use berth_db::Hold;
use berth_planner::{AgentConfig, ProxyConfig};
use berth_schema::{Action, FieldError, ResourceKind, WorkspaceName};
use url::Url;
use uuid::Uuid;

use super::judge::ended;
use super::tokens;
use crate::error::DenyReason;
use crate::identity::{Person, ProxyIdentity};
use crate::issuer::Bearer;
use crate::{Error, Op};

/// Where a proxy takes what the browser brings.
const CALLBACK: &str = "/.berth/callback";
/// The longest `state` of a proxy.
const MAX_STATE: usize = 200;
const S256: usize = 43;

/// What a proxy has sent a browser to ask for.
#[derive(Clone, Debug)]
pub struct AskedByProxy {
    proxy: ProxyIdentity,
    redirect_uri: Url,
    challenge: String,
    state: String,
}

impl AskedByProxy {
    /// `None`: another client asks.
    ///
    /// # Errors
    /// The fields that are wrong. Nobody is led anywhere then.
    pub fn of(
        client_id: &str,
        redirect_uri: &str,
        (challenge, challenge_method): (&str, &str),
        state: &str,
    ) -> Option<Result<Self, Error>> {
        let proxy = tokens::proxy_of_client(client_id)?;
        let mut errors = Vec::new();
        let mut demand = |holds: bool, field: &str, message: &str| {
            if !holds {
                errors.push(FieldError::new(field, message));
            }
        };
        let url_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        demand(challenge_method == "S256", "code_challenge_method", "must be 'S256'");
        let is_challenge = challenge.len() == S256 && challenge.bytes().all(url_safe);
        demand(is_challenge, "code_challenge", "must be the SHA-256 of a verifier");
        let is_state =
            (1..=MAX_STATE).contains(&state.len()) && state.bytes().all(|byte| byte.is_ascii_graphic());
        demand(is_state, "state", "must be 1 to 200 printable ASCII characters");
        let redirect_uri = of_a_host(redirect_uri);
        demand(
            redirect_uri.is_some(),
            "redirect_uri",
            "must be https://<host of a workspace>/.berth/callback",
        );
        Some(match redirect_uri {
            Some(redirect_uri) if errors.is_empty() => {
                Ok(Self { proxy, redirect_uri, challenge: challenge.to_owned(), state: state.to_owned() })
            }
            _ => Err(Error::Invalid(errors)),
        })
    }

    /// What people call where they are led.
    pub fn host(&self) -> &str {
        self.redirect_uri.host_str().unwrap_or_default()
    }
}

/// An address that a browser may be led to, spelled in one way.
fn of_a_host(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let is_whole = url.scheme() == "https" && url.domain().is_some() && url.path() == CALLBACK;
    (is_whole
        && url.as_str() == text
        && url.username().is_empty()
        && url.query().is_none()
        && url.fragment().is_none())
    .then_some(url)
}

/// Whether a host is one label below a zone.
fn is_below(host: &str, zone: &str) -> bool {
    host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == zone)
}

/// The workspace that a host is of, as the host has it.
fn workspace_of(host: &str) -> Option<WorkspaceName> {
    let (label, _) = host.split_once('.')?;
    let (_, name) = label.split_once('-')?;
    WorkspaceName::new(name).ok()
}

/// Where the browser goes on to, with a code for the proxy. Whether they may see the workspace is decided when the proxy exchanges it:
/// who may not learns here nothing of it.
///
/// # Errors
/// [`Error::NotFound`] where the account is nobody in the organisation, or that has no such agent; [`Error::Invalid`] where the host is
/// none of that agent's; [`Error::Forbidden`] where somebody has ended what was open by this session there, and it was not proven anew since.
pub async fn lead_on(op: &Op<Person>, asked: &AskedByProxy, own: &str) -> Result<Url, Error> {
    let (account, session) = (op.who.account, op.who.session);
    let ProxyIdentity { organization, agent } = asked.proxy;
    let found = op.context.database.read((organization, account), "lead_to_workspace", async |conn| {
        let known = conn.sessions().find_in(session, &organization.to_string()).await?;
        let known = known.filter(|known| known.membership.suspended_at.is_none() && known.is_good_here());
        let Some(known) = known else {
            return Err(Error::missing(ResourceKind::Organization, &organization));
        };
        let is_provided = known.membership.is_provided;
        if known.is_revoked() {
            return Err(Error::denied(Action::OpenConnection, DenyReason::session_revoked(is_provided)));
        }
        let row = conn.agents().find(agent).await?.filter(|row| row.revoked_at.is_none());
        if row.is_none() {
            return Err(Error::missing(ResourceKind::Agent, &agent));
        }
        if let Some(name) = workspace_of(asked.host())
            && let Some(owned) = conn.workspaces().owned_by_name(&name).await?
        {
            let ends = conn.open_connections().ends_of(owned.id, session, None).await?;
            if ended(ends).demands_proof(known.session.proven_at()) {
                return Err(Error::denied(Action::OpenConnection, DenyReason::step_up(is_provided)));
            }
        }
        Ok(conn.agents().configuration(agent, Hold::Nothing).await?.document()?)
    });
    let (written, defaults) = (found.await?, &op.context.agent_defaults);
    let config = AgentConfig::new(&written, defaults);
    if !is_below(asked.host(), &config.dns_zone) {
        return Err(Error::field("redirect_uri", "must be at a host of the agent's workspaces"));
    }
    // Another program of that machine may listen elsewhere.
    let port = ProxyConfig::new(&written, defaults, None).map(|proxy| proxy.public_port);
    if port.is_some() && asked.redirect_uri.port_or_known_default() != port {
        return Err(Error::field("redirect_uri", "must be at the port of the agent's proxy"));
    }
    let bearer = Bearer { account, session, id: Uuid::new_v4() };
    let redirect = (asked.redirect_uri.as_str(), asked.challenge.as_str());
    let code = tokens::code(&op.context.issuer, asked.proxy, redirect, bearer, op.now)?;
    let mut url = asked.redirect_uri.clone();
    url.query_pairs_mut()
        .append_pair("code", code.expose())
        .append_pair("state", &asked.state)
        .append_pair("iss", own);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_led_to_hosts_below_the_zone_alone() {
        assert!(is_below("8080-a.ws.example", "ws.example"));
        for wrong in [
            "ws.example",
            ".ws.example",
            "b.a.ws.example",
            "evilws.example",
            "a.ws.example.evil",
            "a.ws.example.",
        ] {
            assert!(!is_below(wrong, "ws.example"), "{wrong}");
        }
    }

    #[test]
    fn a_host_says_which_workspace_it_is_of() {
        let of = |host| workspace_of(host).map(|name| name.to_string());
        assert_eq!(of("8080-calm-blue-reef.ws.example").as_deref(), Some("calm-blue-reef"));
        for wrong in ["8080.ws.example", "8080-.ws.example", "localhost", ""] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_redirect_is_spelled_in_one_way() {
        for good in
            ["https://8080-a.ws.example/.berth/callback", "https://8080-a.ws.localhost:8443/.berth/callback"]
        {
            assert_eq!(of_a_host(good).expect("good").as_str(), good);
        }
        for wrong in [
            "http://8080-a.ws.example/.berth/callback",
            "https://8080-a.ws.example/.berth/callback/",
            "https://8080-a.ws.example/.berth/callback?a=b",
            "https://8080-a.ws.example/.berth/callback#a",
            "https://8080-a.ws.example/x/../.berth/callback",
            "https://8080-a.ws.example:443/.berth/callback",
            "https://evil@8080-a.ws.example/.berth/callback",
            "https://8080-a.ws.example/",
            "https://127.0.0.1/.berth/callback",
            "https://8080-A.ws.example/.berth/callback",
            "https:8080-a.ws.example/.berth/callback",
            "//8080-a.ws.example/.berth/callback",
            "javascript:alert(1)",
            "",
        ] {
            assert!(of_a_host(wrong).is_none(), "{wrong}");
        }
    }
}
