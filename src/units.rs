//! Quantities that print themselves: nanoseconds, bytes, tokens per second.
//!
//! Each is one number in a new type, so that a duration can never be added to a size, and the text a
//! person reads is written in one place.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many of something, in words that fit: `1 row`, `3 rows`, `2 processes`.
pub fn counted<N: Copy + fmt::Display + PartialEq + From<u8>>(n: N, noun: &str) -> String {
    let ending = match noun.ends_with('s') {
        _ if n == N::from(1) => "",
        true => "es",
        false => "s",
    };
    format!("{n} {noun}{ending}")
}

/// A duration in nanoseconds, as read from the monotonic clock. Prints in the unit that reads best.
#[derive(
    Default, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The duration in seconds.
    #[allow(clippy::cast_precision_loss)] // 2^53 ns are 104 days; no sample is that long
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The duration in milliseconds.
    pub fn millis(self) -> f64 {
        self.seconds() * 1e3
    }

    /// How fast `tokens` tokens went by in this time; `None` for an empty duration.
    pub fn rate(self, tokens: u32) -> Option<Rate> {
        (self.0 > 0).then(|| Rate(f64::from(tokens) / self.seconds()))
    }
}

impl Nanos {
    /// Reading of the system's monotonic clock: comparable between processes of one machine, and the
    /// clock that times everything.
    pub fn monotonic() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        // Since boot, so never negative.
        Self(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
    }

    /// Time from `earlier` to this reading; zero if the readings are the wrong way round.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The same as a `Duration`.
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0)
    }
}

impl std::ops::Add for Nanos {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl From<std::time::Duration> for Nanos {
    fn from(duration: std::time::Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        match self.0 {
            0..1_000 => write!(f, "{} ns", self.0),
            1_000..1_000_000 => write!(f, "{:.1} µs", seconds * 1e6),
            1_000_000..1_000_000_000 => write!(f, "{:.1} ms", seconds * 1e3),
            1_000_000_000..60_000_000_000 => write!(f, "{seconds:.1} s"),
            60_000_000_000..3_600_000_000_000 => {
                write!(f, "{} min {:02} s", self.0 / 60_000_000_000, self.0 / 1_000_000_000 % 60)
            }
            _ => write!(
                f,
                "{} h {:02} min",
                self.0 / 3_600_000_000_000,
                self.0 / 60_000_000_000 % 60
            ),
        }
    }
}

/// Bytes of a hash. Prints as two hexadecimal digits each.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A size in bytes. Prints as llama-bench does: MiB below a GiB, GiB from there.
#[derive(
    Default, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// The size in MiB (2^20 bytes).
    #[allow(clippy::cast_precision_loss)] // 2^53 bytes are 8 PiB
    pub fn mib(self) -> f64 {
        self.0 as f64 / 1024.0 / 1024.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 * 1024 * 1024 {
            write!(f, "{:.2} MiB", self.mib())
        } else {
            write!(f, "{:.2} GiB", self.mib() / 1024.0)
        }
    }
}

/// A speed in tokens per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} t/s", self.0)
    }
}

/// A number of parameters. Prints as llama-bench does: millions below a billion, billions from there.
#[derive(
    Default, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Params(pub u64);

impl fmt::Display for Params {
    #[allow(clippy::cast_precision_loss)] // two decimals are printed
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000_000_000 {
            write!(f, "{:.2} M", self.0 as f64 / 1e6)
        } else {
            write!(f, "{:.2} B", self.0 as f64 / 1e9)
        }
    }
}

/// Seconds since 1970, now.
pub fn unix_time() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as RFC 3339 in UTC: `2026-05-01T12:00:00Z`.
pub fn rfc3339(unix_time: u64) -> String {
    let (year, month, day) = civil(unix_time / 86_400);
    let second = unix_time % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a number of days since 1970-01-01. Years are counted from March, so that the
/// leap day is the last of its year and months have a simple formula.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = match month_from_march {
        0..=9 => (month_from_march + 3, 0),
        _ => (month_from_march - 9, 1),
    };
    (era * 400 + year_of_era + next_year, month, day)
}

/// First 16 hex digits of a SHA-256.
pub fn short_hash(bytes: &[u8]) -> String {
    Hex(&Sha256::digest(bytes)[..8]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_one() {
        let words = [counted(0, "row"), counted(1, "row"), counted(2_u64, "model load")];
        assert_eq!(words, ["0 rows", "1 row", "2 model loads"]);
        assert_eq!(
            [counted(1, "process"), counted(3_usize, "process")],
            ["1 process", "3 processes"]
        );
    }

    #[test]
    fn durations_print_in_the_unit_that_reads_best() {
        for (ns, text) in [
            (999, "999 ns"),
            (1_500, "1.5 µs"),
            (2_500_000, "2.5 ms"),
            (12_340_000_000, "12.3 s"),
            (61_000_000_000, "1 min 01 s"),
            (7_260_000_000_000, "2 h 01 min"),
        ] {
            assert_eq!(Nanos(ns).to_string(), text);
        }
    }

    #[test]
    fn sizes_and_counts_print_like_llama_bench() {
        assert_eq!(Bytes(2_630_000_000).to_string(), "2.45 GiB");
        assert_eq!(Bytes(1024 * 1024 * 1024 - 1).to_string(), "1024.00 MiB");
        assert_eq!(Params(134_515_008).to_string(), "134.52 M");
        assert_eq!(Params(3_212_749_888).to_string(), "3.21 B");
    }

    #[test]
    fn a_rate_needs_a_duration() {
        assert_eq!(Nanos(0).rate(5), None);
        assert_eq!(Nanos(500_000_000).rate(64), Some(Rate(128.0)));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_time, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(unix_time), text);
        }
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }
}
