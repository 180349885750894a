//! What an organisation, its groups and projects say of idleness. What a workspace says is in [`super::workspaces`].

use berth_db::{Changed, IdlePlace, OrganizationConn};
use berth_planner::idle_rule::{Said, in_force, objections};
use berth_planner::inheritance::Link;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::idle::{IdleBy, IdleRule, IdleView};
use berth_schema::scope::{Scope, ScopeId};
use tracing::info;

use super::scopes;
use crate::identity::Member;
use crate::{Error, Op};

/// What is said at the place that was asked about, and what holds for its workspaces.
pub async fn get(op: &Op<Member>) -> Result<IdleView, Error> {
    let of = scopes::asked(op)?;
    op.read("get_idle_rule", async |conn| Ok::<_, Error>(view(&said(conn, of).await?))).await
}

/// Replaces what is said at that place. It is in force with the lifecycle's next look, which the workspaces there are due for at once.
pub async fn set(op: &Op<Member>, wanted: IdleRule) -> Result<IdleView, Error> {
    let errors = wanted.check();
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    let of = scopes::asked(op)?;
    op.change("set_idle_rule", async |conn| {
        conn.organizations().lock().await?;
        let mut chain = said(conn, of).await?;
        let Some(own) = chain.last_mut() else { return Err(Error::internal("the place is in no chain")) };
        let before = std::mem::replace(&mut own.rule, wanted);
        let (_, around) = chain.split_last().unzip();
        let errors = objections(around.unwrap_or_default(), &wanted);
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        if before == wanted {
            return Ok(Changed::Not(view(&chain)));
        }
        let place = place(of)?;
        conn.idle_rules().set(place, &wanted, op.now).await?;
        conn.workspaces().look_again_at(place, op.now).await?;
        info!(of = %of.scope(), "rule of idleness set");
        let resource = match of {
            ScopeId::Group(id) => Resource::group(id),
            ScopeId::Project(id) => Resource::project(id),
            ScopeId::Organization | ScopeId::User(_) => Resource::organization(op.organization()),
        };
        Ok(Changed::So(view(&chain), Event::new(resource, Details::IdleRuleSet { before, rule: wanted })))
    })
    .await
}

fn place(of: ScopeId) -> Result<IdlePlace, Error> {
    IdlePlace::of(of).ok_or_else(|| Error::internal("members have no rules of idleness"))
}

/// What is said around a place and at it: the outermost first, itself last.
async fn said(conn: &OrganizationConn<'_>, of: ScopeId) -> Result<Vec<Said>, Error> {
    let mut chain = Vec::new();
    for (scope, link) in scopes::chain(conn, of).await? {
        chain.push(Said { by: by(&link)?, rule: conn.idle_rules().find(place(scope)?).await? });
    }
    Ok(chain)
}

fn by(link: &Link) -> Result<IdleBy, Error> {
    let path = link.path.as_deref();
    match (link.scope, path) {
        (Scope::Group, Some(path)) => path.parse().map(IdleBy::Group).map_err(Error::internal),
        (Scope::Project, Some(path)) => path.parse().map(IdleBy::Project).map_err(Error::internal),
        _ => Ok(IdleBy::Organization),
    }
}

fn view(chain: &[Said]) -> IdleView {
    IdleView { rule: chain.last().map(|said| said.rule).unwrap_or_default(), in_force: in_force(chain) }
}
