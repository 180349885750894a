//! How access tokens look: everything but the secret.

use std::borrow::Cow;

use berth_schema::access::{Token, TokenKind};
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::{Cell, Tone};

const NONE: &str = "-";

impl Show for Token {
    fn name(&self) -> Cow<'_, str> {
        (&self.name).into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 9] =
            ["NAME", "WHOSE", "SCOPE", "STATE", "LAST USED", "EXPIRES", "MADE BY", "AGE", "ID"];
        if wide { &ALL } else { &ALL[..7] }
    }

    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell> {
        let expires = self.expires_at.map_or_else(|| "never".to_owned(), |end| left(end, now));
        let mut row: Vec<Cell> = vec![
            self.name.as_str().into(),
            whose(self).into(),
            self.scope.as_str().into(),
            state(self, now),
            self.last_used_at.map_or_else(|| NONE.to_owned(), |at| format!("{} ago", age(at, now))).into(),
            expires.into(),
            maker(self).into(),
        ];
        if wide {
            row.extend([age(self.created_at, now).into(), self.id.into()]);
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let moment = |at: Timestamp| Cell::from(format!("{at} ({} ago)", age(at, now)));
        let never = || Cell::from(NONE);
        let mut details: Vec<(&'static str, Cell)> = vec![
            ("Name", self.name.as_str().into()),
            ("Whose", whose(self).into()),
            ("Scope", self.scope.as_str().into()),
            ("State", state(self, now)),
            ("Last used", self.last_used_at.map_or_else(never, moment)),
        ];
        let expires = self.expires_at.map(|end| format!("{end} ({})", left(end, now)));
        details.push(("Expires", expires.unwrap_or_else(|| "never".to_owned()).into()));
        details.extend(self.rotated_at.map(|at| ("Rotated", moment(at))));
        let overlaps = self.previous_valid_until.filter(|until| *until > now);
        details.extend(
            overlaps.map(|until| ("Old secret", Cell::new(format!("opens until {until}"), Tone::Busy))),
        );
        details.extend(self.revoked_at.map(|at| ("Revoked", moment(at))));
        details.extend([
            ("Made by", maker(self).into()),
            ("Created", moment(self.created_at)),
            ("Id", self.id.into()),
        ]);
        details
    }
}

fn maker(token: &Token) -> String {
    match (&token.created_by_name, token.created_by, token.kind) {
        (Some(name), _, _) => name.clone(),
        (None, Some(id), _) => id.to_string(),
        (None, None, TokenKind::Session) => "signing in".to_owned(),
        (None, None, TokenKind::AccessToken) => "the server".to_owned(),
    }
}

/// Of whom an older server says nothing.
fn whose(token: &Token) -> &str {
    token.subject_name.as_deref().unwrap_or(NONE)
}

fn left(end: Timestamp, now: Timestamp) -> String {
    if end > now { format!("in {}", age(now, end)) } else { format!("{} ago", age(end, now)) }
}

fn state(token: &Token, now: Timestamp) -> Cell {
    if token.revoked_at.is_some() {
        Cell::new("Revoked", Tone::Faint)
    } else if token.expires_at.is_some_and(|end| end <= now) {
        Cell::new("Expired", Tone::Faint)
    } else if token.key_revoked {
        Cell::new("Key revoked", Tone::Bad)
    } else {
        Cell::new("Active", Tone::Good)
    }
}
