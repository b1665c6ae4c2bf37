/// What a file in an image is, judged by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFile {
    /// The private half of a key pair, or a store of such.
    PrivateKey,
    /// Passwords or tokens.
    Credentials,
}

/// Names of files that hold credentials.
#[rustfmt::skip]
const CREDENTIALS: [&str; 30] = [
    ".env", ".npmrc", ".netrc", "_netrc", ".pypirc", ".git-credentials", ".pgpass", ".my.cnf", ".mylogin.cnf",
    ".dockercfg", ".dockerconfigjson", ".htpasswd", ".s3cfg", ".boto", ".vault-token", ".terraformrc", ".envrc",
    "credentials.json", "application_default_credentials.json", "kubeconfig", "terraform.tfstate", "terraform.tfvars",
    "secrets.yml", "secrets.yaml", "secrets.json", "secrets.toml", "secrets.env", "client_secret.json", ".aws-credentials", ".authinfo",
];

/// What a path ends with that holds credentials, where the last name alone does not tell.
const PLACES: [&str; 9] = [
    ".aws/credentials",
    ".kube/config",
    ".docker/config.json",
    ".gem/credentials",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".config/gh/hosts.yml",
    ".composer/auth.json",
    ".m2/settings-security.xml",
];

/// Folders that hold nothing but credentials.
const FOLDERS: [&str; 3] = [".aws", ".gnupg", ".ssh"];

/// What is published on purpose, though it ends like a key.
const PUBLIC: [&str; 15] = [
    "pub",
    "public",
    "gpg",
    "pgp",
    "apt",
    "repo",
    "repository",
    "release",
    "archive",
    "keyring",
    "rpm",
    "cert",
    "ca",
    "trust",
    "truststore",
];

/// Whether a file of this path holds a secret, as its name tells.
#[must_use]
pub fn secret_file(path: &str) -> Option<SecretFile> {
    let path = path.replace('\\', "/").to_ascii_lowercase();
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    let parts = || name.split(|c: char| !c.is_ascii_alphanumeric());
    let public = parts().any(|part| PUBLIC.contains(&part))
        || name.contains("public")
        || name.contains("truststore");
    if CREDENTIALS.contains(&name) || is_environment(name) || is_account(name) {
        return Some(SecretFile::Credentials);
    }
    let at = |place: &&str| {
        path.strip_suffix(*place)
            .is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    if PLACES.iter().any(at) || FOLDERS.contains(&name) {
        return Some(SecretFile::Credentials);
    }
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let own_key = [
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        "id_ecdsa_sk",
        "id_ed25519_sk",
    ];
    let key = match extension {
        "p12" | "pfx" | "jks" | "keystore" | "kdbx" | "ppk" | "ovpn" => !public,
        "key" => !public || stem == "ca",
        // Most files in PEM are certificates; a key says so.
        "pem" => {
            !public && (stem.contains("key") || stem.contains("priv") || own_key.contains(&stem))
        }
        _ => {
            own_key.contains(&name)
                || name.starts_with("id_rsa_")
                || (name.starts_with("ssh_host_") && name.ends_with("_key"))
        }
    };
    key.then_some(SecretFile::PrivateKey)
}

/// `.env.production`, but no example of one and no encrypted one; `prod.env`.
fn is_environment(name: &str) -> bool {
    #[rustfmt::skip]
    const EMPTY: [&str; 15] = [
        "example", "sample", "template", "tmpl", "tpl", "dist", "defaults", "default", "schema", "vault", "enc", "encrypted", "gpg", "sops", "ts",
    ];
    if let Some(rest) = name.strip_prefix(".env.") {
        return !rest
            .split(['.', '-', '_'])
            .any(|part| EMPTY.contains(&part));
    }
    let stem = name.strip_suffix(".env").unwrap_or_default();
    ["secret", "prod", "credential"]
        .iter()
        .any(|word| stem.contains(word))
}

/// The key of a service account or an application at a cloud, in JSON.
fn is_account(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else {
        return false;
    };
    let joined = stem.replace(['-', '_', '.'], "");
    let example =
        joined.contains("example") || joined.contains("sample") || joined.contains("schema");
    let starts = [
        "serviceaccount",
        "clientsecret",
        "gcpkey",
        "gcloudkey",
        "gcpsakey",
        "sakey",
        "googlecredentials",
        "gcpcredentials",
    ];
    starts.iter().any(|start| joined.starts_with(start)) && !example
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_secrets() {
        for path in [
            "id_rsa",
            "keys/id_ed25519",
            ".env",
            "app/.env.production",
            ".npmrc",
            "/root/.netrc",
            ".aws/credentials",
            "/root/.kube/config",
            "/root/.docker/config.json",
            "service-account.json",
            "service-account-prod.json",
            "certs/server.key",
            "tls/privkey.pem",
            "key.pem",
            "store.p12",
            "keystore.jks",
            "vault.kdbx",
            "C:\\keys\\id_rsa",
            ".ssh/",
            "ca.key",
            "prod.env",
            ".pypirc",
        ] {
            assert!(secret_file(path).is_some(), "{path}");
        }
    }

    #[test]
    fn files_that_do_not() {
        for path in [
            "",
            ".",
            "id_rsa.pub",
            ".env.example",
            ".env.sample",
            ".env.template",
            ".env.dist",
            ".env.local.example",
            "ca.pem",
            "cert.pem",
            "fullchain.pem",
            "server.crt",
            "public.key",
            "nodesource-repo.gpg.key",
            "truststore.jks",
            "package.json",
            "config.json",
            "credentials.md",
            ".github/config",
            "monkey",
            "keyboard.json",
            "app.env.md",
            "keys.ts",
            "repo.key",
            "service-account.yaml",
            "environment",
            "tsconfig.json",
            "apt.key",
            "public-key.pem",
        ] {
            assert_eq!(secret_file(path), None, "{path}");
        }
    }
}
