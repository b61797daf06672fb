use std::ffi::OsString;

use super::*;
use crate::axis::AXES;
use crate::cli::BenchArgs;
use crate::cli::flags::{self, Concern};
use crate::cli::settings::{self, Takes};
use crate::error::Error;

fn typed(line: &str) -> BenchArgs {
    let args = shlex::split(&format!("lbench {line}")).unwrap();
    BenchArgs::parse(args.into_iter().map(OsString::from)).unwrap()
}

fn request(line: &str, vars: &[(&str, &str)], file: &str) -> Result<RunRequest, Error> {
    RunRequest::new(&typed(line), &Sources::of(vars, file)?)
}

/// What comes of a flag: as arguments.
fn given(request: &RunRequest, flag: &str) -> Vec<String> {
    let flag = format!("--{flag}");
    let is_it = |arg: &&String| arg.split('=').next() == Some(&flag);
    request.sweeps[0].given.iter().filter(is_it).cloned().collect()
}

#[test]
fn the_nearest_place_wins_and_gives_all_of_a_flags_values() {
    let file = "threads = [1, 2]\nn-gen = 7\n[preset.p]\nthreads = 3\nn-gen = 6";
    for (line, vars, expected) in [
        ("", &[][..], vec!["--threads=1", "--threads=2"]),
        ("--preset p", &[], vec!["--threads=3"]),
        ("", &[("LBENCH_THREADS", "4,5")], vec!["--threads=4,5"]),
        ("--preset p", &[("LBENCH_THREADS", "4")], vec!["--threads=4"]),
        ("", &[("LBENCH_PRESET", "p")], vec!["--threads=3"]),
        ("--preset p -t 6", &[("LBENCH_THREADS", "4")], vec!["--threads=6"]),
        ("-t 6 -t 7", &[("LBENCH_THREADS", "4")], vec!["--threads=6", "--threads=7"]),
        ("", &[("LBENCH_THREADS", "")], vec!["--threads=1", "--threads=2"]),
    ] {
        let request = request(line, vars, file).unwrap();
        assert_eq!(given(&request, "threads"), expected, "{line} {vars:?}");
    }
}

#[test]
fn what_cannot_go_together_yields_to_what_is_nearer() {
    let curve = request("--depth-curve 64+32", &[], "n-depth = 5").unwrap();
    let depth = AXES.iter().position(|axis| axis.name == "n_depth").unwrap();
    assert_eq!(curve.sweeps[0].args.axes.0[depth].len(), 3);
    let file = "precision = \"2%\"\njournal = \"x.jsonl\"\nprogress = true";
    let by_count = request("-r 3", &[], file).unwrap();
    assert_eq!(by_count.sweeps[0].args.repetitions, Some(3));
    assert_eq!(given(&by_count, "precision"), [""; 0]);
    let by_precision = request("", &[], file).unwrap();
    assert_eq!(given(&by_precision, "precision"), ["--precision=2%"]);
    assert!(by_precision.sweeps[0].args.progress);
    let without = request("--no-journal", &[("LBENCH_PROGRESS", "0")], file).unwrap();
    assert_eq!(given(&without, "journal"), [""; 0]);
    assert!(!without.sweeps[0].args.progress, "off in the environment is off");
    let preset = request("--preset llama-bench --precision 3%", &[], file).unwrap();
    assert_eq!(given(&preset, "repetitions"), [""; 0]);
}

#[test]
fn wishes_about_a_comparison_wait_for_one() {
    let file = "threshold = \"2%\"\nfail-on = [\"slower\", \"failed\"]";
    let without = request("", &[], file).unwrap();
    assert!(without.sweeps[0].args.refuse_lonely().is_ok());
    let with = request("--baseline x.json", &[], file).unwrap();
    assert_eq!(with.sweeps[0].args.how.fail_on.len(), 2);
    let typed = request("--threshold 2%", &[], "").unwrap();
    let slip = typed.sweeps[0].args.refuse_lonely().unwrap_err().to_string();
    assert!(slip.starts_with("--threshold is about a comparison"), "typed, it is a slip: {slip}");
}

#[test]
fn only_what_was_typed_says_what_to_measure() {
    let vars = [("LBENCH_THREADS", "4")];
    assert!(!request("--resume -o json", &vars, "n-prompt = 3").unwrap().says_what);
    assert!(!request("--no-config", &vars, "").unwrap().says_what);
    assert!(request("--resume --preset quick", &[], "").unwrap().says_what);
    assert!(request("-fa on", &[], "").unwrap().says_what);
}

#[test]
fn what_is_recorded_needs_nothing_else_to_be_repeated() {
    let file =
        "[[preset.two]]\nn-prompt = 8\n[[preset.two]]\ntitle = \"B\"\nn-prompt = 9\ncold = 2";
    let first = request("--preset two -n 0", &[("LBENCH_THREADS", "4")], file).unwrap();
    let titles: Vec<_> = first.sweeps.iter().map(|asked| asked.title.as_deref()).collect();
    assert_eq!(titles, [Some("Sweep 1"), Some("B")]);
    for asked in &first.sweeps {
        assert!(!asked.given.iter().any(|arg| arg.starts_with("--preset")), "{:?}", asked.given);
        let line = asked.given.join(" ");
        let again = request(&line, &[], "threads = 9").unwrap();
        assert_eq!(again.sweeps[0].args.works.works().unwrap(), asked.args.works.works().unwrap());
        assert_eq!(again.sweeps[0].args.axes, asked.args.axes);
    }
    assert_eq!(first.sweeps[1].args.cold, 2);
    assert_eq!(first.typed, ["--n-gen=0", "--preset=two"]);
}

#[test]
fn every_way_to_give_a_flag_survives() {
    let line = "--resume=x --interleave --columns a,b -v -pg 8,4 -ngl -1 -m 'a b.gguf' --rpc none";
    let request = request(line, &[], "").unwrap();
    let mut typed = request.typed.clone();
    typed.sort();
    insta::assert_snapshot!(typed.join(" "));
    let args = &request.sweeps[0].args;
    assert_eq!(args.columns, ["a", "b"]);
    assert_eq!(
        args.deprecated.notes().len(),
        1,
        "--interleave is taken, and said to change nothing"
    );
}

#[test]
fn presets_of_the_house_are_sweeps_that_parse() {
    let rows = |name: &str| {
        let request = request(&format!("--preset {name}"), &[], "").unwrap();
        let host = crate::machine::Host::for_tests();
        let rows = request.sweeps.iter().map(|asked| {
            let axes = asked.args.axes.resolve(&host);
            asked.args.works.works().unwrap().len() * axes.iter().map(Vec::len).product::<usize>()
        });
        rows.collect::<Vec<_>>()
    };
    assert_eq!(PRESETS.map(rows), [vec![3, 5, 12, 16, 2], vec![2], vec![2]]);
    let sources = Sources::of(&[], "").unwrap();
    let names: Vec<_> =
        sources.presets().unwrap().iter().map(|preset| preset.name.clone()).collect();
    assert_eq!(names, PRESETS);
}

#[test]
fn a_preset_of_ones_own_takes_the_place_of_another() {
    let request = request("--preset quick", &[], "[preset.quick]\nn-prompt = 3").unwrap();
    assert_eq!(given(&request, "n-prompt"), ["--n-prompt=3"]);
    assert_eq!(given(&request, "max-time"), [""; 0]);
}

#[test]
fn wrong_files_and_variables_are_refused_in_one_line() {
    let files = [
        "thread = 8",
        "ngl = 9",
        "n_gen = 9",
        "\nthreads = \"x\"",
        "threads = true",
        "threads = []",
        "threads = [[1]]",
        "threads = 2026-01-01",
        "threads =",
        "threads = 1\nthreads = 2",
        "[threads]\nx = 1",
        "progress = 1",
        "output = [\"md\", \"csv\"]",
        "repetitions = 3\nprecision = 2",
        "resume = true",
        "preset = \"quick\"",
        "preset.quick = 3",
        "preset.quick = []",
        "preset.quick = [3]",
        "[preset.list]",
        "[preset.mine]\npreset = \"quick\"",
        "[preset.mine]\ntitle = 3",
        "[[preset.mine]]\nprecision = 3\n[[preset.mine]]\nprecision = 4",
    ];
    let files = files.iter().map(|file| (request("", &[], file), file.replace('\n', " ⏎ ")));
    let vars = [("LBENCH_THREADS", "x"), ("LBENCH_PROGRESS", "maybe"), ("LBENCH_PRESET", "nix")];
    let vars = vars
        .iter()
        .map(|var| (request("", &[*var], ""), format!("{}={}", var.0, var.1)))
        .chain([(request("--preset nix", &[], ""), "--preset nix".into())]);
    let messages = files.chain(vars).map(|(request, what)| {
        let message = request.unwrap_err();
        assert_eq!(message.exit_code(), 2);
        let message = message.to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        format!("{what}\n    {message}")
    });
    insta::assert_snapshot!(messages.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_slip_in_a_variables_name_is_told() {
    let flags = Flags::new();
    // LBENCH_GPU is for the build, and `make run` hands it on.
    let names = [
        "LBENCH_THREAD",
        "LBENCH_THREADS",
        "LBENCH_CONFIG",
        "LBENCH_GPU",
        "LBENCH_OF_SOMEBODY_ELSE",
        "HOME",
    ];
    let told = env::slips(&flags, names.into_iter().map(OsString::from));
    assert_eq!(told, ["LBENCH_THREAD sets nothing: did you mean LBENCH_THREADS?"]);
}

#[test]
fn the_table_says_where_each_value_comes_from() {
    let file = "threads = [1, 2]\nprogress = true\n[[preset.two]]\nn-prompt = 8\n[[preset.two]]\nn-prompt = 9";
    let sources = Sources::of(&[("LBENCH_OUTPUT", "csv")], file).unwrap();
    let sweeps = sources.layered(&typed("--preset two -n 0 -m m.gguf")).unwrap();
    let host = crate::machine::Host::for_tests();
    let mut table = Vec::new();
    show(sources.flags(), &sweeps[..1], &host, false, &mut table).unwrap();
    insta::assert_snapshot!(String::from_utf8(table).unwrap());
    let mut json = Vec::new();
    show(sources.flags(), &sweeps, &host, true, &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let prompts = json.as_array().unwrap().iter().filter(|line| line["flag"] == "n-prompt");
    let prompts: Vec<_> =
        prompts.map(|line| (line["value"].clone(), line["place"].clone())).collect();
    assert_eq!(prompts, [("8".into(), "two: Sweep 1".into()), ("9".into(), "two: Sweep 2".into())]);
}

#[test]
fn a_secret_is_neither_recorded_nor_shown() {
    let flags = Flags::new();
    let token = Setting { flag: "hf-token".into(), given: Given::Values(vec!["hf_abc".into()]) };
    let other = Setting { flag: "force".into(), given: Given::On };
    assert_eq!(request::for_the_record([&token, &other]), ["--force"]);
    let sourced = Sourced { setting: token, origin: Origin::CommandLine };
    let sweeps = [request::Layered { title: None, settings: vec![sourced] }];
    let host = crate::machine::Host::for_tests();
    let shown = show::lines(&flags, "hf-token", &sweeps, &host);
    assert_eq!(shown[0].value.as_deref(), Some("(set)"));
    assert!(!format!("{sweeps:?}").contains("hf_abc"));
}

#[test]
fn a_standing_token_waits_for_a_model_of_the_hub() {
    let vars = [("LBENCH_HF_TOKEN", "hf_abc")];
    assert!(request("", &vars, "").unwrap().sweeps[0].args.refuse_lonely().is_ok());
    let asks = request("-hf a/b", &vars, "").unwrap();
    assert!(asks.sweeps[0].args.hub.token().is_some());
    assert_eq!(asks.sweeps[0].given, ["--hf-repo=a/b"]);
    let typed = request("-hft hf_abc", &[], "").unwrap();
    let slip = typed.sweeps[0].args.refuse_lonely().unwrap_err().to_string();
    assert!(slip.starts_with("-hft is for a model of the hub"), "typed, it is a slip: {slip}");
}

/// A value that the parser takes for this flag.
fn sample(flags: &Flags, flag: &str) -> Setting {
    let words = [
        "7", "1", "512", "f16", "on", "layer", "0x1", "a=CPU", "8,4", "slower", "md", "a:1",
        "mmap", "isolate", "{}",
    ];
    let values = words.iter().map(|word| Given::Values(vec![word.into()]));
    let settings = std::iter::once(Given::On).chain(values);
    let mut settings = settings.map(|given| Setting { flag: flag.to_string(), given });
    let taken = |setting: &Setting| match flags.takes(flag) {
        Some(Takes::Nothing | Takes::MaybeValue) => true,
        _ => setting.given != Given::On && settings::check(&[setting]).is_ok(),
    };
    settings.find(taken).unwrap_or_else(|| panic!("--{flag}: there is no sample"))
}

#[test]
fn a_resumed_run_has_what_the_table_says_of_both_command_lines() {
    let sources = Sources::of(&[], "").unwrap();
    let parser = sources.flags();
    let concern = |flag: &str| flags::concern(flag);
    let words = |setting: &Setting| request::for_the_record([setting]);
    for flag in parser.all().filter(|flag| !["preset", "no-config", "resume"].contains(flag)) {
        let line = words(&sample(parser, flag));
        let earlier = crate::journal::GivenSweep { title: None, args: line.clone() };
        let resume = |typed: &[String], earlier: &[crate::journal::GivenSweep]| {
            let line = ["lbench", "--resume"].into_iter().chain(typed.iter().map(String::as_str));
            let typed = BenchArgs::parse(line.map(OsString::from)).unwrap();
            let resumed = RunRequest::new(&typed, &sources).unwrap().resuming(parser, earlier);
            resumed.unwrap().sweeps.swap_remove(0).given
        };
        let kept = resume(&[], &[earlier]);
        let is_kept = matches!(concern(flag), Concern::Measuring | Concern::Means);
        let is_secret = line.is_empty();
        assert_eq!(line.iter().all(|arg| kept.contains(arg)), is_kept || is_secret, "{flag} then");
        let none = crate::journal::GivenSweep { title: None, args: Vec::new() };
        let new = resume(&line, &[none]);
        let is_new = concern(flag) != Concern::Measuring;
        assert_eq!(line.iter().all(|arg| new.contains(arg)), is_new || is_secret, "{flag} now");
    }
}

#[test]
fn by_what_means_is_as_typed_or_as_it_was_or_as_elsewhere() {
    let vars = [("LBENCH_MODELS", "elsewhere"), ("LBENCH_HF_TOKEN", "hf_abc")];
    let resumed = |typed_now: &str, then: &[&str]| {
        let sources = Sources::of(&vars, "").unwrap();
        let now = RunRequest::new(&typed(&format!("--resume {typed_now}")), &sources).unwrap();
        let args = then.iter().map(ToString::to_string).collect();
        let earlier = [crate::journal::GivenSweep { title: None, args }];
        now.resuming(sources.flags(), &earlier).unwrap().sweeps.swap_remove(0).args
    };
    for (now, then, dir) in [
        ("--models-dir now", &["--models-dir=then"][..], "now"),
        ("", &["--models-dir=then"], "then"),
        ("", &[], "elsewhere"),
    ] {
        assert_eq!(resumed(now, then).models_dir, std::path::PathBuf::from(dir));
    }
    assert!(resumed("", &["--hf-repo=a/b"]).hub.token().is_some(), "the hub is asked again");
    let limits = resumed("--max-total-time 60 --offline", &["--timeout=5", "--n-prompt=3"]);
    assert!(limits.hub.offline && limits.max_total_time.is_some() && limits.timeout.is_some());
}

#[test]
fn sweeps_differ_in_what_is_of_a_sweep() {
    let file = "[[preset.two]]\nmmap = 1\ndepth-curve = 64\n[[preset.two]]\nmmap = 0\nn-depth = 8";
    let two = request("--preset two", &[], file).unwrap();
    let has = |at: usize, arg: &str| two.sweeps[at].given.iter().any(|given| given == arg);
    assert!(has(0, "--mmap=1") && has(0, "--depth-curve=64"));
    assert!(has(1, "--mmap=0") && has(1, "--n-depth=8") && !has(1, "--depth-curve=64"));
    let clash = request("", &[], "depth-curve = 64\nn-depth = 8").unwrap_err().to_string();
    assert_eq!(clash, "config.toml: --depth-curve and -d both give depths: give one of them");
}
