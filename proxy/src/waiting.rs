//! A workspace that does not run: the browser waits at the server's page, which says why, starts it, and leads back here.

use berth_proxy_core::{Address, keep_wanted, kept_wanted};
use berth_schema::WorkspaceId;
use http::{Response, Uri};
use url::Url;

use crate::body::Body;
use crate::pages::{broken, lead};
use crate::shared::Shared;

impl Shared {
    /// Sends somebody who may be let in to where they wait.
    pub(crate) fn wait(&self, address: &Address, workspace: WorkspaceId, uri: &Uri) -> Response<Body> {
        let wanted = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let Ok(nonce) = self.nonce() else { return broken() };
        let Ok(kept) = keep_wanted(&self.sealer, address, wanted, nonce) else { return broken() };
        let organization = &self.identity.organization;
        let page = format!("{}/organizations/{organization}/workspaces/{workspace}/wait", self.public_origin);
        match Url::parse_with_params(&page, [("port", address.port.to_string()), ("to", kept)]) {
            Ok(url) => lead(url.as_str(), []),
            Err(_) => broken(),
        }
    }

    /// Somebody has waited.
    pub(crate) fn onward(&self, address: &Address, uri: &Uri) -> Response<Body> {
        let query = uri.query().unwrap_or_default();
        let kept = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "to");
        let wanted =
            kept.map_or_else(|| "/".to_owned(), |(_, kept)| kept_wanted(&self.sealer, address, &kept));
        lead(&format!("{}{wanted}", address.origin()), [])
    }
}
