//! One operation: who does it, in which organisation, what for, and when.

use std::net::IpAddr;

use berth_db::{AccountEvent, Body, Changed, Database, DbError, Stamp};
use berth_policy::Resource;
use berth_schema::audit::{Event, Outcome, What};
use berth_schema::{AccountId, Action, OrganizationId};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Actor, Internal, Machine, Person, Principal, Tenant};
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

/// Of which request an operation is, and where that came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub request_id: Option<Uuid>,
    pub peer: Option<IpAddr>,
}

/// One operation. It has one time: everything that it decides and stores is of that moment.
#[derive(Debug)]
pub struct Op<P, C> {
    pub who: P,
    /// `None`: work of the server's own, which [`Actor`] names.
    pub action: Option<Action>,
    /// What it was decided about: what a request named, as it was found by that name.
    pub resource: Option<Resource>,
    pub origin: Origin,
    pub now: Timestamp,
    pub context: C,
}

impl<P: Principal, C> Op<P, C> {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "an operation begins")]
    pub fn begin(who: P, action: Action, origin: Origin, context: C) -> Self {
        Self { who, action: Some(action), resource: None, origin, now: clock::now(), context }
    }

    /// To that.
    #[must_use]
    pub fn on(self, resource: Option<Resource>) -> Self {
        Self { resource, ..self }
    }

    /// The id of what it was decided about. A name may be another thing's by the time that it is looked for again.
    pub fn target(&self) -> &str {
        self.resource.as_ref().map_or("", |resource| &resource.id)
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

    /// What is on record of whatever it does.
    fn stamp(&self) -> Stamp {
        Stamp {
            time: self.now,
            who: self.actor().into(),
            action: self.action.map(What::Action),
            outcome: Outcome::Done,
            request: self.origin.request_id,
            peer: self.origin.peer,
            basis: self.who.basis(),
        }
    }
}

impl<P: Tenant, C> Op<P, C> {
    pub fn organization(&self) -> OrganizationId {
        self.who.organization()
    }
}

/// There is no other way to write than these: a member's operation changes one thing and puts it on record, or nothing.
impl<P: Tenant, C: HasDatabase> Op<P, C> {
    /// [`Database::change`] in the operation's organisation: one change, or one read of what is read on record, with its
    /// record; or nothing. `name` is one of a fixed set: it becomes a label.
    pub fn change<T, E, F>(&self, name: &'static str, body: F) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, Changed<T>, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        self.context.database().change(self.organization(), name, self.stamp(), body)
    }
}

impl<P: Principal, C: HasDatabase> Op<P, C> {
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

impl<P: Machine, C: HasDatabase> Op<P, C> {
    /// [`Database::changes`]: what an agent or its proxy reports is stored, and each thing that is more than a report is put on record.
    pub fn round<T, E, F>(&self, name: &'static str, body: F) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, (T, Vec<Event>), E>,
        T: Send,
        E: From<DbError> + Send,
    {
        self.context.database().changes(self.organization(), name, self.stamp(), body)
    }
}

impl<C: HasDatabase> Op<Person, C> {
    /// [`Database::change_of_account`]: what somebody changes for themselves, on record wherever they are a user.
    pub fn change<T, E, F>(&self, name: &'static str, body: F) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, Changed<T, AccountEvent>, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        self.context.database().change_of_account(self.who.account, name, self.stamp(), body)
    }
}

impl<C: HasDatabase> Op<Internal, C> {
    /// [`Database::change_of_account`]: what a command changes for somebody, on record wherever they are a user.
    pub fn change_of<T, E, F>(
        &self,
        account: AccountId,
        name: &'static str,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, Changed<T, AccountEvent>, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        let reach = (self.organization(), account);
        self.context.database().change_of_account(reach, name, self.stamp(), body)
    }

    /// [`Database::changes`]: each thing that a task or command changes for somebody is put on record.
    pub fn changes<T, E, F>(&self, name: &'static str, body: F) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, (T, Vec<Event>), E>,
        T: Send,
        E: From<DbError> + Send,
    {
        self.context.database().changes(self.organization(), name, self.stamp(), body)
    }

    /// Keeps what is stored in order, which changes nothing for anybody and is not on record.
    #[expect(clippy::disallowed_methods, reason = "for the server's own work alone")]
    pub fn upkeep<T, E, F>(&self, name: &'static str, body: F) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, T, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        self.context.database().transaction(self.organization(), name, body)
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
        let (origin, context) = (Origin::default(), self.context.clone());
        Op { who, action: None, resource: None, origin, now: self.now, context }
    }
}
