//! How roles for a time look.

use std::borrow::Cow;

use berth_schema::elevations::{Elevated, Elevation, ElevationState};
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::{Cell, Tone};

impl Show for Elevation {
    fn name(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }

    fn columns(_wide: bool) -> &'static [&'static str] {
        &["WHO", "ROLE", "AT", "FOR", "STATE", "ENDS", "REASON", "AGE", "ID"]
    }

    fn row(&self, _wide: bool, now: Timestamp) -> Vec<Cell> {
        let (tone, end) = match self.state {
            ElevationState::Pending => (Tone::Busy, Some(self.decide_by)),
            ElevationState::Active => (Tone::Good, self.ends_at),
            _ => (Tone::Plain, None),
        };
        let ends = end.map_or_else(|| "-".to_owned(), |end| format!("in {}", age(now, end)));
        let at = self.place.group.as_deref().or(self.place.project.as_deref()).unwrap_or("-");
        vec![
            self.name.as_str().into(),
            self.role.as_str().into(),
            at.into(),
            length(self.seconds).into(),
            Cell::new(self.state.as_str(), tone),
            ends.into(),
            self.reason.as_str().into(),
            age(self.created_at, now).into(),
            self.id.into(),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Who", "Role", "At", "For", "State", "Ends", "Reason", "Age", "Id"]
            .into_iter()
            .zip(self.row(true, now))
            .collect()
    }
}

/// In minutes, where it has any.
fn length(seconds: u32) -> String {
    if seconds.is_multiple_of(60) { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}

/// `maintainer at group 'platform' until …`.
pub(crate) fn for_a_time(elevated: &Elevated) -> String {
    format!("{}{} until {}", elevated.role, elevated.place.words(), elevated.ends_at)
}
