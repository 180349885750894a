//! What workspaces are given by a group, a project, or whoever looks: names of variables and Git hosts, never a value.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_schema::Action;
use berth_schema::git::GitCredential;
use berth_schema::scope::ScopeVariable;

use super::frame::{Frame, may};
use super::page::show;
use crate::identity::Member;
use crate::services::{git, variables};
use crate::{Error, Op};

/// `None`: not for whoever looks.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) variables: Option<Vec<ScopeVariable>>,
    pub(super) hosts: Option<Vec<GitCredential>>,
}

impl Given {
    /// What is there of what the page is of, as far as whoever looks sees variables, and Git hosts.
    pub(super) async fn of(op: &Op<Member>, (variables, hosts): (bool, bool)) -> Result<Self, Error> {
        Ok(Self {
            variables: if variables { Some(variables::list(op).await?.items) } else { None },
            hosts: if hosts { Some(git::list(op).await?.items) } else { None },
        })
    }
}

#[derive(Template)]
#[template(path = "own.html")]
struct Own<'a> {
    frame: Frame<'a>,
    given: Given,
}

/// What workspaces of whoever looks are given by them.
pub(crate) async fn own(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    let given = Given::of(&op, (true, may(&op, Action::ListOwnGitCredentials))).await?;
    show(StatusCode::OK, &Own { frame: Frame::of(&op, "/me"), given })
}
