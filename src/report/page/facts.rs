//! Facts of a page: the machine, what was measured and what was not, and how to repeat it.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::super::{Report, Row};
use crate::document::html::{MARKS, escaped, sentence};
use crate::machine::DeviceKind;
use crate::units::{Bytes, rfc3339};
use crate::work::{Metric, quality, speed};

/// The command that was typed, to be copied.
pub(super) fn command(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let Some(recipe) = report.recipe() else { return Ok(()) };
    writeln!(out, "{}", copied(&recipe.command()))
}

fn copied(command: &str) -> String {
    format!(
        "<div><pre><code>{}</code></pre><button type=\"button\" class=\"command noprint\" hidden>copy the \
         command</button></div>",
        escaped(command)
    )
}

/// What the marks in tables mean.
pub(super) fn marks() -> String {
    let entries = MARKS.iter().fold(String::new(), |mut text, (mark, meaning)| {
        let _ = write!(text, "<dt>{}</dt><dd>{}</dd>", escaped(mark), escaped(meaning));
        text
    });
    format!(
        "<details><summary>What the marks mean</summary><dl class=\"marks\">{entries}</dl></details>\n"
    )
}

/// The machine, and the whole of what counted.
pub(super) fn machine(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"<h3>The machine</h3>\n<dl>\n")?;
    for (name, value) in facts_of(report) {
        if !value.is_empty() {
            writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(&value))?;
        }
    }
    out.write_all(b"</dl>\n")?;
    let Some(recipe) = report.recipe() else { return Ok(()) };
    out.write_all(b"<h3>How to repeat it</h3>\n")?;
    writeln!(out, "{}", copied(&recipe.command()))?;
    let whole = recipe.whole();
    if !whole.is_empty() {
        out.write_all(b"<p>With all that came from a preset, the environment and the configuration file:</p>\n")?;
    }
    for (title, command) in whole {
        if let Some(title) = title {
            writeln!(out, "<p>{}</p>", escaped(title))?;
        }
        writeln!(out, "{}", copied(&command))?;
    }
    Ok(())
}

fn facts_of(report: &Report) -> Vec<(&'static str, String)> {
    let facts = report.facts();
    let host = &facts.host;
    let engine = &host.engine;
    let gpus = engine.devices.iter().filter(|device| device.kind != DeviceKind::Cpu);
    let gpus = gpus
        .map(|device| format!("{} ({}, {})", device.description, device.name, Bytes(device.total)));
    let links = facts.links.iter().map(|(endpoint, link)| match link {
        Ok(link) => format!("{endpoint}, a round trip takes {}", link.round_trip),
        Err(why) => format!("{endpoint}: {why}"),
    });
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let order =
        facts.interleave.map(|seed| format!("rows in rounds, in an order drawn from seed {seed}"));
    vec![
        ("when", report.recipe().map(|recipe| rfc3339(recipe.unix_time)).unwrap_or_default()),
        ("processor", engine.device_names(&[DeviceKind::Cpu])),
        ("cores", host.cores()),
        ("memory", Bytes(host.memory).to_string()),
        ("devices", gpus.collect::<Vec<_>>().join("; ")),
        ("RPC servers", links.collect::<Vec<_>>().join("; ")),
        ("system", host.os.clone()),
        ("kernel", text(&host.kernel)),
        ("governor", text(&host.governor)),
        ("NUMA nodes", host.numa_nodes.map(|nodes| nodes.to_string()).unwrap_or_default()),
        ("engine", format!("{}, build {}", engine.engine, engine.build_commit)),
        ("kernels for", engine.cpu_features.join(", ")),
        ("lbench", facts.version.clone()),
        ("order", order.unwrap_or_default()),
    ]
}

/// A measure that people ask for.
struct Measure {
    name: &'static str,
    meaning: &'static str,
    /// Whether a row has it.
    has: fn(&Row<'_>) -> bool,
    /// Where it stands.
    place: &'static str,
    /// What to do for it.
    wanted: &'static str,
}

fn has(row: &Row<'_>, metric: &Metric) -> bool {
    row.figure(metric).is_some()
}

const MEASURES: [Measure; 8] = [
    Measure {
        name: "Output speed",
        meaning: "tokens that are generated in a second",
        has: |row| {
            has(row, &speed::RATE) && row.job.work.speed().is_some_and(|work| work.n_gen > 0)
        },
        place: "column t/s of tg tests",
        wanted: "`-n 128` measures it",
    },
    Measure {
        name: "Prompt speed",
        meaning: "tokens of a prompt that are processed in a second",
        has: |row| {
            has(row, &speed::RATE) && row.job.work.speed().is_some_and(|work| work.n_prompt > 0)
        },
        place: "column t/s of pp tests",
        wanted: "`-p 512` measures it",
    },
    Measure {
        name: "Time to first token",
        meaning: "from the prompt to the first token, the model loaded",
        has: |row| has(row, &speed::FIRST_TOKEN),
        place: "column ttft ms; spread in the data",
        wanted: "`-p 512` measures it",
    },
    Measure {
        name: "Time to first token from a cold start",
        meaning: "from the start of the process, load included",
        has: |row| has(row, &speed::COLD),
        place: "column cold ms",
        wanted: "`--cold 5` measures it",
    },
    Measure {
        name: "Total latency",
        meaning: "from the prompt to the last token",
        has: |row| {
            let both = |work: &speed::Speed| work.n_prompt > 0 && work.n_gen > 0;
            has(row, &speed::TIME) && row.job.work.speed().is_some_and(both)
        },
        place: "tests pp+tg: field avg_ns",
        wanted: "`-pg 512,128` measures prompt and generation as one",
    },
    Measure {
        name: "Device memory",
        meaning: "the most that was taken on all devices together",
        has: |row| row.device_memory().is_some(),
        place: "column VRAM MiB",
        wanted: "no device was used, or its driver does not tell",
    },
    Measure {
        name: "Perplexity",
        meaning: "how uncertain the model is of a text: less is better",
        has: |row| has(row, &quality::PERPLEXITY),
        place: "column ppl",
        wanted: "`--quality` measures it, of a real model; synthetic weights know no text",
    },
    Measure {
        name: "Layers on RPC servers",
        meaning: "speed where other machines have a part of the model",
        has: |row| has(row, &speed::RATE) && !row.job.setup.servers().is_empty(),
        place: "rows with column rpc",
        wanted: "start `lbench rpc-server` on each machine, and add `--rpc HOST:PORT`",
    },
];

/// What was measured, and what was not.
pub(super) fn measures(report: &Report, shown: &[usize], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"<h3>What was measured, and what was not</h3>\n")?;
    let rows: Vec<_> = shown.iter().map(|&index| report.row(index)).collect();
    let lines = MEASURES.iter().map(|measure| {
        let found = rows.iter().filter(|row| (measure.has)(row)).count();
        let asked = if found > 0 {
            format!("{found} of {}", rows.len())
        } else {
            "not measured".to_string()
        };
        let place = if found > 0 { measure.place } else { measure.wanted };
        format!(
            "<tr><td>{}</td><td>{}</td><td class=\"rows\">{asked}</td><td>{}</td></tr>\n",
            measure.name,
            measure.meaning,
            sentence(place)
        )
    });
    writeln!(
        out,
        "<div class=\"wide\"><table><thead><tr><th>measure</th><th>what it is</th><th>rows</th><th>where, or how to \
         have it</th></tr></thead><tbody>\n{}</tbody></table></div>",
        lines.collect::<String>()
    )
}
