//! The machine and the build: what a result must say about where it was made.
//!
//! | file | what it holds |
//! |---|---|
//! | `host.rs` | the machine: taken once, recorded once |
//! | `devices.rs` | devices and links, as the engine finds them |
//! | `cards.rs` | the GPUs that are there, and why one is not used |
//! | `limits/` | CPUs and memory that this process may have |
//! | `system.rs` | what the system tells of itself |
//! | `source.rs` | places in source code, without the folders of whoever built it |
//! | `build.rs` | what this build is |
//! | `cache.rs` | what was measured before on this machine |

pub mod build;
pub mod cache;
pub mod cards;
mod devices;
mod host;
pub mod limits;
mod source;
pub mod system;

pub use devices::{Description, Device, DeviceKind, Link, Module, Roof};
pub use host::{Floors, Host};
pub use limits::Limits;
pub use source::without_folders;
