//! What the renderers write for runs of every kind.

pub(super) mod fixture;
mod laws;
mod schema;
mod sql;
mod table;

use fixture::{Run, bad_endings, cpu_host, gpu_host};

use super::{Format, Report, Stream, Tally};
use crate::plan::tests::sweep;
use crate::record::{Outcome, Reading, Record, RemoteTraffic, Warning, WarningKind};
use crate::units::{Bytes, Nanos};
use crate::work::Sample;
use crate::work::Work;

const PP: Work = Work::prompt(512);
const TG: Work = Work::generate(128);
const PG: Work = Work::prompt_generate(512, 128);

/// A report as it is printed when its run is over.
pub(super) fn render(report: &Report, format: Format) -> String {
    let mut out = Vec::new();
    let mut stream = Stream::new(format);
    stream.finish(report, &mut out).unwrap();
    stream.finish(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A CPU sweep over threads and depths, with a prompt, a generation and both together.
fn cpu_sweep() -> Report {
    let set = [("n_threads", vec![2, 4]), ("n_depth", vec![0, 4096])];
    Run::new(cpu_host(), &set, &[PP, TG, PG], 5).all_complete()
}

/// Five offload settings of which three are the same.
fn offload_sweep() -> Report {
    let set = [("n_gpu_layers", vec![10, 29, 30, 99, -1])];
    Run::new(gpu_host(1), &set, &[PP, TG], 5).all_complete()
}

/// One row of each outcome, and one that is the same as a failed one.
fn failures() -> Report {
    let set = [("n_batch", vec![32, 64, 128, 256, 512, 1024])];
    let mut run = Run::new(gpu_host(1), &set, &[PP], 3);
    let endings = bad_endings();
    run.measure(0, Outcome::Completed, 3);
    for (index, ending) in endings.into_iter().enumerate() {
        run.measure(index + 1, ending, 2);
    }
    run.report
}

/// Two rows in four rounds of a minute, each run by so many nanoseconds longer than in the round before, and a second
/// or more.
fn slower_each_round(more: u64) -> Report {
    let mut run = Run::new(cpu_host(), &[], &[PP, TG], 5);
    for round in 1..5_u32 {
        for index in 0..2 {
            let unix_time = 1_777_636_800 + u64::from(round) * 60 + index as u64 * 20;
            run.fold(index, |job| Record::Started { job, unix_time, round, nth: 0 });
            for nth in 0..3 {
                let ns = Nanos(1_000_000_000 + u64::from(round) * more + nth * 1000);
                let sample = Sample::Run { runs: 1, ns, first_token_ns: vec![], token_ns: vec![] };
                run.fold(index, |job| Record::Sampled { job, sample });
            }
            let (outcome, reading) = (Outcome::Completed, Reading::default());
            run.fold(index, |job| Record::Finished { job, outcome, reading });
        }
    }
    for index in 0..2 {
        run.fold(index, |job| Record::settled([(job, 0)]));
    }
    run.report
}

#[test]
fn rows_of_a_run_in_which_the_machine_changed_are_marked() {
    let report = slower_each_round(20_000_000);
    for row in (0..2).map(|index| report.row(index)) {
        assert!(row.marked && (row.drift.unwrap() + 0.06).abs() < 0.01, "{:?}", row.drift);
    }
    let table = render(&report, Format::Markdown);
    assert_eq!(table.matches(" D[1]").count(), 2, "{table}");
    let says = |text: &str| table.contains(text);
    assert!(says("- [1] D the machine became 6.") && says(" % slower over the run: "), "{table}");
    let quiet = slower_each_round(2_000_000);
    assert!((0..2).all(|index| !quiet.row(index).marked && quiet.row(index).drift.is_none()));
}

/// A prompt of 512 tokens whose runs took so many milliseconds each.
fn one_row(runs_ms: &[u64], traffic: Vec<RemoteTraffic>) -> String {
    let mut run = Run::new(cpu_host(), &[], &[PP], 5);
    run.start(0);
    for &ms in runs_ms {
        let (ns, first_token_ns, token_ns) = (Nanos(ms * 1_000_000), vec![], vec![]);
        let sample = Sample::Run { runs: 1, ns, first_token_ns, token_ns };
        run.fold(0, |job| Record::Sampled { job, sample });
    }
    let (outcome, reading) = (Outcome::Completed, Reading { traffic, ..Reading::default() });
    run.fold(0, |job| Record::Finished { job, outcome, reading });
    run.fold(0, |job| Record::settled([(job, 0)]));
    render(&run.report, Format::Markdown)
}

#[test]
fn samples_that_move_the_mean_are_told_in_the_table() {
    let with = |slow| {
        let mut runs = [1000, 1003, 998, 1001, 999, 1002, 1000, 997, 1003, 1001, 1000].to_vec();
        runs.push(slow);
        one_row(&runs, Vec::new())
    };
    let (calm, torn) = (with(1002), with(5000));
    assert!(!calm.contains("far from the others"), "{calm}");
    let says =
        "- [1] 1 of 12 samples lies far from the others, and the mean is 6.7 % below theirs, 511.8";
    assert!(torn.contains("[1] |") && torn.contains(says), "{torn}");
}

#[test]
fn what_goes_to_servers_is_told_as_far_as_anything_does() {
    let traffic = |up, down| {
        let (endpoint, up, down) = ("h:1".into(), Bytes(up), Bytes(down));
        one_row(&[1000, 1000], vec![RemoteTraffic { endpoint, up, down }])
    };
    let none = traffic(0, 0);
    assert!(none.contains("nothing goes to the RPC servers"), "{none}");
    assert!(!none.contains("of its time"), "{none}");
    let some = traffic(1024 * 300, 1024 * 2_000_000);
    assert!(some.contains("takes 300 B to the RPC servers and 2.0 MB from them"), "{some}");
}

#[test]
fn a_cpu_sweep() {
    insta::assert_snapshot!(render(&cpu_sweep(), Format::Markdown));
}

#[test]
fn an_offload_sweep_marks_what_is_the_same() {
    insta::assert_snapshot!(render(&offload_sweep(), Format::Markdown));
}

#[test]
fn an_offload_sweep_without_a_gpu_says_so() {
    let set = [("n_gpu_layers", vec![0, 10, 99])];
    let report = Run::new(cpu_host(), &set, &[TG], 5).all_complete();
    insta::assert_snapshot!(render(&report, Format::Markdown));
}

#[test]
fn several_devices_and_models() {
    let mut request = sweep(&gpu_host(2), &[("n_gpu_layers", vec![-1])], &[PP]);
    let mut real = request.models[0].clone();
    real.synthetic_seed = None;
    real.header_hash = "11".repeat(32);
    real.path = "models/real.gguf".into();
    request.models.push(real);
    let report = Run::of_sweep(gpu_host(2), &request, 2).all_complete();
    insta::assert_snapshot!(render(&report, Format::Markdown));
}

#[test]
fn failures_as_a_table() {
    insta::assert_snapshot!(render(&failures(), Format::Markdown));
}

#[test]
fn failures_as_json() {
    insta::assert_snapshot!(render(&failures(), Format::Json));
}

#[test]
fn failures_as_sql() {
    insta::assert_snapshot!(render(&failures(), Format::Sql));
}

#[test]
fn failures_as_csv() {
    insta::assert_snapshot!(render(&failures(), Format::Csv));
}

/// One repetition and one cold start: nothing has a spread.
fn single() -> Report {
    let mut run = Run::new(cpu_host(), &[], &[PP, TG], 1);
    run.report.facts.cold = 1;
    for index in 0..2 {
        run.start(index);
        run.sample(index, 0);
        let ns = Nanos(1_234_567_890);
        run.fold(index, |job| Record::Sampled { job, sample: Sample::Cold { ns } });
        run.end(index, Outcome::Completed);
    }
    run.report
}

#[test]
fn one_repetition_has_no_spread() {
    insta::assert_snapshot!(render(&single(), Format::Markdown));
}

#[test]
fn one_repetition_as_json_lines() {
    insta::assert_snapshot!(render(&single(), Format::Jsonl));
}

/// A model whose header means harm, and a warning.
fn hostile() -> Report {
    let mut request = sweep(&cpu_host(), &[], &[TG]);
    let model = &mut request.models[0];
    model.label = "a|b\u{1b}[31m\n| \u{202e}evil \\| \"q\"".into();
    model.path = "=cmd|'/C calc'!A0\n.gguf".into();
    model.synthetic_seed = None;
    let mut run = Run::of_sweep(cpu_host(), &request, 3);
    run.start(0);
    run.fold(0, |job| Record::Warned {
        job: Some(job),
        warning: Warning::new(
            WarningKind::Other,
            "the model's end of text\nis not in its vocabulary",
        ),
    });
    run.report.fold(&Record::Warned {
        job: None,
        warning: Warning::new(WarningKind::Other, "the kernels lack AVX512: make build"),
    });
    run.sample(0, 0);
    run.end(0, Outcome::Completed);
    run.report
}

#[test]
fn harmful_text_is_harmless_in_a_table() {
    let table = render(&hostile(), Format::Markdown);
    assert!(!table.chars().any(|c| c.is_control() && c != '\n'));
    insta::assert_snapshot!(table);
}

#[test]
fn harmful_text_is_harmless_in_csv() {
    insta::assert_snapshot!(render(&hostile(), Format::Csv));
}

/// Two rows complete, the third with two samples, the rest never begun; two are as fast as the second.
fn interrupted() -> Report {
    let set = [("n_batch", vec![128, 256, 512])];
    let mut run = Run::new(cpu_host(), &set, &[PP, TG], 5);
    run.measure(0, Outcome::Completed, 5);
    run.measure(1, Outcome::Completed, 5);
    run.measure(2, Outcome::Interrupted, 2);
    run.report
}

#[test]
fn what_was_measured_before_an_interrupt_is_shown() {
    insta::assert_snapshot!(render(&interrupted(), Format::Markdown));
    let tally = Tally { completed: 4, failed: 0, unfinished: 2 };
    assert_eq!(interrupted().tally(), tally);
    let json: Vec<serde_json::Value> =
        serde_json::from_str(&render(&interrupted(), Format::Json)).unwrap();
    let outcomes: Vec<_> = json.iter().map(|row| &row["outcome"]).collect();
    assert_eq!(outcomes, ["completed", "completed", "interrupted", "completed", "completed"]);
}

#[test]
fn an_interrupt_before_everything_leaves_valid_documents() {
    let report = Run::new(cpu_host(), &[], &[PP], 5).report;
    assert_eq!(render(&report, Format::Json), "[\n]\n");
    assert_eq!(render(&report, Format::Jsonl), "");
    assert_eq!(render(&report, Format::Csv).lines().count(), 1);
    assert_eq!(render(&report, Format::None), "");
    let table = render(&report, Format::Markdown);
    assert!(table.contains("- 1 of 1 test was not measured: the run ended before it"), "{table}");
}

#[test]
fn rows_wait_for_those_before_them() {
    let set = [("n_threads", vec![1, 2])];
    let mut run = Run::new(cpu_host(), &set, &[TG], 5);
    let mut stream = Stream::new(Format::Csv);
    let mut out = Vec::new();
    let lines = |out: &[u8]| out.split(|&byte| byte == b'\n').count() - 1;
    stream.advance(&run.report, &mut out).unwrap();
    assert_eq!(lines(&out), 1, "the header comes at once");
    run.measure(1, Outcome::Completed, 1);
    stream.advance(&run.report, &mut out).unwrap();
    assert_eq!(lines(&out), 1, "the second row waits for the first");
    run.measure(0, Outcome::Completed, 1);
    stream.advance(&run.report, &mut out).unwrap();
    assert_eq!(lines(&out), 3);
}

#[test]
fn lines_that_stand_for_themselves_come_as_their_rows_finish() {
    let set = [("n_gpu_layers", vec![29, 99, 10])];
    let mut run = Run::new(gpu_host(1), &set, &[PP], 1);
    let mut stream = Stream::new(Format::Jsonl);
    let mut out = Vec::new();
    let mut layers = |run: &Run, last: bool| -> Vec<i64> {
        let step = if last { Stream::finish } else { Stream::advance };
        step(&mut stream, &run.report, &mut out).unwrap();
        let text = String::from_utf8(out.clone()).unwrap();
        let rows =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.map(|row| row["n_gpu_layers"].as_i64().unwrap()).collect()
    };
    assert_eq!(layers(&run, false), [0; 0]);
    run.measure(2, Outcome::Completed, 1);
    assert_eq!(layers(&run, false), [10]);
    // The same measurement as the first row comes with it.
    run.measure(0, Outcome::Completed, 1);
    assert_eq!(layers(&run, false), [10, 29, 99]);
    assert_eq!(layers(&run, true), [10, 29, 99]);
}

#[test]
fn a_value_asked_for_twice_and_not_collapsed_is_two_rows() {
    let mut request = sweep(&cpu_host(), &[("n_threads", vec![2, 2])], &[TG]);
    request.collapse = false;
    let mut run = Run::of_sweep(cpu_host(), &request, 1);
    run.measure(0, Outcome::Completed, 1);
    assert!(run.report.is_finished(0) && !run.report.is_finished(1));
    // The same identity again, and said to be the second row's turn.
    run.fold(0, |job| Record::Started { job, unix_time: 9, round: 0, nth: 1 });
    run.fold(0, |job| Record::Sampled { job, sample: Sample::Cold { ns: Nanos(7) } });
    let (outcome, reading) = (Outcome::Completed, Reading::default());
    run.fold(0, |job| Record::Finished { job, outcome, reading });
    assert!(!run.report.is_finished(1), "it may be visited again");
    run.fold(0, |job| Record::settled([(job, 1)]));
    assert!(run.report.is_finished(1));
    assert_eq!(run.report.row(1).cold_samples().collect::<Vec<_>>(), [7]);
}

#[test]
fn formats_have_names() {
    assert_eq!("md".parse(), Ok(Format::Markdown));
    assert_eq!("markdown".parse(), Ok(Format::Markdown));
    assert_eq!(
        "xml".parse::<Format>().unwrap_err(),
        "there is no format 'xml'; there are md, json, jsonl, csv, sql, html, none"
    );
}
