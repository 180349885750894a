//! What is signed for proxies: by what they prove themselves, what a browser brings them, and what they show of it later.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_issuer::{Claims, Kind};
use berth_schema::WorkspaceId;
use berth_schema::connection::{Credential, OpenConnection, token_audience};
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use uuid::Uuid;

use crate::Error;
use crate::identity::ProxyIdentity;
use crate::issuer::{Bearer, Issuer};

const PROXY_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// From the page to the workspace's host it is one step.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(1);
/// How long a program has to begin.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// As a client of the code flow: `proxy/<organisation>/<agent>`.
pub(super) fn client_id(proxy: ProxyIdentity) -> String {
    format!("proxy/{}/{}", proxy.organization, proxy.agent)
}

pub(super) fn proxy_of_client(client_id: &str) -> Option<ProxyIdentity> {
    let (organization, agent) = client_id.strip_prefix("proxy/")?.split_once('/')?;
    let proxy = ProxyIdentity { organization: organization.parse().ok()?, agent: agent.parse().ok()? };
    // One proxy, one text.
    (self::client_id(proxy) == client_id).then_some(proxy)
}

fn api(issuer: &Issuer) -> String {
    format!("{}/api/v1/proxy", issuer.name())
}

/// Whom a grant is shown to: the proxies of one agent.
fn grants(issuer: &Issuer, proxy: ProxyIdentity) -> String {
    format!("{}/{}", api(issuer), client_id(proxy))
}

/// The same of a program, which has a port of that workspace open.
fn programs(issuer: &Issuer, proxy: ProxyIdentity, workspace: WorkspaceId) -> String {
    format!("{}/workspaces/{workspace}", grants(issuer, proxy))
}

/// Whom a code is for, which says all that it is bound to: who exchanges it, where the browser brought it, and by what.
fn code_audience(proxy: ProxyIdentity, redirect_uri: &str, challenge: &str) -> String {
    format!("{} {redirect_uri} {challenge}", client_id(proxy))
}

fn claims(
    issuer: &Issuer,
    (sub, aud, sid): (String, String, Option<String>),
    id: Uuid,
    (now, until): (Timestamp, Timestamp),
) -> Claims {
    Claims {
        iss: issuer.name().to_owned(),
        sub,
        aud,
        iat: now.as_second(),
        nbf: now.as_second(),
        exp: until.as_second(),
        jti: id.to_string(),
        sid,
    }
}

fn after(now: Timestamp, life: SignedDuration) -> Timestamp {
    now.saturating_add(life).unwrap_or(now)
}

/// By what a proxy proves itself, and until when.
pub(super) fn for_proxy(
    issuer: &Issuer,
    proxy: ProxyIdentity,
    now: Timestamp,
) -> Result<(Credential, Timestamp), Error> {
    let until = after(now, PROXY_LIFE);
    let said = claims(issuer, (client_id(proxy), api(issuer), None), Uuid::new_v4(), (now, until));
    Ok((issuer.sign(Kind::Proxy, &said).map_err(Error::internal)?.into(), until))
}

/// Whose token of a proxy that is.
pub(crate) fn proxy_of(issuer: &Issuer, token: &str, now: Timestamp) -> Option<ProxyIdentity> {
    let claims = issuer.claims((Kind::Proxy, &api(issuer)), token, now).ok()?;
    proxy_of_client(&claims.sub)
}

/// What a browser brings to `redirect_uri`: somebody is signed in, by that session.
pub(super) fn code(
    issuer: &Issuer,
    proxy: ProxyIdentity,
    (redirect_uri, challenge): (&str, &str),
    bearer: Bearer,
    now: Timestamp,
) -> Result<Credential, Error> {
    let audience = code_audience(proxy, redirect_uri, challenge);
    sign(issuer, Kind::Code, audience, bearer, (now, after(now, CODE_LIFE)))
}

/// A code that is what this proxy may exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Whose session it is, and the code's own id.
    pub(super) bearer: Bearer,
    /// Until when it has to be remembered that it was used.
    pub(super) until: Timestamp,
}

pub(super) fn of_code(
    issuer: &Issuer,
    proxy: ProxyIdentity,
    opening: &OpenConnection,
    now: Timestamp,
) -> Option<Shown> {
    let verifier = opening.code_verifier.expose().as_bytes();
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier));
    let audience = code_audience(proxy, &opening.redirect_uri, &challenge);
    let claims = issuer.claims((Kind::Code, &audience), opening.code.expose(), now).ok()?;
    let until = Timestamp::from_second(claims.exp.saturating_add(CODE_LIFE.as_secs())).ok()?;
    Some(Shown { bearer: bearer(&claims)?, until })
}

/// Whose session it is, to be shown by this agent's proxies until then, and what that is in whole seconds. It goes by the id of the code
/// that it is given for, and what is ended by that id ends with it.
pub(super) fn grant(
    issuer: &Issuer,
    proxy: ProxyIdentity,
    bearer: Bearer,
    (now, until): (Timestamp, Timestamp),
) -> Result<(Credential, Timestamp), Error> {
    let until = Timestamp::from_second(until.as_second()).map_err(Error::internal)?;
    Ok((sign(issuer, Kind::Grant, grants(issuer, proxy), bearer, (now, until))?, until))
}

/// What a program begins by, at the hosts of one workspace, and until when.
pub(super) fn token(
    issuer: &Issuer,
    proxy: ProxyIdentity,
    workspace: WorkspaceId,
    bearer: Bearer,
    now: Timestamp,
) -> Result<(Credential, Timestamp), Error> {
    let until = Timestamp::from_second(after(now, TOKEN_LIFE).as_second()).map_err(Error::internal)?;
    let audience = token_audience(issuer.name(), &client_id(proxy), workspace);
    Ok((sign(issuer, Kind::Grant, audience, bearer, (now, until))?, until))
}

/// Whose session it is that a program has begun by, for as long as what it has begun goes on. All that is begun by one token goes by
/// that one's id, and ends together.
pub(super) fn program_grant(
    issuer: &Issuer,
    proxy: ProxyIdentity,
    workspace: WorkspaceId,
    bearer: Bearer,
    (now, until): (Timestamp, Timestamp),
) -> Result<(Credential, Timestamp), Error> {
    let until = Timestamp::from_second(until.as_second()).map_err(Error::internal)?;
    Ok((sign(issuer, Kind::Grant, programs(issuer, proxy, workspace), bearer, (now, until))?, until))
}

/// What somebody has come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A browser that brings a code: it is given a grant.
    Comes,
    /// A browser, and its cookie.
    Browser,
    /// A program that begins: it is given a grant.
    Begins,
    /// A program that has begun.
    Program,
}

impl Way {
    pub(super) const fn is_of_a_browser(self) -> bool {
        matches!(self, Self::Comes | Self::Browser)
    }

    pub(super) const fn begins(self) -> bool {
        matches!(self, Self::Comes | Self::Begins)
    }
}

/// Whose session a grant is, and what they have come by to that workspace.
pub(super) fn of_grant(
    issuer: &Issuer,
    proxy: ProxyIdentity,
    (grant, workspace): (&Credential, WorkspaceId),
    now: Timestamp,
) -> Option<(Bearer, Way)> {
    let ways = [
        (grants(issuer, proxy), Way::Browser),
        (programs(issuer, proxy, workspace), Way::Program),
        (token_audience(issuer.name(), &client_id(proxy), workspace), Way::Begins),
    ];
    ways.into_iter().find_map(|(audience, way)| {
        let claims = issuer.claims((Kind::Grant, &audience), grant.expose(), now).ok()?;
        Some((bearer(&claims)?, way))
    })
}

fn sign(
    issuer: &Issuer,
    kind: Kind,
    audience: String,
    bearer: Bearer,
    times: (Timestamp, Timestamp),
) -> Result<Credential, Error> {
    let whose = (format!("account/{}", bearer.account), audience, Some(bearer.session.to_string()));
    let said = claims(issuer, whose, bearer.id, times);
    Ok(issuer.sign(kind, &said).map_err(Error::internal)?.into())
}

fn bearer(claims: &Claims) -> Option<Bearer> {
    let account = claims.sub.strip_prefix("account/")?.parse().ok()?;
    let session = claims.sid.as_ref()?.parse().ok()?;
    Some(Bearer { account, session, id: claims.jti.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_issuer::SigningKey;
    use berth_schema::{AccountId, AgentId, OrganizationId, SessionId, WorkspaceId, WorkspaceName};
    use ring::rand::SystemRandom;
    use std::sync::Arc;

    const REDIRECT: &str = "https://8080-a.ws.example/.berth/callback";
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn some_proxy() -> ProxyIdentity {
        ProxyIdentity { organization: OrganizationId::random(), agent: AgentId::random() }
    }

    fn issuer() -> Issuer {
        let issuer = Issuer::new("https://berth.example");
        issuer.take_up(
            vec![Arc::new(SigningKey::generate(&SystemRandom::new()).expect("a key").0)],
            Vec::new(),
        );
        issuer
    }

    fn somebody() -> Bearer {
        Bearer { account: AccountId::random(), session: SessionId::random(), id: Uuid::new_v4() }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time")
    }

    fn opening(code: Credential) -> OpenConnection {
        OpenConnection {
            code,
            redirect_uri: REDIRECT.to_owned(),
            code_verifier: VERIFIER.to_owned().into(),
            workspace: WorkspaceId::random(),
            name: WorkspaceName::new("a").expect("a name"),
            port: 8080,
        }
    }

    #[test]
    fn a_code_is_for_one_proxy_one_host_and_one_verifier() {
        let (issuer, proxy, bearer) = (issuer(), some_proxy(), somebody());
        let code = code(&issuer, proxy, (REDIRECT, CHALLENGE), bearer, now()).expect("signed");
        let good = opening(code);
        let shown = of_code(&issuer, proxy, &good, now()).expect("good");
        assert_eq!(shown.bearer, bearer);
        assert!(of_code(&issuer, some_proxy(), &good, now()).is_none(), "another agent's proxy");
        let elsewhere = "https://8081-a.ws.example/.berth/callback".to_owned();
        let other_host = OpenConnection { redirect_uri: elsewhere, ..good.clone() };
        assert!(of_code(&issuer, proxy, &other_host, now()).is_none());
        let guessed = OpenConnection { code_verifier: CHALLENGE.to_owned().into(), ..good.clone() };
        assert!(of_code(&issuer, proxy, &guessed, now()).is_none());
        assert!(of_code(&issuer, proxy, &good, now() + CODE_LIFE * 2).is_none());
        assert!(shown.until > now() + CODE_LIFE, "it is remembered for longer than it is believed");
    }

    #[test]
    fn what_is_signed_for_one_purpose_opens_nothing_else() {
        let (issuer, proxy, bearer) = (issuer(), some_proxy(), somebody());
        let (own, _) = for_proxy(&issuer, proxy, now()).expect("signed");
        assert_eq!(proxy_of(&issuer, own.expose(), now()), Some(proxy));
        let (grant, until) = grant(&issuer, proxy, bearer, (now(), now() + PROXY_LIFE)).expect("signed");
        assert_eq!(until, now() + PROXY_LIFE);
        let workspace = WorkspaceId::random();
        let of = |proxy, grant: &Credential, now| of_grant(&issuer, proxy, (grant, workspace), now);
        let (found, way) = of(proxy, &grant, now()).expect("good");
        assert_eq!((found.account, found.session, way), (bearer.account, bearer.session, Way::Browser));
        assert!(of(some_proxy(), &grant, now()).is_none(), "another agent's proxy");
        assert!(of(proxy, &grant, until + PROXY_LIFE).is_none());
        let code = code(&issuer, proxy, (REDIRECT, CHALLENGE), bearer, now()).expect("signed");
        for other in [&grant, &code] {
            assert!(proxy_of(&issuer, other.expose(), now()).is_none());
            assert!(issuer.verify(Kind::Access, other.expose(), now()).is_err());
            assert!(issuer.verify(Kind::Refresh, other.expose(), now()).is_err());
        }
        assert!(of(proxy, &own, now()).is_none());
        assert!(of(proxy, &code, now()).is_none());
        assert!(of_code(&issuer, proxy, &opening(grant), now()).is_none());
    }

    #[test]
    fn a_programs_token_begins_for_ten_minutes_at_one_workspace_and_its_grant_goes_on_there() {
        let (issuer, proxy, bearer) = (issuer(), some_proxy(), somebody());
        let workspace = WorkspaceId::random();
        let (token, until) = token(&issuer, proxy, workspace, bearer, now()).expect("signed");
        assert_eq!(until, now() + TOKEN_LIFE);
        let later = now() + PROXY_LIFE;
        let (goes_on, _) = program_grant(&issuer, proxy, workspace, bearer, (now(), later)).expect("signed");
        for (grant, way) in [(&token, Way::Begins), (&goes_on, Way::Program)] {
            let found = of_grant(&issuer, proxy, (grant, workspace), now()).expect("good");
            assert_eq!((found.0.session, found.1), (bearer.session, way));
            assert!(of_grant(&issuer, proxy, (grant, WorkspaceId::random()), now()).is_none());
            assert!(of_grant(&issuer, some_proxy(), (grant, workspace), now()).is_none());
            assert!(proxy_of(&issuer, grant.expose(), now()).is_none());
            assert!(issuer.verify(Kind::Access, grant.expose(), now()).is_err());
        }
        assert!(of_grant(&issuer, proxy, (&token, workspace), until + CODE_LIFE).is_none());
        assert!(of_grant(&issuer, proxy, (&goes_on, workspace), until + CODE_LIFE).is_some());
    }

    #[test]
    fn a_client_is_spelled_in_one_way() {
        let proxy = some_proxy();
        assert_eq!(proxy_of_client(&client_id(proxy)), Some(proxy));
        let upper = client_id(proxy).to_uppercase();
        let simple = format!("proxy/{}/{}", proxy.organization.as_uuid().simple(), proxy.agent);
        for wrong in ["berth-cli", "proxy/", "proxy/a/b", &upper, &simple, &format!("{}/x", client_id(proxy))]
        {
            assert_eq!(proxy_of_client(wrong), None, "{wrong}");
        }
    }
}
