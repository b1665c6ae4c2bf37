//! Where a registry may send a reader: elsewhere only for bytes that are named by their digest,
//! and never from TLS to plain text.

use anyhow::{Context, anyhow};
use reqwest::header::LOCATION;
use reqwest::{Method, Response, Url};

use super::Call;

/// How many times a reader lets itself be sent elsewhere.
const HOPS: usize = 5;

/// Refuses to go on without TLS where it began with it.
pub(super) fn refuse_plain(origin: &Url, url: &Url) -> anyhow::Result<()> {
    if origin.scheme() == "https" && url.scheme() != "https" {
        return Err(anyhow!(
            "the registry sends to {}, which is without TLS",
            place(url)
        ));
    }
    Ok(())
}

/// A URL without what may be secret in it.
fn place(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

pub(super) fn redirected(
    call: &Call<'_>,
    origin: &Url,
    url: &Url,
    response: &Response,
    hops: usize,
) -> anyhow::Result<Url> {
    let location = response.headers().get(LOCATION);
    let location = location
        .and_then(|location| location.to_str().ok())
        .and_then(|location| url.join(location).ok())
        .context("the registry sends elsewhere, and does not say where")?;
    if ![Method::GET, Method::HEAD].contains(&call.method) {
        return Err(anyhow!(
            "the registry sends a request that changes something to {}; it stays here",
            place(&location)
        ));
    }
    if !call.addressed && location.origin() != origin.origin() {
        return Err(anyhow!(
            "the registry sends to {} for what it has to say itself",
            place(&location)
        ));
    }
    refuse_plain(origin, &location)?;
    if hops > HOPS {
        return Err(anyhow!(
            "the registry sends elsewhere more than {HOPS} times"
        ));
    }
    Ok(location)
}
