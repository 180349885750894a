//! How keys look that let somebody in by plain `ssh`.

use std::borrow::Cow;

use berth_schema::api::account::SshKey;
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::Cell;

impl Show for SshKey {
    fn name(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        let all = &["ID", "NAME", "FINGERPRINT", "LAST USED", "ENDS", "AGE", "AT THE LATEST"];
        if wide { all } else { all.split_at(5).0 }
    }

    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell> {
        let used = self.last_used_at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(at, now)));
        let until = |end: Timestamp| format!("in {}", age(now, end));
        let mut row: Vec<Cell> = vec![
            self.name().into(),
            self.name.as_str().into(),
            self.fingerprint.as_str().into(),
            used.into(),
            until(self.ends_at).into(),
        ];
        if wide {
            row.extend([age(self.created_at, now).into(), until(self.expires_at).into()]);
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let labels =
            ["Id", "Name", "Fingerprint", "Last used", "Ends, unless used", "Age", "Ends at the latest"];
        labels.into_iter().zip(self.row(true, now)).collect()
    }
}
