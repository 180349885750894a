//! Variables that a workspace is given itself, when it is made and later.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scope::RemoveVariable;
use crate::variables::{SecretValue, VariableKind};

/// One variable that a workspace is given itself: `value` for text or `value_base64` for any bytes, one of them.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariableInput {
    pub name: String,
    #[serde(default)]
    pub kind: VariableKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub value: Option<zeroize::Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub value_base64: Option<zeroize::Zeroizing<String>>,
}

impl VariableInput {
    /// The bytes, or what is wrong with how they were given.
    pub fn decode(&self) -> Result<SecretValue, &'static str> {
        match (&self.value, &self.value_base64) {
            (Some(text), None) => Ok(SecretValue::new(text.as_bytes().to_vec())),
            (None, Some(encoded)) => STANDARD
                .decode(encoded.as_bytes())
                .map(SecretValue::new)
                .map_err(|_| "'value_base64' is not base64 (RFC 4648, with padding)"),
            (None, None) => Err("one of 'value' and 'value_base64' is needed"),
            (Some(_), Some(_)) => Err("only one of 'value' and 'value_base64' may be given"),
        }
    }
}

impl fmt::Debug for VariableInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VariableInput")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// `PATCH …/workspaces/{workspace}/variables`: those that the workspace was given itself.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeVariables {
    /// Each takes the place of the one of its name and kind, also where that came from around the workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<VariableInput>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<RemoveVariable>,
    /// It starts anew, if it runs. Programs read their environment when they start; files are there within two minutes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
}

/// `POST …/workspaces/{workspace}/variables/renew`: what it has from around it is what that is now.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewVariables {
    /// It starts anew, if it runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
}
