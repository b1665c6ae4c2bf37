use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::ruling::{self, IdentityRecord};
use super::{Held, Live, Log, Metrics, Record, Ruling, Say, Set};
use crate::constraint::{Rulebook, Today};
use crate::review::{Court, Review};
use crate::source::{Images, Reading};

/// How a gate decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `docker` or `kubernetes`.
    pub gate: &'static str,
    /// Whether denials are only recorded.
    pub dryrun: bool,
    /// How many requests are judged at a time; the engine of its set can make as many calls.
    pub workers: usize,
}

/// A request, as far as it is not objects.
#[derive(Clone, Debug)]
pub struct Asked {
    /// When it came.
    pub at: Instant,
    /// What its caller calls it; none if it has no name for it.
    pub id: Option<String>,
    /// The user, if the transport knows one.
    pub user: Option<String>,
    /// The groups of the user.
    pub groups: Vec<String>,
    /// What is asked: the endpoint, or the operation.
    pub endpoint: String,
    /// What it keeps from others until it is judged.
    pub held: Arc<Held>,
}

/// Judges requests with the set in force, and records what it decided.
pub struct Gate {
    live: Arc<Live>,
    /// As many as the engine can make calls at a time.
    places: Semaphore,
    log: Option<Log>,
    metrics: Metrics,
    settings: Settings,
    say: Say,
}

impl Gate {
    /// A gate.
    #[must_use]
    pub fn new(live: Arc<Live>, log: Option<Log>, settings: Settings, say: Say) -> Self {
        let metrics = Metrics::new(settings.gate);
        metrics.in_force(&live.current());
        Self {
            live,
            places: Semaphore::new(settings.workers),
            log,
            metrics,
            settings,
            say,
        }
    }

    /// The set in force, and its renewal.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// How many requests are judged at a time.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.settings.workers
    }

    /// What Prometheus is told.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Judges the objects of a request, and records the ruling, even if nobody waits for it any
    /// more. What has no answer when `within` is over, from the arrival of the request, counts as
    /// an error. What is not yet known is no reason to deny a request that is `pending`: it will be
    /// judged once more before anything comes of it.
    pub async fn judge(
        self: &Arc<Self>,
        asked: Asked,
        reading: Reading,
        images: Images,
        pending: bool,
        within: Duration,
    ) -> Ruling {
        let task = asked.clone();
        let judged =
            self.work(move |gate| gate.judge_here(&task, reading, &images, pending, within));
        let failed = || Ruling::denial("the gate failed over this request; please report it");
        judged.await.unwrap_or_else(|| self.rule(&asked, failed()))
    }

    /// Works on the thread of the caller if there is a place, so that no other has to be woken for
    /// less than a millisecond of work; otherwise when there is one, whether its caller still waits
    /// or not. The runtime has threads that are left for the connections meanwhile. There is nothing
    /// if the work panicked.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        let work = move |gate: &Self| catch_unwind(AssertUnwindSafe(|| work(gate))).ok();
        if let Ok(_place) = self.places.try_acquire() {
            return work(self);
        }
        let gate = Arc::clone(self);
        let later = tokio::spawn(async move {
            let _place = gate.places.acquire().await;
            work(&gate)
        });
        later.await.ok().flatten()
    }

    /// Judges the objects of a request, by constraints of its own if there are some, for a caller
    /// who wants to know everything that was said of them, and records the ruling. There is
    /// nothing if the gate failed over it.
    pub async fn examine(
        self: &Arc<Self>,
        asked: Asked,
        reading: Reading,
        images: Images,
        own: Option<Rulebook>,
        within: Duration,
    ) -> Option<Review> {
        let examined = self.work(move |gate| {
            let set = gate.live.current();
            let engine = gate.live.engine().until(asked.at + within);
            let court = Court {
                engine: &engine,
                cache: None,
                rulebook: own.as_ref().unwrap_or(&set.rulebook),
                images: &images,
                today: Today::now(),
                repairs: true,
            };
            let review = court.judge(&asked.endpoint, reading);
            gate.metrics.evaluated(&review.evaluations);
            gate.record(&asked, &Ruling::of(&review), &set, Vec::new());
            Review::from(review)
        });
        examined.await
    }

    /// Judges on the thread that calls, which has to have a place.
    fn judge_here(
        &self,
        asked: &Asked,
        reading: Reading,
        images: &Images,
        pending: bool,
        within: Duration,
    ) -> Ruling {
        let set = self.live.current();
        let engine = self.live.engine().until(asked.at + within);
        let court = Court {
            engine: &engine,
            cache: None,
            rulebook: &set.rulebook,
            images,
            today: Today::now(),
            repairs: false,
        };
        let (review, objects) = court.judge_and_keep(&asked.endpoint, reading);
        self.metrics.evaluated(&review.evaluations);
        let mut ruling = Ruling {
            dryrun: self.settings.dryrun,
            ..Ruling::of(&review)
        };
        if pending {
            ruling.wait();
        }
        let objects = if self.log.is_some() {
            ruling::records(objects, &review)
        } else {
            Vec::new()
        };
        self.record(asked, &ruling, &set, objects);
        ruling
    }

    /// Records a ruling that needed no policy, and returns it as it is enforced.
    pub fn rule(&self, asked: &Asked, ruling: Ruling) -> Ruling {
        let ruling = Ruling {
            dryrun: self.settings.dryrun,
            ..ruling
        };
        self.record(asked, &ruling, &self.live.current(), Vec::new());
        ruling
    }

    fn record(
        &self,
        asked: &Asked,
        ruling: &Ruling,
        set: &Set,
        objects: Vec<ruling::ObjectRecord>,
    ) {
        let took = asked.at.elapsed();
        self.metrics.decided(&asked.endpoint, ruling, took);
        let Some(log) = &self.log else { return };
        let time = SystemTime::now()
            .checked_sub(took)
            .and_then(|time| Timestamp::try_from(time).ok());
        let record = Record {
            time: time.unwrap_or(Timestamp::UNIX_EPOCH),
            gate: self.settings.gate.into(),
            id: asked.id.clone(),
            user: asked.user.clone(),
            groups: asked.groups.clone(),
            endpoint: asked.endpoint.clone(),
            object: objects
                .first()
                .map(|object| IdentityRecord::clone(&object.identity)),
            decision: if ruling.denials.is_empty() {
                "allow"
            } else {
                "deny"
            }
            .into(),
            dryrun: ruling.dryrun && !ruling.denials.is_empty(),
            pending: ruling.pending,
            denials: ruling.denials.clone(),
            warnings: ruling.warnings.clone(),
            checks: ruling.checks.clone(),
            errors: ruling.errors.clone(),
            passed: ruling.passed,
            not_applicable: ruling.not_applicable,
            set: set.digest.chars().take(12).collect(),
            microseconds: micros(took),
            evaluation_microseconds: micros(ruling.evaluation),
            objects,
        };
        if let Err(error) = log.write(&record) {
            self.metrics.unwritten();
            (self.say)(&format!(
                "the decision could not be written to the log: {error}"
            ));
        }
    }

    /// Opens the log anew, after somebody else has renamed it.
    pub fn reopen_log(&self) {
        if let Some(Err(error)) = self.log.as_ref().map(Log::reopen) {
            (self.say)(&format!(
                "the log of decisions cannot be opened anew: {error}"
            ));
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
