//! How the ports of a workspace look.

use std::borrow::Cow;

use berth_schema::ports::{OpenedPort, Port, PortShare, SharedWith, Shut};
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::Cell;

impl Show for Port {
    fn name(&self) -> Cow<'_, str> {
        self.port.to_string().into()
    }

    fn columns(_wide: bool) -> &'static [&'static str] {
        &["PORT", "NAME", "OPENED", "SHARED WITH", "URL"]
    }

    fn row(&self, _wide: bool, now: Timestamp) -> Vec<Cell> {
        let shares: Vec<_> = self.shares.iter().map(|share| words(share, now)).collect();
        let with = if shares.is_empty() { "nobody".to_owned() } else { shares.join(", ") };
        let url = self.url.as_deref().unwrap_or("-");
        let opened = self.opened.map_or_else(|| "-".to_owned(), |opened| until(&opened, now));
        vec![self.port.to_string().into(), self.name.as_str().into(), opened.into(), with.into(), url.into()]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Port", "Name", "Opened", "Shared with", "Url"].into_iter().zip(self.row(true, now)).collect()
    }
}

fn until(opened: &OpenedPort, now: Timestamp) -> String {
    format!("for {}{}", age(now, opened.expires_at), shut(opened.shut))
}

fn shut(why: Option<Shut>) -> String {
    why.map(|why| format!("; lets nobody in now: {}", why.words())).unwrap_or_default()
}

fn words(share: &PortShare, now: Timestamp) -> String {
    let whom = match &share.with {
        SharedWith::User(who) => who.name.clone(),
        SharedWith::Group(group) => match &group.path {
            Some(path) => format!("group {path}"),
            None => format!("group {}", group.id),
        },
        SharedWith::Organization => "the organization".to_owned(),
        SharedWith::Public => "everybody".to_owned(),
    };
    format!("{whom} (for {}{})", age(now, share.expires_at), shut(share.shut))
}
