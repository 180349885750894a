//! Who may do what: decided by Cedar policies, without IO, clocks or randomness.
//!
//! Two sets of rules are put together. The *platform's* hold for everybody: they forbid what no organisation can permit, and
//! permit what none can forbid (asking who one is; what agents do). The *organisation's* permit and forbid the rest; until it
//! writes its own, the built-in ones hold, which say what each role may do. What nothing permits is denied, what anything
//! forbids is denied, and where a rule cannot be evaluated the answer is no.
//!
//! Everything that a rule may look at is in [`Asker`] and [`Resource`]; the schema that rules are checked against is made from
//! [`Action`](berth_schema::Action) and [`ResourceKind`](berth_schema::ResourceKind).

mod alike;
mod decision;
mod engine;
mod error;
mod facts;
mod looks;
mod place;
mod reach;
mod rules;
mod scan;
mod schema;

pub use decision::{Decision, Reason};
pub use engine::Policies;
pub use error::RuleError;
pub use facts::{Asked, Asker, At, Circumstances, Elevation, Proof, Resource, Who};
pub use place::{Place, counts_elevations};
pub use reach::Reach;
pub use rules::{BUILT_IN, Rules};
pub use scan::{MAX_BYTES, MAX_RULES};
pub use schema::{organization as organization_schema, platform as platform_schema};
