//! One operation: who does it, in which organisation, what for, and when.

use berth_db::{Body, Database, DbError};
use berth_schema::{Action, OrganizationId};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Actor, Internal, Principal, Tenant};
use crate::clock;

/// What an operation works with.
pub trait HasDatabase {
    fn database(&self) -> &Database;
}

impl HasDatabase for Database {
    fn database(&self) -> &Database {
        self
    }
}

/// One operation. It has one time: everything that it decides and stores is of that moment.
#[derive(Debug)]
pub struct Op<P, C> {
    pub who: P,
    /// `None`: work of the server's own, which [`Actor`] names.
    pub action: Option<Action>,
    /// Of the request that it answers.
    pub request_id: Option<Uuid>,
    pub now: Timestamp,
    pub context: C,
}

impl<P: Principal, C> Op<P, C> {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "an operation begins")]
    pub fn begin(who: P, action: Action, request_id: Option<Uuid>, context: C) -> Self {
        Self { who, action: Some(action), request_id, now: clock::now(), context }
    }

    pub fn actor(&self) -> Actor {
        self.who.actor()
    }

    /// The next look of an operation that has waited: of another moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a look of its own begins")]
    pub fn looks_again(self) -> Self {
        Self { now: clock::now(), ..self }
    }
}

impl<P: Tenant, C> Op<P, C> {
    pub fn organization(&self) -> OrganizationId {
        self.who.organization()
    }
}

impl<P: Principal, C: HasDatabase> Op<P, C> {
    /// [`Database::transaction`] on the rows within their reach. `name` is one of a fixed set: it becomes a label.
    pub fn transaction<T, E, F>(
        &self,
        name: &'static str,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, T, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        self.context.database().transaction(self.who.reach(), name, body)
    }

    /// [`Database::read`] of the rows within their reach.
    pub fn read<T, E, F>(&self, name: &'static str, body: F) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, T, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        self.context.database().read(self.who.reach(), name, body)
    }
}

/// One run of a background task, or of a command at the server's machine: what it does in each organisation is an operation
/// of the same moment.
#[derive(Clone, Debug)]
pub struct Run<C> {
    pub actor: Actor,
    pub now: Timestamp,
    pub context: C,
}

impl<C> Run<C> {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "an operation begins")]
    pub fn begin(actor: Actor, context: C) -> Self {
        Self { actor, now: clock::now(), context }
    }
}

impl<C> Run<C> {
    /// The same run with something else at hand.
    pub fn with<D>(&self, context: D) -> Run<D> {
        Run { actor: self.actor, now: self.now, context }
    }
}

impl<C: Clone> Run<C> {
    pub fn within(&self, organization: OrganizationId) -> Op<Internal, C> {
        let who = Internal { organization, actor: self.actor };
        Op { who, action: None, request_id: None, now: self.now, context: self.context.clone() }
    }
}
