//! Why there is no answer, or not the one that was asked for.

use std::error::Error as _;

use anyhow::anyhow;
use serde::Deserialize;

use super::proxy::Proxy;

/// What a registry says of what went wrong.
pub(super) fn reason(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: String,
        #[serde(default)]
        message: String,
    }
    let envelope: Option<Envelope> = serde_json::from_slice(body).ok();
    let entry = envelope.and_then(|envelope| envelope.errors.into_iter().next());
    entry.map_or(String::new(), |entry| {
        let text: String = format!(" ({}: {})", entry.code, entry.message)
            .chars()
            .filter(|character| !character.is_control())
            .take(200)
            .collect();
        text
    })
}

/// Why there is no answer.
pub(super) struct Failure {
    /// Whether another attempt may help.
    pub(super) transient: bool,
    pub(super) error: anyhow::Error,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            transient: false,
            error,
        }
    }
}

/// Why a connection gave no answer; `proxy` is what stood on the way.
pub(super) fn network(error: reqwest::Error, proxy: Option<&Proxy>) -> Failure {
    let error = error.without_url();
    let by = proxy.map_or_else(String::new, |proxy| format!(", by way of {proxy},"));
    if let Some(rustls::Error::InvalidCertificate(why)) = tls_error(&error) {
        return Failure {
            transient: false,
            error: anyhow!(
                "the certificate of the registry{by} is not trusted: {why}; name its authority with --ca FILE"
            ),
        };
    }
    let last = causes(&error).last().map(|cause| format!(": {cause}"));
    let last = last.unwrap_or_default();
    let error = match proxy {
        Some(proxy) if error.is_connect() => anyhow!(
            "{proxy} gives no way to the registry{last}; correct it, or name the registry in NO_PROXY"
        ),
        _ if error.is_timeout() => anyhow!("the registry{by} does not answer in time{last}"),
        _ if error.is_connect() => anyhow!("the registry cannot be reached{last}"),
        _ => anyhow!("the registry{by} broke off{last}"),
    };
    Failure {
        transient: true,
        error,
    }
}

/// Whether a server on this machine does not speak TLS: it answered with something else, or hung
/// up on it. Nothing else is a reason to go on without.
pub(super) fn lacks_tls(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match tls_error(error) {
        Some(fault) => matches!(fault, rustls::Error::InvalidMessage(_)),
        None => causes(error).iter().any(|cause| {
            let io = cause.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| [BrokenPipe, ConnectionReset, UnexpectedEof].contains(&io.kind()))
        }),
    }
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error)
        .into_iter()
        .find_map(|cause| cause.downcast_ref())
}

/// What caused an error. One of input and output hides another in itself, which its source is not.
fn causes(error: &reqwest::Error) -> Vec<&(dyn std::error::Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        let hidden = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match hidden {
            Some(hidden) => Some(hidden),
            None => cause.source(),
        };
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_says_is_one_short_line() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m\n way"}]}"#;
        assert_eq!(reason(body), " (DENIED: no[31m way)");
        assert_eq!(reason(b"<html>"), "");
    }
}
