//! Whether and where this server looks into Git repositories.

use std::path::PathBuf;

use anyhow::Context as _;
use berth_oidc::Reachable;
use clap::Args;
use ipnet::IpNet;

use crate::openid::Fetcher;
use crate::repository::{Repositories, Rules};

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Repositories")]
pub struct RepositoryOptions {
    /// Look into repositories for what workspaces are made of at addresses of these networks too (CIDR, with commas between), which are
    /// not public: people name repositories themselves, and this server asks their hosts from where it stands.
    #[arg(long, env = "BERTH_REPOSITORY_ALLOW_NETWORK", value_name = "CIDR", value_delimiter = ',')]
    pub repository_allow_network: Vec<IpNet>,
    /// Trust the certificate authorities in this PEM file alone where Git hosts are asked, in place of the system's.
    #[arg(long, env = "BERTH_REPOSITORY_CA_FILE", value_name = "PATH")]
    pub repository_ca_file: Option<PathBuf>,
    /// Look into no repository: a workspace for which no devfile is given is made of the default devfile, whatever its repository has.
    #[arg(long, env = "BERTH_REPOSITORIES_UNREAD")]
    pub repositories_unread: bool,
}

impl RepositoryOptions {
    /// # Errors
    /// Where the file of authorities is of no use.
    pub fn repositories(&self) -> anyhow::Result<Repositories> {
        if self.repositories_unread {
            return Ok(Repositories::unread());
        }
        let authorities = self.repository_ca_file.as_deref().map(|file| {
            Fetcher::authorities(file)?;
            std::path::absolute(file).with_context(|| file.display().to_string())
        });
        Ok(Repositories::new(Rules {
            reachable: Reachable::new(self.repository_allow_network.clone()),
            authorities: authorities.transpose()?,
            ..Rules::default()
        }))
    }
}
