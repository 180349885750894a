//! Why git has failed. What it prints may be a host's own words, or hold what nobody shall read: it is told apart and never passed on.

/// What people are told, as the rest of a sentence about a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Why {
    /// A host tells nobody apart whether something is not there or not theirs; nor does this.
    #[error(
        "is not there, or may not be read by the Git credential that is set for its host (`berth git-credentials set --mine HOST`)"
    )]
    NotFound,
    #[error("has no such branch, tag or commit")]
    Reference,
    /// What is no repository at all may look the same.
    #[error("has no commit yet, or is no Git repository; push something first")]
    Empty,
    #[error("is too large to be looked into")]
    TooLarge,
    #[error("did not answer in time")]
    Slow,
    #[error(
        "is at a host that has no address which is public or allowed; an administrator of the server may allow its network by --repository-allow-network"
    )]
    Address,
    /// Whether a name is known in some inner network is told to nobody: of one that is not known at all the same is said.
    #[error(
        "is at a host of which the server knows no address that is public or allowed: look at the name, which there may not be or the server's DNS not know; if it is in an inner network, an administrator of the server may allow that by --repository-allow-network"
    )]
    Name,
    #[error("is at a host that cannot be reached")]
    Unreachable,
    #[error("is at a host whose certificate is not trusted")]
    Certificate,
    #[error("is somewhere else by now, and redirects are not followed; give the address that it is at")]
    Redirect,
    #[error("cannot be looked into: its host did not answer as Git hosts do")]
    Strange,
    /// What its host was to leave out it does not leave out.
    #[error("cannot be looked into: its host sends no parts of repositories")]
    Filter,
    #[error("cannot be looked into: git is not installed where the server runs, or is older than 2.37")]
    NoGit,
    #[error("cannot be looked into: the server has no room for it at the moment")]
    NoRoom,
    #[error(
        "cannot be looked into: the Git credential that is set for its host does not open; the server's log says why"
    )]
    Credential,
}

/// By what git has printed about `url`, in the language of the C locale, and how it has ended.
pub fn why(printed: &[u8], url: &str, code: Option<i32>) -> Why {
    const KINDS: [(&[&str], Why); 9] = [
        (
            &["filter 'tree' not supported", "filter 'blob:none' not supported", "tree filter allows"],
            Why::Filter,
        ),
        (
            &[
                "file too large",
                "file size limit",
                "out of memory",
                "died of signal",
                "cannot allocate memory",
                "mmap failed",
            ],
            Why::TooLarge,
        ),
        (&["no space left", "read-only file system"], Why::NoRoom),
        (&["not our ref", "unadvertised object", "remote ref does not exist"], Why::Reference),
        (&["certificate", "ssl", "gnutls", "tls"], Why::Certificate),
        (&["returned error: 30", "unable to update url base from redirection"], Why::Redirect),
        (
            &[
                "not found",
                "returned error: 401",
                "returned error: 403",
                "returned error: 404",
                "authentication failed",
                "could not read username",
                "could not read password",
                "terminal prompts disabled",
                "access denied",
                "invalid credentials",
            ],
            Why::NotFound,
        ),
        (&["timed out", "operation too slow", "timeout"], Why::Slow),
        (
            &[
                "could not resolve",
                "failed to connect",
                "couldn't connect",
                "connection refused",
                "connection reset",
                "empty reply",
                "returned error: 429",
                "returned error: 5",
            ],
            Why::Unreachable,
        ),
    ];
    if code == Some(127) {
        return Why::NoGit;
    }
    if code.is_none() {
        // A limit has ended it.
        return Why::TooLarge;
    }
    // An address may have any word in it.
    let text = String::from_utf8_lossy(printed).replace(url, "").to_lowercase();
    let complaints = text.matches("fatal:").count() + text.matches("error:").count();
    if complaints == 1 && text.contains("invalid index-pack output") {
        // What it calls was ended by a limit, and could say nothing itself.
        return Why::TooLarge;
    }
    let of = |words: &&(&[&str], Why)| words.0.iter().any(|word| text.contains(word));
    KINDS.iter().find(of).map_or(Why::Strange, |(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_words_are_told_apart_as_versions_of_it_say_them() {
        for (printed, expected) in [
            ("fatal: repository 'http://127.0.0.1/nope/' not found", Why::NotFound),
            ("fatal: could not read Username for 'https://h': terminal prompts disabled", Why::NotFound),
            ("fatal: unable to access 'https://h/': The requested URL returned error: 403", Why::NotFound),
            ("fatal: Authentication failed for 'https://h/'", Why::NotFound),
            ("fatal: remote error: upload-pack: not our ref 0123", Why::Reference),
            ("fatal: unable to access 'https://h/': The requested URL returned error: 302", Why::Redirect),
            (
                "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate",
                Why::Certificate,
            ),
            (
                "fatal: unable to access 'https://h/': gnutls_handshake() failed: An unexpected TLS packet was received.",
                Why::Certificate,
            ),
            (
                "fatal: unable to access 'http://h/': Failed to connect to h port 1 after 0 ms: Couldn't connect to server",
                Why::Unreachable,
            ),
            ("fatal: unable to access 'https://h/': The requested URL returned error: 502", Why::Unreachable),
            ("error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec", Why::Slow),
            ("fatal: write error: File too large", Why::TooLarge),
            ("error: index-pack died of signal 25", Why::TooLarge),
            ("warning: x\nfatal: fetch-pack: invalid index-pack output", Why::TooLarge),
            ("fatal: pack has bad object\nfatal: fetch-pack: invalid index-pack output", Why::Strange),
            ("fatal: remote error: filter 'tree' not supported", Why::Filter),
            ("remote: hunter2", Why::Strange),
            ("", Why::Strange),
        ] {
            assert_eq!(why(printed.as_bytes(), "https://h/", Some(128)), expected, "{printed}");
            assert!(!expected.to_string().contains("hunter2"));
        }
        let url = "https://git.example/ssl/certificate";
        assert_eq!(
            why(format!("fatal: repository '{url}' not found").as_bytes(), url, Some(128)),
            Why::NotFound
        );
        assert_eq!(why(b"", url, Some(127)), Why::NoGit);
        assert_eq!(why(b"", url, None), Why::TooLarge);
    }
}
