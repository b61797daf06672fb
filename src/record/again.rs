//! Readings of another visit, joined with those before it.

use super::{DeviceTelemetry, Reading};
use crate::units::Bytes;

impl Reading {
    /// What was read over two visits: the greatest of what is a peak, the sum of what adds up, and the later of
    /// everything else.
    #[must_use]
    pub fn and(self, later: &Self) -> Self {
        let peak_rss = self.peak_rss.max(later.peak_rss);
        let steady = match (self.steady, later.steady) {
            (Some(a), Some(b)) => Some(a && b),
            (a, b) => a.or(b),
        };
        let mut telemetry = self.telemetry;
        for seen in &later.telemetry {
            match telemetry.iter_mut().find(|before| before.device == seen.device) {
                Some(before) => before.add(seen),
                None => telemetry.push(seen.clone()),
            }
        }
        let mut traffic = self.traffic;
        for seen in &later.traffic {
            match traffic.iter_mut().find(|before| before.endpoint == seen.endpoint) {
                Some(before) => {
                    before.up = Bytes(before.up.0.saturating_add(seen.up.0));
                    before.down = Bytes(before.down.0.saturating_add(seen.down.0));
                }
                None => traffic.push(seen.clone()),
            }
        }
        // A later visit does without the prediction.
        let predicted =
            if later.predicted.is_empty() { self.predicted } else { later.predicted.clone() };
        let canary = match (self.canary, later.canary) {
            (Some(a), Some(b)) if a.kld > b.kld => Some(a),
            (a, b) => b.or(a),
        };
        Self { peak_rss, predicted, traffic, telemetry, steady, canary, ..later.clone() }
    }
}

impl DeviceTelemetry {
    /// Adds what was seen in a later visit.
    fn add(&mut self, later: &Self) {
        let joules = self.energy_j.zip(later.energy_j).map(|(a, b)| a + b);
        let seconds = self.seconds + later.seconds;
        let share = if seconds > 0.0 { later.seconds / seconds } else { 0.5 };
        let mean = |a: Option<f64>, b: Option<f64>| {
            a.zip(b).map(|(a, b)| a * (1.0 - share) + b * share).or(a).or(b)
        };
        self.power_w = mean(self.power_w, later.power_w);
        self.memory_mhz = mean(self.memory_mhz, later.memory_mhz);
        self.utilisation = mean(self.utilisation, later.utilisation);
        self.sm_mhz = match (self.sm_mhz, later.sm_mhz) {
            (Some([low, middle, high]), Some([a, b, c])) => {
                Some([low.min(a), middle * (1.0 - share) + b * share, high.max(c)])
            }
            (a, b) => a.or(b),
        };
        self.peak = self.peak.max(later.peak);
        self.looks += later.looks;
        (self.energy_j, self.seconds) = (joules, seconds);
        self.celsius = self.celsius.max(later.celsius);
        let held = self.throttled_ns.zip(later.throttled_ns).map(|(a, b)| a.saturating_add(b));
        self.throttled_ns = held;
        self.throttled |= later.throttled;
        self.throttle_reasons.extend(later.throttle_reasons.iter().cloned());
        self.throttle_reasons.sort();
        self.throttle_reasons.dedup();
    }
}
