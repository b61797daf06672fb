//! Ceilings that were measured before.

use super::Target;
use crate::machine::Host;
use crate::machine::Roof;
use crate::machine::cache::{self, Cache};

/// What was measured before for this device, by this build on this host.
pub(super) fn get(cache: &Cache<Roof>, host: &Host, target: &Target) -> Option<Roof> {
    cache.get(&key(host, target))
}

/// Keeps a measurement. What other work slowed down was not the best: the greater figures stay, and are
/// returned.
pub(super) fn put(cache: &Cache<Roof>, host: &Host, target: &Target, roof: Roof) -> Roof {
    cache.update(key(host, target), |old| match old {
        None => roof,
        Some(old) => Roof {
            bandwidth: greater(old.bandwidth, roof.bandwidth),
            compute: greater(old.compute, roof.compute),
        },
    })
}

fn greater(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

/// The machine, the build, the device.
fn key(host: &Host, target: &Target) -> String {
    let devices = &host.engine.devices;
    let description = devices.iter().find(|device| device.name == target.device);
    let threads = target.threads.map(|threads| format!("{threads} threads"));
    [
        cache::key(host),
        target.device.clone(),
        description.map(|device| device.description.clone()).unwrap_or_default(),
        threads.unwrap_or_default(),
    ]
    .join("; ")
}
