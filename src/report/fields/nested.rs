//! Values of fields that are made of several.

use serde_json::{Value, json};

use crate::machine::Link;
use crate::report::{Row, RowVisit};
use crate::units::rfc3339;

/// The visits of a row.
pub(super) fn visits(row: &Row<'_>) -> Value {
    let visits = &row.measured.visits;
    let of = |(at, visit): (usize, &RowVisit)| {
        let end = visits.get(at + 1).map_or(row.measured.samples.len(), |next| next.first);
        let samples = row.measured.samples.get(visit.first..end).unwrap_or_default();
        let runs = samples.iter().filter(|sample| sample.is_measured()).count();
        json!({"round": visit.round, "started": rfc3339(visit.unix_time), "n_samples": runs})
    };
    visits.iter().enumerate().map(of).collect()
}

/// What is known of the link to a server.
pub(super) fn link(endpoint: &str, found: &Result<Link, String>) -> Value {
    let link = found.as_ref().ok();
    json!({
        "endpoint": endpoint,
        "protocol": link.and_then(|link| link.protocol.as_deref()),
        "round_trip_ns": link.map(|link| link.round_trip),
        "up": link.and_then(|link| link.up),
        "down": link.and_then(|link| link.down),
        "devices": link.map_or(&[][..], |link| &link.devices),
        "cause": found.as_ref().err(),
    })
}
