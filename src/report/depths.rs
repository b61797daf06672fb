//! Depth lines: how the speed falls with depth, in a sentence for each test that was measured at several.

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
    points: Vec<DepthPoint>,
}

/// A row of a curve.
#[derive(Debug, Clone, Copy)]
struct DepthPoint {
    depth: f64,
    /// Time of a token, in nanoseconds.
    ns: f64,
    /// How far that may be off, as a share: half the 95 % interval; 0 where that is not known.
    error: f64,
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

/// A row that was measured.
fn point(row: &Row<'_>) -> Option<DepthPoint> {
    let rate = row.figure(&speed::RATE).filter(|rate| rate.value > 0.0)?;
    let depth = row.job.work.speed()?.n_depth;
    let done = matches!(row.measured.outcome, Some(Outcome::Completed)) && row.same.is_none();
    let error = row.precision().unwrap_or(0.0);
    done.then(|| DepthPoint { depth: f64::from(depth), ns: 1e9 / rate.value, error })
}

/// The straight line through the points, by least squares, as surely as the rows are known: what depth adds is told where
/// it is more than their intervals leave open.
fn sentence(curve: &Curve) -> Option<String> {
    let points = &curve.points;
    let count = f64::from(u32::try_from(points.len()).ok()?);
    let mean = |of: fn(&DepthPoint) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.depth), mean(|point| point.ns));
    let spread: f64 = points.iter().map(|point| (point.depth - x).powi(2)).sum();
    if spread <= 0.0 {
        return None;
    }
    let sum = |of: &dyn Fn(&DepthPoint) -> f64| points.iter().map(of).sum::<f64>();
    let slope = sum(&|point| (point.depth - x) * (point.ns - y)) / spread;
    let open = sum(&|point| ((point.depth - x) * point.ns * point.error).powi(2)).sqrt() / spread;
    let start = y - slope * x;
    if start <= 0.0 {
        return None;
    }
    let test = &curve.test;
    let of_step = |slope: f64| (duration(slope.abs() * STEP), slope.abs() * STEP / start * 100.0);
    let ((growth, share), (leeway, percent)) = (of_step(slope), of_step(open));
    if slope.abs() <= open {
        return Some(format!(
            "{test} by depth: a token takes about {}, and what depth adds is less than these rows can tell, ± {leeway} \
             ({percent:.1} %) for each 1024 tokens",
            duration(y)
        ));
    }
    let off = |point: &DepthPoint| ((start + slope * point.depth) / point.ns - 1.0).abs();
    let worst = points.iter().map(off).fold(0.0, f64::max) * 100.0;
    let known = points.iter().map(|point| point.error).fold(0.0, f64::max) * 100.0;
    let more = if slope < 0.0 { "less" } else { "more" };
    let leeway = if open > 0.0 { format!(" ± {leeway}") } else { String::new() };
    let known =
        if known >= 0.5 { format!(", which are known within {known:.0} %") } else { String::new() };
    Some(format!(
        "{test} by depth: a token takes {} at depth 0 and {growth}{leeway} ({share:.1} %) {more} for each 1024 tokens of \
         depth; this line is within {worst:.0} % of every row{known}",
        duration(start),
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
        let curve = |points| Curve { test: "tg128".into(), points };
        let points = |error| {
            [0.0, 1024.0, 2048.0, 4096.0]
                .map(|depth| DepthPoint { depth, ns: 8e6 + 100.0 * depth, error })
                .to_vec()
        };
        let said = [0.0, 0.004, 0.02, 0.5].map(|error| sentence(&curve(points(error))).unwrap());
        insta::assert_snapshot!(said.join("\n"));
        let one = DepthPoint { depth: 5.0, ns: 1.0, error: 0.0 };
        assert!(sentence(&curve(vec![one; 3])).is_none(), "no spread, no line");
    }
}
