//! Rooflines: what the devices here can do at best, measured or known already.

use super::out::tell;
use crate::error::Error;
use crate::machine::cache::Cache;
use crate::machine::{Host, Roof};
use crate::roofline::{self, Roofline, Target};
use crate::runner::Runner;

/// What these devices can do at best, from the `cache` where it is known and not wanted `anew`.
pub(super) fn rooflines(
    runner: &mut Runner,
    targets: &[Target],
    host: &Host,
    cache: &Cache<Roof>,
    anew: bool,
) -> Result<Vec<Roofline>, Error> {
    let mut asked = false;
    let mut ask = |target: &Target| {
        asked = true;
        runner.roof(&target.device, target.threads.unwrap_or(1))
    };
    let rooflines = roofline::measure(targets, host, cache, anew, &mut ask, &tell)?;
    if asked {
        runner.rest();
    }
    Ok(rooflines)
}
