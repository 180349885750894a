//! Who a request is made as.

use std::sync::Arc;

use super::keeper::Keeper;
use crate::error::Error;
use crate::token::Token;

/// What a server is shown with each request.
#[derive(Clone, Debug)]
pub(crate) enum Bearer {
    /// The same token each time.
    Token(Token),
    /// The access token that a login has at the moment.
    Login(Arc<Keeper>),
}

impl Bearer {
    pub(super) async fn token(&self) -> Result<Token, Error> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::Login(keeper) => keeper.access_token().await,
        }
    }

    /// What to show instead of what the server refused; `None`: there is nothing else.
    pub(super) async fn instead_of(&self, refused: &Token) -> Result<Option<Token>, Error> {
        match self {
            Self::Token(_) => Ok(None),
            Self::Login(keeper) => keeper.instead_of(refused).await.map(Some),
        }
    }
}
