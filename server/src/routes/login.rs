//! How command lines are let in, and who they are.

use actix_web::web;
use berth_schema::Action;

use super::line::{FORM, Route, account_of, member, person, public};
use crate::handlers::{account, oauth, whoami};
use crate::pages;

pub(super) const LINES: &[Route] = &[
    person("GET", "/device", Action::LookAtDevice, |guard| guard.to(pages::device)),
    person("POST", "/device", Action::DecideDevice, |guard| guard.to(pages::decide_device)).takes(FORM),
    person("GET", "/oauth/authorize", Action::LookAtLogin, |guard| guard.to(pages::authorize)),
    person("POST", "/oauth/authorize", Action::DecideLogin, |guard| guard.to(pages::decide_authorize))
        .takes(FORM),
    public("POST", "/oauth/device_authorization", || web::post().to(oauth::device_authorization)).takes(FORM),
    public("POST", "/oauth/token", || web::post().to(oauth::token)).takes(FORM),
    public("POST", "/oauth/revoke", || web::post().to(oauth::revoke)).takes(FORM),
    account_of("GET", "/api/v1/account", Action::DescribeAccount, |guard| guard.api(account::get)),
    account_of("GET", "/api/v1/account/ssh-keys", Action::ListSshKeys, |guard| {
        guard.api(account::list_ssh_keys)
    }),
    account_of("POST", "/api/v1/account/ssh-keys", Action::AddSshKey, |guard| {
        guard.api(account::add_ssh_key)
    })
    .takes(FORM),
    account_of("DELETE", "/api/v1/account/ssh-keys/{ssh_key}", Action::RemoveSshKey, |guard| {
        guard.api(account::remove_ssh_key)
    }),
    member("GET", "/api/v1/whoami", Action::ReadIdentity, |guard| guard.api(whoami::whoami)),
];
