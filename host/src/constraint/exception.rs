use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Match, Subject};
use crate::object::{Object, Position};

/// Something that is let through for a time, and why.
#[derive(Debug)]
pub struct Exception {
    /// Its name; none for a comment in a judged file.
    pub name: Option<String>,
    /// The name of the policy.
    pub policy: String,
    /// The rules that it excepts; all if there are none.
    pub rules: Vec<String>,
    /// What it applies to.
    pub matches: Match,
    /// The last day on which it holds, in UTC.
    pub expires: jiff::civil::Date,
    /// Why.
    pub reason: String,
    /// The file in which it stands.
    pub file: String,
    /// Where it stands in it.
    pub position: Position,
    /// Whether it counts: what stands in the judged tree does not where constraints are named.
    pub granted: bool,
    /// How many findings it hides.
    pub hidden: AtomicUsize,
}

/// What became of an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It hides findings.
    Used,
    /// There is nothing for it to hide.
    Unused,
    /// Its time is over.
    Expired,
    /// It stands in the judged tree, which does not count here.
    NotGranted,
}

impl Status {
    /// The status in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Unused => "unused",
            Self::Expired => "expired",
            Self::NotGranted => "not-granted",
        }
    }
}

/// What hides a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The name of the exception, or `inline`.
    pub name: String,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub expires: jiff::civil::Date,
}

/// The day on which exceptions are measured, in UTC.
#[derive(Clone, Copy, Debug)]
pub struct Today(pub jiff::civil::Date);

impl Today {
    /// Today.
    #[must_use]
    pub fn now() -> Self {
        let days = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
            / 86_400;
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        let epoch = jiff::civil::date(1970, 1, 1);
        Self(
            epoch
                .checked_add(jiff::Span::new().try_days(days).unwrap_or_default())
                .unwrap_or(jiff::civil::Date::MAX),
        )
    }
}

impl Exception {
    /// Whether it would hide a finding of a rule on an object, if it counts.
    #[must_use]
    pub fn covers(&self, policy: &str, rule: &str, object: &Object) -> bool {
        self.policy == policy
            && (self.rules.is_empty() || self.rules.iter().any(|name| name == rule))
            && self.matches.surely_matches(Subject::new(object))
    }

    /// Whether it counts today.
    #[must_use]
    pub fn holds(&self, today: Today) -> bool {
        self.granted && today.0 <= self.expires
    }

    /// Hides a finding.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.hidden.fetch_add(1, Ordering::Relaxed);
        Grant {
            name: self.name.clone().unwrap_or_else(|| "inline".into()),
            reason: self.reason.clone(),
            expires: self.expires,
        }
    }

    /// What became of it.
    #[must_use]
    pub fn status(&self, today: Today) -> Status {
        if !self.granted {
            Status::NotGranted
        } else if !self.holds(today) {
            Status::Expired
        } else if self.hidden.load(Ordering::Relaxed) > 0 {
            Status::Used
        } else {
            Status::Unused
        }
    }
}
