//! Against the real thing: servers from Debian's packages, started in a folder of their own and
//! stopped by their ids. `make e2e` installs what is missing; it needs root.

mod docker;
mod kubernetes;
mod node;
#[cfg(all(feature = "gateway", feature = "registry"))]
#[path = "../program/readme.rs"]
mod readme;
#[cfg(all(feature = "gateway", feature = "registry"))]
mod registry;
#[path = "../shared/mod.rs"]
mod shared;

use shared::{PATIENCE, Program as Server, STRIDEGATE};
