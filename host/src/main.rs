//! The program: the library with the policies that are part of it.

use std::process::ExitCode;

include!(concat!(env!("OUT_DIR"), "/pack.rs"));

fn main() -> ExitCode {
    stridegate::command::run(PACK)
}
