//! How the speed falls with depth, in a sentence for each test that was measured at several.

use std::collections::HashMap;

use super::{Report, Row};
use crate::axis::{self, Axis};
use crate::job::{Job, JobId};
use crate::record::Outcome;
use crate::units::Nanos;
use crate::work::speed;

/// Fewest depths that make a curve.
const FEWEST: usize = 3;
/// Depth that the growth is told for, in tokens.
const STEP: f64 = 1024.0;

/// A test at several depths: its name without them, and the time of a token at each, in nanoseconds.
struct Curve {
    test: String,
    points: Vec<(f64, f64)>,
}

/// A line for each test that was measured at three depths or more.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let varying: Vec<_> = axis::those_that(&report.plan().varying).collect();
    if !varying.iter().any(|axis| axis.name == "n_depth") {
        return Vec::new();
    }
    let mut curves: Vec<Curve> = Vec::new();
    let mut places: HashMap<JobId, usize> = HashMap::new();
    for row in (0..report.len()).map(|index| report.row(index)) {
        let Some(point) = point(&row) else { continue };
        let flat = Job::new(row.job.setup.clone(), row.job.work.clone().with_depth(0));
        let place = *places.entry(flat.id.clone()).or_insert(curves.len());
        if place == curves.len() {
            curves.push(Curve { test: name(&flat, &varying), points: Vec::new() });
        }
        curves[place].points.push(point);
    }
    let several = curves.iter().filter(|curve| curve.points.len() >= FEWEST);
    several.filter_map(sentence).collect()
}

/// A test's name with what tells it from others of the run.
fn name(job: &Job, varying: &[&Axis]) -> String {
    let mut words = vec![job.work.test_name()];
    for axis in varying {
        if let (Some(column), Some(value)) = (axis.column, job.value(axis)) {
            words.push(format!("{column} {value}"));
        }
    }
    words.join(", ")
}

/// Depth and time of a token of a row that was measured.
fn point(row: &Row<'_>) -> Option<(f64, f64)> {
    let rate = row.figure(&speed::RATE).filter(|rate| rate.value > 0.0)?;
    let depth = row.job.work.speed()?.n_depth;
    let done = matches!(row.measured.outcome, Some(Outcome::Completed)) && row.same.is_none();
    done.then(|| (f64::from(depth), 1e9 / rate.value))
}

/// The straight line through the points, by least squares, and how far it is from the farthest.
fn sentence(curve: &Curve) -> Option<String> {
    let points = &curve.points;
    let count = f64::from(u32::try_from(points.len()).ok()?);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if spread <= 0.0 {
        return None;
    }
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    let start = y - slope * x;
    if start <= 0.0 {
        return None;
    }
    let off = |point: &(f64, f64)| ((start + slope * point.0) / point.1 - 1.0).abs();
    let worst = points.iter().map(off).fold(0.0, f64::max) * 100.0;
    let (growth, more) = (slope * STEP, if slope < 0.0 { "less" } else { "more" });
    Some(format!(
        "{} by depth: a token takes {} at depth 0 and {} ({:.1} %) {more} for each 1024 tokens of depth; \
         this line is within {worst:.0} % of every row",
        curve.test,
        duration(start),
        duration(growth.abs()),
        growth.abs() / start * 100.0,
    ))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and `as` saturates
fn duration(ns: f64) -> String {
    Nanos(ns.round() as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        let points = [0.0, 1024.0, 2048.0, 4096.0].map(|depth| (depth, 8e6 + 100.0 * depth));
        let curve = |points| Curve { test: "tg128".into(), points };
        insta::assert_snapshot!(sentence(&curve(points.to_vec())).unwrap());
        assert!(sentence(&curve(vec![(5.0, 1.0); 3])).is_none(), "no spread, no line");
    }
}
