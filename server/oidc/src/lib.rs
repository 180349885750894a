//! OpenID Connect, as the one who relies on a provider: what is believed of its documents and tokens, and whom it brings in.
//! Nothing here fetches anything or knows what time it is.
//!
//! | | |
//! |---|---|
//! | [`Reachable`] | which addresses a server may be led to |
//! | [`Metadata`] | a discovery document, and whose it is |
//! | [`Keys`] | a JWK set |
//! | [`verify_id_token`], [`verify_logout_token`] | every respect in which a token may be wrong |
//! | [`admit`], [`lacks`] | an organisation's rules |
//! | [`is_multi_factor`] | what somebody has shown of themselves |

mod admission;
mod claims;
mod factors;
mod keys;
mod metadata;
mod reachable;
mod token;

pub use admission::{admit, lacks, person_name};
pub use claims::{Claims, IdToken, LogoutToken};
pub use factors::is_multi_factor;
pub use keys::{Keys, NoKeys};
pub use metadata::{ClientProof, Metadata, NoMetadata};
pub use reachable::{Reachable, UrlRefused};
pub use token::{
    ExpectedIdToken, LEEWAY_SECONDS, MAX_TOKEN_BYTES, Rejected, Relying, verify_id_token, verify_logout_token,
};
