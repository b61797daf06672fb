//! Data of a page: what the script of a page must know of its rows beside their fields.

use serde_json::{Value, json};

use super::super::{Recipe, Report, Row};
use crate::axis::AXES;
use crate::units::rfc3339;
use crate::work::metric::{self, Better, Chance};
use crate::work::{KINDS, Metric};

/// The error of a figure that is no mean of samples, times this, is the half of its 95 % interval.
const NORMAL: f64 = 1.96;

/// All of it. The rows stand in the order in which they were written.
pub(super) fn of(report: &Report, shown: &[usize], markdown: &str) -> Value {
    let axes = AXES.iter().map(|axis| {
        json!({"field": axis.name, "name": axis.column.unwrap_or(axis.name), "doc": axis.field_doc})
    });
    let recipe = report.recipe();
    json!({
        "page_version": 1,
        "began": recipe.map(|recipe| rfc3339(recipe.unix_time)),
        "command": recipe.map(Recipe::command),
        "axes": axes.collect::<Value>(),
        "metrics": metric::all().map(described).collect::<Value>(),
        "rows": shown.iter().map(|&index| point(&report.row(index))).collect::<Value>(),
        "markdown": markdown,
    })
}

fn described(metric: &'static Metric) -> Value {
    let kind = KINDS.iter().find(|kind| kind.metrics.contains(&metric));
    json!({
        "name": metric.name,
        "kind": kind.map(|kind| kind.name),
        "field": metric.fields.value,
        "unit": metric.unit,
        "heading": metric.face.map(|face| face.heading),
        "scale": metric.face.map_or(1.0, |face| face.scale),
        "better": if matches!(metric.better, Better::Higher(_)) { "higher" } else { "lower" },
        "doc": metric.doc,
    })
}

/// What a row is judged by, and where that would lie if it were measured again.
fn point(row: &Row<'_>) -> Value {
    let metric = row.job.work.headline();
    let figure = row.headline();
    let ends = match metric.chance {
        Chance::Independent => row.interval().map(|interval| [interval.low, interval.high]),
        Chance::Paired => figure.and_then(|figure| {
            let reach = figure.error? * NORMAL;
            Some([figure.value - reach, figure.value + reach])
        }),
    };
    let ends = ends.filter(|_| figure.is_some());
    json!({
        "metric": metric.name,
        "kind": row.job.work.kind().name,
        "value": figure.map(|figure| figure.value),
        "low": ends.map(|[low, _]| low),
        "high": ends.map(|[_, high]| high),
    })
}
