//! What a workspace went through: `GET /api/v1/organizations/{organization}/workspaces/{workspace}/timeline`, the newest
//! first.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::StateReason;
use crate::state::TransitionCause;
use crate::{ActualState, DesiredState, Generation, TokenId};

/// The workspace as it was from a moment on, until the next transition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transition {
    /// From 1, +1 each. The oldest are forgotten: 200 are kept of each workspace.
    pub number: i64,
    pub at: Timestamp,
    pub desired_state: DesiredState,
    pub actual_state: ActualState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StateReason>,
    pub generation: Generation,
    pub applied_generation: Generation,
    /// Who made the change.
    pub cause: TransitionCause,
    /// The token that asked for it, where a user did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    /// That token's name; none where it is a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What the member whose token or session it is is called now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

impl Transition {
    /// Who asked for it, as a person reads it: the member, and by which of their tokens where that says more.
    pub fn asked_by(&self) -> Option<String> {
        match (&self.member, &self.token) {
            (Some(member), Some(token)) if member != token => Some(format!("{member} (token '{token}')")),
            (Some(member), _) => Some(member.clone()),
            (None, token) => token.as_ref().map(|token| format!("token '{token}'")),
        }
    }
}
