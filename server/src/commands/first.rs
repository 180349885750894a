//! Shows a token or a link once: on stdout or in a file that is its owner's alone. Never in the log.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use berth_schema::{AccessToken, OrganizationName, SignInToken};

/// One line on stdout, so that a script can take it; what it is goes to stderr.
pub(super) fn print_token(token: &AccessToken, organization: &OrganizationName) -> anyhow::Result<()> {
    tell(&format!(
        "The next line on stdout is an access token with every right in organization '{organization}'. Keep it: it is not shown \
         again. Log in with `berth login URL`; should it be lost, `berth-server token create --organization {organization}` \
         makes another one."
    ));
    print(token.expose())
}

/// The same for a link that signs somebody in.
pub(super) fn print_link(
    token: &SignInToken,
    public_url: Option<&str>,
    person: &str,
    is_new: bool,
) -> anyhow::Result<()> {
    let who = if is_new { " as a new owner of the organization" } else { "" };
    tell(&format!(
        "The next line on stdout signs '{person}' in{who}, once, within 24 hours. Open it in a browser. Should it be lost, \
         `berth-server sign-in-link` makes another one."
    ));
    if public_url.is_none() {
        tell(
            "Its address is a guess, because --public-url (BERTH_PUBLIC_URL) was not named: where browsers reach the server at \
             another one, put that in the place of http://localhost:8080.",
        );
    }
    print(&address(token, public_url))
}

/// Where a browser opens a link.
pub(super) fn address(token: &SignInToken, public_url: Option<&str>) -> String {
    let origin = public_url.unwrap_or("http://localhost:8080");
    format!("{origin}/sign-in/link?token={}", token.expose())
}

fn tell(what: &str) {
    // Nothing can be told to somebody whose stderr is closed.
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn print(secret: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{secret}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}

pub(super) fn write(secret: &str, path: &Path) -> anyhow::Result<()> {
    let place = || format!("cannot write {}", path.display());
    // A file that is there may be open to others; it is replaced, not written into.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(place),
        _ => {}
    }
    let mut file = berth_secret_file::create(path).with_context(place)?;
    writeln!(file, "{secret}").and_then(|()| file.sync_all()).with_context(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::{OrganizationId, TokenId};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_file_is_its_owners_alone_even_where_another_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "an old token that was much longer than the new one".repeat(9))
            .expect("written");
        let text = zeroize::Zeroizing::new("a.b.c".to_owned());
        let token = AccessToken::signed(OrganizationId::random(), TokenId::random(), text);
        write(token.expose(), &path).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read").trim(), token.expose());
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
