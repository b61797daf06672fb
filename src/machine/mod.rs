//! The machine and the build: what a result must say about where it was made.
//!
//! | file | what it holds |
//! |---|---|
//! | `host.rs` | the machine: taken once, recorded once |
//! | `devices.rs` | devices and links, as the engine finds them |
//! | `cards.rs` | the GPUs that are there, and why one is not used |
//! | `system.rs` | what the system tells of itself |
//! | `build.rs` | what this build is |
//! | `cache.rs` | what was measured before on this machine |

pub mod build;
pub mod cache;
pub mod cards;
mod devices;
mod host;
pub mod system;

pub use devices::{Description, Device, DeviceKind, Link, Module, Roof};
pub use host::{Floors, Host};
