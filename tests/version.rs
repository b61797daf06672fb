//! What a build says of itself.

use std::process::Command;

fn lbench(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lbench")).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}\n{stderr}");
    assert_eq!(stderr, "", "{args:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The text with what differs from build to build and from machine to machine as a word.
fn stable(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = match line.split_once(' ') {
            Some(("lbench", number)) => {
                assert!(number.starts_with(env!("CARGO_PKG_VERSION")), "{line}");
                "lbench VERSION".to_string()
            }
            Some(("profile:", rest)) => {
                let rest = rest.trim();
                assert!(rest.starts_with("debug, ") || rest.starts_with("release, "), "{line}");
                "profile:  PROFILE, TARGET".to_string()
            }
            _ => line.to_string(),
        };
        lines.push(line);
    }
    lines.join("\n")
}

#[test]
fn the_short_one_is_a_name_and_a_number() {
    assert_eq!(lbench(&["-V"]), concat!("lbench ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
#[cfg(not(feature = "llama"))]
fn the_long_one_says_that_there_is_no_engine() {
    insta::assert_snapshot!(stable(&lbench(&["--version"])));
}

#[test]
#[cfg(not(feature = "llama"))]
fn the_long_one_asks_the_engine_that_a_run_would_use() {
    insta::assert_snapshot!(stable(&lbench(&["--version", "--scripted={}"])));
}

#[test]
#[cfg(feature = "llama")]
fn the_long_one_names_engine_kernels_and_flavour() {
    let text = lbench(&["--version"]);
    let text = stable(&text);
    let names = text.lines().map(|line| line.split(' ').next().unwrap());
    // Of several cards only the first has a name before it.
    let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    let all = ["lbench", "engine:", "kernels:", "backends:", "gpus:", "flavour:", "profile:"];
    assert_eq!(names, all, "{text}");
    assert!(text.contains("llama.cpp ") && text.contains("llama-cpp-sys-2 0."), "{text}");
    assert!(text.contains("CPU"), "{text}");
}
