//! How often a registry is asked that cannot answer at the moment, and when.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::fault::Failure;
use super::{Answer, Transport};

/// The longest that a registry can ask to wait.

/// How long to wait and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often one request is made, if the registry cannot answer at the moment.
    pub attempts: u32,
    /// How long to wait before the second; twice as long before each further one.
    pub pause: Duration,
    /// How long until a connection stands.
    pub connect: Duration,
    /// How long between two pieces of an answer.
    pub idle: Duration,
    /// How long until an answer is complete.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_millis(250),
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            whole: Duration::from_mins(10),
        }
    }
}

impl Transport {
    pub(super) async fn again<F: Future<Output = Result<Answer, Failure>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> anyhow::Result<Answer> {
        let patience = self.access.patience;
        let mut pause = patience.pause;
        let mut attempt = 1;
        loop {
            let last = attempt >= patience.attempts;
            let asked = match ask().await {
                Ok(answer) if last || !is_transient(answer.status) => return Ok(answer),
                Ok(answer) => wait_asked(&answer.headers),
                Err(failure) if last || !failure.transient => return Err(failure.error),
                Err(_) => None,
            };
            tokio::time::sleep(asked.unwrap_or(pause).min(MAX_WAIT)).await;
            pause *= 2;
            attempt += 1;
        }
    }
}

pub(super) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// How long a registry asks to wait; dates are not read, as its clock may be another.
fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
