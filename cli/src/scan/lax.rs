//! Recognises files that hold credentials in plain text, by name and by how they begin.
//!
//! A name alone is enough where such a file has no other use; where it often has, the text decides. Only
//! the beginning of a file is looked at, and only what kind of file it is leaves this module.

/// How much of a file is looked at.
const HEAD_LEN_MAX: usize = 64 * 1024;

/// Names of key files that `ssh-keygen` makes.
const SSH_KEYS: [&str; 6] =
    ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"];

/// What credentials a file with this path and beginning holds, if it does.
pub(crate) fn credentials(path: &[u8], text: &[u8]) -> Option<&'static str> {
    let head = &text[..text.len().min(HEAD_LEN_MAX)];
    let lower = path.to_ascii_lowercase();
    let mut parts = lower.rsplit(|&byte| byte == b'/');
    let name = String::from_utf8_lossy(parts.next().unwrap_or(&[]));
    let folder = String::from_utf8_lossy(parts.next().unwrap_or(&[]));
    named(&name)
        .or_else(|| named_with(&name, &folder, head))
        .or_else(|| shaped(head))
        .or_else(|| is_kubeconfig(head).then_some("a kubeconfig"))
}

fn named(name: &str) -> Option<&'static str> {
    let is_model = ["example", "sample", "template"]
        .iter()
        .any(|model| name.rsplit_once('.').is_some_and(|(_, last)| last == *model));
    if (name == ".env" || name.starts_with(".env.")) && !is_model {
        return Some("a dotenv file");
    }
    match name {
        "secrets.toml" => Some("a file of secrets"),
        ".netrc" | "_netrc" => Some("a netrc file"),
        ".pgpass" => Some("a file of PostgreSQL passwords"),
        _ if name.contains("credentials") && name.ends_with(".json") => Some("a credentials file"),
        _ if SSH_KEYS.contains(&name) => Some("a private key"),
        _ => None,
    }
}

/// Files that may do without credentials.
fn named_with(name: &str, folder: &str, head: &[u8]) -> Option<&'static str> {
    let sets = |keys: &[&str]| head.split(|&byte| byte == b'\n').any(|line| is_set(line, keys));
    match name {
        ".npmrc" if sets(&["_authtoken", "_auth", "_password"]) => Some("an npmrc with a token"),
        ".pypirc" if sets(&["password"]) => Some("a pypirc with a password"),
        ".dockerconfigjson" | ".dockercfg" if has_docker_auth(head) => Some("a Docker login"),
        "config.json" if folder == ".docker" && has_docker_auth(head) => Some("a Docker login"),
        _ => None,
    }
}

/// Whether a line gives one of these keys something that is no reference to a variable. Keys of npm have
/// the registry in front: `//host/:_authToken=...`.
fn is_set(line: &[u8], keys: &[&str]) -> bool {
    let Some(at) = line
        .iter()
        .position(|&byte| byte == b'=')
        .or_else(|| line.windows(2).position(|pair| pair == b": "))
    else {
        return false;
    };
    let key = line[..at].rsplit(|&byte| byte == b':').next().unwrap_or(&[]).trim_ascii();
    let value = line[at + 1..].trim_ascii();
    keys.iter().any(|known| key.eq_ignore_ascii_case(known.as_bytes()))
        && !value.is_empty()
        && !value.starts_with(b"${")
}

/// Whether `"auth"` has a string that is not empty.
fn has_docker_auth(head: &[u8]) -> bool {
    positions(head, b"\"auth\"").any(|at| {
        let rest = head[at + b"\"auth\"".len()..].trim_ascii_start();
        let Some(rest) = rest.strip_prefix(b":") else { return false };
        let Some(rest) = rest.trim_ascii_start().strip_prefix(b"\"") else { return false };
        rest.first().is_some_and(|&byte| byte != b'"')
    })
}

/// Files of any name.
fn shaped(head: &[u8]) -> Option<&'static str> {
    if head.trim_ascii_start().starts_with(b"{")
        && positions(head, b"\"service_account\"").next().is_some()
        && positions(head, b"\"private_key\"").next().is_some()
    {
        return Some("a service account key");
    }
    let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).peekable();
    while let Some(line) = lines.next() {
        // A text about keys has the first line only.
        if is_key_start(line) && lines.peek().is_some_and(|next| is_key_text(next)) {
            return Some("a private key");
        }
    }
    None
}

fn is_key_start(line: &[u8]) -> bool {
    let kind = line.strip_prefix(b"-----BEGIN ").and_then(|rest| rest.strip_suffix(b"-----"));
    // PGP says `PRIVATE KEY BLOCK`.
    kind.is_some_and(|kind| kind.ends_with(b"PRIVATE KEY") || kind.ends_with(b"PRIVATE KEY BLOCK"))
}

/// Whether a line is base64, a header such as `Proc-Type: 4,ENCRYPTED`, or the blank line before PGP's.
fn is_key_text(line: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    line.is_empty()
        || line.starts_with(b"Proc-Type:")
        || line.starts_with(b"Version:")
        || line.starts_with(b"Comment:")
        || line.len() >= 16 && line.iter().all(is_base64)
}

/// Whether a text is the configuration of a Kubernetes client that holds what it logs in with.
fn is_kubeconfig(head: &[u8]) -> bool {
    let (mut is_config, mut has_users, mut has_login) = (false, false, false);
    for line in head.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"- ").unwrap_or(line);
        is_config |= line == b"kind: Config";
        has_users |= line.starts_with(b"users:");
        has_login |= ["client-key-data:", "token:", "password:"].iter().any(|key| {
            line.strip_prefix(key.as_bytes()).is_some_and(|value| !value.trim_ascii().is_empty())
        });
    }
    is_config && has_users && has_login
}

fn positions<'a>(text: &'a [u8], part: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    text.windows(part.len()).enumerate().filter(move |(_, at)| *at == part).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::credentials;

    #[track_caller]
    fn check(path: &str, text: &str, expected: Option<&str>) {
        assert_eq!(credentials(path.as_bytes(), text.as_bytes()), expected, "{path}");
    }

    #[test]
    fn names_that_say_enough() {
        for path in [".env", "a/.env.local", "a/b/.ENV", ".env.production"] {
            check(path, "", Some("a dotenv file"));
        }
        for path in [".env.example", ".env.sample", ".env.local.template", "env", "a.env", ".envrc"]
        {
            check(path, "A=b", None);
        }
        check("secrets.toml", "", Some("a file of secrets"));
        check("x/credentials.json", "", Some("a credentials file"));
        check("x/My-Credentials-2.json", "", Some("a credentials file"));
        check("x/credentials.md", "", None);
        check(".netrc", "", Some("a netrc file"));
        check("_netrc", "", Some("a netrc file"));
        check(".pgpass", "", Some("a file of PostgreSQL passwords"));
        check(".ssh/id_ed25519", "", Some("a private key"));
        check(".ssh/id_ed25519.pub", "ssh-ed25519 AAAA", None);
    }

    #[test]
    fn names_that_need_a_login_beside_them() {
        let npm = Some("an npmrc with a token");
        check(".npmrc", "//registry.npmjs.org/:_authToken=npm_x\n", npm);
        check(".npmrc", "a=b\n_auth = eA==\n", npm);
        check(".npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n", None);
        check(".npmrc", "save-exact=true\n", None);
        check(
            ".pypirc",
            "[pypi]\nusername = me\npassword = pypi-x\n",
            Some("a pypirc with a password"),
        );
        check(".pypirc", "[pypi]\nusername: me\npassword: x\n", Some("a pypirc with a password"));
        check(".pypirc", "[pypi]\nusername = me\npassword =\n", None);
        let login = "{\"auths\": {\"host\": {\"auth\" : \"eA==\"}}}";
        check("home/.docker/config.json", login, Some("a Docker login"));
        check(".dockerconfigjson", login, Some("a Docker login"));
        check("config.json", login, None);
        check(".docker/config.json", "{\"auths\": {\"host\": {\"auth\": \"\"}}}", None);
        check(".docker/config.json", "{\"credsStore\": \"pass\"}", None);
    }

    #[test]
    fn texts_that_say_enough() {
        let key = Some("a private key");
        check("k", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n", key);
        check("k", "x\r\n  -----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n", key);
        check("k", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ", key);
        check("k", "-----BEGIN CERTIFICATE-----\nMIIEvQIBADANBgkqhkiG\n", None);
        check("k.md", "write `-----BEGIN PRIVATE KEY-----`\nMIIEvQIBADANBgkqhkiG\n", None);
        check("k.md", "-----BEGIN PRIVATE KEY-----\n...\n", None);
        let account = "{ \"type\": \"service_account\", \"private_key\": \"x\" }";
        check("k.json", account, Some("a service account key"));
        check("k.json", "{ \"type\": \"service_account\" }", None);
        check("k.py", &format!("x = {account}"), None);
        let config = "apiVersion: v1\nkind: Config\nusers:\n- name: me\n  user:\n";
        check("config", &format!("{config}    token: x\n"), Some("a kubeconfig"));
        check("config", &format!("{config}    client-key-data: x\n"), Some("a kubeconfig"));
        check("config", &format!("{config}    exec: {{}}\n"), None);
        check("config", "kind: Deployment\nusers:\ntoken: x\n", None);
    }
}
