//! The logins that Docker and Podman keep, in their files and with their helpers.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use docker_credential::{CredentialRetrievalError as Fault, DockerCredential};

/// A login at a registry. It has no `Debug`, so that no message can show it.
pub(super) enum Login {
    /// A name and a password.
    Password(String, String),
    /// A token that stands for a login.
    Identity(String),
}

/// The login for a registry; none if there is none.
pub(super) fn of(registry: &str) -> anyhow::Result<Option<Login>> {
    // The name under which Docker keeps the login for its own registry.
    let server = match registry {
        "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    let docker = docker_config().filter(|path| path.exists());
    let found = match docker {
        Some(path) => match docker_credential::get_credential(server) {
            Err(Fault::ConfigReadError) => bail!(
                "{} cannot be read as the configuration of Docker; docker login writes it",
                path.display()
            ),
            found => found,
        },
        None => Err(Fault::NoCredentialConfigured),
    };
    let found = match found {
        Err(Fault::NoCredentialConfigured) => docker_credential::get_podman_credential(server),
        found => found,
    };
    match found {
        Ok(DockerCredential::UsernamePassword(name, password)) => {
            Ok(Some(Login::Password(name, password)))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Login::Identity(token))),
        Err(Fault::NoCredentialConfigured | Fault::ConfigNotFound | Fault::ConfigReadError) => {
            Ok(None)
        }
        Err(Fault::HelperFailure { stdout, stderr, .. })
            if says_none(&stdout) || says_none(&stderr) =>
        {
            Ok(None)
        }
        // What a helper printed may hold what it keeps.
        Err(Fault::HelperFailure { .. }) => Err(anyhow!(
            "the credential helper of Docker failed for {registry}; try docker-credential-NAME get, or docker login {registry}"
        )),
        Err(fault) => Err(anyhow!(
            "the login for {registry} cannot be read: {fault}; docker login {registry} writes it anew"
        )),
    }
}

fn docker_config() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    Some(folder.or_else(home)?.join("config.json"))
}

/// What every helper says of a server that it does not know.
fn says_none(output: &str) -> bool {
    output.contains("credentials not found")
}
