//! Peaks: the most memory that a row took on each device.

use super::{DeviceMemory, DeviceTelemetry, MemoryMethod, Reading};
use crate::units::Bytes;

/// The most memory that a row took on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak<'a> {
    /// The device.
    pub device: &'a str,
    /// How much.
    pub bytes: Bytes,
    /// Who says so.
    pub method: MemoryMethod,
}

impl Reading {
    /// The most memory that was taken on each device: by the driver where it was asked and knew, else by the
    /// engine at the end of the row. A row that failed has what the driver saw.
    pub fn peaks(&self) -> Vec<Peak<'_>> {
        let of = |device: &'_ DeviceMemory| {
            let mut seen = self.telemetry.iter().filter(|seen| seen.device == device.device);
            let seen = seen.find_map(|seen| Some((seen.peak?, seen.method)));
            let stages = [Some(device.used), device.after_load, device.after_context];
            let most = stages.into_iter().flatten().max().unwrap_or_default();
            seen.unwrap_or((most, MemoryMethod::Engine))
        };
        let told = self.devices.iter().map(|device| {
            let (bytes, method) = of(device);
            Peak { device: &device.device, bytes, method }
        });
        // Of a row that failed, the driver's word is all there is: what it took before it found no more.
        let untold = |seen: &&DeviceTelemetry| {
            !self.devices.iter().any(|device| device.device == seen.device)
        };
        let failed = self.telemetry.iter().filter(untold).filter_map(|seen| {
            Some(Peak { device: &seen.device, bytes: seen.peak?, method: seen.method })
        });
        told.chain(failed).collect()
    }

    /// The most memory taken on all devices together; `None` where none was read.
    pub fn device_memory(&self) -> Option<Bytes> {
        let peaks = self.peaks();
        let used = peaks.iter().map(|peak| peak.bytes.0);
        (!peaks.is_empty()).then(|| Bytes(used.fold(0, u64::saturating_add)))
    }
}
