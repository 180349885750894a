//! How much of a list to show.

use berth_schema::api::Paged;

use crate::client::Listing;
use crate::terminal::Talk;

#[derive(Debug, clap::Args)]
pub(crate) struct PageArgs {
    /// Show at most this many
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// Show all
    #[arg(long, conflicts_with = "limit")]
    all: bool,

    /// Begin where an earlier list ended: the 'next' of its JSON
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

impl PageArgs {
    pub(crate) fn listing(&self) -> Listing {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        Listing { limit: (!self.all).then_some(limit), after: self.after.clone() }
    }
}

/// What is not shown must not be overlooked.
pub(crate) fn tell_of_more<T>(page: &Paged<T>, talk: Talk) {
    if page.next.is_some() {
        talk.say(&format!("There are more than these {}; --all shows all.", page.items.len()));
    }
}

/// Nor what was passed over because of its state.
pub(crate) fn tell_of_others(others: usize, talk: Talk) {
    match others {
        0 => {}
        1 => talk.say("1 in another state is not shown; --state all shows it."),
        _ => talk.say(&format!("{others} in another state are not shown; --state all shows them.")),
    }
}
