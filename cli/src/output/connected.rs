//! How those look who are connected to a workspace.

use std::borrow::Cow;

use berth_schema::connected::{Connected, ConnectionKind};
use berth_schema::kubernetes::EDITOR_PORT;
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::Cell;

impl Show for Connected {
    fn name(&self) -> Cow<'_, str> {
        self.id.map_or_else(|| "-".to_owned(), |id| id.to_string()).into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        let all =
            &["ID", "WORKSPACE", "WHO", "BY", "PORT", "SINCE", "ACTIVE", "FROM", "OPEN", "SENT", "RECEIVED"];
        if wide { all } else { all.split_at(8).0 }
    }

    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell> {
        let who = self.who.as_ref().map_or("everybody", |who| who.name.as_str());
        let address = self.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        let mut row: Vec<Cell> = vec![
            self.name().into(),
            self.workspace.as_str().into(),
            who.into(),
            by(self).into(),
            self.port.to_string().into(),
            age(self.since, now).into(),
            format!("{} ago", age(self.last_active_at, now)).into(),
            address.into(),
        ];
        if wide {
            row.extend([
                self.open.to_string().into(),
                size(self.bytes_to_workspace).into(),
                size(self.bytes_to_person).into(),
            ]);
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Id", "Workspace", "Who", "By", "Port", "Since", "Active", "From", "Open", "Sent", "Received"]
            .into_iter()
            .zip(self.row(true, now))
            .collect()
    }
}

fn by(connected: &Connected) -> &'static str {
    match connected.kind {
        ConnectionKind::Browser if connected.port == EDITOR_PORT => "editor",
        other => other.as_str(),
    }
}

/// In the largest unit of which there is one: `512 B`, `3 KiB`, `20 MiB`.
fn size(bytes: u64) -> String {
    let mut units = ["B", "KiB", "MiB", "GiB"].into_iter().zip([0, 10, 20, 30]).rev();
    let (unit, shift) = units.find(|(_, shift)| bytes >> shift > 0).unwrap_or(("B", 0));
    format!("{} {unit}", bytes >> shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_the_largest_unit_of_which_there_is_one() {
        let sizes = [0, 1, 1_023, 1_024, 3_000_000, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "1 B", "1023 B", "1 KiB", "2 MiB", "17179869183 GiB"]);
    }
}
