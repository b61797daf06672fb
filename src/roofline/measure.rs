//! From the devices that are wanted to their ceilings: out of the file, or measured.

use super::{Roofline, Target, cache as kept};
use crate::error::Error;
use crate::machine::Host;
use crate::machine::Roof;
use crate::machine::cache::Cache;
use crate::plan::Plan;

/// Measures a device: the ceilings, or why there are none; an error ends the run.
pub type Ask<'a> = &'a mut dyn FnMut(&Target) -> Result<Result<Roof, String>, Error>;

/// The devices that the rows of a plan run on, each once.
pub fn wanted(plan: &Plan, host: &Host) -> Vec<Target> {
    let mut targets = Vec::new();
    let rows = plan.jobs.iter().filter(|row| row.is_possible());
    for target in rows.filter_map(|row| Target::expected(&row.job, host)) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

/// The ceilings of these devices. Those in the file are not measured again, unless `anew`. What cannot
/// be measured is left out, and told.
///
/// # Errors
/// When the run is to end.
pub fn measure(
    targets: &[Target],
    host: &Host,
    cache: &Cache<Roof>,
    anew: bool,
    ask: Ask<'_>,
    tell: &dyn Fn(&str),
) -> Result<Vec<Roofline>, Error> {
    let mut rooflines = Vec::new();
    for target in targets {
        let known = if anew { None } else { kept::get(cache, host, target) };
        let roof = match known {
            Some(roof) => roof,
            None => match ask(target)? {
                Ok(roof) => kept::put(cache, host, target, roof),
                Err(reason) => {
                    tell(&format!("no roofline of {}: {reason}", target.device));
                    continue;
                }
            },
        };
        rooflines.push(Roofline { target: target.clone(), roof });
    }
    Ok(rooflines)
}
