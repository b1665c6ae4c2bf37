//! Judges Docker and Kubernetes objects with the mitigations of a STRIDE threat model.
//!
//! Bytes become objects ([`source`]), constraints say which policies apply to them
//! ([`constraint`]), each policy answers in a fresh sandbox ([`engine`], [`policy`]), and a review
//! decides ([`review`]); reports only put it into words ([`report`]). A module uses only those
//! that stand before it in this file.

pub mod catalog;
pub mod command;
pub mod constraint;
pub mod engine;
pub mod object;
pub mod policy;
pub mod report;
pub mod review;
pub mod source;
