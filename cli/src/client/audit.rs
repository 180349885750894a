//! The record of what happened.

use berth_schema::api::Paged;
use berth_schema::audit::Listed;
use serde_json::Value;

use super::{Call, Listing, Organization};
use crate::error::Error;

/// The largest page that the server gives.
const PAGE: usize = 100;

/// Which records. Empty fields do not filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditFilter {
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) outcome: Option<String>,
}

impl AuditFilter {
    fn add_to(&self, url: &mut url::Url) {
        let all = [
            ("since", &self.since),
            ("until", &self.until),
            ("actor", &self.actor),
            ("action", &self.action),
            ("resource", &self.resource),
            ("outcome", &self.outcome),
        ];
        for (name, value) in all {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
    }
}

impl Organization {
    /// The newest first.
    pub(crate) async fn audit(
        &self,
        filter: &AuditFilter,
        listing: &Listing,
    ) -> Result<Paged<Listed<Value>>, Error> {
        let mut url = self.url(["audit"]);
        filter.add_to(&mut url);
        self.list("list what is on record", &url, listing).await
    }

    /// One page from a sequence on, the oldest first. `next` is where to go on, also behind the last one.
    pub(crate) async fn audit_from(
        &self,
        filter: &AuditFilter,
        from: u64,
    ) -> Result<Paged<Listed<Value>>, Error> {
        let mut url = self.url(["audit"]);
        filter.add_to(&mut url);
        url.query_pairs_mut().append_pair("limit", &PAGE.to_string()).append_pair("from", &from.to_string());
        self.client.send(Call::get("read what is on record", url)).await
    }
}
