//! The report for people, and what they can do about it.

use std::io::{self, Write};

use super::aa::{Test, percent};
use super::checkup::Checkup;
use crate::machine::DeviceKind;
use crate::machine::system::Power;
use crate::report::scaled;
use crate::stats::verdict::{Criteria, Verdict};
use crate::units::{Bytes, counted};

/// Load on each core, before lbench did anything, that is somebody else's work.
const BUSY: f64 = 0.25;
/// Share of the time lost to others that is worth a word.
const LOST: f64 = 0.01;

/// A floor beyond which no comparison is worth making.
const HOPELESS: f64 = 0.1;

/// Writes the report.
pub fn text(checkup: &Checkup, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "lbench doctor {}", checkup.version)?;
    section(out, "Machine", &machine(checkup))?;
    section(out, "lbench", &lbench(checkup))?;
    section(out, "Engine", &engine(checkup))?;
    section(out, "Roofline", &roofline(checkup))?;
    let times = counted(checkup.self_test.runs, "time");
    let title = format!("The same thing, {times}: {}", checkup.model);
    section(out, &title, &self_test(checkup))?;
    if !checkup.advice.is_empty() {
        writeln!(out, "\nAdvice")?;
    }
    for advice in &checkup.advice {
        writeln!(out, "  - {advice}")?;
    }
    writeln!(out, "\n{}", checkup.conclusion)
}

type CheckupLine = (String, String);

fn section(out: &mut dyn Write, title: &str, lines: &[CheckupLine]) -> io::Result<()> {
    writeln!(out, "\n{title}")?;
    for (label, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(out, "  {label:<16}{text}")?;
    }
    Ok(())
}

fn line(label: &str, text: impl Into<String>) -> CheckupLine {
    (label.to_string(), text.into())
}

fn machine(checkup: &Checkup) -> Vec<CheckupLine> {
    let (host, machine) = (&checkup.host, &checkup.machine);
    let unknown = || "the system does not tell".to_string();
    let cores = host.cores();
    let cpu = host.engine.device_names(&[DeviceKind::Cpu]);
    let kernel = host.kernel.as_deref().map(|kernel| format!(" ({kernel})")).unwrap_or_default();
    let frequency = match (machine.mhz, machine.max_mhz) {
        (Some(now), Some(max)) => format!("{now:.0} MHz now, at most {max:.0}"),
        (Some(now), None) => format!("{now:.0} MHz now"),
        _ => unknown(),
    };
    let power = match machine.power {
        Some(Power::Mains) => "mains".to_string(),
        Some(Power::Battery) => "battery".to_string(),
        None => unknown(),
    };
    let swap = machine.swap.map_or_else(unknown, |(used, total)| match total {
        Bytes(0) => "none".to_string(),
        total => {
            let pages = machine.swapped_pages.unwrap_or(0);
            format!("{used} of {total} in use; {} moved meanwhile", counted(pages, "page"))
        }
    });
    let load = machine.load.map_or_else(unknown, |load| {
        let threads = counted(host.logical_cores, "thread");
        format!("{load:.2} over the minute before, on {threads}")
    });
    let stolen = machine.stolen.map_or_else(unknown, |share| {
        format!("{:.1} % of the CPU's time went to other guests", share * 100.0)
    });
    vec![
        line("CPU", format!("{cpu}; {cores}")),
        line("memory", Bytes(host.memory).to_string()),
        line("system", format!("{}{kernel}", host.os)),
        line("governor", host.governor.clone().unwrap_or_else(unknown)),
        line("frequency", frequency),
        line("power", power),
        line("swap", swap),
        line("load", load),
        line("hypervisor", stolen),
    ]
}

fn lbench(checkup: &Checkup) -> Vec<CheckupLine> {
    let (clock, noise) = (&checkup.clock, &checkup.scheduler);
    let own = checkup.loop_ns_per_token.map(|ns| format!("{ns:.0} ns added to a generated token"));
    let interruptions = format!(
        "{:.2} % of {} lost in {} of more than 20 µs; the longest {}",
        noise.lost * 100.0,
        noise.watched,
        counted(noise.gaps, "gap"),
        noise.longest
    );
    vec![
        line(
            "clock",
            format!("steps of {}, {:.0} ns a reading", clock.resolution, clock.reading_ns),
        ),
        line("own loop", own.unwrap_or_default()),
        line("interruptions", interruptions),
    ]
}

fn engine(checkup: &Checkup) -> Vec<CheckupLine> {
    let engine = &checkup.host.engine;
    let missing = match engine.cpu_features_unused.as_slice() {
        [] => String::new(),
        unused => format!("{} (this CPU has them)", unused.join(", ")),
    };
    let gpus = engine.device_names(&[DeviceKind::Gpu, DeviceKind::Igpu]);
    vec![
        line("version", format!("{} ({})", engine.engine, engine.build_commit)),
        line("backends", engine.backends.join(", ")),
        line("GPUs", if gpus.is_empty() { "none".into() } else { gpus }),
        line("cards", checkup.host.cards.lines(engine).join("; ")),
        line("kernels", engine.cpu_features.join(", ")),
        line("not compiled", missing),
    ]
}

fn roofline(checkup: &Checkup) -> Vec<CheckupLine> {
    let roofs = checkup.roofs.iter().map(|roofline| {
        let figure = |value: Option<f64>, unit| {
            value.map_or_else(|| "unknown".into(), |value| scaled(value, unit))
        };
        let bandwidth = figure(roofline.roof.bandwidth, "bytes/s");
        let compute = figure(roofline.roof.compute, "FLOP/s");
        let threads = roofline.target.threads.map(|n| format!(" with {}", counted(n, "thread")));
        let text = format!("{bandwidth}, {compute}{}", threads.unwrap_or_default());
        line(&roofline.target.device, text)
    });
    let roofs: Vec<_> = roofs.collect();
    if roofs.is_empty() { vec![line("", "no device could be measured")] } else { roofs }
}

fn self_test(checkup: &Checkup) -> Vec<CheckupLine> {
    let tests = checkup.self_test.tests.iter();
    let mut lines: Vec<_> =
        tests.flat_map(|test| [speed(test), apart(test), comparing(test), pairs(test)]).collect();
    if let Some(failure) = &checkup.self_test.failure {
        lines.push(line("failed", failure.as_str()));
    }
    lines
}

fn speed(test: &Test) -> CheckupLine {
    let noise = &test.noise;
    let said = format!(
        "{:.1} t/s; samples of a run differ by {}, runs by {}",
        test.mean_ts,
        share(noise.within),
        share(noise.between)
    );
    line(&test.name, said)
}

fn apart(test: &Test) -> CheckupLine {
    line(
        "",
        format!("two runs are less than {} apart, 95 times in 100", percent(test.noise.below_95)),
    )
}

fn comparing(test: &Test) -> CheckupLine {
    let (floor, from) = (share(test.noise.floor), percent(test.noise.called_from));
    line(
        "",
        format!("a comparison, with this as its floor ({floor}), calls {from} every other time"),
    )
}

fn pairs(test: &Test) -> CheckupLine {
    let names = [
        (Verdict::Same, "SAME"),
        (Verdict::Unclear, "UNCLEAR"),
        (Verdict::Greater, "FASTER"),
        (Verdict::Less, "SLOWER"),
    ];
    let counts = names.map(|(verdict, name)| (test.called(verdict), name));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, name)| format!("{count} {name}")).collect();
    let floor = share(Criteria::default().floor);
    line(
        "",
        format!(
            "of {}, at the default floor of {floor}: {}",
            counted(test.pairs.len(), "pair"),
            counts.join(", ")
        ),
    )
}

/// A share in percent, with the digits that matter.
fn share(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// What should be different, and what to do about it.
pub fn advice(checkup: &Checkup) -> Vec<String> {
    let (host, machine) = (&checkup.host, &checkup.machine);
    let mut advice = Vec::new();
    if let Some(governor) = host.governor.as_deref().filter(|name| *name != "performance") {
        advice.push(format!(
            "the CPU's governor is {governor}, which changes the frequency with the load: `sudo cpupower \
             frequency-set -g performance`"
        ));
    }
    if machine.power == Some(Power::Battery) {
        advice.push("the machine runs on its battery, which lowers its limits: plug it in".into());
    }
    if let Some(load) = machine.load.filter(|load| *load > BUSY * f64::from(host.logical_cores)) {
        advice.push(format!(
            "the load was {load:.1} before lbench did anything: end what else is running, or wait"
        ));
    }
    if machine.stolen.is_some_and(|share| share > LOST) {
        advice.push(
            "the hypervisor gives CPU time to other guests: use a host of your own, or measure longer"
                .into(),
        );
    }
    if machine.swapped_pages.is_some_and(|pages| pages > 0) {
        advice.push("memory was swapped meanwhile: free some, or take a smaller model".into());
    }
    advice.extend(host.cards.unused(&host.engine));
    let unused = &host.engine.cpu_features_unused;
    if !unused.is_empty() {
        advice.push(format!(
            "the CPU kernels were built without {}: `make build` makes faster ones",
            unused.join(", ")
        ));
    }
    if checkup.scheduler.lost > LOST {
        advice.push(
            "a busy thread is interrupted a lot: leave a core free (`-t`), or end what else is running"
                .into(),
        );
    }
    let tests = checkup.self_test.tests.iter().map(|test| test.noise.floor);
    let floor = tests.fold(0.0, f64::max);
    if floor > HOPELESS {
        advice.push(
            "runs of the same thing differ too much to compare anything: try again when the machine is \
             quiet, or with fewer threads"
                .into(),
        );
    } else if floor > Criteria::default().floor {
        advice.push(format!(
            "runs differ by more than comparisons expect: results of runs from now on carry the floor of {} \
             that `lbench compare` then uses; measure what matters several times, alternately",
            share(floor)
        ));
    }
    advice
}
