//! Every route of the server, and who may use it.

use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use berth_schema::reconcile::MAX_WAIT_SECONDS;

use crate::handlers::{agents, events, git, health, reconcile, tokens, variables, whoami, workspaces};
use crate::{Error, http};

/// Who a route is for. The handler's extractor enforces it; `tests/authorisation.rs` tries each route as everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No token is asked for.
    Everyone,
    /// An access token; below an organisation, of that organisation.
    Administrator,
    /// An agent's token.
    Agent,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub access: Access,
    handler: fn() -> actix_web::Route,
    /// How long the answer may be held on purpose.
    held: Duration,
}

const fn route(
    method: &'static str,
    path: &'static str,
    access: Access,
    handler: fn() -> actix_web::Route,
) -> Route {
    Route { method, path, access, handler, held: Duration::ZERO }
}

macro_rules! organization {
    ($rest:literal) => {
        concat!("/api/v1/organizations/{organization}", $rest)
    };
}

/// The table. Lines of one path stand together.
pub const ROUTES: &[Route] = {
    use Access::{Administrator, Agent, Everyone};
    &[
        route("GET", "/healthz", Everyone, || web::get().to(health::live)),
        route("GET", "/readyz", Everyone, || web::get().to(health::ready)),
        route("GET", "/.well-known/jwks.json", Everyone, || web::get().to(git::keys)),
        route("GET", "/.well-known/openid-configuration", Everyone, || web::get().to(git::discovery)),
        route("GET", "/api/v1/whoami", Administrator, || web::get().to(whoami::whoami)),
        route("POST", organization!("/tokens"), Administrator, || web::post().to(tokens::create)),
        route("GET", organization!("/tokens"), Administrator, || web::get().to(tokens::list)),
        route("GET", organization!("/tokens/{token}"), Administrator, || web::get().to(tokens::get)),
        route("POST", organization!("/tokens/{token}/rotate"), Administrator, || {
            web::post().to(tokens::rotate)
        }),
        route("POST", organization!("/tokens/{token}/revoke"), Administrator, || {
            web::post().to(tokens::revoke)
        }),
        route("POST", organization!("/agents"), Administrator, || web::post().to(agents::create)),
        route("GET", organization!("/agents"), Administrator, || web::get().to(agents::list)),
        route("GET", organization!("/agents/{agent}"), Administrator, || web::get().to(agents::get)),
        route("POST", organization!("/agents/{agent}/revoke"), Administrator, || {
            web::post().to(agents::revoke)
        }),
        route("POST", organization!("/agents/{agent}/check-network"), Administrator, || {
            web::post().to(agents::check_network)
        }),
        route("POST", organization!("/agents/{agent}/rotate-token"), Administrator, || {
            web::post().to(agents::rotate_token)
        }),
        route("POST", organization!("/agents/{agent}/reset-epoch"), Administrator, || {
            web::post().to(agents::reset_epoch)
        }),
        route("POST", organization!("/agents/{agent}/adopt"), Administrator, || {
            web::post().to(agents::adopt)
        }),
        route("POST", organization!("/agents/{agent}/confirm-loss"), Administrator, || {
            web::post().to(agents::confirm_loss)
        }),
        route("GET", organization!("/agents/{agent}/orphans"), Administrator, || {
            web::get().to(agents::orphans)
        }),
        route("POST", organization!("/agents/{agent}/orphans/{orphan}/remove"), Administrator, || {
            web::post().to(agents::remove_orphan)
        }),
        route("POST", organization!("/agents/{agent}/orphans/{orphan}/keep"), Administrator, || {
            web::post().to(agents::keep_orphan)
        }),
        route("GET", organization!("/agents/{agent}/configuration"), Administrator, || {
            web::get().to(agents::get_configuration)
        }),
        route("PUT", organization!("/agents/{agent}/configuration"), Administrator, || {
            web::put().to(agents::set_configuration)
        }),
        route("GET", organization!("/events"), Administrator, || web::get().to(events::of_organization)),
        route("PUT", organization!("/variables"), Administrator, || web::put().to(variables::set)),
        route("GET", organization!("/variables"), Administrator, || web::get().to(variables::list)),
        route("DELETE", organization!("/variables/{kind}/{name}"), Administrator, || {
            web::delete().to(variables::delete)
        }),
        route("GET", organization!("/git-credentials"), Administrator, || web::get().to(git::list)),
        route("PUT", organization!("/git-credentials/{host}"), Administrator, || web::put().to(git::set)),
        route("DELETE", organization!("/git-credentials/{host}"), Administrator, || {
            web::delete().to(git::delete)
        }),
        route("GET", organization!("/workspaces/{workspace}/variables"), Administrator, || {
            web::get().to(variables::explain)
        }),
        route("POST", organization!("/workspaces"), Administrator, || web::post().to(workspaces::create)),
        route("GET", organization!("/workspaces"), Administrator, || web::get().to(workspaces::list)),
        route("GET", organization!("/workspaces/{workspace}"), Administrator, || {
            web::get().to(workspaces::get)
        }),
        route("GET", organization!("/workspaces/{workspace}/why"), Administrator, || {
            web::get().to(workspaces::why)
        }),
        route("GET", organization!("/workspaces/{workspace}/timeline"), Administrator, || {
            web::get().to(workspaces::timeline)
        }),
        route("GET", organization!("/workspaces/{workspace}/events"), Administrator, || {
            web::get().to(events::of_workspace)
        }),
        route("POST", organization!("/workspaces/{workspace}/start"), Administrator, || {
            web::post().to(workspaces::start)
        }),
        route("POST", organization!("/workspaces/{workspace}/stop"), Administrator, || {
            web::post().to(workspaces::stop)
        }),
        route("POST", organization!("/workspaces/{workspace}/restart"), Administrator, || {
            web::post().to(workspaces::restart)
        }),
        route("POST", organization!("/workspaces/{workspace}/terminate"), Administrator, || {
            web::post().to(workspaces::terminate)
        }),
        route("POST", organization!("/workspaces/{workspace}/forget"), Administrator, || {
            web::post().to(workspaces::forget)
        }),
        route("POST", organization!("/workspaces/{workspace}/extend"), Administrator, || {
            web::post().to(workspaces::extend)
        }),
        route("POST", organization!("/workspaces/{workspace}/rebuild"), Administrator, || {
            web::post().to(workspaces::rebuild)
        }),
        route("POST", "/api/v1/agent/key", Agent, || web::post().to(reconcile::register_key)),
        route("POST", organization!("/workspaces/{workspace}/resize"), Administrator, || {
            web::post().to(workspaces::resize)
        }),
        Route {
            held: Duration::from_secs(MAX_WAIT_SECONDS),
            ..route("POST", "/api/v1/agent/reconcile", Agent, || web::post().to(reconcile::reconcile))
        },
    ]
};

/// Puts the table into an application, with problems for what it does not hold.
pub fn configure(config: &mut ServiceConfig) {
    for lines in ROUTES.chunk_by(|one, other| one.path == other.path) {
        let held = lines[0].held;
        let mut resource = web::resource(lines[0].path);
        for line in lines {
            resource = resource.route((line.handler)());
        }
        let allowed = lines.iter().map(|line| line.method).collect::<Vec<_>>().join(", ");
        let refuse = move || {
            let allowed = allowed.clone();
            async move { Err::<&'static str, _>(Error::MethodNotAllowed { allowed }) }
        };
        let resource = resource.default_service(web::to(refuse));
        config.service(
            resource.wrap(from_fn(move |request, next| http::deadline::enforce(request, next, held))),
        );
    }
    config.default_service(web::to(async || Err::<&'static str, _>(Error::NotFound("path"))));
}

/// A path of the table for what the router matched, as a label: nothing that a client makes up.
pub fn template(matched: Option<&str>) -> &'static str {
    let known = ROUTES.iter().find(|route| Some(route.path) == matched);
    known.map_or("none", |route| route.path)
}

/// Whether an orchestrator asks there how the server is.
pub fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// Whether a route is asked so often and says so little that it is not worth a line in the log.
pub fn is_routine(template: &str) -> bool {
    is_probe(template) || template == "/api/v1/agent/reconcile"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_path_stand_together() {
        let paths: Vec<_> =
            ROUTES.chunk_by(|one, other| one.path == other.path).map(|lines| lines[0].path).collect();
        let mut unique = paths.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), paths.len());
    }

    #[test]
    fn everything_below_an_organization_needs_its_administrator() {
        for route in ROUTES.iter().filter(|route| route.path.contains("{organization}")) {
            assert_eq!(route.access, Access::Administrator, "{}", route.path);
        }
    }
}
