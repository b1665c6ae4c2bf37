//! How often a registry is asked that cannot answer at the moment, and when.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use super::Answer;
use super::fault::Failure;

/// The longest that a registry can ask to wait.
const MAX_WAIT: Duration = Duration::from_secs(30);

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

/// Asks, and again after a wait if there is no answer at the moment.
pub(super) async fn again<A, W>(
    patience: Patience,
    ask: impl Fn() -> A,
    wait: impl Fn(Duration) -> W,
) -> anyhow::Result<Answer>
where
    A: Future<Output = Result<Answer, Failure>>,
    W: Future<Output = ()>,
{
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
        wait(asked.unwrap_or(pause).min(MAX_WAIT)).await;
        pause *= 2;
        attempt += 1;
    }
}

pub(super) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// How long a registry asks to wait: seconds, or until a date. A date is told by the registry's
/// clock, so that it counts from the date of its answer, if there is one.
fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let now = now.unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use anyhow::anyhow;
    use reqwest::Url;
    use reqwest::header::HeaderValue;

    use super::*;

    type Asked = Result<Answer, Failure>;

    fn answer(status: u16, headers: &[(HeaderName, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("it is a header");
            (name.clone(), value)
        });
        Answer {
            status: StatusCode::from_u16(status).expect("it is a status"),
            headers: headers.collect(),
            body: Vec::new(),
            url: Url::parse("https://r.example/").expect("it is a URL"),
            proxy: None,
        }
    }

    /// What the waits were asked to be, in milliseconds, and whether there was an answer at last.
    fn waits(asked: impl Fn(u32) -> Asked) -> (Vec<u128>, bool) {
        let waits = RefCell::default();
        let number = Cell::new(0);
        let ask = || {
            number.set(number.get() + 1);
            std::future::ready(asked(number.get()))
        };
        let wait = |time: Duration| {
            RefCell::<Vec<u128>>::borrow_mut(&waits).push(time.as_millis());
            std::future::ready(())
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("there can be a runtime");
        let answer = runtime.block_on(again(Patience::default(), ask, wait));
        let good = answer.is_ok_and(|answer| answer.status.is_success());
        (waits.into_inner(), good)
    }

    #[test]
    fn each_wait_is_twice_the_one_before_and_they_end() {
        for status in [429, 500, 502, 503, 504] {
            let (waits, good) = waits(|_| Ok(answer(status, &[])));
            assert_eq!(waits, [250, 500, 1000, 2000], "{status}");
            assert!(!good);
        }
        let failure = |transient| {
            move |_| {
                let error = anyhow!("no answer");
                Err(Failure { transient, error })
            }
        };
        assert_eq!(waits(failure(true)).0, [250, 500, 1000, 2000]);
        assert_eq!(waits(failure(false)).0, []);
        assert_eq!(waits(|_| Ok(answer(404, &[]))).0, []);
    }

    #[test]
    fn an_answer_ends_the_waits() {
        let asked = |number| Ok(answer(if number < 3 { 503 } else { 200 }, &[]));
        assert_eq!(waits(asked), (vec![250, 500], true));
    }

    #[test]
    fn a_registry_says_how_long_to_wait() {
        let date = "Sat, 28 Nov 2026 12:00:00 GMT";
        for (asked, wait) in [
            ("0", 0),
            ("7", 7_000),
            (" 7 ", 7_000),
            ("3600", 30_000),
            ("Sat, 28 Nov 2026 12:00:09 GMT", 9_000),
            ("Saturday, 28-Nov-26 12:00:09 GMT", 9_000),
            ("Sat, 28 Nov 2026 11:59:00 GMT", 0),
            ("Sun, 29 Nov 2026 12:00:00 GMT", 30_000),
            ("-5", 250),
            ("soon", 250),
        ] {
            let headers = [(RETRY_AFTER, asked), (DATE, date)];
            let asked_once = |number| match number {
                1 => Ok(answer(429, &headers)),
                _ => Ok(answer(200, &[])),
            };
            assert_eq!(waits(asked_once), (vec![wait], true), "{asked}");
        }
    }

    #[test]
    fn a_date_counts_from_now_where_the_registry_does_not_say_its_own() {
        let long_ago = [(RETRY_AFTER, "Thu, 01 Jan 1970 00:00:00 GMT")];
        let asked = |number| Ok(answer(503 - 303 * u16::from(number > 1), &long_ago));
        assert_eq!(waits(asked), (vec![0], true));
    }
}
