//! Drives both gates with recorded requests and all policies, each beside the same server that
//! decodes every request and decides nothing, and prints what the one costs in terms of the other.
//!
//! `REQUESTS` says how many requests are sent to each for the throughput (20 000 if it is not set).

#![expect(clippy::print_stdout, reason = "that is what it is for")]

mod docker;
mod kubernetes;
mod load;

use stridegate::gateway::server;

fn main() {
    let runtime = server::runtime(rayon::current_num_threads()).expect("the machine has threads");
    docker::compare(&runtime);
    kubernetes::compare(&runtime);
}
