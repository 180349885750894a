//! Which identity providers a server may be led to.

use std::path::PathBuf;

use berth_oidc::Reachable;
use clap::Args;
use ipnet::IpNet;

use crate::openid::Fetcher;

#[derive(Clone, Debug, Args)]
pub struct OpenIdOptions {
    /// Let identity providers be asked at addresses of these networks too (CIDR, with commas between), which are not public:
    /// organizations name their providers themselves, and this server asks them from where it stands.
    #[arg(long, env = "BERTH_OPENID_ALLOW_NETWORK", value_name = "CIDR", value_delimiter = ',')]
    pub openid_allow_network: Vec<IpNet>,
    /// Trust the certificate authorities in this PEM file alone where identity providers are asked, in place of the system's.
    #[arg(long, env = "BERTH_OPENID_CA_FILE", value_name = "PATH")]
    pub openid_ca_file: Option<PathBuf>,
}

impl OpenIdOptions {
    /// # Errors
    /// Where the file of authorities is of no use.
    pub fn fetcher(&self) -> anyhow::Result<Fetcher> {
        let authorities = self.openid_ca_file.as_deref().map(Fetcher::authorities).transpose()?;
        Ok(Fetcher::new(Reachable::new(self.openid_allow_network.clone()), authorities))
    }
}
