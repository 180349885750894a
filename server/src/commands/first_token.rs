//! Shows a token once: on stdout or in a file that is its owner's alone. Never in the log.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use berth_schema::{AccessToken, OrganizationName};

/// One line on stdout, so that a script can take it; what it is goes to stderr.
pub(super) fn print(token: &AccessToken, organization: &OrganizationName) -> anyhow::Result<()> {
    // Nothing can be told to somebody whose stderr is closed.
    let _ = writeln!(
        std::io::stderr(),
        "The line on stdout is an access token with every right in organization '{organization}'. Keep it: it is not shown \
         again. Log in with `berth login URL`; should it be lost, `berth-server token create --organization {organization}` \
         makes another one."
    );
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", token.expose()).and_then(|()| stdout.flush()).context("cannot print the token")
}

pub(super) fn write(token: &AccessToken, path: &Path) -> anyhow::Result<()> {
    let place = || format!("cannot write the first token to {}", path.display());
    // A file that is there may be open to others; it is replaced, not written into.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(place),
        _ => {}
    }
    let mut file = berth_secret_file::create(path).with_context(place)?;
    writeln!(file, "{}", token.expose()).and_then(|()| file.sync_all()).with_context(place)
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
        let token = AccessToken::new(OrganizationId::random(), TokenId::random(), &[1; 32]);
        write(&token, &path).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read").trim(), token.expose());
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
