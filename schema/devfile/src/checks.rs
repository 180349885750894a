//! Rules for single texts: names, image references, paths. Each says what is wrong; its caller says where.

use berth_schema::kubernetes::PROJECTS_PATH;
use berth_schema::text::check_plain;

use crate::diagnostic::shown;

/// What Berth calls its own containers, volumes and commands.
const RESERVED_PREFIX: &str = "berth-";
/// The longest label of DNS, and so of most names in Kubernetes.
pub(crate) const MAX_LABEL: usize = 63;

/// The name of a component, a command, an endpoint or a volume.
pub(crate) fn name(text: &str, max: usize) -> Result<(), String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    let length = text.chars().count();
    if length > max {
        return Err(format!("is {length} characters long, at most {max} are allowed"));
    }
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !text.bytes().all(inner) || text.starts_with('-') || text.ends_with('-') {
        return Err(
            "must be lower-case letters, digits and '-', and must not begin or end with '-'".to_owned()
        );
    }
    if text.starts_with(RESERVED_PREFIX) {
        return Err(format!("must not begin with '{RESERVED_PREFIX}': that is reserved"));
    }
    Ok(())
}

/// What a command says of itself. Nothing of it is used; what begins like Berth's own is refused, so that it never will be.
pub(crate) fn label(text: &str) -> Result<(), String> {
    if text.starts_with(RESERVED_PREFIX) {
        return Err(format!("must not begin with '{RESERVED_PREFIX}': that is reserved"));
    }
    Ok(())
}

/// Further rules for the name of an endpoint, which becomes the name of a port.
pub(crate) fn port_name(text: &str) -> Result<(), String> {
    /// What the Service calls the ports of the editor and of sshd.
    const RESERVED: [&str; 2] = ["editor", "ssh"];
    name(text, 15)?;
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        return Err("must hold a letter: Kubernetes asks it of a port's name".to_owned());
    }
    if text.contains("--") {
        return Err("must not hold '--': Kubernetes does not take it in a port's name".to_owned());
    }
    if RESERVED.contains(&text) {
        return Err(format!("must not be '{text}': that is Berth's own port"));
    }
    Ok(())
}

/// An image reference as container runtimes take it: `[host[:port]/]path[:tag][@digest]`.
pub(crate) fn image(text: &str) -> Result<(), String> {
    const MAX: usize = 512;
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.len() > MAX {
        return Err(format!("is {} bytes long, at most {MAX} are allowed", text.len()));
    }
    if text.contains("://") {
        return Err(
            "must be an image reference without a scheme, as in 'registry.example.com/team/image:tag'"
                .to_owned(),
        );
    }
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(format!("must not hold '{}'", bad.escape_debug()));
    }
    let (named, digest) = text.split_once('@').map_or((text, None), |(named, digest)| (named, Some(digest)));
    if let Some(digest) = digest {
        image_digest(digest)?;
    }
    let path_start = named.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match named[path_start..].find(':') {
        Some(colon) => (&named[..path_start + colon], Some(&named[path_start + colon + 1..])),
        None => (named, None),
    };
    if let Some(tag) = tag {
        image_tag(tag)?;
    }
    image_repository(repository)
}

fn image_digest(digest: &str) -> Result<(), String> {
    let hex = digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    if hex {
        Ok(())
    } else {
        Err("must have a digest of the form 'sha256:' and 64 hexadecimal digits behind '@'".to_owned())
    }
}

fn image_tag(tag: &str) -> Result<(), String> {
    let characters = tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if tag.is_empty() || tag.len() > 128 || !characters || tag.starts_with(['.', '-']) {
        return Err(format!("has the tag '{}', which is none", shown(tag)));
    }
    Ok(())
}

fn image_repository(repository: &str) -> Result<(), String> {
    let (first, rest) =
        repository.split_once('/').map_or((repository, None), |(first, rest)| (first, Some(rest)));
    // As runtimes do it: the first part is a host when it could not be a directory.
    let is_host = first.contains(['.', ':']) || first == "localhost";
    let path = match rest {
        Some(rest) if is_host => {
            image_host(first)?;
            rest
        }
        _ => repository,
    };
    for part in path.split('/') {
        let characters = part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'));
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !characters || !part.starts_with(ends) || !part.ends_with(ends) || !separated(part) {
            return Err(format!(
                "has the part '{}': parts of an image's name are lower-case letters and digits with '.', '_' or '-' between them",
                shown(part)
            ));
        }
    }
    Ok(())
}

/// Whether what stands between letters and digits is `.`, `_`, `__` or dashes.
fn separated(part: &str) -> bool {
    part.split(|c: char| c.is_ascii_alphanumeric())
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

fn image_host(host: &str) -> Result<(), String> {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if name.split('.').all(label) && port_fits {
        Ok(())
    } else {
        Err(format!("has the registry '{}', which is no host name", shown(host)))
    }
}

/// A path without the slash at its end, which means the same.
pub(crate) fn without_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() && !shorter.ends_with('/') => shorter,
        _ => path,
    }
}

/// Where a volume is mounted: absolute, written in its shortest form and not over what the pod needs itself.
pub(crate) fn mount_path(path: &str) -> Result<(), String> {
    const RESERVED: [&str; 7] =
        ["/.berth", PROJECTS_PATH, "/proc", "/sys", "/dev", "/run/secrets", "/var/run/secrets"];
    absolute_path(path)?;
    if path == "/" {
        return Err("must not be '/': it would hide the image".to_owned());
    }
    if path.contains(':') {
        return Err("must not hold ':': Kubernetes does not take it in a mount".to_owned());
    }
    for reserved in RESERVED {
        if is_within(path, reserved) || is_within(reserved, path) {
            return Err(format!(
                "must be neither within nor above '{reserved}', which Berth or the system needs"
            ));
        }
    }
    Ok(())
}

fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Absolute, bounded, without `.`, `..`, empty parts, control and invisible characters.
pub(crate) fn absolute_path(path: &str) -> Result<(), String> {
    const MAX: usize = 255;
    if !path.starts_with('/') {
        return Err("must be an absolute path".to_owned());
    }
    if path.len() > MAX {
        return Err(format!("is {} bytes long, at most {MAX} are allowed", path.len()));
    }
    if check_plain(path).is_err() {
        return Err("must not hold control or invisible characters".to_owned());
    }
    let mut parts = path[1..].split('/');
    if path != "/" && parts.any(|part| matches!(part, "" | "." | "..")) {
        return Err("must be written without '.', '..', '//' and a '/' at its end".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_references_that_runtimes_take_are_taken() {
        let digest = "a".repeat(64);
        for good in [
            "alpine",
            "alpine:3.20",
            "library/alpine",
            "localhost/x",
            "localhost:5000/x/y:Tag_1",
            "ghcr.io/a/b__c/d-e",
            "a--b.c_d",
            "registry.example.com:443/team/image@sha256:",
            "Registry.example.com/image:v1@sha256:",
        ] {
            let good = if good.ends_with(':') { format!("{good}{digest}") } else { good.to_owned() };
            assert_eq!(image(&good), Ok(()), "{good}");
        }
    }

    #[test]
    fn image_references_that_runtimes_refuse_are_refused() {
        let long = "a".repeat(513);
        for bad in [
            "",
            " ",
            "a b",
            "a\nb",
            "https://example.com/x",
            "Alpine",
            "a//b",
            "/a",
            "a/",
            "a:",
            "a:-x",
            "a:b:c",
            "a@b",
            "a@sha256:12",
            "a:70000/b",
            "-a.b/c",
            "a..b",
            "a/b___c.-d:1",
            "a._b",
            "a-.b",
            "é",
            "../x",
            "a/../b",
            &long,
        ] {
            assert!(image(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mounts_stay_away_from_what_the_pod_needs() {
        for bad in [
            "",
            "a",
            "/",
            "/a/",
            "/a//b",
            "/a/../b",
            "/./a",
            "/.berth/x",
            "/projects",
            "/projects/x",
            "/proc",
            "/var",
            "/run",
            "/a:b",
            "/a\n",
        ] {
            assert!(mount_path(bad).is_err(), "{bad}");
        }
        for good in ["/cache", "/home/user/.m2", "/projectsx", "/.berthx", "/var/lib/x"] {
            assert_eq!(mount_path(good), Ok(()), "{good}");
        }
    }
}
