//! What the browser says that it was asked (WebAuthn, 5.8.1). It may say more, which is not looked at.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use crate::{MAX_DATA_BYTES, Rejected, Relying};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<serde_json::Value>,
}

/// No field is there twice: serde sees to it.
pub(crate) fn check(bytes: &[u8], kind: &str, relying: Relying<'_>) -> Result<(), Rejected> {
    if bytes.len() > MAX_DATA_BYTES {
        return Err(Rejected::Form);
    }
    let data: ClientData = serde_json::from_slice(bytes).map_err(|_| Rejected::Form)?;
    if data.kind != kind {
        return Err(Rejected::Type);
    }
    let challenge = URL_SAFE_NO_PAD.encode(relying.challenge);
    if !bool::from(challenge.as_bytes().ct_eq(data.challenge.as_bytes())) {
        return Err(Rejected::Challenge);
    }
    if data.origin != relying.origin || data.cross_origin || data.top_origin.is_some() {
        return Err(Rejected::Origin);
    }
    Ok(())
}
