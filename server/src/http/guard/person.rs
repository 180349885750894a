//! People: signed in by a browser, or by a command line that they have let in.

use std::sync::Arc;

use actix_web::HttpRequest;
use berth_db::{AccountRow, SessionRow};
use berth_issuer::Kind;
use berth_policy::Resource;
use berth_schema::Action;
use jiff::Timestamp;
use tracing::debug;

use super::{Bearer, Channel, Proven, admission, agent, bearer, is_one_of, member, refused};
use crate::denials::Whose;
use crate::edge::{Admission, Whom};
use crate::error::{DenyReason, Unproven};
use crate::http::asker::{Asker, origin_of};
use crate::http::cookies;
use crate::identity::{Person, Principal as _};
use crate::issuer::Bearer as Signed;
use crate::services::permission::Named;
use crate::services::sessions;
use crate::services::tokens::hash;
use crate::{Context, Error, Op, clock};

impl Proven for Person {
    /// What is done outside of organisations is done to their own account.
    async fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        action: Action,
        channel: Channel,
    ) -> Result<(Self, Option<Resource>), Error> {
        let (asker, reason) = match channel {
            Channel::Cookie => return Ok((signed_in(request, context).await?, None)),
            Channel::Bearer => match bearer(request)? {
                Bearer::Account(token) => return Ok((logged_in(request, context, &token).await?, None)),
                Bearer::Access(token) => {
                    let (member, _) =
                        member::by_token(request, context, &token, &Named::organization()).await?;
                    (member.asker(action), DenyReason::IsNoAccount)
                }
                Bearer::Agent(token) => {
                    let agent = agent::by_token(request, context, &token).await?;
                    (agent.asker(action), DenyReason::IsAgent)
                }
            },
        };
        let refusal = Error::Forbidden { action, reason, rule: None };
        Err(asker.refused(request, context, refusal).await)
    }

    fn asker(&self, action: Action) -> Asker {
        Asker { whose: Whose::Account(self.account), who: self.actor().into(), action }
    }
}

/// Proves who is signed in, in a transaction that looks at nothing else.
#[expect(clippy::disallowed_methods, reason = "whether it has ended is asked before the operation begins")]
pub(super) async fn signed_in(request: &HttpRequest, context: &Arc<Context>) -> Result<Person, Error> {
    let token = cookies::session(request.headers()).ok_or(Error::Unauthenticated(Unproven::NoSession))?;
    let admission = admission(request)?;
    let turn = admission.turn().await?;
    let shown = hash(token.expose());
    let found = context
        .database
        .read(token.account(), "authenticate_person", async |conn| {
            conn.sessions().find_shown(token.session(), &shown).await.map_err(Error::from)
        })
        .await?;
    drop(turn);
    let now = clock::now();
    let stored = found.as_ref().map(|(session, _)| &session.secret_hash);
    let is_right = is_one_of(&shown, [stored, None]);
    let Some((session, account)) = found.filter(|_| is_right) else {
        return Err(refused(&admission, Unproven::UnknownToken));
    };
    if let Some(reason) = sessions::is_over(&session, &account, &context.sessions, now) {
        return Err(refused(&admission, reason));
    }
    admission.proven(whom(&session, &account));
    acts(request, context, account, &session).await
}

/// To whom what is asked by a session is charged.
pub(super) fn whom(session: &SessionRow, account: &AccountRow) -> Whom {
    Whom::Member { token: *session.id.as_uuid(), payer: *account.id.as_uuid() }
}

/// Who acts by a session, whose use is noted.
#[expect(clippy::disallowed_methods, reason = "what they are told of is of before the operation begins")]
pub(super) async fn acts(
    request: &HttpRequest,
    context: &Arc<Context>,
    account: AccountRow,
    session: &SessionRow,
) -> Result<Person, Error> {
    let new_device_at = account.told_of(session.device_id, clock::now());
    let person = Person {
        new_device_at,
        account: account.id,
        name: account.name,
        session: session.id,
        session_ends_at: session.expires_at,
    };
    let op = Op::begin(person, Action::ReadAccount, origin_of(request), Arc::clone(context));
    sessions::note_use(&op, session).await?;
    Ok(op.who)
}

/// What a command line's token says, if it is signed by us. Nothing is asked of the database before.
pub(super) fn signed(
    context: &Context,
    admission: &Admission,
    token: &str,
    now: Timestamp,
) -> Result<Signed, Error> {
    context.issuer.verify(Kind::Access, token, now).map_err(|rejected| {
        debug!(%rejected, "a signed token is not believed");
        refused(admission, Unproven::UnknownToken)
    })
}

/// Proves whose a command line's token is: by its signature, and by the session that it names.
#[expect(clippy::disallowed_methods, reason = "whether it has ended is asked before the operation begins")]
pub(super) async fn logged_in(
    request: &HttpRequest,
    context: &Arc<Context>,
    token: &str,
) -> Result<Person, Error> {
    let (admission, now) = (admission(request)?, clock::now());
    let turn = admission.turn().await?;
    let shown = signed(context, &admission, token, now)?;
    let found = context
        .database
        .read(shown.account, "authenticate_login", async |conn| {
            conn.sessions().find(shown.session).await.map_err(Error::from)
        })
        .await?;
    drop(turn);
    let Some((session, account)) = found else { return Err(refused(&admission, Unproven::UnknownToken)) };
    if let Some(reason) = sessions::is_over(&session, &account, &context.sessions, now) {
        return Err(refused(&admission, reason));
    }
    admission.proven(whom(&session, &account));
    acts(request, context, account, &session).await
}
