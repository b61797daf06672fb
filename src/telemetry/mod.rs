//! Telemetry: what is watched beside the clock, by the parent: it costs the worker nothing.
//!
//! | file | what it holds |
//! |---|---|
//! | `system` | what the system tells about itself: load, power, swap |
//! | `sampler` | the thread that looks at the devices while a job runs |
//! | `cards` | the GPUs of this machine |
//! | `nvml` | what NVIDIA's management library tells of a device |
//! | `traffic` | bytes over the connections to RPC servers |
//! | `neighbours` | what disturbs a run, said once while it goes on |

pub mod cards;
pub mod neighbours;
pub mod nvml;
pub mod sampler;
pub mod traffic;
