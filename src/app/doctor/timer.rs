//! The clock that times everything, and what a thread that only reads it notices of others.

use std::time::Duration;

use serde::Serialize;

use crate::units::Nanos;

/// Readings of the clock for its figures.
const READINGS: u32 = 200_000;

/// A step of the clock longer than this is somebody else's time.
const GAP: Nanos = Nanos(20_000);

/// The clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClockCheck {
    /// Smallest step between two readings that differ.
    pub resolution: Nanos,
    /// Nanoseconds that a reading takes.
    pub reading_ns: f64,
}

/// What a busy thread loses to others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scheduler {
    /// How long it was watched.
    pub watched: Nanos,
    /// Stretches of more than 20 µs in which it did not run.
    pub gaps: u64,
    /// Share of the time that they took.
    pub lost: f64,
    /// The longest.
    pub longest: Nanos,
}

/// Reads the clock many times.
pub fn clock() -> ClockCheck {
    let mut resolution = Nanos(u64::MAX);
    let start = Nanos::monotonic();
    let mut last = start;
    for _ in 0..READINGS {
        let now = Nanos::monotonic();
        if now > last {
            resolution = resolution.min(now.since(last));
        }
        last = now;
    }
    let took = last.since(start);
    ClockCheck { resolution, reading_ns: took.seconds() * 1e9 / f64::from(READINGS) }
}

/// Does nothing but read the clock for so long.
pub fn scheduler(duration: Duration) -> Scheduler {
    let limit = Nanos::from(duration);
    let start = Nanos::monotonic();
    let mut noise = Scheduler { watched: Nanos(0), gaps: 0, lost: 0.0, longest: Nanos(0) };
    let (mut last, mut away) = (start, Nanos(0));
    while noise.watched < limit {
        let now = Nanos::monotonic();
        let step = now.since(last);
        if step > GAP {
            noise.gaps += 1;
            away = away + step;
            noise.longest = noise.longest.max(step);
        }
        last = now;
        noise.watched = now.since(start);
    }
    noise.lost = away.seconds() / noise.watched.seconds();
    noise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doctor_reads_a_clock_that_moves() {
        let clock = clock();
        assert!(clock.resolution > Nanos(0) && clock.resolution < Nanos(1_000_000_000));
        assert!(clock.reading_ns > 0.0);
    }

    #[test]
    fn doctor_watches_as_long_as_it_should() {
        let noise = scheduler(Duration::from_millis(10));
        assert!(noise.watched >= Nanos(10_000_000));
        assert!((0.0..=1.0).contains(&noise.lost));
        assert!(noise.longest <= noise.watched);
    }
}
