//! Keeps a login good: its access token is replaced unseen, by one command at a time.

use std::path::PathBuf;
use std::sync::Arc;

use berth_schema::TokenUrl;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::authority::Authority;
use crate::config::{Locked, Login};
use crate::error::Error;
use crate::terminal::Talk;
use crate::token::Token;

/// The login of a context, as this command has it.
#[derive(Debug)]
pub(crate) struct Keeper {
    place: Arc<Place>,
    login: Mutex<Login>,
}

/// Where a login is kept, and whom to ask for another one of its tokens.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) config: PathBuf,
    pub(crate) context: String,
    pub(crate) server: TokenUrl,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) talk: Talk,
}

impl Keeper {
    pub(crate) fn new(place: Place, login: Login) -> Self {
        Self { place: Arc::new(place), login: Mutex::new(login) }
    }

    /// An access token that does not end on its way.
    pub(super) async fn access_token(&self) -> Result<Token, Error> {
        let mut login = self.login.lock().await;
        if !login.is_fresh(Timestamp::now()) {
            *login = self.renewed(login.access_token.clone()).await?;
        }
        Ok(login.access_token.clone())
    }

    /// Another access token, in place of one that the server refused.
    pub(super) async fn instead_of(&self, refused: &Token) -> Result<Token, Error> {
        let mut login = self.login.lock().await;
        if login.access_token.expose() == refused.expose() {
            *login = self.renewed(refused.clone()).await?;
        }
        Ok(login.access_token.clone())
    }

    /// Once the server was asked, its answer has to get into the file: the token that it was asked with is used up. So that is done
    /// on a thread of its own, which neither a time-out nor Ctrl-C breaks off; the process ends after it.
    async fn renewed(&self, seen: Token) -> Result<Login, Error> {
        let locked = Locked::open(Some(&self.place.config)).await?;
        let place = Arc::clone(&self.place);
        let renewed = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Error::Other(format!("cannot start: {error}")))?;
            runtime.block_on(place.renew(locked, &seen))
        });
        renewed.await.unwrap_or_else(|_| Err(Error::Other("refreshing the login broke off".to_owned())))
    }
}

impl Place {
    async fn renew(&self, mut locked: Locked, seen: &Token) -> Result<Login, Error> {
        let is_current = locked.contents.current.as_ref() == Some(&self.context);
        let gone = || {
            Error::LoginNeeded(format!(
                "context '{}' was logged out of, or is another's, since this command began",
                self.context
            ))
        };
        let context = locked.contents.contexts.get_mut(&self.context);
        // A refresh token is sent to no other server than its own.
        let context = context.filter(|context| context.url == *self.server.server()).ok_or_else(gone)?;
        let login = context.credential.login_mut().ok_or_else(gone)?;
        let is_another = login.access_token.expose() != seen.expose();
        if is_another && login.is_fresh(Timestamp::now()) {
            return Ok(login.clone());
        }
        let authority = Authority::new(self.server.clone(), self.ca_file.as_deref(), self.talk)?;
        let renewed = match authority.refresh(&login.refresh_token).await {
            Err(Error::NotGranted { code, .. }) if code == "invalid_grant" => {
                let context = (!is_current).then(|| self.context.clone());
                return Err(Error::LoginEnded { context });
            }
            renewed => renewed?,
        };
        *login = renewed.clone();
        locked.save()?;
        Ok(renewed)
    }
}
