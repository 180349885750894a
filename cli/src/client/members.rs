//! Who belongs to an organisation, and who is invited.

use berth_schema::api::Paged;
use berth_schema::members::{ChangeMember, Invitation, Invite, Invited, Member};

use super::{Call, Listing, Organization};
use crate::error::Error;

impl Organization {
    pub(crate) async fn members(&self, listing: &Listing) -> Result<Paged<Member>, Error> {
        self.list("list the members", &self.url(["members"]), listing).await
    }

    /// `member`: their name or id.
    pub(crate) async fn member(&self, member: &str) -> Result<Member, Error> {
        self.client.send(Call::get(format!("get member '{member}'"), self.url(["members", member]))).await
    }

    pub(crate) async fn change_member(&self, member: &str, change: &ChangeMember) -> Result<Member, Error> {
        let call = Call::patch(format!("change member '{member}'"), self.url(["members", member]));
        self.client.send(call.body(change)?).await
    }

    pub(crate) async fn remove_member(&self, member: &str) -> Result<Member, Error> {
        let call = Call::delete(format!("remove member '{member}'"), self.url(["members", member]));
        self.client.send(call).await
    }

    pub(crate) async fn invite(&self, invite: &Invite) -> Result<Invited, Error> {
        let url = self.url(["invitations"]);
        let call = Call::post(format!("invite '{}'", invite.name), url.clone());
        let mut invited: Invited = self.client.send(call.body(invite)?).await?;
        // A server that does not know its own address says where below it.
        if let Ok(link) = url.join(&invited.link) {
            invited.link = link.into();
        }
        Ok(invited)
    }

    /// Those that `wanted` holds of, and how many it does not.
    pub(crate) async fn invitations(
        &self,
        listing: &Listing,
        wanted: impl Fn(&Invitation) -> bool,
    ) -> Result<(Paged<Invitation>, usize), Error> {
        self.select("list the invitations", &self.url(["invitations"]), listing, wanted).await
    }

    pub(crate) async fn revoke_invitation(&self, id: &str) -> Result<Invitation, Error> {
        let url = self.url(["invitations", id, "revoke"]);
        self.client.send(Call::post(format!("revoke invitation '{id}'"), url)).await
    }
}
