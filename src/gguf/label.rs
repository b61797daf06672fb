//! The label of a model: family, size class and file type.
//!
//! llama.cpp reads the size class off the number of layers, which goes wrong for models it does not
//! know. Here a class counts only if the number of parameters bears it out.

use super::entries::MetadataValue;
use super::filetype;
use super::header::Header;
use super::mixture::layer_of;
use super::types::GgmlType;

impl Header {
    /// Family, size class and file type, e.g. `llama 3B Q6_K`: as llama.cpp prints it, except that the
    /// size class is held against the number of parameters.
    pub fn label(&self) -> String {
        format!("{} {} {}", self.architecture, size_class(self), file_type(self))
    }
}

fn file_type(header: &Header) -> String {
    let key = header.metadata.get("general.file_type").and_then(MetadataValue::count);
    if let Some(id) = key.and_then(|id| u32::try_from(id).ok()) {
        return filetype::description(id).to_owned();
    }
    let id = filetype::guessed_id(most_common_type(header));
    format!("(guessed) {}", filetype::description(id))
}

/// The type that most tensors have; of several, the one that gets there first in llama.cpp's order.
fn most_common_type(header: &Header) -> Option<GgmlType> {
    let mut order: Vec<_> = header.tensors.iter().collect();
    order.sort_by_key(|tensor| (layer_of(&tensor.name), &tensor.name));
    let mut counts = std::collections::BTreeMap::new();
    let mut best = (0, None);
    for tensor in order {
        let count = counts.entry(tensor.type_id).or_insert(0);
        *count += 1;
        if *count > best.0 {
            best = (*count, tensor.ggml_type);
        }
    }
    best.1
}

fn size_class(header: &Header) -> String {
    let n_params = header.n_params();
    if let Some(label) = header.metadata.get("general.size_label").and_then(MetadataValue::text)
        && let Some(nominal) = nominal_size(label)
        && within(n_params, nominal, 1.35)
    {
        // llama.cpp writes 30B.A3B where model cards write 30B-A3B.
        return label.replace("-A", ".A");
    }
    let layers = header.n_layers();
    let experts = header.arch_count("expert_count").unwrap_or(0);
    let known = KNOWN
        .iter()
        .filter(|known| known.0 == header.architecture && known.1 == layers)
        .filter(|known| (experts > 0) == is_mixture(known.2))
        .filter_map(|known| Some((known.2, nominal_size(known.2)?)))
        .filter(|&(_, nominal)| within(n_params, nominal, 1.35))
        .min_by(|a, b| distance(n_params, a.1).total_cmp(&distance(n_params, b.1)));
    if let Some((class, _)) = known {
        return class.to_owned();
    }
    match active_params(header, experts) {
        Some(active) => format!("{}.A{}", rounded(n_params), rounded(active)),
        None => rounded(n_params),
    }
}

/// Size classes that llama.cpp prints, by architecture and number of layers.
static KNOWN: [(&str, u32, &str); 41] = [
    ("llama", 16, "1B"),
    ("llama", 22, "1B"),
    ("llama", 26, "3B"),
    ("llama", 28, "3B"),
    ("llama", 32, "3B"),
    ("llama", 32, "7B"),
    ("llama", 32, "8B"),
    ("llama", 32, "8x7B"),
    ("llama", 36, "8B"),
    ("llama", 40, "13B"),
    ("llama", 48, "34B"),
    ("llama", 56, "8x22B"),
    ("llama", 60, "30B"),
    ("llama", 80, "65B"),
    ("llama", 80, "70B"),
    ("llama", 126, "405B"),
    ("qwen2", 24, "0.5B"),
    ("qwen2", 28, "1.5B"),
    ("qwen2", 28, "7B"),
    ("qwen2", 32, "7B"),
    ("qwen2", 36, "3B"),
    ("qwen2", 40, "4B"),
    ("qwen2", 40, "13B"),
    ("qwen2", 48, "14B"),
    ("qwen2", 64, "32B"),
    ("qwen2", 80, "70B"),
    ("qwen3", 28, "0.6B"),
    ("qwen3", 28, "1.7B"),
    ("qwen3", 36, "4B"),
    ("qwen3", 36, "8B"),
    ("qwen3", 40, "14B"),
    ("qwen3", 64, "32B"),
    ("qwen3moe", 48, "30B.A3B"),
    ("qwen3moe", 94, "235B.A22B"),
    ("gemma2", 26, "2B"),
    ("gemma2", 42, "9B"),
    ("gemma2", 46, "27B"),
    ("gemma3", 26, "1B"),
    ("gemma3", 34, "4B"),
    ("gemma3", 48, "12B"),
    ("gemma3", 62, "27B"),
];

/// Sizes that models conventionally come in, in units of 100 million parameters.
static CONVENTIONAL: [u32; 39] = [
    10, 12, 13, 14, 15, 16, 17, 18, 20, 30, 40, 50, 60, 70, 80, 90, 110, 120, 130, 140, 150, 160,
    200, 220, 240, 270, 300, 320, 340, 400, 650, 700, 720, 900, 1040, 1200, 2350, 4050, 6710,
];

fn is_mixture(class: &str) -> bool {
    class.contains('x') || class.contains(".A")
}

/// The parameters that a class like `135M`, `1.5B`, `8x7B` or `30B-A3B` announces; `None` where it is
/// none. Of a mixture with a count in front, the experts share what is not theirs, so that the whole is
/// about four fifths of the product.
fn nominal_size(class: &str) -> Option<f64> {
    let total = match class.split_once("-A").or_else(|| class.split_once(".A")) {
        Some((total, active)) => {
            plain_size(active)?;
            total
        }
        None => class,
    };
    match total.split_once('x') {
        Some((experts, each)) => {
            let experts: u16 = experts.parse().ok()?;
            Some(f64::from(experts) * plain_size(each)? * 0.82)
        }
        None => plain_size(total),
    }
}

fn plain_size(text: &str) -> Option<f64> {
    let unit = match text.chars().last()? {
        'K' => 1e3,
        'M' => 1e6,
        'B' => 1e9,
        'T' => 1e12,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    (number > 0.0 && number < 1e4).then_some(number * unit)
}

#[allow(clippy::cast_precision_loss)] // two digits matter
fn distance(n_params: u64, nominal: f64) -> f64 {
    (n_params.max(1) as f64 / nominal).ln().abs()
}

fn within(n_params: u64, nominal: f64, factor: f64) -> bool {
    distance(n_params, nominal) <= factor.ln()
}

/// Parameters that one token passes through; `None` for a dense model.
fn active_params(header: &Header, experts: u64) -> Option<u64> {
    let used = header.arch_count("expert_used_count").filter(|&used| used <= experts)?;
    if experts == 0 {
        return None;
    }
    let shared_out: u64 = header
        .tensors
        .iter()
        .filter(|tensor| tensor.name.contains("_exps."))
        .fold(0, |sum, tensor| sum.saturating_add(tensor.elements()));
    let idle = shared_out / experts * (experts - used);
    Some(header.n_params().saturating_sub(idle))
}

/// The nearest class: whole millions below a billion, a conventional size above, else one decimal.
fn rounded(n_params: u64) -> String {
    if n_params < 1_000_000 {
        return format!("{}K", n_params.div_ceil(1000));
    }
    let millions = n_params.saturating_add(500_000) / 1_000_000;
    if millions < 1000 {
        return format!("{millions}M");
    }
    let tenths = CONVENTIONAL
        .iter()
        .map(|&tenths| (u64::from(tenths), distance(n_params, f64::from(tenths) * 1e8)))
        .filter(|&(_, distance)| distance <= 1.2_f64.ln())
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(n_params.saturating_add(50_000_000) / 100_000_000, |(tenths, _)| tenths);
    match (tenths / 10, tenths % 10) {
        (billions, tenths) if tenths == 0 || billions >= 100 => format!("{billions}B"),
        (billions, tenths) => format!("{billions}.{tenths}B"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::entries::TensorInfo;
    use super::*;

    fn header(arch: &str, layers: u64, n_params: u64, size_label: Option<&str>) -> Header {
        let mut metadata = BTreeMap::new();
        metadata.insert(format!("{arch}.block_count"), MetadataValue::Unsigned(layers));
        metadata.insert("general.file_type".into(), MetadataValue::Unsigned(15));
        if let Some(label) = size_label {
            metadata.insert("general.size_label".into(), MetadataValue::String(label.into()));
        }
        let tensors = vec![TensorInfo {
            name: "x".into(),
            shape: vec![n_params],
            ggml_type: Some(GgmlType::Q4K),
            type_id: 12,
            bytes: 0,
        }];
        let (architecture, hash) = (arch.to_owned(), String::new());
        Header { architecture, metadata, tensors, file_size: 0, hash }
    }

    #[test]
    fn classes_follow_llama_cpp_where_the_parameters_agree() {
        for (arch, layers, millions, class) in [
            ("llama", 16, 1_236, "1B"),
            ("llama", 28, 3_213, "3B"),
            ("llama", 32, 8_030, "8B"),
            ("llama", 32, 6_738, "7B"),
            ("llama", 30, 135, "135M"),
            ("llama", 80, 70_554, "70B"),
            ("llama", 28, 300, "300M"),
            ("qwen2", 24, 494, "0.5B"),
            ("qwen2", 28, 1_544, "1.5B"),
            ("qwen2", 28, 7_616, "7B"),
            ("qwen3", 28, 596, "0.6B"),
            ("qwen3", 36, 4_022, "4B"),
            ("unknown", 3, 1_240, "1.2B"),
            ("unknown", 3, 3_800, "4B"),
            ("unknown", 3, 50_000, "50B"),
            ("unknown", 3, 5_000, "5B"),
        ] {
            let header = header(arch, layers, millions * 1_000_000, None);
            assert_eq!(header.label(), format!("{arch} {class} Q4_K - Medium"));
        }
        assert_eq!(size_class(&header("llama", 30, 134_515_008, None)), "135M");
        assert_eq!(size_class(&header("llama", 3, 12_345, None)), "13K");
    }

    #[test]
    fn the_files_own_label_counts_if_it_is_true() {
        let with = |millions: u64, label| {
            size_class(&header("llama", 28, millions * 1_000_000, Some(label)))
        };
        assert_eq!(with(3_213, "3B"), "3B");
        assert_eq!(with(3_213, "70B"), "3B");
        assert_eq!(with(46_703, "8x7B"), "8x7B");
        assert_eq!(with(30_532, "30B-A3B"), "30B.A3B");
        assert_eq!(with(3_213, "3B\x1b[31m"), "3B");
        for nonsense in ["", "B", "-3B", "infB", "1e9B", "xB", "8xx7B", "3Bé", "é", "30B-A"] {
            assert_eq!(nominal_size(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_file_without_a_type_gets_a_guess() {
        let mut header = header("llama", 28, 3_213_000_000, None);
        header.metadata.remove("general.file_type");
        assert_eq!(header.label(), "llama 3B (guessed) Q4_K - Medium");
    }
}
