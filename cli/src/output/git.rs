//! How Git hosts look: everything but the token.

use std::borrow::Cow;

use berth_schema::git::GitCredential;
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::Cell;

impl Show for GitCredential {
    fn name(&self) -> Cow<'_, str> {
        self.host.as_str().into()
    }

    fn columns(_wide: bool) -> &'static [&'static str] {
        &["HOST", "SCHEME", "METHOD", "USERNAME", "AUDIENCE", "SET"]
    }

    fn row(&self, _wide: bool, now: Timestamp) -> Vec<Cell> {
        vec![
            self.host.as_str().into(),
            if self.plain_http { "http" } else { "https" }.into(),
            self.method.as_str().into(),
            (&self.username).into(),
            self.token_audience.as_deref().or(self.audience.as_deref()).unwrap_or("-").into(),
            format!("{} ago", age(self.updated_at, now)).into(),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Host", "Scheme", "Method", "Username", "Audience", "Set"]
            .into_iter()
            .zip(self.row(true, now))
            .collect()
    }
}
