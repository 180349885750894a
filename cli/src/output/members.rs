//! How members and invitations look.

use std::borrow::Cow;

use berth_schema::members::{Invitation, InvitationState, Member};
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::elevations::for_a_time;
use super::table::{Cell, Tone};

impl Show for Member {
    fn name(&self) -> Cow<'_, str> {
        (&self.name).into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 6] = ["NAME", "ROLE", "STATE", "SIGNS IN", "AGE", "ID"];
        if wide { &ALL } else { &ALL[..5] }
    }

    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell> {
        let state = match self.suspended_at {
            Some(_) => Cell::new("suspended", Tone::Bad),
            None => "active".into(),
        };
        let mut row: Vec<Cell> = vec![
            self.name.as_str().into(),
            role_of(self).into(),
            state,
            if self.signs_in { "yes" } else { "no" }.into(),
            age(self.created_at, now).into(),
        ];
        if wide {
            row.push(self.id.into());
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Name", "Role", "State", "Signs in", "Age", "Id"].into_iter().zip(self.row(true, now)).collect()
    }
}

/// The role, and what they are for a time beside it.
fn role_of(member: &Member) -> String {
    let elevated = member.elevations.iter().map(for_a_time);
    let all: Vec<_> = std::iter::once(member.role.to_string()).chain(elevated).collect();
    all.join(", ")
}

impl Show for Invitation {
    fn name(&self) -> Cow<'_, str> {
        (&self.name).into()
    }

    fn columns(_wide: bool) -> &'static [&'static str] {
        &["FOR", "ROLE", "STATE", "EXPIRES", "AGE", "ID"]
    }

    fn row(&self, _wide: bool, now: Timestamp) -> Vec<Cell> {
        let expires = match self.state {
            InvitationState::Open => format!("in {}", age(now, self.expires_at)),
            _ => "-".to_owned(),
        };
        vec![
            self.name.as_str().into(),
            self.role.as_str().into(),
            self.state.as_str().into(),
            expires.into(),
            age(self.created_at, now).into(),
            self.id.into(),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["For", "Role", "State", "Expires", "Age", "Id"].into_iter().zip(self.row(true, now)).collect()
    }
}
