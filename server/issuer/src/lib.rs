//! JSON Web Tokens (RFC 7519): what Berth signs, and how what comes back is verified.
//!
//! Every token is of one [`Kind`], which its `typ` names (RFC 8725, 3.11): what was made for one purpose is never taken for
//! another. It is signed by ES256 with a key of [`SigningKeys`]; the public halves are a JWK set.
//!
//! The cryptography is ring's, handed to `jsonwebtoken` by [`provider`].

mod jwk;
mod keys;
mod kind;
pub mod provider;
mod verify;

pub use jwk::{Jwk, Jwks};
pub use keys::{Signed, SigningError, SigningKey, SigningKeys};
pub use kind::Kind;
pub use verify::{
    Audience, Claims, Expected, LEEWAY_SECONDS, MAX_TOKEN_BYTES, Rejected, VerifyingKeys, kind_of,
};
