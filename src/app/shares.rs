//! Shares and devices on the command line that may not mean what they seem to: where llama.cpp's other programs part
//! those of one setting by commas, llama-bench and lbench part settings.

use std::collections::HashSet;

use super::out::tell;
use crate::axis::{AXES, Value};
use crate::cli::AxisArgs;
use crate::cli::defaults::Asked;
use crate::machine::{DeviceKind, Host};
use crate::units::counted;

/// Tells of them; of what several sweeps have in common once.
pub(super) fn tell_of<'a>(sweeps: impl IntoIterator<Item = &'a Asked>, host: &Host) {
    let mut told = HashSet::new();
    for note in sweeps.into_iter().flat_map(|asked| notes(&asked.args.axes, host)) {
        if told.insert(note.clone()) {
            tell(&note);
        }
    }
}

/// A word about each list that was probably meant as one setting, and about shares that nothing takes.
fn notes(axes: &AxisArgs, host: &Host) -> Vec<String> {
    let given = |name: &str| -> &[Value] {
        let place = AXES.iter().position(|axis| axis.name == name);
        place.and_then(|place| axes.0.get(place)).map_or(&[], Vec::as_slice)
    };
    let is_gpu = |kind| matches!(kind, DeviceKind::Gpu | DeviceKind::Igpu);
    let gpus = host.engine.devices.iter().filter(|device| is_gpu(device.kind)).count();
    let shares: Vec<_> = given("tensor_split").iter().filter_map(shares_of).collect();
    let devices: Vec<_> = given("devices").iter().filter_map(devices_of).collect();
    let most = devices.iter().map(|names| names.len()).max().filter(|most| *most > 0);
    let mut notes: Vec<_> = listed_shares(&shares).into_iter().collect();
    // What a server has is not known yet.
    if notes.is_empty() && given("rpc_servers").is_empty() {
        notes.extend(superfluous(&shares, most.unwrap_or(gpus)));
    }
    notes.extend(listed_devices(&devices));
    notes
}

fn shares_of(value: &Value) -> Option<&Vec<u32>> {
    match value {
        Value::Shares(shares) => Some(shares),
        _ => None,
    }
}

/// Devices that were named; none where all are meant, or the CPU alone.
fn devices_of(value: &Value) -> Option<&[String]> {
    match value {
        Value::Devices(names) if names.iter().any(|name| name == "none") => Some(&[]),
        Value::Devices(names) => Some(names),
        _ => None,
    }
}

/// `-ts 1,9`: each setting has one share, which is all of it.
fn listed_shares(settings: &[&Vec<u32>]) -> Option<String> {
    let is_list = settings.len() > 1
        && settings.iter().all(|shares| shares.len() <= 1)
        && settings.iter().any(|shares| !shares.is_empty());
    let each: Vec<_> = settings.iter().map(|shares| words(shares)).collect();
    is_list.then(|| {
        format!(
            "-ts {} is a list: {}, one share each, and that is all of the model; one setting with these shares is -ts {}",
            each.join(","),
            counted(settings.len(), "setting"),
            each.join("/")
        )
    })
}

/// `-dev CUDA0,CUDA1`: each setting has one device.
fn listed_devices(settings: &[&[String]]) -> Option<String> {
    let one: Vec<_> =
        settings.iter().filter(|names| names.len() == 1).map(|names| &*names[0]).collect();
    let is_list = one.len() > 1 && one.len() == settings.len();
    is_list.then(|| {
        format!(
            "-dev {} is a list: {}, one device each; one setting with all of them is -dev {}",
            one.join(","),
            counted(one.len(), "setting"),
            one.join("/")
        )
    })
}

/// Shares that there are no devices for.
fn superfluous(settings: &[&Vec<u32>], gpus: usize) -> Option<String> {
    let shares =
        settings.iter().max_by_key(|shares| shares.len()).filter(|shares| shares.len() > gpus)?;
    let (typed, n) = (words(shares), counted(shares.len(), "share"));
    if gpus == 0 {
        return Some(format!(
            "-ts {typed} changes nothing here: there is no GPU that could have a share"
        ));
    }
    let are = if gpus == 1 { "is" } else { "are" };
    let gpus = counted(gpus, "GPU");
    Some(format!(
        "-ts {typed} has {n}, and there {are} {gpus} to take them: the last ones count for nothing"
    ))
}

/// Shares as they are typed.
fn words(shares: &[u32]) -> String {
    if shares.is_empty() {
        return "0".into();
    }
    let each = shares.iter().map(|share| (f64::from(*share) / 100.0).to_string());
    each.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::app::command::Cli;
    use crate::machine::Device;

    fn told(line: &str, gpus: usize) -> String {
        let args = format!("lbench {line}");
        let args = args.split_whitespace().map(OsString::from);
        let mut host = Host::for_tests();
        host.engine.devices = (0..gpus)
            .map(|at| Device {
                name: format!("CUDA{at}"),
                description: "a card".into(),
                kind: DeviceKind::Gpu,
                backend: "CUDA".into(),
                id: None,
                free: 0,
                total: 0,
            })
            .collect();
        let told = notes(&Cli::parse_args(args).unwrap().unwrap().bench.axes, &host);
        format!("{line} with {gpus}\n    {}", told.join("\n    "))
    }

    #[test]
    fn lists_that_were_meant_as_one_setting_are_told() {
        insta::assert_snapshot!(
            [
                told("-ts 1,9", 2),
                told("-ts 3,1,0.5", 4),
                told("-ts 1,9", 0),
                told("-ts 0,1", 2),
                told("-ts 3/1/2", 2),
                told("-ts 1/1 -dev CUDA0", 2),
                told("-ts 1/1,3/1/1", 1),
                told("-ts 3/1", 0),
                told("-dev CUDA0,CUDA1", 2),
            ]
            .join("\n")
        );
    }

    #[test]
    fn what_is_meant_so_is_left_alone() {
        for (line, gpus) in [
            ("-ts 1/9", 2),
            ("-ts 1/9,9/1", 2),
            ("-ts 1", 2),
            ("-ts 0", 0),
            ("-dev CUDA0/CUDA1", 2),
            ("-dev auto,CUDA1,none", 2),
            ("-ts 1/1/1 -rpc a:1,b:2", 1),
            ("-p 8", 1),
        ] {
            assert_eq!(told(line, gpus).lines().nth(1), Some("    "), "{line}");
        }
    }
}
