use std::collections::BTreeSet;
use std::time::Duration;

use clap::CommandFactory as _;

use super::command::Cli;
use super::*;
use crate::cli::{self, flags};
use crate::machine::Host;
use crate::work::Work;

fn parse(line: &str) -> Result<Cli, String> {
    let args = shlex::split(line).unwrap().into_iter().map(OsString::from);
    Cli::parse_args(args).map_err(|e| e.to_string())?.map_err(|help| help.to_string())
}

/// What is said of a line; nothing where it is fine, or is a wish for help.
fn parse_error(line: &str) -> String {
    let args: Vec<_> = shlex::split(line).unwrap().into_iter().map(OsString::from).collect();
    let mut command = Cli::command();
    command.build();
    cli::slip(&command, &args).unwrap_or_default()
}

/// Every llama-bench command of the report that lbench must make easy; the shell ends the one with
/// `;` between its servers, and RPC is an axis of its own.
const REPORT: [&str; 4] = [
    "lbench -m m.gguf -p 0 -n 128,256,512",
    "lbench -m m.gguf -p 1024 -n 0 -b 64,128,256,512,1024",
    "lbench -m m.gguf -n 0 -n 16 -p 64 -t 1,2,4,8,16,32",
    "lbench -m m.gguf -ngl 10,20,30,31,32,33,34,35",
];

#[test]
fn the_command_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_reports_commands_parse() {
    let rows: Vec<_> = REPORT
        .iter()
        .map(|line| {
            let cli = parse(line).unwrap();
            let axes = cli.bench.axes.resolve(&Host::for_tests());
            cli.bench.works.works().unwrap().len() * axes.iter().map(Vec::len).product::<usize>()
        })
        .collect();
    assert_eq!(rows, [3, 5, 12, 16]);
}

#[test]
fn repeated_flags_add_up_and_zero_means_no_such_test() {
    let cli = parse("lbench -n 0 -n 16,32 -p 64 -pg 8,4 -pg 0,0 -pg 7,0 -b 1 -b 2-4").unwrap();
    let works = cli.bench.works.works().unwrap();
    let names: Vec<_> =
        works.iter().filter_map(Work::speed).map(|speed| (speed.n_prompt, speed.n_gen)).collect();
    assert_eq!(names, [(64, 0), (0, 16), (0, 32), (8, 4), (7, 0)]);
    let batch = crate::axis::AXES.iter().position(|axis| axis.short == "b").unwrap();
    assert_eq!(cli.bench.axes.resolve(&Host::for_tests())[batch].len(), 4);
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let messages: Vec<_> = [
        "lbench -p abc",
        "lbench -p -5",
        "lbench -p 99999999999999999999",
        "lbench -p ''",
        "lbench -ngl x",
        "lbench -ngl -2",
        "lbench -b 0",
        "lbench -t 0",
        "lbench -pg 512",
        "lbench -fa maybe",
        "lbench -ctk q9_0",
        "lbench -r 0",
        "lbench -r -1",
        "lbench -o yaml",
        "lbench --repetition 3",
        "lbench --nonsense",
        "lbench -p",
        "lbench stray",
        "lbench synth",
        "lbench --delay -1",
        "lbench -nglx 9",
        "lbench -ctkv q8_0",
        "lbench --n-gpu-layer 9",
        "lbench -xyz",
        "lbench config -ngll 9",
    ]
    .iter()
    .map(|line| {
        let message = parse(line).unwrap_err();
        assert_eq!(message.lines().count(), 1, "{message}");
        format!("{line}\n    {message}")
    })
    .collect();
    insta::assert_snapshot!(messages.join("\n"));
    let nothing = parse("lbench -p 0 -n 0").unwrap().bench.works.works().unwrap_err().to_string();
    insta::assert_snapshot!(nothing);
}

/// Messages of command lines that are refused, each in one line.
fn refused(lines: &[&str]) -> String {
    let refused = lines.iter().map(|line| {
        let message = parse(line).unwrap_err();
        assert_eq!(message.lines().count(), 1, "{message}");
        format!("{line}\n    {message}")
    });
    refused.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_flag_without_its_value_is_named() {
    insta::assert_snapshot!(refused(&[
        "lbench -m M -fa -p 8",
        "lbench -fa",
        "lbench -m",
        "lbench -m -p 8",
        "lbench --n_gpu_layers --flash-attn on",
        "lbench -nkvo -p 8",
        "lbench -r -o csv",
        "lbench -p 8 --baseline --fail-on slower",
        "lbench -ctk --no-mmap",
        "lbench config -fa -p 8",
        "lbench compare a.json b.json --threshold --force",
        "lbench report -o",
        "lbench doctor -m --quick",
    ]));
    for line in ["lbench -ngl -1", "lbench --resume -p 8", "lbench -v -p 8", "lbench -t4 -ojson"] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn a_word_that_belongs_to_no_flag_is_told_where_it_might() {
    insta::assert_snapshot!(refused(&[
        "lbench M",
        "lbench model.gguf -p 8",
        "lbench ./folder/model",
        "lbench user/model-GGUF",
        "lbench comapre a.json b.json",
        "lbench -m a.gguf b.gguf c.gguf",
        "lbench -p 64 128",
        "lbench -ot exps=CPU attn=CUDA0",
        "lbench -o json out.json",
        "lbench --progress 1",
        "lbench --no-warmup model.gguf",
        "lbench -p 8 compare a.json b.json",
        "lbench config -p 8 9 10",
        "lbench compare a.json b.json c.json",
        "lbench doctor model.gguf",
        "lbench schema v1",
        "lbench '-fa 1'",
        "lbench '--hf-token secret'",
        "lbench ab '-fa 0' '-fa 1'",
    ]));
    for line in ["lbench report a b c", "lbench config path", "lbench help compare", "lbench x -h"]
    {
        let told = parse_error(line);
        assert!(
            !told.contains("belongs to no flag") && !told.contains("too many"),
            "{line}: {told}"
        );
    }
}

#[test]
fn flags_of_other_programs_lead_to_those_here() {
    insta::assert_snapshot!(refused(&[
        "lbench --no-mmap",
        "lbench --mlock",
        "lbench -c 4096",
        "lbench --ctx-size 4096",
        "lbench --n-predict 8",
        "lbench --n_predict=8",
        "lbench --gpu-layers 99",
        "lbench --parallel 4",
        "lbench -npp 128 -ntg 64 -npl 1,2",
        "lbench --prompt 'Once upon'",
        "lbench -p 'Once upon'",
        "lbench --file x.txt",
        "lbench -f x.txt",
        "lbench -tb 8",
        "lbench -ngl all",
        "lbench --cpu-moe",
        "lbench --no-repack",
        "lbench -rtr",
        "lbench -fmoe",
        "lbench -amb 512",
        "lbench -mla 3",
        "lbench -md draft.gguf",
        "lbench --temp 0",
        "lbench -s 42",
        "lbench --host 0.0.0.0 --port 80",
        "lbench --jinja",
        "lbench --no-context-shift",
        "lbench --log-disable",
        "lbench config --ctx-size 1",
    ]));
    let line = "lbench --flash-attn on --batch-size 8 --cache-type-k q8_0 --n_ubatch 8";
    assert!(parse_error(line).contains("-ub N"), "what is spelled the same is no slip");
}

#[test]
fn every_number_says_what_is_wanted() {
    insta::assert_snapshot!(refused(&[
        "lbench --delay x",
        "lbench --delay -1",
        "lbench --max-time 0",
        "lbench --timeout 1h",
        "lbench --max-total-time abc",
        "lbench -r 1.5",
        "lbench --max-reps 3",
        "lbench --cold 1.5",
        "lbench --prio high",
        "lbench --precision little",
        "lbench --min-free some",
        "lbench -pg 512,x",
        "lbench -np 1.5",
        "lbench --poll 0.5",
        "lbench rpc-server -p 99999",
        "lbench rpc-server -t 0",
        "lbench compare a b --floor x",
    ]));
    let parsed =
        parse("lbench --delay 0.5 --max-time 0.25 --timeout 1.5 --max-total-time 2.5").unwrap();
    let (bench, millis) = (parsed.bench, Duration::from_millis);
    assert_eq!((bench.delay, bench.max_time), (millis(500), Some(millis(250))));
    assert_eq!((bench.timeout, bench.max_total_time), (Some(millis(1500)), Some(millis(2500))));
}

#[test]
fn help() {
    let mut command = Cli::command().term_width(100);
    insta::assert_snapshot!("help_short", command.render_help().to_string());
}

#[test]
fn every_flag_of_the_parser_has_an_entry_and_every_entry_a_flag() {
    let mut command = Cli::command();
    command.build();
    let parsed: BTreeSet<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    let entries: Vec<_> = flags::all().map(|flag| flag.long).collect();
    assert_eq!(entries.iter().copied().collect::<BTreeSet<_>>(), parsed);
    assert_eq!(entries.len(), parsed.len(), "one entry for each");
}
