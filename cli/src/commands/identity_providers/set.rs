//! `berth identity-providers set`

use std::str::FromStr;

use berth_schema::access::Role;
use berth_schema::identity_providers::{
    Admission, Evidence, IdentityProviderName, MAX_SECRET, ProviderSettings, RoleRule, SetIdentityProvider,
};
use berth_schema::scope::Secret;
use zeroize::Zeroizing;

use crate::args::Global;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::session::Session;

const HELP: &str = "\
It takes the place of what was set before under that name. The server asks the provider at once and
says what it lacks. Without --client-secret-file the stored secret stays, as long as issuer and client do.

Whoever has a verified address of an --email-domain is let in, or whom a --role rule fits; the first
rule that fits says what they are, each time that they sign in. Nobody else is let in by it, but those
whom somebody has made a member.

Examples:
  berth identity-providers set sso --issuer https://id.example.com --client-id berth \\
      --client-secret-file secret.txt --email-domain example.com
  berth identity-providers set sso --issuer https://id.example.com --client-id berth \\
      --role groups=berth-admins:owner --role groups=engineering:developer --require-amr mfa";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// What people read on the page that signs them in
    #[arg(value_name = "NAME", value_parser = super::name)]
    name: IdentityProviderName,

    /// Its URL, letter by letter as it calls itself
    #[arg(long, value_name = "URL")]
    issuer: String,

    /// What it calls this server
    #[arg(long, value_name = "ID")]
    client_id: String,

    /// File that holds the client's secret ('-': standard input)
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<Source>,

    /// What to ask it for beside 'openid' [default: profile, email]
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,

    /// Leave it off the page that signs people in: they need its address
    #[arg(long)]
    unlisted: bool,

    #[command(flatten)]
    admission: AdmissionArgs,

    #[command(flatten)]
    evidence: EvidenceArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who is let in")]
struct AdmissionArgs {
    /// Whoever has a verified address there
    #[arg(long = "email-domain", value_name = "DOMAIN")]
    email_domains: Vec<String>,

    /// What they are then, where no rule fits [default: developer]
    #[arg(long, value_name = "ROLE", value_parser = role)]
    default_role: Option<Role>,

    /// Whoever has a claim of that value, as in groups=admins:owner
    #[arg(long = "role", value_name = "CLAIM=VALUE:ROLE")]
    roles: Vec<Rule>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What it has to prove")]
struct EvidenceArgs {
    /// One of these classes of authentication (acr)
    #[arg(long = "require-acr", value_name = "ACR")]
    acr: Vec<String>,

    /// At least one of these methods (amr), as in mfa
    #[arg(long = "require-amr", value_name = "AMR")]
    amr: Vec<String>,

    /// That the person was there within so many seconds
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u32>,
}

#[derive(Clone, Debug)]
struct Rule(RoleRule);

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('=').and_then(|(claim, rest)| {
            let (value, role) = rest.rsplit_once(':')?;
            Some((claim, value, role))
        });
        let (claim, value, word) = parts.ok_or("must be CLAIM=VALUE:ROLE")?;
        Ok(Self(RoleRule { claim: claim.to_owned(), value: value.to_owned(), role: role(word)? }))
    }
}

fn role(text: &str) -> Result<Role, String> {
    let names = || Role::ALL.map(Role::as_str).join(", ");
    let known = Role::ALL.into_iter().find(|role| role.as_str() == text);
    known.ok_or_else(|| format!("the role must be one of {}", names()))
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let client_secret = args.client_secret_file.as_ref().map(secret).transpose()?;
    let scopes =
        if args.scopes.is_empty() { ProviderSettings::default().scopes } else { args.scopes.clone() };
    let set = SetIdentityProvider {
        issuer: args.issuer.clone(),
        client_id: args.client_id.clone(),
        client_secret,
        scopes,
        listed: !args.unlisted,
        admission: Admission {
            email_domains: args.admission.email_domains.clone(),
            default_role: args.admission.default_role,
            roles: args.admission.roles.iter().map(|rule| rule.0.clone()).collect(),
        },
        evidence: Evidence {
            acr: args.evidence.acr.clone(),
            amr: args.evidence.amr.clone(),
            max_age_seconds: args.evidence.max_age,
        },
    };
    let session = Session::open(global).await?;
    let set = session.organization.set_identity_provider(&args.name, &set).await?;
    session.talk.say(&format!("People are signed in by '{}'. Register at the provider:", set.name));
    for (what, address) in [
        ("redirect URI", &set.redirect_uri),
        ("back-channel logout URI", &set.backchannel_logout_uri),
        ("post-logout redirect URI", &set.post_logout_redirect_uri),
    ] {
        session.talk.say(&format!("  {what}: {address}"));
    }
    if !set.has_secret {
        session.talk.say("The client has no secret there: it proves itself by PKCE alone.");
    }
    if !set.listed {
        session.talk.say(&format!("It is on no page; people begin at {}", set.sign_in_uri));
    }
    Ok(())
}

/// One line, whose end is not a part of it.
fn secret(source: &Source) -> Result<Secret, Error> {
    let text = source.read_text("--client-secret-file", MAX_SECRET + 2, &mut Stdin::default())?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Error::usage(format!("--client-secret-file: {source} is empty")));
    }
    Ok(Secret(Zeroizing::new(secret.to_owned())))
}
