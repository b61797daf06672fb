//! Notes under the table: numbered ones that rows refer to, equal ones once, and those on the whole run.

use std::collections::HashMap;

use super::extra::scaled;
use super::{Report, Row, depths};
use crate::document::text::{plain, quoted};
use crate::document::{Mark, Note, References, shortened};
use crate::machine::{Link, without_folders};
use crate::record::{Outcome, Phase};
use crate::stats::Estimate;
use crate::stats::stopping::Rule;
use crate::units::{Bytes, counted};

/// By how much samples that lie apart must move a mean before that is worth a note.
const FAR_OFF: f64 = 0.01;

/// The notes that rows have referred to so far.
#[derive(Default)]
pub(super) struct Notes {
    /// What rows refer to.
    pub(super) references: References,
    /// What is the same in all rows, and too long for a column.
    shared: Vec<String>,
    models: Models,
    /// What is to be said of the models of the table.
    remarks: Vec<String>,
    /// Some rows are marked `~`.
    missed_precision: bool,
}

/// What rows must say about their models to be told apart.
#[derive(Clone, Copy, Default)]
struct Models {
    /// Some have synthetic weights.
    synthetic: bool,
    /// Some have not.
    real: bool,
    /// Different files go by one label.
    ambiguous: bool,
}

impl Models {
    fn of(report: &Report) -> Self {
        let mut models = Self::default();
        let mut paths = HashMap::new();
        for planned in &report.plan().jobs {
            let Some(model) = planned.job.setup.model() else { continue };
            models.synthetic |= model.synthetic_seed.is_some();
            models.real |= model.synthetic_seed.is_none();
            let first = paths.entry(&model.label).or_insert(&model.path);
            models.ambiguous |= *first != &model.path;
        }
        models
    }
}

impl Notes {
    /// No notes yet, on a report of this plan, but for what is the same in all rows of the table, and what is to be
    /// said of their models.
    pub(super) fn new(report: &Report, shared: Vec<String>, remarks: Vec<String>) -> Self {
        Self { models: Models::of(report), shared, remarks, ..Self::default() }
    }

    /// A mark that refers to a note.
    fn mark(&mut self, word: &str, text: String) -> Mark {
        self.references.mark(word, text)
    }

    /// The marks of a row, to stand behind its speed. `=` is the same measurement as another row, `S`
    /// are synthetic weights beside real ones.
    pub(super) fn marks(&mut self, row: &Row<'_>) -> Vec<Mark> {
        let mut marks = Vec::new();
        if let Some(model) = row.job.setup.model() {
            if self.models.real && model.synthetic_seed.is_some() {
                marks.push(Mark { word: "S".into(), note: None });
            }
            if self.models.ambiguous {
                let path = quoted(&model.path.to_string_lossy());
                marks.push(self.mark("", format!("model file {path}")));
            }
        }
        if let Some(text) = ending(row) {
            marks.push(self.mark("", text));
        }
        if let Some(reached) = row.missed_precision() {
            marks.push(Mark { word: format!("~{}", percent(reached)), note: None });
            self.missed_precision = true;
        }
        if row.measured.reading.steady == Some(false) {
            marks.push(self.mark("", GAVE_UP.into()));
        }
        if row.throttled() == Some(true) {
            marks.push(self.mark("T", throttle(row)));
        }
        if let Some(canary) = row.suspect_canary() {
            marks.push(self.mark("C", format!("C {}", canary.in_words())));
        }
        if let Some(text) = far_off(row) {
            marks.push(self.mark("", text));
        }
        if let Some(text) = remote(row) {
            marks.push(self.mark("", text));
        }
        if let Some(text) = drift(row) {
            marks.push(self.mark("D", text));
        }
        let warned = row.measured.warnings.iter().map(|warning| &warning.text);
        for text in row.notes.iter().chain(warned) {
            marks.push(self.mark("", plain(text)));
        }
        if let Some(text) = sameness(row) {
            marks.push(self.mark("=", text));
        }
        marks
    }

    /// What concerns the rows of one table.
    pub(super) fn of_table(&self, report: &Report) -> Vec<Note> {
        let of_all = self.shared.iter().cloned().chain(self.remarks.iter().map(|text| plain(text)));
        let mut notes: Vec<_> = self.references.notes().chain(of_all.map(Note::new)).collect();
        if self.missed_precision {
            notes.extend(missed_precision(report.facts().stop).map(Note::new));
        }
        notes
    }

    /// What concerns the whole run.
    pub(super) fn of_run(&self, report: &Report, missing: usize) -> Vec<Note> {
        let mut lines = Vec::new();
        lines.extend(depths::lines(report).iter().map(|line| plain(line)));
        lines.extend(report.facts().links.iter().map(link));
        let host = &report.facts().host;
        let unused = host.cards.unused(&host.engine);
        let unused = unused.filter(|_| report.plan().asks_for_a_device());
        lines.extend(unused.map(|text| plain(&text)));
        lines.extend(report.warnings().iter().map(|warning| plain(&warning.text)));
        if self.models.synthetic {
            let mark = if self.models.real { "S: " } else { "" };
            lines.push(format!("{mark}synthetic weights; speed does not depend on them"));
        }
        if missing > 0 {
            let (were, them) = if report.len() == 1 { ("was", "it") } else { ("were", "them") };
            let all = counted(report.len(), "test");
            lines.push(format!(
                "{missing} of {all} {were} not measured: the run ended before {them}"
            ));
        }
        lines.into_iter().map(Note::new).collect()
    }
}

/// The link to a server in a line.
fn link((endpoint, link): &(String, Result<Link, String>)) -> String {
    let link = match link {
        Ok(link) => link,
        Err(why) => return format!("RPC {}: {}", plain(endpoint), plain(why)),
    };
    let rate = |rate: Option<f64>| rate.map_or("?".into(), |rate| scaled(rate, "bytes/s"));
    let devices = link
        .devices
        .iter()
        .map(|device| format!("{} with {} free", plain(&device.name), Bytes(device.free)));
    format!(
        "RPC {}: {}; a round trip takes {}, {} to it, {} from it",
        plain(endpoint),
        devices.collect::<Vec<_>>().join(", "),
        link.round_trip,
        rate(link.up),
        rate(link.down)
    )
}

/// What a warm-up that was given up means.
const GAVE_UP: &str = "its runs did not come to agree while it was warmed up: its speed may still have been \
                       rising or falling";

/// A share in percent, with two digits that count.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1}%") } else { format!("{percent:.0}%") }
}

/// What the mark `~` means in this run.
fn missed_precision(rule: Rule) -> Option<String> {
    let Rule::Precision { target, .. } = rule else { return None };
    Some(format!(
        "~ another run may differ by so much (95 %), which is more than ±{} %: --rounds, --precision and \
         --max-time give it more time",
        target * 100.0
    ))
}

/// Samples that lie apart and move the mean by a percent or more: they stay in it.
fn far_off(row: &Row<'_>) -> Option<String> {
    let spread = row.headline()?.spread.as_ref().filter(|spread| !spread.outliers.is_empty())?;
    let values = &row.summary.values;
    let kept = (0..values.len()).filter(|at| !spread.outliers.contains(at)).map(|at| values[at]);
    let others = Estimate::of(&kept.collect::<Vec<_>>())?.mean;
    let moved = spread.mean / others - 1.0;
    (moved.abs() >= FAR_OFF).then(|| {
        let samples = counted(values.len(), "sample");
        let (verb, far) = (if spread.outliers.len() == 1 { "lies" } else { "lie" }, spread.outliers.len());
        let side = if moved < 0.0 { "below" } else { "above" };
        let places = row.job.work.headline().face.map_or(2, |face| face.places);
        format!(
            "{far} of {samples} {verb} far from the others, and the mean is {:.1} % {side} theirs, {others:.places$}: something \
             else went on",
            moved.abs() * 100.0
        )
    })
}

/// What the network costs a token.
fn remote(row: &Row<'_>) -> Option<String> {
    let remote = row.remote()?;
    if remote.up + remote.down <= 0.0 {
        return Some("nothing goes to the RPC servers: no part of the model is there".into());
    }
    let (up, down) = (scaled(remote.up, "bytes"), scaled(remote.down, "bytes"));
    let share = remote.share.map_or(String::new(), |share| {
        format!(", and the network is at least {:.0} % of its time", share * 100.0)
    });
    Some(format!("each token takes {up} to the RPC servers and {down} from them{share}"))
}

/// What held the device back.
fn throttle(row: &Row<'_>) -> String {
    let telemetry = row.measured.reading.telemetry.iter().filter(|seen| seen.throttled);
    let mut reasons: Vec<_> =
        telemetry.clone().flat_map(|seen| seen.throttle_reasons.iter().cloned()).collect();
    reasons.sort();
    reasons.dedup();
    let clocks = telemetry.filter_map(|seen| seen.sm_mhz);
    let clocks: Vec<_> =
        clocks.map(|[low, _, high]| format!("{low:.0} to {high:.0} MHz")).collect();
    format!(
        "T the device was held back ({}) at {}: it may be faster when it is cooler",
        if reasons.is_empty() { "its clock fell".into() } else { reasons.join(", ") },
        clocks.join(", ")
    )
}

/// By how much the machine was another one when the row was measured.
fn drift(row: &Row<'_>) -> Option<String> {
    let drift = row.drift?;
    let word = if drift < 0.0 { "slower" } else { "faster" };
    let much = drift.abs() * 100.0;
    Some(if row.measured.check.is_some() {
        format!(
            "D the first row was {much:.1} % {word} when measured again behind this one: the machine has changed"
        )
    } else {
        format!(
            "D the machine became {much:.1} % {word} over the run: the interval holds that, and a quieter machine \
             would know the row better"
        )
    })
}

/// Which row it is the same as, and why.
fn sameness(row: &Row<'_>) -> Option<String> {
    let same = row.same?;
    let settings: Vec<_> = row
        .differing_axes()
        .filter_map(|axis| {
            let name = axis.column.unwrap_or(axis.name);
            Some(format!("{name} {}", shortened(&same.job.value(axis)?.to_string())))
        })
        .collect();
    let which = match settings.as_slice() {
        [] => "an earlier row".to_string(),
        settings => format!("the row with {}", settings.join(", ")),
    };
    Some(format!("= the same measurement as {which}: {}", plain(same.reason)))
}

/// How it ended, where that was not well.
fn ending(row: &Row<'_>) -> Option<String> {
    let word = match row.measured.outcome {
        Some(Outcome::Completed) => return None,
        Some(Outcome::Interrupted) | None => {
            let samples = counted(row.summary.samples_ns.len(), "sample");
            return Some(format!("interrupted after {samples}"));
        }
        Some(Outcome::Failed { .. }) => "failed",
        Some(Outcome::Crashed { .. }) => "crashed",
        Some(Outcome::TimedOut { .. }) => "timeout",
        Some(Outcome::Skipped { .. }) => "skipped",
    };
    let mut text = word.to_string();
    if let Some(phase) = row.phase() {
        text.push(' ');
        text.push_str(phase_words(phase));
    }
    if let Some(cause) = row.cause() {
        text.push_str(": ");
        text.push_str(&plain(&cause));
    }
    if let Some(hint) = row.hint() {
        text.push_str("; ");
        text.push_str(&plain(hint));
    }
    // The engine's reason is often a line of its log already.
    let cause = row.cause().unwrap_or_default();
    let line = telling_line(row.log()).map(without_folders);
    if let Some(line) = line.filter(|line| !line.contains(&cause)) {
        text.push_str("; log: ");
        text.push_str(&quoted(&plain(&line)));
    }
    Some(text)
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Start => "while starting the worker",
        Phase::Load => "while loading the model",
        Phase::Context => "while creating the context",
        Phase::Warmup => "while warming up",
        Phase::Depth => "while filling the context to its depth",
        Phase::Prompt => "while processing the prompt",
        Phase::Generate => "while generating",
        Phase::Score => "while foretelling the text",
        Phase::Canary => "while it was held against the CPU",
        Phase::Idle => "between tests",
        Phase::Anchor => "while measuring the anchor",
    }
}

/// The last line that speaks of trouble, or else the last one: a backtrace often follows the line that
/// says what happened.
fn telling_line(log: &[String]) -> Option<&str> {
    const TROUBLE: [&str; 7] = ["error", "fail", "assert", "abort", "cannot", "unable", "invalid"];
    // A call that a backtrace lists, `lbench(ggml_abort+0x152) [0x55d5]`, only sounds like trouble.
    let is_call = |line: &&str| line.contains("[0x") && line.ends_with(']');
    let lines = || log.iter().map(|line| line.trim()).rev().filter(move |line| !is_call(line));
    lines()
        .find(|line| {
            let line = line.to_lowercase();
            TROUBLE.iter().any(|word| line.contains(word))
        })
        .or_else(|| lines().find(|line| !line.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_it_is_picked() {
        let log = ["loading", "GGML_ASSERT(x) failed", "#1 0xdead in foo", ""];
        let log = log.map(String::from);
        assert_eq!(telling_line(&log), Some("GGML_ASSERT(x) failed"));
        assert_eq!(telling_line(&log[2..]), Some("#1 0xdead in foo"));
        let traced = ["/b/ggml.c:1: fatal error", "lbench(ggml_abort+0x152) [0x55d5]"];
        assert_eq!(telling_line(&traced.map(String::from)), Some("/b/ggml.c:1: fatal error"));
        assert_eq!(telling_line(&[]), None);
    }
}
