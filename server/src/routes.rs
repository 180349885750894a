//! Every route of the server: what is done there to what, how much of a body it takes, how it answers and how long it may.

use std::time::Duration;

use actix_web::HttpMessage as _;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use berth_schema::Action;
use berth_schema::connection::MAX_HELD_SECONDS;
use berth_schema::reconcile::MAX_WAIT_SECONDS;

use crate::error::Sought;
use crate::handlers::{
    account, agents, audit, connections, elevations, events, git, groups, health, identity_providers,
    members, oauth, openid, policy, projects, reconcile, tokens, variables, whoami, workspaces,
};
use crate::http::body::BodyLimit;
use crate::http::guard::{Channel, Guard};
use crate::identity::{AgentIdentity, Member, Person, ProxyIdentity};
use crate::{Error, http, pages};

/// Who a route is for, what they do there, and its handler. Only a handler that is behind a [`Guard`] is given an operation, so
/// that no line with one compiles without an action.
#[derive(Clone, Copy, Debug)]
enum Access {
    /// No token is asked for.
    Everyone(fn() -> actix_web::Route),
    /// Whoever has an access token; below an organisation, of that organisation.
    Member(Action, fn(Guard<Member>) -> actix_web::Route),
    /// Whoever is signed in, outside of organisations.
    Person(Action, fn(Guard<Person>) -> actix_web::Route),
    Agent(Action, fn(Guard<AgentIdentity>) -> actix_web::Route),
    Proxy(Action, fn(Guard<ProxyIdentity>) -> actix_web::Route),
}

/// The kinds of [`Access`], for those who only look at the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Everyone,
    Member,
    Person,
    Agent,
    Proxy,
}

/// How a route answers. What fails is a problem everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renderer {
    /// For the one who asked: nobody keeps it.
    Json,
    /// For a browser and the person in front of it: nobody keeps it, and what fails is a page as well.
    Page,
    /// A stream of events for a page that is open: known by the page's cookie, and nobody keeps it. What fails is a problem.
    Events,
    /// For everybody and for good: its name changes with its content.
    Forever,
    /// For everybody, who may keep it for five minutes: a new key is published longer than that before it signs.
    Published,
}

impl Renderer {
    /// Whether a browser asks there by itself, with its cookie.
    pub const fn is_for_a_browser(self) -> bool {
        matches!(self, Self::Page | Self::Events)
    }

    pub(crate) const fn cache_control(self) -> &'static str {
        match self {
            Self::Json | Self::Page | Self::Events => "no-store",
            Self::Forever => "public, max-age=31536000, immutable",
            Self::Published => "public, max-age=300",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    access: Access,
    pub body: BodyLimit,
    pub renderer: Renderer,
    /// How long the answer may be held on purpose.
    pub held: Duration,
}

impl Route {
    pub const fn audience(&self) -> Audience {
        match self.access {
            Access::Everyone(_) => Audience::Everyone,
            Access::Member(..) => Audience::Member,
            Access::Person(..) => Audience::Person,
            Access::Agent(..) => Audience::Agent,
            Access::Proxy(..) => Audience::Proxy,
        }
    }

    /// What is done there; `None`: what needs no leave.
    pub const fn action(&self) -> Option<Action> {
        match self.access {
            Access::Everyone(_) => None,
            Access::Member(action, _)
            | Access::Person(action, _)
            | Access::Agent(action, _)
            | Access::Proxy(action, _) => Some(action),
        }
    }

    const fn takes(self, body: BodyLimit) -> Self {
        Self { body, ..self }
    }

    const fn published(self) -> Self {
        Self { renderer: Renderer::Published, ..self }
    }

    const fn holds(self, held: Duration) -> Self {
        Self { held, ..self }
    }

    const fn page(self) -> Self {
        Self { renderer: Renderer::Page, ..self }
    }

    const fn events(self) -> Self {
        Self { renderer: Renderer::Events, ..self }
    }

    const fn forever(self) -> Self {
        Self { renderer: Renderer::Forever, ..self }
    }

    fn service(&'static self) -> actix_web::Route {
        let method = method(self.method);
        let channel = if self.renderer.is_for_a_browser() { Channel::Cookie } else { Channel::Bearer };
        match self.access {
            Access::Everyone(handler) => handler(),
            Access::Member(action, handler) => handler(Guard::new(method, action, channel)),
            Access::Person(action, handler) => handler(Guard::new(method, action, channel)),
            Access::Agent(action, handler) => handler(Guard::new(method, action, channel)),
            Access::Proxy(action, handler) => handler(Guard::new(method, action, channel)),
        }
    }
}

fn method(name: &str) -> &'static Method {
    match name {
        "POST" => &Method::POST,
        "PUT" => &Method::PUT,
        "DELETE" => &Method::DELETE,
        "PATCH" => &Method::PATCH,
        _ => &Method::GET,
    }
}

/// A form of a few fields.
const FORM: BodyLimit = BodyLimit::Bytes(64 * 1024);
/// A document of whoever asks, or many things at once.
const DOCUMENT: BodyLimit = BodyLimit::Configured;

const fn route(method: &'static str, path: &'static str, access: Access) -> Route {
    let (body, renderer, held) = (BodyLimit::Nothing, Renderer::Json, Duration::ZERO);
    Route { method, path, access, body, renderer, held }
}

const fn everyone(path: &'static str, handler: fn() -> actix_web::Route) -> Route {
    route("GET", path, Access::Everyone(handler))
}

/// What nobody brings a token to: it is where they get one.
const fn public(method: &'static str, path: &'static str, handler: fn() -> actix_web::Route) -> Route {
    route(method, path, Access::Everyone(handler))
}

/// What a person's command line asks of themselves.
const fn account_of(
    path: &'static str,
    action: Action,
    handler: fn(Guard<Person>) -> actix_web::Route,
) -> Route {
    route("GET", path, Access::Person(action, handler))
}

/// What nobody has to be signed in for.
const fn public_page(method: &'static str, path: &'static str, handler: fn() -> actix_web::Route) -> Route {
    route(method, path, Access::Everyone(handler)).page()
}

const fn person(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<Person>) -> actix_web::Route,
) -> Route {
    route(method, path, Access::Person(action, handler)).page()
}

const fn member(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<Member>) -> actix_web::Route,
) -> Route {
    route(method, path, Access::Member(action, handler))
}

/// What members do in a browser, to what they do by the API as well.
const fn page_of(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<Member>) -> actix_web::Route,
) -> Route {
    member(method, path, action, handler).page()
}

const fn agent(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<AgentIdentity>) -> actix_web::Route,
) -> Route {
    route(method, path, Access::Agent(action, handler))
}

const fn proxy(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<ProxyIdentity>) -> actix_web::Route,
) -> Route {
    route(method, path, Access::Proxy(action, handler))
}

macro_rules! organization {
    ($rest:literal) => {
        concat!("/api/v1/organizations/{organization}", $rest)
    };
}

macro_rules! place {
    ($rest:literal) => {
        concat!("/organizations/{organization}", $rest)
    };
}

/// The table. Lines of one path stand together.
pub const ROUTES: &[Route] = &[
    everyone("/healthz", || web::get().to(health::live)),
    everyone("/readyz", || web::get().to(health::ready)),
    everyone("/.well-known/jwks.json", || web::get().to(git::keys)).published(),
    everyone("/.well-known/openid-configuration", || web::get().to(git::discovery)).published(),
    everyone("/.well-known/oauth-authorization-server", || web::get().to(oauth::metadata)),
    everyone("/assets/{name}", || web::get().to(pages::asset)).forever(),
    person("GET", "/", Action::ReadAccount, |guard| guard.to(pages::home)),
    person("GET", "/workspaces", Action::ReadAccount, |guard| guard.to(pages::to_workspaces)),
    person("GET", "/new", Action::ReadAccount, |guard| guard.to(pages::to_new)),
    public_page("GET", "/sign-in", || web::get().to(pages::ask)),
    public_page("GET", "/sign-in/link", || web::get().to(pages::confirm)),
    public_page("POST", "/sign-in/link", || web::post().to(pages::open)).takes(FORM),
    public_page("GET", "/sign-in/passkey", || web::get().to(pages::ask_for_passkey)),
    public_page("POST", "/sign-in/passkey", || web::post().to(pages::open_by_passkey)).takes(FORM),
    public_page("GET", "/sign-in/with/{provider}", || web::get().to(pages::begin)),
    public_page("GET", "/sign-in/callback/{provider}", || web::get().to(pages::callback)),
    public("POST", "/sign-in/backchannel-logout/{provider}", || web::post().to(openid::backchannel_logout))
        .takes(FORM),
    public_page("GET", "/signed-out", || web::get().to(pages::signed_out)),
    public_page("GET", "/invitation", || web::get().to(pages::invitation)),
    public_page("POST", "/invitation", || web::post().to(pages::accept_invitation)).takes(FORM),
    person("POST", "/sign-out", Action::SignOut, |guard| guard.to(pages::sign_out)),
    person("GET", "/sessions", Action::ListSessions, |guard| guard.to(pages::sessions)),
    person("POST", "/sessions/end-others", Action::EndOtherSessions, |guard| {
        guard.to(pages::end_other_sessions)
    }),
    person("POST", "/sessions/{session}/end", Action::EndSession, |guard| guard.to(pages::end_session)),
    person("GET", "/confirm", Action::ReadAccount, |guard| guard.to(pages::ask_to_confirm)),
    person("POST", "/confirm", Action::ConfirmSession, |guard| guard.to(pages::confirm_session)).takes(FORM),
    person("GET", "/passkeys", Action::ListPasskeys, |guard| guard.to(pages::passkeys)),
    person("POST", "/passkeys", Action::AddPasskey, |guard| guard.to(pages::add_passkey)).takes(FORM),
    person("GET", "/passkeys/new", Action::ListPasskeys, |guard| guard.to(pages::new_passkey)),
    person("POST", "/passkeys/{passkey}/remove", Action::RemovePasskey, |guard| {
        guard.to(pages::remove_passkey)
    }),
    member("GET", "/organizations/{organization}", Action::ReadOrganization, |guard| {
        guard.to(pages::organization)
    })
    .page(),
    page_of("GET", place!("/workspaces"), Action::ListWorkspaces, |guard| guard.to(pages::workspaces::list)),
    page_of("POST", place!("/workspaces"), Action::CreateWorkspace, |guard| {
        guard.to(pages::workspaces::create)
    })
    .takes(DOCUMENT),
    page_of("GET", place!("/new"), Action::AskPermission, |guard| guard.to(pages::workspaces::new)),
    page_of("GET", place!("/events"), Action::WatchOrganization, |guard| guard.to(events::of_organization))
        .events(),
    page_of("GET", place!("/workspaces/{workspace}"), Action::ReadWorkspace, |guard| {
        guard.to(pages::workspaces::one)
    }),
    page_of("GET", place!("/workspaces/{workspace}/events"), Action::WatchWorkspace, |guard| {
        guard.to(events::of_workspace)
    })
    .events(),
    page_of("GET", place!("/workspaces/{workspace}/wait"), Action::ReadWorkspace, |guard| {
        guard.to(pages::workspaces::wait)
    }),
    page_of("GET", place!("/workspaces/{workspace}/variables"), Action::ReadWorkspaceVariables, |guard| {
        guard.to(pages::workspaces::variables)
    }),
    page_of("GET", place!("/workspaces/{workspace}/delete"), Action::ReadWorkspace, |guard| {
        guard.to(pages::workspaces::before_deletion)
    }),
    page_of("POST", place!("/workspaces/{workspace}/delete"), Action::TerminateWorkspace, |guard| {
        guard.to(pages::workspaces::delete)
    }),
    page_of("POST", place!("/workspaces/{workspace}/restart"), Action::RestartWorkspace, |guard| {
        guard.to(pages::workspaces::restart)
    }),
    page_of("POST", place!("/workspaces/{workspace}/start"), Action::StartWorkspace, |guard| {
        guard.to(pages::workspaces::start)
    }),
    page_of("POST", place!("/workspaces/{workspace}/stop"), Action::StopWorkspace, |guard| {
        guard.to(pages::workspaces::stop)
    }),
    page_of("GET", place!("/groups"), Action::ListGroups, |guard| guard.to(pages::tree::all_groups)),
    page_of("POST", place!("/groups"), Action::CreateGroup, |guard| guard.to(pages::tree::make_group))
        .takes(FORM),
    page_of("GET", place!("/groups/{group}"), Action::ReadGroup, |guard| guard.to(pages::tree::group)),
    page_of("POST", place!("/groups/{group}/groups"), Action::CreateSubgroup, |guard| {
        guard.to(pages::tree::make_group)
    })
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/projects"), Action::CreateProjectInGroup, |guard| {
        guard.to(pages::tree::make_project)
    })
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/members"), Action::GiveRoleInGroup, |guard| {
        guard.to(pages::tree::give_role)
    })
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/members/remove"), Action::TakeRoleInGroup, |guard| {
        guard.to(pages::tree::take_role)
    })
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/delete"), Action::DeleteGroup, |guard| {
        guard.to(pages::tree::delete_group)
    }),
    page_of("GET", place!("/projects"), Action::ListProjects, |guard| guard.to(pages::tree::all_projects)),
    page_of("POST", place!("/projects"), Action::CreateProject, |guard| guard.to(pages::tree::make_project))
        .takes(FORM),
    page_of("GET", place!("/projects/{project}"), Action::ReadProject, |guard| {
        guard.to(pages::tree::project)
    }),
    page_of("GET", place!("/projects/{project}/new"), Action::ReadProject, |guard| {
        guard.to(pages::workspaces::new)
    }),
    page_of("POST", place!("/projects/{project}/workspaces"), Action::CreateWorkspaceInProject, |guard| {
        guard.to(pages::workspaces::create)
    })
    .takes(DOCUMENT),
    page_of("POST", place!("/projects/{project}/members"), Action::GiveRoleInProject, |guard| {
        guard.to(pages::tree::give_role)
    })
    .takes(FORM),
    page_of("POST", place!("/projects/{project}/members/remove"), Action::TakeRoleInProject, |guard| {
        guard.to(pages::tree::take_role)
    })
    .takes(FORM),
    page_of("POST", place!("/projects/{project}/delete"), Action::DeleteProject, |guard| {
        guard.to(pages::tree::delete_project)
    }),
    page_of("GET", place!("/me"), Action::ListOwnVariables, |guard| guard.to(pages::given::own)),
    page_of("GET", place!("/agents"), Action::ListAgents, |guard| guard.to(pages::agents::list)),
    page_of("GET", place!("/agents/{agent}"), Action::ReadAgent, |guard| guard.to(pages::agents::one)),
    page_of("GET", place!("/members"), Action::ListMembers, |guard| guard.to(pages::members::list)),
    page_of("POST", place!("/members/{member}/change"), Action::ChangeMember, |guard| {
        guard.to(pages::members::change)
    })
    .takes(FORM),
    page_of("POST", place!("/members/{member}/remove"), Action::RemoveMember, |guard| {
        guard.to(pages::members::remove)
    }),
    page_of("GET", place!("/invitations"), Action::ListInvitations, |guard| {
        guard.to(pages::members::invitations)
    }),
    page_of("POST", place!("/invitations"), Action::Invite, |guard| guard.to(pages::members::invite))
        .takes(FORM),
    page_of("POST", place!("/invitations/{invitation}/revoke"), Action::RevokeInvitation, |guard| {
        guard.to(pages::members::revoke_invitation)
    }),
    page_of("GET", place!("/elevations"), Action::ListElevations, |guard| guard.to(pages::elevations::list)),
    page_of("POST", place!("/elevations"), Action::RequestElevation, |guard| {
        guard.to(pages::elevations::request)
    })
    .takes(FORM),
    page_of("POST", place!("/elevations/{elevation}/approve"), Action::ApproveElevation, |guard| {
        guard.to(pages::elevations::approve)
    }),
    page_of("POST", place!("/elevations/{elevation}/refuse"), Action::RefuseElevation, |guard| {
        guard.to(pages::elevations::decline)
    }),
    page_of("POST", place!("/elevations/{elevation}/end"), Action::EndElevation, |guard| {
        guard.to(pages::elevations::end)
    }),
    page_of("POST", place!("/groups/{group}/elevations"), Action::RequestElevationInGroup, |guard| {
        guard.to(pages::elevations::request)
    })
    .takes(FORM),
    page_of("POST", place!("/projects/{project}/elevations"), Action::RequestElevationInProject, |guard| {
        guard.to(pages::elevations::request)
    })
    .takes(FORM),
    page_of("GET", place!("/audit"), Action::ListAudit, |guard| guard.to(pages::audit::list)),
    person("GET", "/device", Action::LookAtDevice, |guard| guard.to(pages::device)),
    person("POST", "/device", Action::DecideDevice, |guard| guard.to(pages::decide_device)).takes(FORM),
    person("GET", "/oauth/authorize", Action::LookAtLogin, |guard| guard.to(pages::authorize)),
    person("POST", "/oauth/authorize", Action::DecideLogin, |guard| guard.to(pages::decide_authorize))
        .takes(FORM),
    public("POST", "/oauth/device_authorization", || web::post().to(oauth::device_authorization)).takes(FORM),
    public("POST", "/oauth/token", || web::post().to(oauth::token)).takes(FORM),
    public("POST", "/oauth/revoke", || web::post().to(oauth::revoke)).takes(FORM),
    account_of("/api/v1/account", Action::DescribeAccount, |guard| guard.to(account::get)),
    member("GET", "/api/v1/whoami", Action::ReadIdentity, |guard| guard.to(whoami::whoami)),
    member("GET", organization!("/audit"), Action::ListAudit, |guard| guard.to(audit::list)),
    member("GET", organization!("/can-i"), Action::AskPermission, |guard| guard.to(policy::can_i)),
    member("GET", organization!("/policy"), Action::ReadPolicy, |guard| guard.to(policy::get)),
    member("PUT", organization!("/policy"), Action::SetPolicy, |guard| guard.to(policy::set)).takes(DOCUMENT),
    member("GET", organization!("/policy/versions"), Action::ListPolicyVersions, |guard| {
        guard.to(policy::history)
    }),
    member("POST", organization!("/policy/test"), Action::TestPolicy, |guard| guard.to(policy::test))
        .takes(DOCUMENT),
    member("GET", organization!("/members"), Action::ListMembers, |guard| guard.to(members::list)),
    member("GET", organization!("/members/{member}"), Action::ReadMember, |guard| guard.to(members::get)),
    member("PATCH", organization!("/members/{member}"), Action::ChangeMember, |guard| {
        guard.to(members::change)
    })
    .takes(FORM),
    member("DELETE", organization!("/members/{member}"), Action::RemoveMember, |guard| {
        guard.to(members::remove)
    }),
    member("POST", organization!("/invitations"), Action::Invite, |guard| guard.to(members::invite))
        .takes(FORM),
    member("GET", organization!("/invitations"), Action::ListInvitations, |guard| {
        guard.to(members::invitations)
    }),
    member("POST", organization!("/invitations/{invitation}/revoke"), Action::RevokeInvitation, |guard| {
        guard.to(members::revoke_invitation)
    }),
    member("POST", organization!("/elevations"), Action::RequestElevation, |guard| {
        guard.to(elevations::request)
    })
    .takes(FORM),
    member("GET", organization!("/elevations"), Action::ListElevations, |guard| guard.to(elevations::list)),
    member("GET", organization!("/elevations/{elevation}"), Action::ReadElevation, |guard| {
        guard.to(elevations::get)
    }),
    member("POST", organization!("/elevations/{elevation}/approve"), Action::ApproveElevation, |guard| {
        guard.to(elevations::approve)
    }),
    member("POST", organization!("/elevations/{elevation}/refuse"), Action::RefuseElevation, |guard| {
        guard.to(elevations::refuse)
    }),
    member("POST", organization!("/elevations/{elevation}/end"), Action::EndElevation, |guard| {
        guard.to(elevations::end)
    }),
    member("POST", organization!("/groups/{group}/elevations"), Action::RequestElevationInGroup, |guard| {
        guard.to(elevations::request)
    })
    .takes(FORM),
    member(
        "POST",
        organization!("/projects/{project}/elevations"),
        Action::RequestElevationInProject,
        |guard| guard.to(elevations::request),
    )
    .takes(FORM),
    member("POST", organization!("/tokens"), Action::CreateToken, |guard| guard.to(tokens::create))
        .takes(FORM),
    member("GET", organization!("/tokens"), Action::ListTokens, |guard| guard.to(tokens::list)),
    member("GET", organization!("/tokens/{token}"), Action::ReadToken, |guard| guard.to(tokens::get)),
    member("POST", organization!("/tokens/{token}/rotate"), Action::RotateToken, |guard| {
        guard.to(tokens::rotate)
    })
    .takes(FORM),
    member("POST", organization!("/tokens/{token}/revoke"), Action::RevokeToken, |guard| {
        guard.to(tokens::revoke)
    })
    .takes(FORM),
    member("POST", organization!("/agents"), Action::CreateAgent, |guard| guard.to(agents::create))
        .takes(FORM),
    member("GET", organization!("/agents"), Action::ListAgents, |guard| guard.to(agents::list)),
    member("GET", organization!("/agents/{agent}"), Action::ReadAgent, |guard| guard.to(agents::get)),
    member("POST", organization!("/agents/{agent}/revoke"), Action::RevokeAgent, |guard| {
        guard.to(agents::revoke)
    }),
    member("POST", organization!("/agents/{agent}/check-network"), Action::CheckNetwork, |guard| {
        guard.to(agents::check_network)
    }),
    member("POST", organization!("/agents/{agent}/rotate-token"), Action::RotateAgentToken, |guard| {
        guard.to(agents::rotate_token)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/reset-epoch"), Action::ResetEpoch, |guard| {
        guard.to(agents::reset_epoch)
    }),
    member("POST", organization!("/agents/{agent}/adopt"), Action::AdoptWorkspaces, |guard| {
        guard.to(agents::adopt)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/confirm-loss"), Action::ConfirmLoss, |guard| {
        guard.to(agents::confirm_loss)
    })
    .takes(FORM),
    member("GET", organization!("/agents/{agent}/orphans"), Action::ListOrphans, |guard| {
        guard.to(agents::orphans)
    }),
    member("POST", organization!("/agents/{agent}/orphans/{orphan}/remove"), Action::RemoveOrphan, |guard| {
        guard.to(agents::remove_orphan)
    }),
    member("POST", organization!("/agents/{agent}/orphans/{orphan}/keep"), Action::KeepOrphan, |guard| {
        guard.to(agents::keep_orphan)
    }),
    member("GET", organization!("/agents/{agent}/configuration"), Action::ReadConfiguration, |guard| {
        guard.to(agents::get_configuration)
    }),
    member("PUT", organization!("/agents/{agent}/configuration"), Action::Configure, |guard| {
        guard.to(agents::set_configuration)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/events"), Action::WatchOrganization, |guard| {
        guard.to(events::of_organization)
    }),
    member("PUT", organization!("/variables"), Action::SetVariable, |guard| guard.to(variables::set))
        .takes(DOCUMENT),
    member("GET", organization!("/variables"), Action::ListVariables, |guard| guard.to(variables::list)),
    member("DELETE", organization!("/variables/{kind}/{name}"), Action::DeleteVariable, |guard| {
        guard.to(variables::delete)
    }),
    member("PUT", organization!("/groups/{group}/variables"), Action::SetGroupVariable, |guard| {
        guard.to(variables::set)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/groups/{group}/variables"), Action::ListGroupVariables, |guard| {
        guard.to(variables::list)
    }),
    member("POST", organization!("/groups/{group}/variables/remove"), Action::DeleteGroupVariable, |guard| {
        guard.to(variables::remove)
    })
    .takes(FORM),
    member("PUT", organization!("/projects/{project}/variables"), Action::SetProjectVariable, |guard| {
        guard.to(variables::set)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/projects/{project}/variables"), Action::ListProjectVariables, |guard| {
        guard.to(variables::list)
    }),
    member(
        "POST",
        organization!("/projects/{project}/variables/remove"),
        Action::DeleteProjectVariable,
        |guard| guard.to(variables::remove),
    )
    .takes(FORM),
    member("PUT", organization!("/me/variables"), Action::SetOwnVariable, |guard| guard.to(variables::set))
        .takes(DOCUMENT),
    member("GET", organization!("/me/variables"), Action::ListOwnVariables, |guard| {
        guard.to(variables::list)
    }),
    member("POST", organization!("/me/variables/remove"), Action::DeleteOwnVariable, |guard| {
        guard.to(variables::remove)
    })
    .takes(FORM),
    member("GET", organization!("/git-credentials"), Action::ListGitCredentials, |guard| guard.to(git::list)),
    member("PUT", organization!("/git-credentials/{host}"), Action::SetGitCredential, |guard| {
        guard.to(git::set)
    })
    .takes(DOCUMENT),
    member("DELETE", organization!("/git-credentials/{host}"), Action::DeleteGitCredential, |guard| {
        guard.to(git::delete)
    }),
    member(
        "GET",
        organization!("/groups/{group}/git-credentials"),
        Action::ListGroupGitCredentials,
        |guard| guard.to(git::list),
    ),
    member("PUT", organization!("/groups/{group}/git-credentials"), Action::SetGroupGitCredential, |guard| {
        guard.to(git::put)
    })
    .takes(DOCUMENT),
    member(
        "POST",
        organization!("/groups/{group}/git-credentials/remove"),
        Action::DeleteGroupGitCredential,
        |guard| guard.to(git::remove),
    )
    .takes(FORM),
    member(
        "GET",
        organization!("/projects/{project}/git-credentials"),
        Action::ListProjectGitCredentials,
        |guard| guard.to(git::list),
    ),
    member(
        "PUT",
        organization!("/projects/{project}/git-credentials"),
        Action::SetProjectGitCredential,
        |guard| guard.to(git::put),
    )
    .takes(DOCUMENT),
    member(
        "POST",
        organization!("/projects/{project}/git-credentials/remove"),
        Action::DeleteProjectGitCredential,
        |guard| guard.to(git::remove),
    )
    .takes(FORM),
    member("GET", organization!("/me/git-credentials"), Action::ListOwnGitCredentials, |guard| {
        guard.to(git::list)
    }),
    member("PUT", organization!("/me/git-credentials"), Action::SetOwnGitCredential, |guard| {
        guard.to(git::put)
    })
    .takes(DOCUMENT),
    member("POST", organization!("/me/git-credentials/remove"), Action::DeleteOwnGitCredential, |guard| {
        guard.to(git::remove)
    })
    .takes(FORM),
    member("GET", organization!("/identity-providers"), Action::ListIdentityProviders, |guard| {
        guard.to(identity_providers::list)
    }),
    member("PUT", organization!("/identity-providers/{provider}"), Action::SetIdentityProvider, |guard| {
        guard.to(identity_providers::set)
    })
    .takes(DOCUMENT),
    member(
        "DELETE",
        organization!("/identity-providers/{provider}"),
        Action::DeleteIdentityProvider,
        |guard| guard.to(identity_providers::delete),
    ),
    member("POST", organization!("/groups"), Action::CreateGroup, |guard| guard.to(groups::create))
        .takes(FORM),
    member("GET", organization!("/groups"), Action::ListGroups, |guard| guard.to(groups::list)),
    member("GET", organization!("/groups/{group}"), Action::ReadGroup, |guard| guard.to(groups::get)),
    member("PATCH", organization!("/groups/{group}"), Action::ChangeGroup, |guard| guard.to(groups::change))
        .takes(FORM),
    member("DELETE", organization!("/groups/{group}"), Action::DeleteGroup, |guard| guard.to(groups::delete)),
    member("POST", organization!("/groups/{group}/groups"), Action::CreateSubgroup, |guard| {
        guard.to(groups::create)
    })
    .takes(FORM),
    member("POST", organization!("/groups/{group}/projects"), Action::CreateProjectInGroup, |guard| {
        guard.to(projects::create)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/groups/{group}/members"), Action::ListGroupMembers, |guard| {
        guard.to(groups::members)
    }),
    member("PUT", organization!("/groups/{group}/members"), Action::GiveRoleInGroup, |guard| {
        guard.to(groups::give_role)
    })
    .takes(FORM),
    member("POST", organization!("/groups/{group}/members/remove"), Action::TakeRoleInGroup, |guard| {
        guard.to(groups::take_role)
    })
    .takes(FORM),
    member("POST", organization!("/projects"), Action::CreateProject, |guard| guard.to(projects::create))
        .takes(DOCUMENT),
    member("GET", organization!("/projects"), Action::ListProjects, |guard| guard.to(projects::list)),
    member("GET", organization!("/projects/{project}"), Action::ReadProject, |guard| guard.to(projects::get)),
    member("PATCH", organization!("/projects/{project}"), Action::ChangeProject, |guard| {
        guard.to(projects::change)
    })
    .takes(DOCUMENT),
    member("DELETE", organization!("/projects/{project}"), Action::DeleteProject, |guard| {
        guard.to(projects::delete)
    }),
    member(
        "POST",
        organization!("/projects/{project}/workspaces"),
        Action::CreateWorkspaceInProject,
        |guard| guard.to(workspaces::create),
    )
    .takes(DOCUMENT),
    member("GET", organization!("/projects/{project}/members"), Action::ListProjectMembers, |guard| {
        guard.to(groups::members)
    }),
    member("PUT", organization!("/projects/{project}/members"), Action::GiveRoleInProject, |guard| {
        guard.to(groups::give_role)
    })
    .takes(FORM),
    member("POST", organization!("/projects/{project}/members/remove"), Action::TakeRoleInProject, |guard| {
        guard.to(groups::take_role)
    })
    .takes(FORM),
    member(
        "GET",
        organization!("/workspaces/{workspace}/variables"),
        Action::ReadWorkspaceVariables,
        |guard| guard.to(variables::explain),
    ),
    member("POST", organization!("/workspaces"), Action::CreateWorkspace, |guard| {
        guard.to(workspaces::create)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/workspaces"), Action::ListWorkspaces, |guard| guard.to(workspaces::list)),
    member("GET", organization!("/workspaces/{workspace}"), Action::ReadWorkspace, |guard| {
        guard.to(workspaces::get)
    }),
    member("GET", organization!("/workspaces/{workspace}/why"), Action::ExplainWorkspace, |guard| {
        guard.to(workspaces::why)
    }),
    member("GET", organization!("/workspaces/{workspace}/timeline"), Action::ReadTimeline, |guard| {
        guard.to(workspaces::timeline)
    }),
    member("GET", organization!("/workspaces/{workspace}/events"), Action::WatchWorkspace, |guard| {
        guard.to(events::of_workspace)
    }),
    member("POST", organization!("/workspaces/{workspace}/start"), Action::StartWorkspace, |guard| {
        guard.to(workspaces::start)
    }),
    member("POST", organization!("/workspaces/{workspace}/stop"), Action::StopWorkspace, |guard| {
        guard.to(workspaces::stop)
    }),
    member("POST", organization!("/workspaces/{workspace}/restart"), Action::RestartWorkspace, |guard| {
        guard.to(workspaces::restart)
    }),
    member("POST", organization!("/workspaces/{workspace}/terminate"), Action::TerminateWorkspace, |guard| {
        guard.to(workspaces::terminate)
    }),
    member(
        "POST",
        organization!("/workspaces/{workspace}/connection"),
        Action::IssueConnectionToken,
        |guard| guard.to(connections::connect),
    )
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/forget"), Action::ForgetWorkspace, |guard| {
        guard.to(workspaces::forget)
    }),
    member("POST", organization!("/workspaces/{workspace}/extend"), Action::ExtendWorkspace, |guard| {
        guard.to(workspaces::extend)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/rebuild"), Action::RebuildWorkspace, |guard| {
        guard.to(workspaces::rebuild)
    })
    .takes(DOCUMENT),
    member("POST", organization!("/workspaces/{workspace}/resize"), Action::ResizeWorkspace, |guard| {
        guard.to(workspaces::resize)
    })
    .takes(FORM),
    agent("POST", "/api/v1/agent/key", Action::RegisterKey, |guard| guard.to(reconcile::register_key))
        .takes(FORM),
    agent("POST", "/api/v1/agent/reconcile", Action::Reconcile, |guard| guard.to(reconcile::reconcile))
        .takes(DOCUMENT)
        .holds(Duration::from_secs(MAX_WAIT_SECONDS)),
    agent("POST", "/api/v1/agent/proxy-token", Action::IssueProxyToken, |guard| {
        guard.to(connections::proxy_token)
    }),
    proxy("POST", "/api/v1/proxy/connections", Action::OpenConnection, |guard| guard.to(connections::open))
        .takes(FORM),
    proxy("GET", "/api/v1/proxy/decision", Action::DecideConnection, |guard| guard.to(connections::decide)),
    proxy("GET", "/api/v1/proxy/changes", Action::WatchConnections, |guard| guard.to(connections::changes))
        .holds(Duration::from_secs(MAX_HELD_SECONDS)),
];

/// Puts the table into an application, with problems for what it does not hold.
pub fn configure(config: &mut ServiceConfig) {
    for lines in ROUTES.chunk_by(|one, other| one.path == other.path) {
        let held = lines[0].held;
        let mut resource = web::resource(lines[0].path);
        for line in lines {
            resource = resource.route(line.service());
        }
        let allowed = lines.iter().map(|line| line.method).collect::<Vec<_>>().join(", ");
        let refuse = move || {
            let allowed = allowed.clone();
            async move { Err::<&'static str, _>(Error::MethodNotAllowed { allowed }) }
        };
        let resource = resource.default_service(web::to(refuse));
        config.service(resource.wrap(from_fn(move |request: ServiceRequest, next| {
            if let Some(line) = lines.iter().find(|line| *request.method() == line.method) {
                request.extensions_mut().insert(line.body);
            }
            http::deadline::enforce(request, next, held)
        })));
    }
    config.default_service(web::to(async || Err::<&'static str, _>(Error::nothing(Sought::Path))));
}

/// The line of a method and a template.
pub fn find(method: &str, template: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == template && route.method == method)
}

/// Whether a path, with its query, is one of our pages: nobody is led elsewhere after signing in.
pub(crate) fn is_page(wanted: &str) -> bool {
    let path = wanted.split('?').next().unwrap_or_default();
    let is_of = |template: &str| {
        let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        let fits =
            |(known, asked): (&&str, &&str)| known == asked || (known.starts_with('{') && !asked.is_empty());
        template.len() == path.len() && template.iter().zip(&path).all(fits)
    };
    let mut pages = ROUTES.iter().filter(|route| route.method == "GET" && route.renderer == Renderer::Page);
    wanted.bytes().all(|byte| byte.is_ascii_graphic()) && pages.any(|route| is_of(route.path))
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
    use berth_schema::Effect;

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
    fn nobody_is_led_elsewhere_after_signing_in() {
        for page in ["/", "/device?user_code=BCDF-GHJK", "/organizations/acme", "/oauth/authorize?state=//a"]
        {
            assert!(is_page(page), "{page}");
        }
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "/organizations/",
            "/organizations/a/b",
            "/api/v1/whoami",
            "/oauth/token",
            "/device\r\nx: y",
            "device",
        ] {
            assert!(!is_page(other), "{other}");
        }
    }

    #[test]
    fn everything_below_an_organization_is_for_its_members() {
        for route in ROUTES.iter().filter(|route| route.path.contains("{organization}")) {
            assert_eq!(route.audience(), Audience::Member, "{}", route.path);
        }
    }

    #[test]
    fn a_path_names_what_its_action_is_done_to() {
        for route in ROUTES.iter().filter(|route| route.audience() == Audience::Member) {
            let kind = route.action().expect("an action").resource();
            let named = |parameter: &&str| route.path.contains(&format!("{{{parameter}}}"));
            assert!(kind.path_parameters().iter().all(named), "{} lacks a {kind}", route.path);
            let placeholders = route.path.matches('{').count();
            let organization = usize::from(route.path.contains("{organization}"));
            assert_eq!(placeholders, organization + kind.path_parameters().len(), "{}", route.path);
        }
    }

    #[test]
    fn every_action_has_one_line_of_the_api_or_pages_alone_and_what_reads_is_asked_with_get() {
        for action in Action::ALL {
            let lines: Vec<_> = ROUTES.iter().filter(|route| route.action() == Some(*action)).collect();
            let of_the_api = lines.iter().filter(|route| !route.renderer.is_for_a_browser()).count();
            assert!(of_the_api == 1 || (of_the_api == 0 && !lines.is_empty()), "{action}");
            // Questions that are too long for an address are posted.
            let reads = action.effect() == Effect::Reads && *action != Action::TestPolicy;
            for line in lines {
                assert_eq!(reads, line.method == "GET", "{action} at {}", line.path);
                assert!(!reads || line.body == BodyLimit::Nothing, "{action}");
            }
        }
    }

    #[test]
    fn what_may_be_done_where_is_reviewed() {
        let line = |route: &Route| {
            let (audience, action) = (format!("{:?}", route.audience()), route.action());
            let (action, on) =
                action.map_or(("-", "-"), |action| (action.as_str(), action.resource().as_str()));
            let held = route.held.as_secs();
            let facts =
                format!("{audience} {action} on {on}, {:?}, {:?}, {held} s", route.body, route.renderer);
            format!("{} {}: {facts}\n", route.method, route.path)
        };
        insta::assert_snapshot!(ROUTES.iter().map(line).collect::<String>());
    }
}
