//! Roles for a time.

use berth_schema::ElevationId;
use berth_schema::api::Paged;
use berth_schema::elevations::{Elevation, RequestElevation};

use super::{Call, Listing, Organization};
use crate::error::Error;
use crate::names::{GroupRef, ProjectRef};

/// Where a role is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Where<'a> {
    Organization,
    Group(&'a GroupRef),
    Project(&'a ProjectRef),
}

impl Organization {
    pub(crate) async fn request_elevation(
        &self,
        place: Where<'_>,
        wanted: &RequestElevation,
    ) -> Result<Elevation, Error> {
        let url = match place {
            Where::Organization => self.url(["elevations"]),
            Where::Group(group) => self.url(["groups", group.as_str(), "elevations"]),
            Where::Project(project) => self.url(["projects", project.as_str(), "elevations"]),
        };
        let call = Call::post(format!("ask for role '{}'", wanted.role), url);
        self.client.send(call.body(wanted)?).await
    }

    /// Those that `wanted` holds of, and how many it does not.
    pub(crate) async fn elevations(
        &self,
        listing: &Listing,
        wanted: impl Fn(&Elevation) -> bool,
    ) -> Result<(Paged<Elevation>, usize), Error> {
        self.select("list the elevations", &self.url(["elevations"]), listing, wanted).await
    }

    /// `how`: `approve`, `refuse` or `end`.
    pub(crate) async fn decide_elevation(&self, id: ElevationId, how: &str) -> Result<Elevation, Error> {
        let url = self.url(["elevations", &id.to_string(), how]);
        self.client.send(Call::post(format!("{how} elevation '{id}'"), url)).await
    }
}
