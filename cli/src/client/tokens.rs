//! Access tokens.

use berth_schema::access::{CreateToken, RevokeToken, RotateToken, Token, TokenCreated, TokenKind};
use berth_schema::api::Paged;

use super::api::add_query;
use super::{Call, Listing, Organization};
use crate::error::Error;
use crate::names::TokenRef;

impl Organization {
    pub(crate) async fn create_token(&self, create: &CreateToken) -> Result<TokenCreated, Error> {
        let call = Call::post(format!("make token '{}'", create.name), self.url(["tokens"]));
        self.client.send(call.body(create)?).await
    }

    /// Those of which `wanted` holds, and how many were passed over for that.
    pub(crate) async fn list_tokens(
        &self,
        (kind, listing): (TokenKind, &Listing),
        wanted: impl Fn(&Token) -> bool,
    ) -> Result<(Paged<Token>, usize), Error> {
        let mut url = self.url(["tokens"]);
        add_query(&mut url, "kind", (kind == TokenKind::Session).then(|| "session".to_owned()));
        self.select("list the tokens", &url, listing, wanted).await
    }

    pub(crate) async fn token(&self, token: &TokenRef) -> Result<Token, Error> {
        let url = self.url(["tokens", token.as_str()]);
        self.client.send(Call::get(format!("get token '{token}'"), url)).await
    }

    pub(crate) async fn rotate_token(
        &self,
        token: &TokenRef,
        rotate: &RotateToken,
    ) -> Result<TokenCreated, Error> {
        let url = self.url(["tokens", token.as_str(), "rotate"]);
        self.client.send(Call::post(format!("rotate token '{token}'"), url).body(rotate)?).await
    }

    pub(crate) async fn revoke_token(&self, token: &TokenRef, revoke: RevokeToken) -> Result<Token, Error> {
        let url = self.url(["tokens", token.as_str(), "revoke"]);
        self.client.send(Call::post(format!("revoke token '{token}'"), url).body(&revoke)?).await
    }
}
