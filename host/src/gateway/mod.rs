//! Stands at a gate: takes a request, has its objects judged, and answers.

pub mod admission;
