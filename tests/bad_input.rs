//! Bad input: one line on standard error that names the flag or file, the documented exit code, and
//! nothing half-written.

use std::fs;
use std::process::Command;

fn refuse(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lbench")).args(args).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn model_files_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let good = path("good.gguf");
    let spec = "llama:layers=1,embd=32,ff=64,heads=1,vocab=64,tied:f16";
    let made =
        Command::new(env!("CARGO_BIN_EXE_lbench")).args(["synth", spec, "-o", &good]).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bytes = fs::read(&good).unwrap();
    fs::write(path("empty.gguf"), "").unwrap();
    fs::write(path("page.gguf"), "<!DOCTYPE html><html>404</html>").unwrap();
    fs::write(path("cut.gguf"), &bytes[..bytes.len() - 100]).unwrap();
    fs::write(path("cut_header.gguf"), &bytes[..200]).unwrap();
    let mut absurd = bytes.clone();
    absurd[8..16].fill(0xff);
    fs::write(path("absurd.gguf"), absurd).unwrap();
    fs::create_dir(path("folder.gguf")).unwrap();

    let mut messages = Vec::new();
    for name in ["missing", "folder", "empty", "page", "cut", "cut_header", "absurd"] {
        let file = path(&format!("{name}.gguf"));
        let (code, message) = refuse(&["-m", &file]);
        assert_eq!(code, Some(2), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        messages.push(message.trim_end().replace(dir.path().to_str().unwrap(), "DIR"));
    }
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn flags_and_specifications() {
    let mut messages = Vec::new();
    for args in [
        &["-m", ""][..],
        &["-m", "synth:llama-9b:q4_0"],
        &["-m", "synth:llama-135m:q9_0"],
        &["-m", "synth:llama-135m"],
        &["-p", "0", "-n", "0"],
        &["-p", "512", "-n", "abc"],
        &["-b", ""],
        &["-ngl", "-7"],
        &["--scripted={}", "-p", "2147483647", "-d", "2147483647"],
        &["synth", "llama-135m:q4_0", "-o", "/dev/null/x.gguf"],
        &["-ot", "exps"],
        &["-ot", "attn(=CPU"],
        &["-ot", "blk\\.[0-9]{1,2}\\.=CPU"],
        &["-ot", "exps=CPU;a(?=b)=CPU"],
        &["-m", "none,such.gguf"],
        &["-C", "0xfg"],
        &["--poll", "0-101"],
        &["-nkvo", "maybe"],
        &["-lm", "floppy"],
        &["--numa", "everywhere"],
        &["--prio", "7"],
        &["-mmp", "1", "-lm", "none"],
        &["--depth-curve", "0"],
        &["--depth-curve", "1024", "-d", "8"],
        &["--scripted={}", "--prompt-file", "/nowhere/prompts.txt"],
        &["--scripted={}", "--max-vram", "1G", "-ncmoe", "2"],
    ] {
        let (code, message) = refuse(args);
        assert_eq!(code, Some(2), "{message}");
        let last = message.lines().last().unwrap_or_default();
        messages.push(format!("{}\n    {last}", args.join(" ")));
    }
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn an_output_that_cannot_be_written_is_said() {
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        return;
    };
    let output = Command::new(env!("CARGO_BIN_EXE_lbench"))
        .args(["--scripted={}", "-p", "64", "-n", "0"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("No space left"), "{message}");
}
