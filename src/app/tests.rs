use clap::CommandFactory as _;

use super::command::Cli;
use super::*;
use crate::machine::Host;

fn parse(line: &str) -> Result<Cli, String> {
    let args = shlex::split(line).unwrap().into_iter().map(OsString::from);
    Cli::parse_args(args).map_err(|e| e.to_string())
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
        works.iter().map(|work| (work.speed().n_prompt, work.speed().n_gen)).collect();
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

#[test]
fn help() {
    let mut command = Cli::command().term_width(100);
    insta::assert_snapshot!("help_short", command.render_help().to_string());
}
