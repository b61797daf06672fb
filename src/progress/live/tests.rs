use console::measure_text_width;
use proptest::prelude::*;

use super::*;
use crate::machine::Host;
use crate::plan::expand;
use crate::plan::tests::{model, sweep};
use crate::progress::fixture::Run;
use crate::record::{Outcome, Phase};
use crate::stats::stopping::Rule;
use crate::units::Nanos;
use crate::work::Work;

impl Run {
    fn lines(&mut self, width: usize, height: usize) -> Vec<String> {
        self.board.settle();
        let columns = Columns::of(&self.plan);
        let lines = lines(&self.board, &columns, Size { width, height }, self.now);
        assert!(lines.len() < height.max(2), "{lines:?}");
        for line in &lines {
            assert!(measure_text_width(line) < width.max(2), "{width}: {line:?}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        lines
    }

    fn at(&mut self, width: usize, height: usize) -> String {
        let lines = self.lines(width, height);
        let rule = format!("{width} x {height} {}", "-".repeat(width.saturating_sub(10)));
        format!("{rule}\n{}\n", lines.join("\n"))
    }

    fn at_all_sizes(&mut self) -> String {
        let widths = [60, 80, 100, 120, 200];
        widths.into_iter().flat_map(|width| [self.at(width, 10), self.at(width, 24)]).collect()
    }
}

/// The speed of a row of the 18: prompts are faster, and so is what has more layers on the card.
fn rate(run: &Run, row: usize) -> f64 {
    let job = &run.plan.jobs[row].job;
    let speed = job.work.speed().unwrap();
    let crate::setup::Setup::Llama(config) = &job.setup;
    let layers = f64::from(config.n_gpu_layers);
    if speed.n_prompt > 0 { layers * 310.0 } else { layers * 3.4 }
}

#[test]
fn the_first_round_at_all_sizes() {
    let mut run = Run::of_18();
    for row in run.own_rows().into_iter().take(5) {
        let rate = rate(&run, row);
        run.visit(row, 1, rate, 0.01);
    }
    let next = run.own_rows()[5];
    run.start(next, 1);
    run.phase(next, Phase::Warmup);
    insta::assert_snapshot!(run.at_all_sizes());
}

#[test]
fn later_rounds_at_all_sizes() {
    let mut run = Run::of_18();
    for round in 1..=3 {
        for row in run.own_rows() {
            let wobble =
                1.0 + 0.004 * f64::from(round) * f64::from(u32::try_from(row % 3).unwrap());
            let rate = rate(&run, row) * wobble;
            run.visit(row, round, rate, 0.002);
        }
    }
    let row = run.own_rows()[2];
    run.start(row, 4);
    run.phase(row, Phase::Prompt);
    let rate = rate(&run, row);
    run.sample(row, rate);
    insta::assert_snapshot!(run.at_all_sizes());
}

#[test]
fn what_went_wrong_is_said() {
    let mut run = Run::of_18();
    let cause = "no room".to_string();
    let (phase, trouble) = (Phase::Load, crate::record::Trouble::DeviceMemory);
    run.start(0, 1);
    run.end(0, Outcome::Failed { phase, cause, trouble, log: vec![] });
    run.start(1, 1);
    run.end(1, Outcome::TimedOut { phase, limit: Nanos(1) });
    run.start(2, 1);
    run.end(2, Outcome::Skipped { reason: "it would not fit".into() });
    insta::assert_snapshot!(run.at(80, 24));
}

#[test]
fn repetitions_have_no_rounds() {
    let axes = [("n_threads", vec![1, 2])];
    let sweep = sweep(&Host::for_tests(), &axes, &[Work::prompt(512)]);
    let mut run = Run::new(expand(&sweep, &Host::for_tests()).unwrap(), Rule::Fixed { n: 5 });
    run.start(0, 0);
    for _ in 0..3 {
        run.sample(0, 100.0);
    }
    insta::assert_snapshot!(run.at(80, 24));
}

#[test]
fn one_row_has_no_more_than_it_needs() {
    let sweep = sweep(&Host::for_tests(), &[], &[Work::generate(128)]);
    let mut run = Run::of_sweep(&sweep);
    let nothing = run.at(80, 24);
    run.visit(0, 1, 50.0, 0.01);
    insta::assert_snapshot!(nothing + &run.at(80, 24));
}

#[test]
fn models_are_told_apart_and_do_no_harm() {
    let labels =
        ["llama 3B Q6_K", "\u{1b}[31mqwen3 moe 30B.A3B Q4_K - Medium\u{202e}\n", "模型 7B Q8_0"];
    let mut asked = sweep(&Host::for_tests(), &[], &[Work::prompt(512), Work::generate(128)]);
    asked.models = (0..3)
        .map(|at| crate::setup::Model {
            label: labels[at].into(),
            path: format!("models/{at}.gguf").into(),
            header_hash: at.to_string().repeat(64),
            ..model()
        })
        .collect();
    let mut run = Run::of_sweep(&asked);
    run.visit(0, 1, 1000.0, 0.01);
    let mut text = [60, 100].map(|width| run.at(width, 24)).concat();
    // The same label: names of the files.
    asked.models.iter_mut().for_each(|model| model.label = "llama 3B Q6_K".into());
    text += &Run::of_sweep(&asked).at(60, 24);
    insta::assert_snapshot!(text);
}

/// The row under way is always there, and so is the one that is known worst.
#[test]
fn the_window_holds_what_matters() {
    let axes = [("n_batch", (1..=300).map(|n| n * 7).collect::<Vec<_>>())];
    let mut run = Run::of_sweep(&sweep(&Host::for_tests(), &axes, &[Work::prompt(2048)]));
    for row in 0..200 {
        run.visit(row, 1, 1000.0, if row == 17 { 0.3 } else { 0.01 });
    }
    run.start(150, 2);
    for height in 10..60 {
        let lines = run.lines(80, height);
        assert!(lines.iter().any(|line| line.starts_with(">     1057")), "{lines:?}");
        assert!(lines.iter().any(|line| line.trim_start().starts_with("126 ")), "{lines:?}");
        let shown = lines.iter().filter(|line| line.contains('±') && !line.contains("within"));
        let said = lines.iter().find_map(|line| line.trim().strip_prefix("… ")).unwrap();
        assert_eq!(said, format!("{} of 300 rows not shown", 300 - shown.count()));
    }
}

proptest! {
    /// Whatever the terminal is like, lines fit. (Looked at by `lines` above.)
    #[test]
    fn lines_fit(width in 0_usize..250, height in 0_usize..60, visited in 0_usize..12) {
        let mut run = Run::of_18();
        for row in run.own_rows().into_iter().take(visited) {
            run.visit(row, 1, 123_456.7, 0.01);
        }
        run.start(0, 2);
        run.phase(0, Phase::Generate);
        run.lines(width, height);
    }
}
