//! `make up`: from nothing to a running workspace. Each stage looks at what is, so that repeating it is quick and harmless.

use berth_harness::install_crypto;
use berth_harness::lock::Lock;

use crate::berth::{Berth, CONTEXT};
use crate::site::Site;
use crate::stages::Stages;
use crate::target::{Target, Wish};
use crate::{agent, proxy, server, workspace};

pub(crate) async fn up(wish: Wish) -> anyhow::Result<()> {
    install_crypto();
    let site = Site::open()?;
    let _alone = Lock::wait(&site.root().join("lock"))?;
    let stages = Stages::new();
    let target = Target::ensure(&site, &wish, &stages).await?;
    let server = stages
        .run("server", server::ensure(&site, target.host_address(), target.tools_image.as_deref()))
        .await?;
    let berth = stages.run("login", Berth::login(&site, &server)).await?;
    stages.run("agent", agent::ensure(&site, &berth, &target, &wish, &server)).await?;
    let way = stages.run("proxy", proxy::ensure(&site, &berth, &target, &server)).await?;
    let welcome = stages.run("workspace", workspace::ensure(&site, &berth, &target)).await?;
    stages.run("variables", workspace::show(&target, &welcome)).await?;
    stages.run("editor", workspace::editor(&target, way.as_ref(), &welcome)).await?;
    let sign_in = server::sign_in_link(&site, &server).await?;
    say_what_next(&site, &berth, &target, &stages);
    if let Some(way) = way {
        anstream::println!("Its page opens at    {}", way.link(workspace::PORT, workspace::NAME));
        if target.tools_image.is_some() {
            anstream::println!("Its VS Code opens at {}", way.link(workspace::EDITOR_PORT, workspace::NAME));
        }
        anstream::println!(
            "To get in by `{0} ssh {1}`, sign in below and log in as yourself: {0} login {2} --ca-file {3}",
            berth.shown(),
            workspace::NAME,
            server.public_url(),
            server.authority.display()
        );
    }
    anstream::println!(
        "Browsers ask whether to go on until they trust {}: an authority of this machine alone, for names below localhost and its own \
         addresses.\n  Chromium (with libnss3-tools): mkdir -p $HOME/.pki/nssdb && certutil -d sql:$HOME/.pki/nssdb -A -n 'Berth on this machine' -t C,, -i {0}",
        server.authority.display()
    );
    anstream::println!("Sign in first, once and within 24 hours, at {sign_in}");
    Ok(())
}

fn say_what_next(site: &Site, berth: &Berth, target: &Target, stages: &Stages) {
    let berth = berth.shown();
    let name = workspace::NAME;
    anstream::println!("\nBerth is up after {:.1} s. Type next:", stages.elapsed().as_secs_f32());
    anstream::println!("  {berth} list");
    anstream::println!("  {berth} get {name}");
    anstream::println!("  {berth} create --image {} --wait", target.workspace_image);
    anstream::println!("  {berth} stop {name} --wait");
    if let Some(kubeconfig) = &target.kubeconfig {
        anstream::println!("  KUBECONFIG={} kubectl get pods --all-namespaces", kubeconfig.display());
    }
    anstream::println!(
        "Logs are in {}/log; `make down` stops everything and keeps the data.",
        site.root().display()
    );
    anstream::println!("The command line's context is '{CONTEXT}'.");
}
