//! The variables of one workspace, opened.

use berth_db::{SealedVariable, SealedVariables};
use berth_schema::variables::SecretValue;

use super::contents::check_workspace;
use super::envelope::{CryptoError, DataKey, SealedValue};
use super::{KeyRing, Label, Owner};

/// Gives each variable with its value to `take`, and answers with the keys that they are under.
///
/// # Errors
/// Where one does not open, or something of them was changed, added, moved or removed beside the key.
pub fn open_variables(
    ring: &KeyRing,
    owner: Owner,
    sealed: &SealedVariables,
    mut take: impl FnMut(&SealedVariable, SecretValue),
) -> Result<Vec<DataKey>, CryptoError> {
    if sealed.unreadable {
        return Err(CryptoError::Kind);
    }
    if sealed.keys.is_empty() && sealed.noted.is_some_and(|variables| variables > 0) {
        return Err(CryptoError::Gone);
    }
    let opened = sealed.keys.iter().map(|wrapped| DataKey::unwrap(ring, owner, wrapped));
    let keys = opened.collect::<Result<Vec<_>, _>>()?;
    for wrapped in &sealed.keys {
        check_workspace(wrapped, &sealed.variables)?;
    }
    for variable in &sealed.variables {
        let key = keys.iter().find(|key| key.id() == variable.data_key_id).ok_or(CryptoError::DataKey)?;
        let label = Label { name: &variable.name, kind: variable.kind.as_str(), version: variable.version };
        let sealed = SealedValue { nonce: variable.nonce, ciphertext: variable.ciphertext.clone() };
        take(variable, key.open(label, &sealed)?);
    }
    Ok(keys)
}
