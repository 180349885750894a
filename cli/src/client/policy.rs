//! Who may do what.

use berth_schema::Generation;
use berth_schema::api::Paged;
use berth_schema::policy::{Permission, Policy, PolicyTested, PolicyVersion, SetPolicy, TestPolicy};

use super::api::{add_query, if_match};
use super::{Call, Listing, Organization, Repeat};
use crate::error::Error;

impl Organization {
    pub(crate) async fn policy(&self, version: Option<i64>) -> Result<Policy, Error> {
        let mut url = self.url(["policy"]);
        add_query(&mut url, "version", version.map(|version| version.to_string()));
        self.client.send(Call::get("get the policy", url)).await
    }

    /// Replaces it whole; with a version, only if that still holds.
    pub(crate) async fn set_policy(
        &self,
        policy: &SetPolicy,
        expected: Option<i64>,
    ) -> Result<Policy, Error> {
        let mut call = Call::put("set the policy", self.url(["policy"])).body(policy)?;
        if expected.is_some() {
            // Were the first answer lost, the repetition would find a version of its own making.
            call.repeat = Repeat::WhenUnsent;
        }
        self.client.send(if_match(call, expected.map(Generation::of))).await
    }

    /// Has it checked as setting it would.
    pub(crate) async fn check_policy(&self, policy: &SetPolicy) -> Result<Policy, Error> {
        let mut url = self.url(["policy"]);
        add_query(&mut url, "dry_run", Some("true".to_owned()));
        self.client.send(Call::put("check the policy", url).body(policy)?).await
    }

    pub(crate) async fn policy_versions(&self, listing: &Listing) -> Result<Paged<PolicyVersion>, Error> {
        self.list("list the versions of the policy", &self.url(["policy", "versions"]), listing).await
    }

    pub(crate) async fn test_policy(&self, test: &TestPolicy) -> Result<PolicyTested, Error> {
        let call = Call::post("test the policy", self.url(["policy", "test"]));
        self.client.send(call.body(test)?).await
    }

    pub(crate) async fn can_i(&self, action: &str, resource: Option<&str>) -> Result<Permission, Error> {
        let mut url = self.url(["can-i"]);
        add_query(&mut url, "action", Some(action.to_owned()));
        add_query(&mut url, "resource", resource.map(str::to_owned));
        self.client.send(Call::get(format!("ask about '{action}'"), url)).await
    }
}
