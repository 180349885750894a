//! A line of the table, and how each kind of it is written.

use std::time::Duration;

use actix_web::http::Method;
use berth_schema::Action;

use crate::http::body::BodyLimit;
use crate::http::described::Describe;
use crate::http::guard::{Channel, Described, Guard};
use crate::identity::{AgentIdentity, Member, Person, ProxyIdentity};

/// Who a route is for, what they do there, and its handler. Only a handler that is behind a [`Guard`] is given an operation, so
/// that no line with one compiles without an action.
#[derive(Clone, Copy, Debug)]
enum Access {
    /// No token is asked for.
    Everyone(fn() -> actix_web::Route),
    /// Whoever has an access token; below an organisation, of that organisation.
    Member(Action, Handler<Member>),
    /// Whoever is signed in, outside of organisations.
    Person(Action, Handler<Person>),
    Agent(Action, fn(Guard<AgentIdentity>) -> actix_web::Route),
    Proxy(Action, fn(Guard<ProxyIdentity>) -> actix_web::Route),
}

/// A handler behind a guard: of a page, or of the API, whose description is made of the handler's types.
#[derive(Debug)]
enum Handler<P> {
    Page(fn(Guard<P>) -> actix_web::Route),
    Api(fn(Guard<P>) -> Described),
}

impl<P> Clone for Handler<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Handler<P> {}

impl<P> Handler<P> {
    fn behind(self, guard: Guard<P>) -> actix_web::Route {
        match self {
            Self::Page(handler) => handler(guard),
            Self::Api(handler) => handler(guard).route,
        }
    }

    fn describe(self, guard: Guard<P>) -> Option<Describe> {
        match self {
            Self::Page(_) => None,
            Self::Api(handler) => Some(handler(guard).describe),
        }
    }
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

    /// What its handler's types say of it, where it is a line of the API that has a description.
    pub fn describe(&self) -> Option<Describe> {
        let method = method(self.method);
        match self.access {
            Access::Member(action, handler) => handler.describe(Guard::new(method, action, Channel::Bearer)),
            Access::Person(action, handler) => handler.describe(Guard::new(method, action, Channel::Bearer)),
            Access::Everyone(_) | Access::Agent(..) | Access::Proxy(..) => None,
        }
    }

    pub(super) const fn takes(self, body: BodyLimit) -> Self {
        Self { body, ..self }
    }

    pub(super) const fn published(self) -> Self {
        Self { renderer: Renderer::Published, ..self }
    }

    pub(super) const fn holds(self, held: Duration) -> Self {
        Self { held, ..self }
    }

    pub(super) const fn page(self) -> Self {
        Self { renderer: Renderer::Page, ..self }
    }

    pub(super) const fn events(self) -> Self {
        Self { renderer: Renderer::Events, ..self }
    }

    pub(super) const fn forever(self) -> Self {
        Self { renderer: Renderer::Forever, ..self }
    }

    pub(super) fn service(&'static self) -> actix_web::Route {
        let method = method(self.method);
        let channel = if self.renderer.is_for_a_browser() { Channel::Cookie } else { Channel::Bearer };
        match self.access {
            Access::Everyone(handler) => handler(),
            Access::Member(action, handler) => handler.behind(Guard::new(method, action, channel)),
            Access::Person(action, handler) => handler.behind(Guard::new(method, action, channel)),
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
pub(super) const FORM: BodyLimit = BodyLimit::Bytes(64 * 1024);
/// A document of whoever asks, or many things at once.
pub(super) const DOCUMENT: BodyLimit = BodyLimit::Configured;

const fn route(method: &'static str, path: &'static str, access: Access) -> Route {
    let (body, renderer, held) = (BodyLimit::Nothing, Renderer::Json, Duration::ZERO);
    Route { method, path, access, body, renderer, held }
}

pub(super) const fn everyone(path: &'static str, handler: fn() -> actix_web::Route) -> Route {
    route("GET", path, Access::Everyone(handler))
}

/// What nobody brings a token to: it is where they get one.
pub(super) const fn public(
    method: &'static str,
    path: &'static str,
    handler: fn() -> actix_web::Route,
) -> Route {
    route(method, path, Access::Everyone(handler))
}

/// What a person's command line asks of themselves, and changes.
pub(super) const fn account_of(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<Person>) -> Described,
) -> Route {
    route(method, path, Access::Person(action, Handler::Api(handler)))
}

/// What nobody has to be signed in for.
pub(super) const fn public_page(
    method: &'static str,
    path: &'static str,
    handler: fn() -> actix_web::Route,
) -> Route {
    route(method, path, Access::Everyone(handler)).page()
}

pub(super) const fn person(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<Person>) -> actix_web::Route,
) -> Route {
    route(method, path, Access::Person(action, Handler::Page(handler))).page()
}

pub(super) const fn member(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<Member>) -> Described,
) -> Route {
    route(method, path, Access::Member(action, Handler::Api(handler)))
}

/// What members do in a browser, to what they do by the API as well.
pub(super) const fn page_of(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<Member>) -> actix_web::Route,
) -> Route {
    route(method, path, Access::Member(action, Handler::Page(handler))).page()
}

pub(super) const fn agent(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<AgentIdentity>) -> actix_web::Route,
) -> Route {
    route(method, path, Access::Agent(action, handler))
}

pub(super) const fn proxy(
    method: &'static str,
    path: &'static str,
    action: Action,
    handler: fn(Guard<ProxyIdentity>) -> actix_web::Route,
) -> Route {
    route(method, path, Access::Proxy(action, handler))
}
