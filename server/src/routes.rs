//! Every route of the server: what is done there to what, how much of a body it takes, how it answers and how long it may.

use std::collections::BTreeMap;

use actix_web::dev::{HttpServiceFactory, ServiceRequest};
use actix_web::http::Method;
use actix_web::http::header::LOCATION;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, Scope};

use crate::error::Sought;
use crate::{Error, http};

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

mod agents;
mod line;
mod login;
mod machines;
mod members;
mod pages;
mod people;
mod settings;
mod tree;
mod workspaces;

pub use line::{Audience, Renderer, Route};

/// The table, a part for each subject. Lines of one path stand together, in one part.
///
/// No constant is made of the parts, as an array of their number would need one: to know it the compiler would have to know every handler,
/// and of each what it calls, which is the table again where it optimises.
static PARTS: [&[Route]; 9] = [
    people::LINES,
    pages::LINES,
    login::LINES,
    members::LINES,
    agents::LINES,
    settings::LINES,
    tree::LINES,
    workspaces::LINES,
    machines::LINES,
];

/// All lines of it.
pub fn all() -> impl Iterator<Item = &'static Route> + Clone {
    PARTS.iter().copied().flatten()
}

/// The lines of each path.
fn paths() -> impl Iterator<Item = &'static [Route]> {
    PARTS.iter().flat_map(|part| part.chunk_by(|one, other| one.path == other.path))
}

/// Of most paths: where they begin, and by which word they go on. A router tries its paths one after the other, so a table that is one
/// long list costs each request as much as its token's signature.
const PLACES: [&str; 2] = [organization!(""), place!("")];

/// Puts the table into an application, with problems for what it does not hold.
pub fn configure(config: &mut ServiceConfig) {
    let is_below = |path: &str, place: &str| path.strip_prefix(place).is_some_and(starts_anew);
    for place in PLACES {
        let mut words: BTreeMap<&str, Vec<(&str, &'static [Route])>> = BTreeMap::new();
        for lines in paths().filter(|lines| is_below(lines[0].path, place)) {
            let below = lines[0].path.strip_prefix(place).unwrap_or_default();
            let end = below.char_indices().skip(1).find_map(|(at, char)| (char == '/').then_some(at));
            let (word, rest) = below.split_at(end.unwrap_or(below.len()));
            words.entry(word).or_default().push((rest, lines));
        }
        // A scope of no word would take every path.
        let itself = words.remove("").into_iter().flatten();
        let scope = itself.fold(web::scope(place), |scope, (_, lines)| scope.service(resource("", lines)));
        let scopes = words.into_iter().map(|(word, paths)| {
            let service = |scope: Scope, (rest, lines)| scope.service(resource(rest, lines));
            paths.into_iter().fold(web::scope(word), service)
        });
        config.service(scopes.fold(scope, Scope::service));
    }
    for lines in paths().filter(|lines| !PLACES.iter().any(|place| is_below(lines[0].path, place))) {
        config.service(resource(lines[0].path, lines));
    }
    config.default_service(web::to(async || Err::<&'static str, _>(Error::nothing(Sought::Path))));
}

/// Whether what follows a part of a path is another part, or nothing.
fn starts_anew(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// The lines of one path, which is given without that of the scope it is put into.
fn resource(path: &str, lines: &'static [Route]) -> impl HttpServiceFactory {
    let held = lines[0].held;
    let mut resource = web::resource(path);
    for line in lines {
        resource = resource.route(line.service());
    }
    let allowed = lines.iter().map(|line| line.method).collect::<Vec<_>>().join(", ");
    let refuse = move |request: HttpRequest| {
        let allowed = allowed.clone();
        let form = (request.method() == Method::GET).then(|| form_of(request.path(), lines)).flatten();
        async move {
            match form {
                Some(page) => Ok(HttpResponse::SeeOther().insert_header((LOCATION, page)).finish()),
                None => Err(Error::MethodNotAllowed { allowed }),
            }
        }
    };
    let resource = resource.default_service(web::to(refuse));
    resource.wrap(from_fn(move |request: ServiceRequest, next| {
        if let Some(line) = lines.iter().find(|line| *request.method() == line.method) {
            request.extensions_mut().insert(line.body);
        }
        http::deadline::enforce(request, next, held)
    }))
}

/// The line of a method and a template.
pub fn find(method: &str, template: &str) -> Option<&'static Route> {
    all().find(|route| route.path == template && route.method == method)
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
    let mut pages = all().filter(|route| route.method == "GET" && route.renderer == Renderer::Page);
    wanted.bytes().all(|byte| byte.is_ascii_graphic()) && pages.any(|route| is_of(route.path))
}

/// The page that a form is on which is sent to a path: that stays in a browser's address bar where the form was refused. `None`: no
/// form of a page is sent there.
fn form_of(path: &str, lines: &[Route]) -> Option<String> {
    if lines.iter().any(|line| line.renderer != Renderer::Page) {
        return None;
    }
    let (before, last) = path.rsplit_once('/')?;
    if last == "workspaces" && is_page(&format!("{before}/new")) {
        return Some(format!("{before}/new"));
    }
    let mut above = before;
    while !above.is_empty() && !is_page(above) {
        above = above.rsplit_once('/')?.0;
    }
    Some(if above.is_empty() { "/".to_owned() } else { above.to_owned() })
}

/// A path of the table for what the router matched, as a label: nothing that a client makes up.
pub fn template(matched: Option<&str>) -> &'static str {
    let known = all().find(|route| Some(route.path) == matched);
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
    use crate::http::body::BodyLimit;
    use berth_schema::{Action, Effect};

    #[test]
    fn lines_of_one_path_stand_together() {
        let paths: Vec<_> = paths().map(|lines| lines[0].path).collect();
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
    fn a_form_that_was_refused_is_found_again_by_its_address() {
        let found = |path: &str| {
            let line = all().find(|route| route.path == path).expect("a path");
            form_of(&path.replace(['{', '}'], ""), std::slice::from_ref(line))
        };
        for (path, page) in [
            (
                "/organizations/{organization}/agents/{agent}/allow",
                "/organizations/organization/agents/agent",
            ),
            ("/organizations/{organization}/me/variables", "/organizations/organization/me"),
            (
                "/organizations/{organization}/projects/{project}/workspaces",
                "/organizations/organization/projects/project/new",
            ),
            ("/sessions/{session}/end", "/sessions"),
            ("/sign-out", "/"),
        ] {
            assert_eq!(found(path).as_deref(), Some(page), "{path}");
        }
        let posted = |route: &&Route| {
            let alone = !all().any(|other| other.path == route.path && other.method == "GET");
            route.renderer == Renderer::Page && alone
        };
        for route in all().filter(posted) {
            let page = found(route.path).unwrap_or_else(|| panic!("{}", route.path));
            assert!(is_page(&page), "{} leads to {page}", route.path);
        }
        assert_eq!(found("/api/v1/organizations/{organization}/agents/{agent}/allow"), None);
    }

    #[test]
    fn everything_below_an_organization_is_for_its_members() {
        for route in all().filter(|route| route.path.contains("{organization}")) {
            assert_eq!(route.audience(), Audience::Member, "{}", route.path);
        }
    }

    #[test]
    fn a_path_names_what_its_action_is_done_to() {
        for route in all().filter(|route| route.audience() == Audience::Member) {
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
            let lines: Vec<_> = all().filter(|route| route.action() == Some(*action)).collect();
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
        insta::assert_snapshot!(all().map(line).collect::<String>());
    }
}
