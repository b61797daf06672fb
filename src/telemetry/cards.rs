//! The GPUs of this machine, from NVIDIA's driver and from the system's files: the engine knows only those that
//! it can use.

use std::fs;
use std::path::{Path, PathBuf};

use nvml_wrapper::Nvml;
use nvml_wrapper::{cuda_driver_version_major, cuda_driver_version_minor};

use super::nvml;
use crate::machine::cards::{Card, Cards, Driver, Maker};

/// Stands for `/` in tests, which know nothing of the cards of the machine they run on.
const ROOT: &str = "LBENCH_GPU_ROOT";

/// Whether a test plays the machine: its driver or its files.
pub fn is_played() -> bool {
    [ROOT, nvml::LIBRARY].iter().any(|name| std::env::var_os(name).is_some())
}

/// Looks at the machine. Where the driver answers it is asked; the system's files tell the rest.
pub fn look() -> Cards {
    let root = std::env::var_os(ROOT).map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let mut cards = Cards { found: on_the_bus(&root), driver: None, visible };
    let (driver, found) = match nvml::open() {
        Ok(nvml) => (Driver { nodes: true, ..driver_of(&nvml) }, found_by(&nvml)),
        Err(trouble) => {
            let Some(driver) = loaded(&root) else { return cards };
            (Driver { trouble: Some(trouble), ..driver }, Vec::new())
        }
    };
    cards.driver = Some(driver);
    if !found.is_empty() {
        // What the driver names is better than what the bus shows, and may be fewer: others are handed elsewhere.
        cards.found.retain(|card| card.maker != Maker::Nvidia);
        cards.found.splice(0..0, found);
    }
    cards
}

fn driver_of(nvml: &Nvml) -> Driver {
    let cuda = nvml.sys_cuda_driver_version().ok().map(|version| {
        format!("{}.{}", cuda_driver_version_major(version), cuda_driver_version_minor(version))
    });
    Driver { version: nvml.sys_driver_version().ok(), cuda, ..Driver::default() }
}

fn found_by(nvml: &Nvml) -> Vec<Card> {
    let count = nvml.device_count().unwrap_or(0);
    let card = |index| {
        let device = nvml.device_by_index(index);
        let name = device.as_ref().ok().and_then(|device| device.name().ok());
        let id = device.as_ref().ok().and_then(|device| Some(device.pci_info().ok()?.bus_id));
        // A card that is gone still has a handle on some drivers.
        let lost = device.and_then(|device| device.memory_info().map(drop)).err();
        let lost = lost.filter(|error| matches!(error, nvml_wrapper::error::NvmlError::GpuLost));
        Card {
            name: name.unwrap_or_else(|| format!("NVIDIA GPU {index}")),
            maker: Maker::Nvidia,
            id,
            trouble: lost.map(|error| error.to_string()),
        }
    };
    (0..count).map(card).collect()
}

/// NVIDIA's driver, as far as its files tell: a container without it handed in has no library to ask.
fn loaded(root: &Path) -> Option<Driver> {
    let text = fs::read_to_string(root.join("proc/driver/nvidia/version")).ok()?;
    let (_, rest) = text.split_once("Module")?;
    let version =
        rest.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    Some(Driver {
        version: version.map(str::to_string),
        nodes: root.join("dev/nvidiactl").exists(),
        ..Driver::default()
    })
}

/// Display controllers of makers whose cards compute, on the PCI bus.
fn on_the_bus(root: &Path) -> Vec<Card> {
    let devices = fs::read_dir(root.join("sys/bus/pci/devices"));
    let mut paths: Vec<_> =
        devices.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let card = |path: &PathBuf| {
        let read = |name: &str| fs::read_to_string(path.join(name)).ok();
        if !read("class")?.starts_with("0x03") {
            return None;
        }
        let (maker, name) = match read("vendor")?.trim() {
            "0x10de" => (Maker::Nvidia, "an NVIDIA GPU"),
            "0x1002" => (Maker::Amd, "an AMD GPU"),
            _ => return None,
        };
        let id = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let model = id.as_deref().filter(|_| maker == Maker::Nvidia).and_then(|id| model(root, id));
        Some(Card { name: model.unwrap_or_else(|| name.into()), maker, id, trouble: None })
    };
    paths.iter().filter_map(card).collect()
}

/// The name of a card that NVIDIA's driver has written into a file.
fn model(root: &Path, id: &str) -> Option<String> {
    let file = root.join("proc/driver/nvidia/gpus").join(id).join("information");
    let text = fs::read_to_string(file).ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim();
    (!name.is_empty()).then(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_shows_cards_and_no_virtual_screens() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (id, vendor, class) in [
            ("0000:00:02.0", "0x1234", "0x030000"), // a virtual screen
            ("0000:01:00.0", "0x1002", "0x030000"),
            ("0000:65:00.0", "0x10de", "0x030200"),
            ("0000:66:00.0", "0x10de", "0x020000"), // a network card of the same maker
        ] {
            write(&format!("sys/bus/pci/devices/{id}/vendor"), &format!("{vendor}\n"));
            write(&format!("sys/bus/pci/devices/{id}/class"), &format!("{class}\n"));
        }
        let names = |cards: &[Card]| cards.iter().map(|card| card.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&on_the_bus(root.path())), ["an AMD GPU", "an NVIDIA GPU"]);
        assert_eq!(loaded(root.path()), None);

        write(
            "proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun\n",
        );
        write("proc/driver/nvidia/gpus/0000:65:00.0/information", "Model: \t NVIDIA H200\n");
        assert_eq!(names(&on_the_bus(root.path()))[1], "NVIDIA H200");
        let driver = loaded(root.path()).unwrap();
        assert_eq!((driver.version.as_deref(), driver.nodes), (Some("580.65.06"), false));
        write("dev/nvidiactl", "");
        assert!(loaded(root.path()).unwrap().nodes);
    }
}
