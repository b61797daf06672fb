//! Noise: by how much measurements of the same thing differ, and how well that is known.
//!
//! All on the scale of natural logarithms, where 0.01 is 1 % of a rate. What is known of a standard
//! deviation is a scaled inverse χ² distribution: each source counts with its degrees of freedom (Gelman
//! et al., *Bayesian Data Analysis*, 2.6).

use serde::{Deserialize, Serialize};

/// Most degrees of freedom that a run hands on to the next: a machine changes.
const KEPT: f64 = 10.0;

/// Degrees of freedom of what is given and not estimated.
pub(super) const CERTAIN: f64 = 1e9;

/// What is known of a standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// The standard deviation, of natural logarithms: 0.01 is 1 %.
    pub sd: f64,
    /// How well it is known, in degrees of freedom; 1 at least.
    pub freedom: f64,
}

impl Deviation {
    /// A standard deviation that is given, and not estimated.
    pub const fn given(sd: f64) -> Self {
        Self { sd, freedom: CERTAIN }
    }

    /// The same, with at most so many degrees of freedom. What is given stays given.
    #[must_use]
    pub fn at_most(self, freedom: f64) -> Self {
        let given = self.freedom >= CERTAIN;
        let most = if given { self.freedom } else { freedom };
        Self { sd: self.sd, freedom: self.freedom.min(most).max(1.0) }
    }

    /// Joined with other observations. Their sum of squares may be negative, where something was taken
    /// off it; it then counts as zero.
    pub(super) fn and(self, Squares { sum, freedom }: Squares) -> Self {
        let together = self.freedom + freedom;
        let variance = (self.freedom * self.sd.powi(2) + sum.max(0.0)) / together;
        Self { sd: variance.sqrt(), freedom: together }
    }
}

/// A sum of squares with its degrees of freedom.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Squares {
    pub sum: f64,
    pub freedom: f64,
}

impl Squares {
    pub fn all(each: impl IntoIterator<Item = Self>) -> Self {
        each.into_iter().fold(Self::default(), |all, one| Self {
            sum: all.sum + one.sum,
            freedom: all.freedom + one.freedom,
        })
    }

    pub fn without(self, one: Self) -> Self {
        Self { sum: self.sum - one.sum, freedom: (self.freedom - one.freedom).max(0.0) }
    }
}

/// How the measurements of equal things differ: on a machine, in a class of rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Between visits, beyond what the samples within them explain: τ.
    pub between: Deviation,
    /// Between the samples of one visit: σ.
    pub within: Deviation,
}

impl Noise {
    /// That of a machine of which nothing is known: 1 % with one degree of freedom, both.
    ///
    /// Half of all machines are then thought to lie between 0.9 and 3.1 %, and one in nine above 7 %. A
    /// single visit is good for ±13 %, which is honest up to 7 %; and since the guess counts for one
    /// degree of freedom, a handful of rows with two visits each have the say.
    pub const fn unknown() -> Self {
        let guess = Deviation { sd: 0.01, freedom: 1.0 };
        Self { between: guess, within: guess }
    }

    /// The same where visits are known to differ by no less than `floor`.
    #[must_use]
    pub fn at_least(self, floor: f64) -> Self {
        let between = Deviation { sd: self.between.sd.max(floor), ..self.between };
        Self { between, ..self }
    }

    /// With what two runs of one row say: how far their means are apart, how much of τ² is in that, and the square of
    /// the error that samples within visits explain.
    #[must_use]
    pub fn with_pair(self, difference: f64, left: f64, within: f64) -> Self {
        let sum = (difference.powi(2) - within) / left.max(f64::MIN_POSITIVE);
        Self { between: self.between.and(Squares { sum, freedom: 1.0 }), ..self }
    }

    /// What the next run on the machine may start from: the same, less certain.
    #[must_use]
    pub fn kept(self) -> Self {
        Self { between: self.between.at_most(KEPT), within: self.within.at_most(KEPT) }
    }
}
