//! What needs a GPU: on a machine whose device this build can use. Elsewhere there is nothing to test, and that is
//! said.
#![cfg(feature = "llama")]

use std::process::{Command, Output};

use serde_json::Value;

const MODEL: [&str; 2] = ["-m", "synth:llama-135m:q4_0"];
/// Its layers, with the output layer.
const LAYERS: u64 = 31;

fn lbench(vars: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.args(args).envs(vars.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `--list-devices` says, and the first device that is no CPU. A card that this build was made for and
/// cannot use is a failure.
fn device() -> Option<(String, String)> {
    let list = text(&lbench(&[], &["--list-devices"]).stdout);
    for line in
        list.lines().filter(|line| line.starts_with("GPU ") && line.contains(": not used: "))
    {
        assert!(line.contains("this build has no"), "{line}");
    }
    let devices = list.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
    let name =
        devices.map(|(name, _)| name).find(|name| *name != "CPU" && !name.starts_with("RPC"));
    let Some(name) = name else {
        eprintln!("skipped: this build has no GPU to use here\n{list}");
        return None;
    };
    Some((name.to_string(), list.clone()))
}

fn rows(args: &[&str]) -> Vec<Value> {
    let output =
        lbench(&[], &[&MODEL[..], args, &["-r", "2", "--no-warmup", "-o", "json"]].concat());
    let told = text(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("every row runs on the CPU"), "{told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn layers_go_to_the_device_and_each_setting_is_a_row_of_its_own() {
    let Some((_, list)) = device() else { return };
    let rows = rows(&["-p", "16", "-n", "0", "-ngl", "0,4,99"]);
    let of = |field: &str| rows.iter().map(|row| row[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("outcome"), ["completed"; 3]);
    assert_eq!(of("same_as"), [Value::Null, Value::Null, Value::Null], "none is another one");
    assert_eq!(of("n_gpu_layers_effective"), [0, 4, LAYERS].map(Value::from));
    assert!(of("can_offload").iter().all(|can| can == true));
    // What a software device gives away is the host's memory, of which no driver keeps an account.
    if list.contains("CUDA") {
        let memory: Vec<_> =
            of("devices_used").iter().map(|bytes| bytes.as_u64().unwrap()).collect();
        assert!(
            memory[0] < memory[2] && memory[1] < memory[2] && memory[2] > 80 << 20,
            "{memory:?}"
        );
    }
}

#[test]
fn a_device_can_be_named_and_so_can_none() {
    let Some((name, _)) = device() else { return };
    let rows = rows(&["-p", "16", "-n", "0", "-ngl", "4", "-dev", &format!("none,{name}")]);
    let layers: Vec<_> =
        rows.iter().map(|row| row["n_gpu_layers_effective"].as_u64().unwrap()).collect();
    assert_eq!(layers, [0, 4]);
    assert_ne!(rows[0]["backends"], rows[1]["backends"]);
}

#[test]
fn a_card_that_the_environment_hides_is_told() {
    let Some((name, _)) = device() else { return };
    if !name.starts_with("CUDA") {
        return;
    }
    let args = [&MODEL[..], &["-p", "16", "-n", "0", "-r", "2", "--no-warmup"]].concat();
    let output = lbench(&[("CUDA_VISIBLE_DEVICES", "")], &args);
    let (table, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}");
    for said in [&table, &told] {
        assert!(said.contains("CUDA_VISIBLE_DEVICES=\"\" hides it"), "{told}{table}");
    }
}
