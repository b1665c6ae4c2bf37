//! How a registry is reached: with TLS or without, directly or by way of a proxy.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context;
use reqwest::Url;

use super::fault::{Failure, lacks_tls};
use super::{Patience, Transport, lock};

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Registries that are reached without TLS. One on this machine may do without it unnamed.
    pub plain: Vec<String>,
    /// Files with certificates, in PEM, of further authorities to trust.
    pub authorities: Vec<PathBuf>,
    /// How long to wait and how often to try.
    pub patience: Patience,
}

impl Transport {
    /// Where a registry is reached.
    pub(super) async fn origin(&self, registry: &str) -> Result<Url, Failure> {
        // The name of Docker's registry is not its address.
        let host = match registry {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        let url = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}/"))
                .with_context(|| format!("{host} is no address"))
        };
        if self.access.plain.iter().any(|name| name == registry) {
            return Ok(url("http")?);
        }
        let tls = url("https")?;
        if !is_loopback(&tls) {
            return Ok(tls);
        }
        if let Some(speaks_tls) = lock(&self.schemes).get(registry).copied() {
            return Ok(if speaks_tls { tls } else { url("http")? });
        }
        let probe = tls.join("/v2/").context("is no address")?;
        let speaks_tls = match self.client.head(probe).send().await {
            Ok(_) => true,
            Err(error) => !lacks_tls(&error),
        };
        lock(&self.schemes).insert(registry.to_owned(), speaks_tls);
        Ok(if speaks_tls { tls } else { url("http")? })
    }
}

/// Whether a URL leads to this machine, as far as its host tells.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_do_without_tls() {
        for (host, is_local) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
        ] {
            let url = Url::parse(&format!("https://{host}:5000/")).expect(host);
            assert_eq!(is_loopback(&url), is_local, "{host}");
        }
    }
}
