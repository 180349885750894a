//! What a program of somebody who is logged in gets into a workspace by: a token for the proxy, and a certificate for sshd.
//! See decision 0063.

use berth_db::{Changed, Hold, OrganizationConn};
use berth_planner::AgentConfig;
use berth_policy::Proof;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::connection::{AskForConnection, PlainSsh, ProgramConnection, SshCredentials, TUNNEL_PATH};
use berth_schema::kubernetes::EDITOR_PORT;
use berth_schema::ssh::{self, PublicKey};
use berth_schema::{Action, AgentConfiguration, ResourceKind, WorkspaceId, WorkspaceName};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::judge::ended;
use super::tokens;
use crate::crypto::{self, AskedCertificate, DataKey};
use crate::error::DenyReason;
use crate::identity::{Member, ProxyIdentity};
use crate::issuer::Bearer;
use crate::services::ssh_keys;
use crate::{Context, Error, Op};

const ACTION: Action = Action::IssueConnectionToken;
/// How long one can log in by a certificate.
const CERTIFICATE_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// How far the clock of a workspace's node may be behind.
const CERTIFICATE_LEEWAY: SignedDuration = SignedDuration::from_mins(1);

/// Lets a program begin, for ten minutes. Whether it may is decided again by each proxy that is shown the token.
///
/// # Errors
/// [`Error::Invalid`] where the key is none that is taken; [`Error::Forbidden`] where whoever asks has not logged in,
/// or not anew since somebody has ended what was open by the login there, or the workspace is somebody else's; [`Error::NotFound`] where it is gone.
pub async fn connect(op: &Op<Member>, asked: &AskForConnection) -> Result<ProgramConnection, Error> {
    let key = asked.ssh_public_key.as_deref().map(str::parse::<PublicKey>).transpose();
    let key = key.map_err(|wrong| Error::field("ssh_public_key", wrong.to_string()))?;
    let missing = || Error::missing(ResourceKind::Workspace, op.target());
    let id: WorkspaceId = op.target().parse().map_err(|_| missing())?;
    let (account, session) = op.who.login.ok_or(Error::denied(ACTION, DenyReason::IsNoAccount))?;
    let bearer = Bearer { account, session, id: Uuid::new_v4() };
    let connected = op.change("connect", async |conn| {
        // Whose it is was decided before.
        let door = conn.workspaces().door(id).await?.ok_or_else(missing)?;
        if is_cut(conn, op, id).await? {
            return Err(Error::denied(ACTION, DenyReason::ConnectionEnded));
        }
        let written = conn.agents().configuration(door.agent, Hold::Nothing).await?.document()?;
        let defaults = &op.context.agent_defaults;
        let plain = plain(&written, defaults);
        let root = if key.is_some() || plain.is_some() {
            Some(ssh_keys::root(&op.context, conn, op.now).await?.map_err(Error::internal)?)
        } else {
            None
        };
        let proxy = ProxyIdentity { organization: op.organization(), agent: door.agent };
        let (token, expires_at) = tokens::token(&op.context.issuer, proxy, id, bearer, op.now)?;
        let name = WorkspaceName::new(&door.name).map_err(Error::internal)?;
        let ssh = match root.as_ref().zip(key) {
            Some((root, key)) => {
                Some(certify(&op.context, root, (id, key, &op.actor().to_string()), op.now)?)
            }
            None => None,
        };
        let plain_ssh = match root.as_ref().zip(plain) {
            Some((root, (host, port))) => {
                let host_key = crypto::ssh_proxy_key(root, door.agent).map_err(Error::internal)?.to_string();
                Some(PlainSsh { host, port, host_key })
            }
            None => None,
        };
        let hosts = hosts(&name, &written, defaults);
        let tunnel = format!("{}{TUNNEL_PATH}", hosts.replace("{port}", &EDITOR_PORT.to_string()));
        let details =
            Details::ConnectionTokenIssued { agent: door.agent, with_certificate: ssh.is_some(), expires_at };
        let url = format!("{hosts}/");
        let connection =
            ProgramConnection { workspace: id, name, token, expires_at, url, tunnel, ssh, plain_ssh };
        Ok::<_, Error>(Changed::So(connection, Event::new(Resource::workspace(id), details)))
    });
    connected.await
}

/// Whether somebody has ended what was open at a workspace by the login of whoever asks, and it was not proven anew since.
pub(crate) async fn is_cut(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    workspace: WorkspaceId,
) -> Result<bool, Error> {
    let Some((_, session)) = op.who.login else { return Ok(false) };
    let ends = conn.open_connections().ends_of(workspace, session, None).await?;
    Ok(ended(ends).demands_proof(proven_at(op)))
}

/// When whoever asks has proven who they are, at the earliest: it is known to the second.
fn proven_at(op: &Op<Member>) -> Timestamp {
    match op.who.authority.asker.circumstances.proof {
        Proof::Session { age_seconds, .. } => {
            let age = i64::try_from(age_seconds).unwrap_or(i64::MAX).saturating_add(1);
            op.now.checked_sub(SignedDuration::from_secs(age)).unwrap_or(Timestamp::MIN)
        }
        Proof::Token(_) => Timestamp::MIN,
    }
}

/// The origin of a workspace's ports, with `{port}` in place of the port.
fn hosts(name: &WorkspaceName, written: &AgentConfiguration, defaults: &AgentConfiguration) -> String {
    let zone = AgentConfig::new(written, defaults).dns_zone;
    let proxy = written.over(defaults).over(&AgentConfiguration::built_in()).proxy;
    match proxy.public_port {
        None | Some(443) => format!("https://{{port}}-{name}.{zone}"),
        Some(port) => format!("https://{{port}}-{name}.{zone}:{port}"),
    }
}

/// Where plain `ssh` is answered, if it is: below the zone as every workspace.
fn plain(written: &AgentConfiguration, defaults: &AgentConfiguration) -> Option<(String, u16)> {
    let port = written.over(defaults).proxy.ssh_port?;
    Some((format!("ssh.{}", AgentConfig::new(written, defaults).dns_zone), port))
}

/// What lets somebody of that id, with that key, into the workspace's sshd.
pub(super) fn certify(
    context: &Context,
    root: &DataKey,
    (workspace, key, id): (WorkspaceId, PublicKey, &str),
    now: Timestamp,
) -> Result<SshCredentials, Error> {
    let at = |time: Timestamp| u64::try_from(time.as_second()).unwrap_or_default();
    let until = now.saturating_add(CERTIFICATE_LIFE).map_err(Error::internal)?;
    let since = now.saturating_sub(CERTIFICATE_LEEWAY).map_err(Error::internal)?;
    let asked = AskedCertificate { key, workspace, id, valid: (at(since), at(until)) };
    Ok(SshCredentials {
        user: ssh::USER.to_owned(),
        certificate: crypto::certify(root, asked, context.random.as_ref()).map_err(Error::internal)?,
        certificate_until: Timestamp::from_second(until.as_second()).map_err(Error::internal)?,
        host_key: crypto::ssh_host_key(root, workspace).map_err(Error::internal)?.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_answer_below_the_agents_zone_at_the_port_that_browsers_use() {
        let name = WorkspaceName::new("a").expect("a name");
        let of = |text: &str| {
            let written: AgentConfiguration = serde_json::from_str(text).expect("a configuration");
            hosts(&name, &written, &AgentConfiguration::default())
        };
        assert_eq!(of(r#"{"dns_zone": "ws.example"}"#), "https://{port}-a.ws.example");
        let other = of(r#"{"dns_zone": "ws.example", "proxy": {"public_port": 8443}}"#);
        assert_eq!(other, "https://{port}-a.ws.example:8443");
    }
}
