//! What is watched beside the clock, by the parent: it costs the worker nothing.
//!
//! | file | what it holds |
//! |---|---|
//! | `system` | what the system tells about itself: load, power, swap |
//! | `neighbours` | what disturbs a run, said once while it goes on |

pub mod neighbours;
pub mod system;
