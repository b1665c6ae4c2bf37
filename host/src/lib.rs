//! Judges Docker and Kubernetes objects with the mitigations of a STRIDE threat model.
//!
//! Bytes become objects ([`source`]), constraints say which policies apply to them
//! ([`constraint`]), each policy answers in a fresh sandbox ([`engine`], [`policy`]), and a review
//! decides ([`review`]); reports only put it into words ([`report`]). A module uses only those
//! that stand before it in this file.

// The blank lines keep the order, which means something, from being made alphabetical.

pub mod object;

pub mod source;

pub mod engine;

pub mod policy;

#[cfg(feature = "registry")]
pub mod registry;

pub mod catalog;

pub mod constraint;

pub mod review;

pub mod difference;

pub mod threat;

pub mod report;

#[cfg(target_os = "linux")]
pub mod collect;

#[cfg(all(target_os = "linux", feature = "gateway"))]
pub mod gateway;

pub mod command;
