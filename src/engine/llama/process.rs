//! The memory of this process, as Linux tells it. Elsewhere the answer is `None`.

use crate::units::Bytes;

/// Peak resident memory since the start, or since [`reset_peak_rss`].
pub(super) fn peak_rss() -> Option<Bytes> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    high_water(&status)
}

/// Starts a new peak. Where the system refuses, the old one stands.
pub(super) fn reset_peak_rss() {
    if cfg!(target_os = "linux") {
        // 5 resets the high-water mark and touches nothing else.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
    }
}

/// The high-water mark in a process's status file.
fn high_water(status: &str) -> Option<Bytes> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kib * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_in_kib() {
        let status = "VmPeak:\t  900 kB\nVmHWM:\t  12 kB\nVmRSS:\t  8 kB\n";
        assert_eq!(high_water(status), Some(Bytes(12 * 1024)));
        assert_eq!(high_water("VmRSS:\t  8 kB\n"), None);
    }
}
