//! Ticks of an axis: round numbers.

/// Most ticks.
const MOST: f64 = 4.0;

/// The least and the greatest height to draw, and ticks between them with their names. From zero, where the least is
/// less than half of the greatest: then a length can be compared with another; else what differs is drawn large.
pub(super) fn of(heights: &[f64]) -> (f64, f64, Vec<(f64, String)>) {
    let (mut low, mut high) = heights
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), h| (low.min(*h), high.max(*h)));
    if low >= 0.0 && low < high * 0.5 {
        low = 0.0;
    }
    if high - low < high.abs() * 1e-6 || high <= low {
        let beside = (high.abs() * 0.05).max(1e-9);
        (low, high) = (low - beside, high + beside);
    }
    let rough = (high - low) / MOST;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|times| times * power);
    let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a handful
    let count = ((high - low) / step).round().clamp(1.0, 12.0) as u32;
    let ticks = (0..=count).map(|nth| low + f64::from(nth) * step);
    (low, high, ticks.map(|tick| (tick, name(tick, step))).collect())
}

fn name(tick: f64, step: f64) -> String {
    if tick.abs() >= 1e7 || step < 1e-4 {
        return format!("{tick:.1e}");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 5
    let places = (1.0 - step.log10().floor()).clamp(0.0, 5.0) as usize;
    let text = format!("{tick:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_around_all() {
        let names = |heights: &[f64]| {
            let (low, high, ticks) = of(heights);
            assert!(heights.iter().all(|height| (low..=high).contains(height)));
            ticks.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[10.0, 950.0]), ["0", "250", "500", "750", "1000"]);
        assert_eq!(names(&[99.1, 100.2]), ["99", "99.5", "100", "100.5"]);
        assert_eq!(names(&[7.0]).len(), 5);
    }
}
