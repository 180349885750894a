//! What a button asks of a workspace.

use actix_web::{HttpRequest, HttpResponse};
use berth_planner::intent::Wish;
use berth_schema::lifecycle::ExtendWorkspace;

use crate::http::body::Form;
use crate::identity::Member;
use crate::pages::page::{came_from, see};
use crate::services::workspaces;
use crate::{Error, Op};

/// A handler for each wish of a button, which leads back to the page that the button is on.
macro_rules! wishes {
    ($($name:ident: $wish:expr;)+) => {$(
        pub(crate) async fn $name(op: Op<Member>, request: HttpRequest) -> Result<HttpResponse, Error> {
            let workspace = workspaces::change(&op, op.target(), $wish, None).await?;
            let its_own =
                || format!("/organizations/{}/workspaces/{}", op.who.organization_name, workspace.name);
            Ok(see(&came_from(&request).unwrap_or_else(its_own)))
        }
    )+};
}

/// Leads back like those.
pub(crate) async fn extend(
    op: Op<Member>,
    (request, form): (HttpRequest, Form<ExtendWorkspace>),
) -> Result<HttpResponse, Error> {
    let workspace = workspaces::extend(&op, op.target(), form.0).await?;
    let its_own = || format!("/organizations/{}/workspaces/{}", op.who.organization_name, workspace.name);
    Ok(see(&came_from(&request).unwrap_or_else(its_own)))
}

wishes! {
    start: Wish::Start;
    stop: Wish::Stop;
    restart: Wish::Restart;
}
