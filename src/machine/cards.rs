//! The GPUs that a machine has, whatever this build can do with them, and why one is not used.

use serde::{Deserialize, Serialize};

use super::{Description, Device, DeviceKind};

/// The cards of a machine and their driver, as driver and system tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cards {
    /// Every card.
    pub found: Vec<Card>,
    /// NVIDIA's driver, where it is loaded.
    pub driver: Option<Driver>,
    /// What `CUDA_VISIBLE_DEVICES` says, where it is set.
    pub visible: Option<String>,
}

/// A card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its name, e.g. `NVIDIA H200`.
    pub name: String,
    /// Who made it.
    pub maker: Maker,
    /// PCI bus id: `00000000:65:00.0`.
    pub id: Option<String>,
    /// What the driver says instead of an answer: the card fell off the bus.
    pub trouble: Option<String>,
}

/// The makers whose cards can be told from what a virtual screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Maker {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
}

/// NVIDIA's driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// Its version, e.g. `580.65.06`.
    pub version: Option<String>,
    /// The newest CUDA whose programs it runs, e.g. `13.0`.
    pub cuda: Option<String>,
    /// Why its library tells nothing.
    pub trouble: Option<String>,
    /// Whether its device nodes (`/dev/nvidia*`) are there: in a container they must be handed in.
    pub nodes: bool,
}

impl Maker {
    /// The backend of the engine that is for its cards, by the names that it goes by.
    fn backend(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Nvidia => ("CUDA", &["CUDA"]),
            Self::Amd => ("ROCm", &["ROCm", "HIP"]),
        }
    }
}

impl Cards {
    /// Whether there is nothing to say.
    pub fn is_none(&self) -> bool {
        self.found.is_empty() && self.driver.is_none()
    }

    /// A line for each card: what it is, and whether this build uses it or why it does not.
    pub fn lines(&self, engine: &Description) -> Vec<String> {
        let lines = self.found.iter().map(|card| {
            let use_ = match (user(card, engine), self.why_not(card, engine)) {
                (Some(backend), _) => format!("used through {backend}"),
                (None, why) => format!("not used: {why}"),
            };
            let driver = self.driver_of(card);
            format!(
                "{}{}{use_}",
                card.name,
                if driver.is_empty() { ": ".into() } else { format!(" ({driver}): ") }
            )
        });
        let mut lines: Vec<String> = lines.collect();
        lines.dedup();
        if let (true, Some(driver)) = (self.found.is_empty(), &self.driver) {
            let text = driver.trouble.as_deref().unwrap_or("it names no card");
            lines.push(format!("NVIDIA's driver is there, and no card: {text}"));
        }
        lines
    }

    /// Why nothing here takes layers off the CPU although there is a card, with what mends it. Where the engine
    /// has a device that does, a card is only worth a word if something is wrong with it.
    pub fn unused(&self, engine: &Description) -> Option<String> {
        let in_order = self.found.iter().find(|card| card.trouble.is_none());
        let lost = self.found.iter().find(|card| card.trouble.is_some());
        let card = if engine.can_offload() { lost? } else { in_order.or(lost)? };
        Some(format!("{} is not used: {}", card.name, self.why_not(card, engine)))
    }

    fn driver_of(&self, card: &Card) -> String {
        let Some(driver) = self.driver.as_ref().filter(|_| card.maker == Maker::Nvidia) else {
            return String::new();
        };
        let version = driver.version.as_ref().map(|version| format!("driver {version}"));
        let cuda = driver.cuda.as_ref().map(|cuda| format!("for CUDA up to {cuda}"));
        version.into_iter().chain(cuda).collect::<Vec<_>>().join(", ")
    }

    fn why_not(&self, card: &Card, engine: &Description) -> String {
        if let Some(trouble) = &card.trouble {
            return format!(
                "the driver says {trouble}; a restart of the machine may bring it back"
            );
        }
        let (backend, names) = card.maker.backend();
        let of_backend = |file: &str| {
            let file = file.to_ascii_lowercase();
            names.iter().any(|name| file.contains(&format!("ggml-{}", name.to_ascii_lowercase())))
        };
        let mut refused = engine.modules.iter().filter(|module| of_backend(module.file_name()));
        if let Some(why) = refused.find_map(|module| module.trouble.as_deref()) {
            return refusal(backend, why);
        }
        if !engine.backends.iter().any(|known| names.contains(&known.as_str())) {
            return match card.maker {
                Maker::Nvidia if self.driver.is_none() => {
                    "no driver of it is loaded; install one (https://www.nvidia.com/drivers)".into()
                }
                Maker::Nvidia => {
                    "this build has no CUDA backend; `make build` in its source adds it, \
                                  with CUDA's toolkit"
                        .into()
                }
                Maker::Amd => "this build has no backend for it; `LBENCH_GPU=rocm make build` or \
                               `LBENCH_GPU=vulkan make build` in its source adds one"
                    .into(),
            };
        }
        let said = engine.start_errors.iter().find(|line| line.contains(backend));
        let said = said.map(|line| line.rsplit(": ").next().unwrap_or(line).trim().to_string());
        self.no_device(backend, said.as_deref())
    }

    /// Why a backend that is there has no device for a card.
    fn no_device(&self, backend: &str, said: Option<&str>) -> String {
        let driver = self.driver.clone().unwrap_or_default();
        if backend == "CUDA" {
            if !driver.nodes {
                return "its device nodes (/dev/nvidia*) are not there; start the container with \
                        `--gpus all`"
                    .into();
            }
            if said.is_some_and(|said| said.contains("driver version is insufficient")) {
                let runs = driver.cuda.map(|cuda| format!(", which runs CUDA up to {cuda},"));
                return format!(
                    "its driver{}{} is older than the CUDA of this build; install a newer driver, or build \
                     with an older toolkit",
                    driver.version.map(|version| format!(" {version}")).unwrap_or_default(),
                    runs.unwrap_or_default()
                );
            }
            if let Some(visible) = &self.visible {
                return format!(
                    "CUDA_VISIBLE_DEVICES={visible:?} hides it; unset that, or name its number there"
                );
            }
        }
        match said {
            Some(said) => format!("the {backend} backend says {said}"),
            None => format!("the {backend} backend finds no device"),
        }
    }
}

/// The backend that has this card as a device. One that tells no bus ids is taken at its word.
fn user<'a>(card: &Card, engine: &'a Description) -> Option<&'a str> {
    let gpu = |device: &&Device| matches!(device.kind, DeviceKind::Gpu | DeviceKind::Igpu);
    let same = |device: &&Device| match (&device.id, &card.id) {
        (Some(device), Some(card)) => bus_id(device) == bus_id(card),
        _ => true,
    };
    let local = |device: &&Device| device.backend != "RPC";
    engine.devices.iter().filter(gpu).filter(local).find(same).map(|device| device.backend.as_str())
}

/// Why a module of a backend was refused, with what mends it.
fn refusal(backend: &str, why: &str) -> String {
    let library = why.split([':', ' ']).find(|word| word.contains(".so")).unwrap_or("a library");
    if !why.contains("cannot open shared object file") {
        return format!("its {backend} backend was refused: {why}");
    }
    if library.starts_with("libcuda.so") {
        return format!(
            "the driver's library {library} is not there; install the driver, or start the container with \
             `--gpus all`"
        );
    }
    format!(
        "the {backend} backend needs {library}, which is not there; install {backend}'s libraries, or name \
         their folder in LD_LIBRARY_PATH"
    )
}

/// A bus id without the leading zeros of its domain, in one case.
pub fn bus_id(text: &str) -> String {
    text.trim_start_matches('0').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Module;

    fn h200() -> Card {
        let (name, id) = ("NVIDIA H200".into(), Some("00000000:65:00.0".into()));
        Card { name, maker: Maker::Nvidia, id, trouble: None }
    }

    /// A machine with an H200 in order.
    fn machine() -> Cards {
        let driver = Driver {
            version: Some("535.54".into()),
            cuda: Some("12.2".into()),
            trouble: None,
            nodes: true,
        };
        Cards { found: vec![h200()], driver: Some(driver), visible: None }
    }

    fn engine(backends: &[&str]) -> Description {
        let backends = backends.iter().map(ToString::to_string).collect();
        Description { backends, ..Description::default() }
    }

    fn with_device(backend: &str, id: Option<&str>) -> Description {
        let mut engine = engine(&[backend, "CPU"]);
        engine.devices.push(Device {
            name: format!("{backend}0"),
            description: "NVIDIA H200".into(),
            kind: DeviceKind::Gpu,
            backend: backend.into(),
            id: id.map(str::to_string),
            free: 1,
            total: 1,
        });
        engine
    }

    #[test]
    fn a_card_that_a_backend_has_is_used() {
        for id in [Some("0000:65:00.0"), None] {
            let engine = with_device("CUDA", id);
            assert_eq!(machine().unused(&engine), None);
            let line = "NVIDIA H200 (driver 535.54, for CUDA up to 12.2): used through CUDA";
            assert_eq!(machine().lines(&engine), [line]);
        }
        let vulkan = with_device("Vulkan", None);
        assert!(machine().lines(&vulkan)[0].ends_with("used through Vulkan"));
    }

    #[test]
    fn a_remote_card_is_not_one_of_this_machine() {
        assert!(machine().lines(&with_device("RPC", None))[0].contains("not used"));
    }

    #[test]
    fn of_two_cards_the_one_without_a_device_is_not_used() {
        let mut cards = machine();
        cards.found.push(Card { id: Some("00000000:17:00.0".into()), ..h200() });
        cards.visible = Some("0".into());
        let engine = with_device("CUDA", Some("0000:65:00.0"));
        let lines = cards.lines(&engine);
        assert!(lines[0].ends_with("used through CUDA"), "{lines:?}");
        assert!(lines[1].contains("CUDA_VISIBLE_DEVICES=\"0\" hides it"), "{lines:?}");
        assert_eq!(cards.unused(&engine), None, "something is used: no word");
        cards.found[1].trouble = Some("it is lost".into());
        let told = cards.unused(&engine).unwrap();
        assert!(told.contains("the driver says it is lost"), "{told}");
    }

    #[test]
    fn without_a_card_there_is_nothing_to_say() {
        assert_eq!(Cards::default().unused(&engine(&["CPU"])), None);
        assert!(Cards::default().is_none() && Cards::default().lines(&engine(&["CPU"])).is_empty());
    }

    /// Every reason that is known, each with what mends it.
    #[test]
    fn a_card_that_is_not_used_has_a_reason_and_a_mend() {
        let cpu = engine(&["RPC", "CPU"]);
        let cuda = engine(&["CUDA", "RPC", "CPU"]);
        let refused = |why: &str| {
            let file = "/opt/lbench/backends/libggml-cuda.so".to_string();
            Description { modules: vec![Module { file, trouble: Some(why.into()) }], ..cpu.clone() }
        };
        let says = |why: &str| {
            let line = format!("failed to initialize CUDA: {why}");
            Description { start_errors: vec![line], ..cuda.clone() }
        };
        let missing = "cannot open shared object file: No such file or directory";
        let no_driver = Cards { driver: None, ..machine() };
        let hidden = Cards { visible: Some(String::new()), ..machine() };
        let mut no_nodes = machine();
        no_nodes.driver.as_mut().unwrap().nodes = false;
        let mut lost = machine();
        lost.found[0].trouble = Some("the GPU has fallen off the bus".into());
        let mut amd = Cards { driver: None, ..machine() };
        amd.found[0] = Card { name: "an AMD GPU".into(), maker: Maker::Amd, ..h200() };
        for (cards, engine, reason, mend) in [
            (machine(), cpu.clone(), "no CUDA backend", "`make build`"),
            (no_driver, cpu.clone(), "no driver of it is loaded", "install one"),
            (amd, cpu.clone(), "no backend for it", "`LBENCH_GPU=rocm make build`"),
            (lost, cuda.clone(), "fallen off the bus", "a restart"),
            (
                hidden,
                says("no CUDA-capable device is detected"),
                "CUDA_VISIBLE_DEVICES=\"\"",
                "unset",
            ),
            (no_nodes, says("no CUDA-capable device is detected"), "/dev/nvidia*", "`--gpus all`"),
            (
                machine(),
                says("CUDA driver version is insufficient for CUDA runtime version"),
                "driver 535.54, which runs CUDA up to 12.2, is older than the CUDA of this build",
                "install a newer driver",
            ),
            (
                machine(),
                refused(&format!("libcuda.so.1: {missing}")),
                "libcuda.so.1",
                "`--gpus all`",
            ),
            (
                machine(),
                refused(&format!("libcublas.so.13: {missing}")),
                "libcublas.so.13",
                "LD_LIBRARY_PATH",
            ),
            (machine(), refused("undefined symbol: x"), "was refused: undefined symbol: x", ""),
            (machine(), says("out of memory"), "the CUDA backend says out of memory", ""),
            (machine(), cuda.clone(), "finds no device", ""),
        ] {
            let text = cards.unused(&engine).unwrap();
            assert!(
                text.starts_with("NVIDIA H200 is not used: ") || text.contains("AMD"),
                "{text}"
            );
            assert!(
                text.contains(reason) && text.contains(mend),
                "{text:?} lacks {reason:?} or {mend:?}"
            );
        }
    }

    #[test]
    fn a_driver_that_names_no_card_is_told() {
        let driver =
            Driver { trouble: Some("Driver/library version mismatch".into()), ..Driver::default() };
        let cards = Cards { driver: Some(driver), ..Cards::default() };
        assert_eq!(
            cards.lines(&engine(&["CPU"])),
            ["NVIDIA's driver is there, and no card: Driver/library version mismatch"]
        );
    }

    #[test]
    fn bus_ids_are_compared_by_what_they_say() {
        assert_eq!(bus_id("00000000:65:00.0"), bus_id("0000:65:00.0"));
        assert_eq!(bus_id("0000:0A:00.0"), bus_id("00000000:0a:00.0"));
        assert_ne!(bus_id("0000:65:00.0"), bus_id("0000:66:00.0"));
    }
}
