//! Noise as machines have it: of single calls, of processes, and of what passes over the whole machine.

use std::f64::consts::TAU;

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

/// How much longer an outlier takes.
const OUTLIER: f64 = 1.2;

/// How a machine is noisy. Shares of the time that a call takes; times in seconds of its clock.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weather {
    /// Standard deviation of every call.
    pub sd: f64,
    /// How much of that the next call feels too: ρ of an AR(1) process, from 0 to less than 1.
    pub correlation: f64,
    /// Share of calls that take a fifth longer.
    pub outliers: f64,
    /// Standard deviation of what is constant in a process and another in the next.
    pub shift: f64,
    /// Two states of the machine.
    pub states: Option<States>,
    /// A slow wave.
    pub wave: Option<Wave>,
    /// How much slower everything gets in a second.
    pub drift: f64,
}

/// Two states, the second slower than the first. The machine falls from one into the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct States {
    /// How much longer a call takes in the second, as a share.
    pub apart: f64,
    /// Mean time in a state, in seconds; each stay is exponentially distributed.
    pub dwell: f64,
}

/// A sine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// By how much calls take longer at its crest, and less in its trough, as a share.
    pub amplitude: f64,
    /// Seconds from crest to crest.
    pub period: f64,
}

/// The noise that one process sees.
#[derive(Debug, Clone)]
pub struct NoiseSource {
    noise: Weather,
    /// Of this process.
    rng: Pcg64Mcg,
    felt: f64,
    shift: f64,
    /// Of the machine: the same in all its processes.
    weather: Pcg64Mcg,
    phase: f64,
    slow: bool,
    until: f64,
}

impl NoiseSource {
    /// The noise in process number `process` on the machine with this seed. What passes over the machine
    /// follows from its seed and the time alone, so that all processes see the same of it.
    pub fn new(noise: Weather, seed: u64, process: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed ^ process.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut weather = Pcg64Mcg::seed_from_u64(!seed);
        // Nothing is drawn that is not used: scripts without these stay as they were.
        let mut draw = |sd: f64| if sd > 0.0 { sd * normal(&mut rng) } else { 0.0 };
        let shift = draw(noise.shift);
        let felt = draw(if noise.correlation > 0.0 { noise.sd } else { 0.0 });
        let (phase, slow) = (weather.random(), weather.random());
        Self { noise, rng, felt, shift, weather, phase, slow, until: 0.0 }
    }

    /// The same with this shift in the place of the one that was drawn.
    #[must_use]
    pub fn shifted(self, shift: f64) -> Self {
        Self { shift, ..self }
    }

    /// How many times longer a call takes that begins at `now`, in seconds. Time never goes back.
    pub fn factor(&mut self, now: f64) -> f64 {
        let Weather { sd, correlation, outliers, wave, drift, .. } = self.noise;
        let fresh = sd * normal(&mut self.rng) * (1.0 - correlation * correlation).sqrt();
        self.felt = correlation * self.felt + fresh;
        let hit = outliers > 0.0 && self.rng.random_bool(outliers.min(1.0));
        let wave = wave
            .map_or(0.0, |wave| wave.amplitude * (TAU * (now / wave.period + self.phase)).sin());
        (1.0 + self.felt).max(0.01)
            * if hit { OUTLIER } else { 1.0 }
            * (1.0 + drift * now)
            * (1.0 + self.shift).max(0.01)
            * (1.0 + wave)
            * self.state(now)
    }

    fn state(&mut self, now: f64) -> f64 {
        let states = self.noise.states.filter(|states| states.dwell > 0.0);
        let Some(States { apart, dwell }) = states else { return 1.0 };
        while self.until <= now {
            let stay: f64 = Exp1.sample(&mut self.weather);
            self.until += stay * dwell;
            self.slow = !self.slow;
        }
        if self.slow { 1.0 + apart } else { 1.0 }
    }
}

fn normal(rng: &mut Pcg64Mcg) -> f64 {
    StandardNormal.sample(rng)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(at: usize) -> f64 {
        f64::from(u32::try_from(at).unwrap()) * 0.1
    }

    fn factors(noise: Weather, process: u64) -> Vec<f64> {
        let mut source = NoiseSource::new(noise, 7, process);
        (0..4000).map(|at| source.factor(seconds(at))).collect()
    }

    fn correlation(values: &[f64]) -> f64 {
        let covariance = |lag: usize| -> f64 {
            values.iter().zip(&values[lag..]).map(|(a, b)| (a - 1.0) * (b - 1.0)).sum()
        };
        covariance(1) / covariance(0)
    }

    #[test]
    fn calls_feel_what_the_one_before_felt() {
        for rho in [0.0, 0.3, 0.6, 0.9] {
            let noise = Weather { sd: 0.01, correlation: rho, ..Weather::default() };
            let all = factors(noise, 0);
            assert!((correlation(&all) - rho).abs() < 0.05, "{rho}: {}", correlation(&all));
            let square: f64 = all.iter().map(|factor| (factor - 1.0).powi(2)).sum();
            assert!(((square / 4000.0).sqrt() - 0.01).abs() < 0.001, "{rho}");
        }
    }

    #[test]
    fn each_process_has_its_shift() {
        let noise = Weather { shift: 0.02, ..Weather::default() };
        let shifts: Vec<_> = (0..2000).map(|process| factors_first(noise, process) - 1.0).collect();
        let square: f64 = shifts.iter().map(|shift| shift.powi(2)).sum();
        assert!(((square / 2000.0).sqrt() - 0.02).abs() < 0.002);
        let own = factors(noise, 3);
        assert!(own.iter().all(|factor| factor.to_bits() == own[0].to_bits()));
        let given = NoiseSource::new(noise, 7, 3).shifted(0.5).factor(0.0);
        assert!((given - 1.5).abs() < 1e-12);
    }

    fn factors_first(noise: Weather, process: u64) -> f64 {
        NoiseSource::new(noise, 7, process).factor(0.0)
    }

    #[test]
    fn all_processes_see_the_same_weather() {
        let noise = Weather {
            states: Some(States { apart: 0.03, dwell: 2.0 }),
            wave: Some(Wave { amplitude: 0.01, period: 50.0 }),
            ..Weather::default()
        };
        let all = factors(noise, 0);
        assert_eq!(all, factors(noise, 1));
        // A process that begins later sees it too.
        let mut late = NoiseSource::new(noise, 7, 2);
        assert_eq!(late.factor(seconds(3000)).to_bits(), all[3000].to_bits());
        let most = all.iter().copied().fold(f64::MIN, f64::max);
        let least = all.iter().copied().fold(f64::MAX, f64::min);
        assert!((most - 1.03 * 1.01).abs() < 1e-3 && (least - 0.99).abs() < 1e-3);
    }

    #[test]
    fn states_last_as_long_as_they_should() {
        let states = Some(States { apart: 0.03, dwell: 2.0 });
        let all = factors(Weather { states, ..Weather::default() }, 0);
        let falls = all.windows(2).filter(|pair| pair[0].to_bits() != pair[1].to_bits()).count();
        assert!((150..250).contains(&falls), "{falls} in 400 s");
    }
}
