//! Groups and projects: those there are, one of them, and what their forms ask for.

mod forms;
mod list;
mod one;

use actix_web::HttpResponse;
use berth_policy::Resource;
use berth_schema::{Action, ResourceKind};

use super::frame::may_to;
use super::refused::{Again, Refused};
use crate::identity::Member;
use crate::{Error, Op};

pub(crate) use forms::{
    delete_group, delete_project, give_role, make_group, make_project, set_idle_rule, take_role,
};
pub(crate) use list::{all_groups, all_projects};
pub(crate) use one::{group, project};

/// Of what the page is that is looked at or that a form is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Groups,
    Projects,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Projects => "projects",
        }
    }

    /// Of what an operation is done to.
    fn of(op: &Op<Member>) -> Self {
        match op.resource.as_ref().map(|thing| thing.kind) {
            Some(ResourceKind::Project) => Self::Projects,
            _ => Self::Groups,
        }
    }
}

/// Whether somebody may do that to what the page is of. A group is no project: of the actions of both, those of its own kind can be permitted.
pub(super) fn does(op: &Op<Member>, action: Action) -> bool {
    op.resource.as_ref().is_some_and(|thing| thing.kind == action.resource() && may_to(op, action, thing))
}

/// The same, or once they have proven anew who they are.
fn asks(op: &Op<Member>, action: Action) -> bool {
    let would = |thing: &Resource| op.who.authority.would_step_up(action, thing);
    does(op, action)
        || op.resource.as_ref().is_some_and(|thing| thing.kind == action.resource() && would(thing))
}

/// Where the page is of what an operation is done to.
pub(super) fn base(op: &Op<Member>) -> String {
    format!("/organizations/{}/{}/{}", op.who.organization_name, Kind::of(op).as_str(), op.target())
}

/// The page again on which a form was refused, for whoever may look at it.
pub(super) async fn again(op: &Op<Member>, (error, refused): Again) -> Result<HttpResponse, Error> {
    match op.resource.as_ref().map(|thing| thing.kind) {
        Some(ResourceKind::Group) if does(op, Action::ReadGroup) => one::again(op, (error, refused)).await,
        Some(ResourceKind::Project) if does(op, Action::ReadProject) => {
            one::again(op, (error, refused)).await
        }
        Some(ResourceKind::Group | ResourceKind::Project) => Err(error),
        _ => list::again(op, (error, refused)).await,
    }
}
