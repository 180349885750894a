//! Where people come in, and what is theirs: pages that nobody, or one person, opens.

use actix_web::web;
use berth_schema::Action;

use super::line::{FORM, Route, everyone, person, public, public_page};
use crate::handlers::{git, health, oauth, openid};
use crate::{openapi, pages};

pub(super) const LINES: &[Route] = &[
    everyone("/healthz", || web::get().to(health::live)),
    everyone("/readyz", || web::get().to(health::ready)),
    everyone("/.well-known/jwks.json", || web::get().to(git::keys)).published(),
    everyone("/.well-known/openid-configuration", || web::get().to(git::discovery)).published(),
    everyone(openapi::PATH, || web::get().to(openapi::get)).published(),
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
    person("POST", "/sessions/{session}/know-device", Action::KnowDevice, |guard| {
        guard.to(pages::know_device)
    }),
    person("GET", "/confirm", Action::ReadAccount, |guard| guard.to(pages::ask_to_confirm)),
    person("POST", "/confirm", Action::ConfirmSession, |guard| guard.to(pages::confirm_session)).takes(FORM),
    person("GET", "/passkeys", Action::ListPasskeys, |guard| guard.to(pages::passkeys)),
    person("POST", "/passkeys", Action::AddPasskey, |guard| guard.to(pages::add_passkey)).takes(FORM),
    person("GET", "/passkeys/new", Action::ListPasskeys, |guard| guard.to(pages::new_passkey)),
    person("POST", "/passkeys/{passkey}/remove", Action::RemovePasskey, |guard| {
        guard.to(pages::remove_passkey)
    }),
];
