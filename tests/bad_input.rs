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

/// A name that is no text cannot be handed to a worker or kept in a journal: that is said at once, by its flag.
#[test]
fn names_that_are_no_text() {
    use std::os::unix::ffi::OsStringExt as _;
    let dir = tempfile::tempdir().unwrap();
    let name = |text: &str| {
        let bytes = [dir.path().to_str().unwrap().as_bytes(), text.as_bytes(), b"caf\xe9"].concat();
        std::ffi::OsString::from_vec(bytes)
    };
    let folder = name("/");
    fs::create_dir(&folder).unwrap();
    let words = |words: &[&str]| words.iter().map(Into::into).collect::<Vec<std::ffi::OsString>>();
    let lbench = |args: Vec<std::ffi::OsString>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.args(args).env_remove("LBENCH_MODELS").env("HOME", dir.path());
        command
    };
    let scripted = ["--scripted={}", "-p", "64", "-n", "0", "-r", "1"];
    let told = |command: &mut Command, flag: &str| {
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flag}: {told}");
        assert!(told.contains(flag) && told.contains("is not UTF-8"), "{flag}: {told}");
        assert_eq!(told.lines().count(), 1, "{flag}: {told}");
    };
    for flag in
        ["-m", "--models-dir", "--journal", "--prompt-file", "--resume", "--baseline", "-dev"]
    {
        if flag != "--resume" {
            let args = [words(&scripted), words(&[flag]), vec![folder.clone()]].concat();
            told(&mut lbench(args), flag);
        }
        if flag.starts_with("--") {
            let mut attached = std::ffi::OsString::from(format!("{flag}="));
            attached.push(&folder);
            told(&mut lbench([words(&scripted), vec![attached]].concat()), flag);
        }
    }
    for command in ["report", "compare", "synth"] {
        let args = [words(&[command]), vec![folder.clone()], words(&["x"])].concat();
        told(&mut lbench(args), "caf");
    }
    let model = words(&["-m", "synth:llama-135m:q4_0"]);
    let sweep = [words(&scripted), model].concat();
    told(lbench(sweep).env("LBENCH_MODELS", &folder), "LBENCH_MODELS");
    let doctor = words(&["doctor", "--scripted={}", "--quick", "-m", "synth:llama-135m:q4_0"]);
    told(lbench(doctor).env("LBENCH_MODELS", &folder), "caf");
    // A link to it is a way.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    let args = words(&["synth", TINY, "--models-dir", link.to_str().unwrap()]);
    assert_eq!(lbench(args).output().unwrap().status.code(), Some(0));
}

const TINY: &str = "llama:layers=1,embd=32,ff=64,heads=1,vocab=64,tied:f16";

/// Nothing of somebody else's is written over.
#[test]
fn a_file_that_is_in_the_way_of_a_model() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        let output = command.arg("synth").args(args).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (file, folder) = (dir.path().join("m.gguf"), dir.path().to_str().unwrap());
    let named = file.to_str().unwrap();
    fs::write(&file, "thesis\n").unwrap();
    let (code, told) = run(&[TINY, "-o", named]);
    assert_eq!((code, told.contains("--force")), (Some(2), true), "{told}");
    assert_eq!(fs::read(&file).unwrap(), b"thesis\n");
    assert_eq!(run(&[TINY, "-o", named, "--force"]).0, Some(0));
    let model = fs::read(&file).unwrap();
    assert!(model.starts_with(b"GGUF"));
    // The very same model is there already; another one is another file.
    assert_eq!(run(&[TINY, "-o", named]).0, Some(0));
    let other = TINY.replace("ff=64", "ff=96");
    assert_eq!(run(&[&other, "-o", named]).0, Some(2));
    assert_eq!(fs::read(&file).unwrap(), model);
    // In the folder of models, what lbench made is made anew, and nothing else is.
    assert_eq!(run(&[TINY, "--models-dir", folder]).0, Some(0));
    let own: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let own = own.iter().find(|path| **path != file).unwrap();
    assert_eq!(run(&[&other, "-o", own.to_str().unwrap(), "--force"]).0, Some(0));
    assert_eq!(run(&[TINY, "--models-dir", folder]).0, Some(0));
    assert_eq!(fs::read(own).unwrap(), model);
    fs::write(own, "thesis\n").unwrap();
    let (code, told) = run(&[TINY, "--models-dir", folder]);
    assert_eq!((code, told.contains("--models-dir")), (Some(2), true), "{told}");
    assert_eq!(fs::read(own).unwrap(), b"thesis\n");
}

/// An interrupted writer leaves nothing.
#[test]
fn a_model_that_is_not_finished_leaves_no_part() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let dir = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(dir.path()).unwrap().count();
        let folder = dir.path().to_str().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.args(["synth", "qwen2.5-0.5b:f32", "--models-dir", folder]);
        command.stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        for _ in 0..2000 {
            if files() > 0 || child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
        let status = child.wait().unwrap();
        if signal == Signal::KILL {
            // Nobody can clean up behind that but the next one who comes by.
            assert_eq!(files(), 1);
            let args = ["synth", TINY, "--models-dir", folder];
            Command::new(env!("CARGO_BIN_EXE_lbench")).args(args).output().unwrap();
            assert_eq!(files(), 1, "the model alone");
        } else {
            assert_eq!((status.code(), files()), (Some(130), 0), "{signal:?}");
        }
    }
}
