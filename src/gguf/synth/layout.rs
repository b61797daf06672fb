//! Metadata and tensor table of a synthetic model: its header, as bytes and as a [`Header`].

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::Spec;
use super::geometry::Arch;
use crate::gguf::entries::{MetadataValue, TensorInfo};
use crate::gguf::header::{Header, SEED_KEY};
use crate::gguf::mixture::Mixture;
use crate::gguf::parse::{DEFAULT_ALIGNMENT, MAGIC};
use crate::gguf::types::GgmlType;

/// Counts up when other weights are written for the same specification, so that files in the cache are
/// made again.
const REVISION: u32 = 1;

/// What a tensor is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Ones: norms, and the factors of the rotary embedding.
    Ones,
    /// Normally distributed weights.
    Weights,
}

/// A tensor to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub name: String,
    pub shape: Vec<u64>,
    pub ggml_type: GgmlType,
    pub bytes: u64,
    pub fill: Fill,
}

/// A metadata value with the width that llama.cpp expects.
enum MetadataEntry {
    U32(u32),
    U64(u64),
    F32(f32),
    Text(String),
}

impl Spec {
    /// The header of the model's file, worked out in memory: equal to what [`Header::read`] returns for
    /// the written file.
    pub fn header(&self) -> Header {
        let tensors = self.tensors();
        let bytes = self.header_bytes(&tensors);
        let mut file_size = bytes.len() as u64;
        let mut infos = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            file_size = file_size.next_multiple_of(DEFAULT_ALIGNMENT) + tensor.bytes;
            infos.push(TensorInfo {
                name: tensor.name,
                shape: tensor.shape,
                ggml_type: Some(tensor.ggml_type),
                type_id: tensor.ggml_type.id(),
                bytes: tensor.bytes,
            });
        }
        let metadata: BTreeMap<_, _> = self
            .metadata()
            .into_iter()
            .map(|(key, entry)| {
                let value = match entry {
                    MetadataEntry::U32(n) => MetadataValue::Unsigned(u64::from(n)),
                    MetadataEntry::U64(n) => MetadataValue::Unsigned(n),
                    MetadataEntry::F32(x) => MetadataValue::Float(f64::from(x)),
                    MetadataEntry::Text(text) => MetadataValue::String(text),
                };
                (key, value)
            })
            .collect();
        Header::of_own_making(
            self.geometry.arch.name(),
            metadata,
            infos,
            file_size,
            Sha256::new_with_prefix(&bytes),
        )
    }

    /// The header as it is written: from the magic to the end of the tensor table.
    pub(super) fn header_bytes(&self, tensors: &[Tensor]) -> Vec<u8> {
        let metadata = self.metadata();
        let mut out = MAGIC.to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((tensors.len() as u64).to_le_bytes());
        out.extend((metadata.len() as u64).to_le_bytes());
        for (key, entry) in metadata {
            put_text(&mut out, &key);
            put_entry(&mut out, entry);
        }
        let mut offset = 0_u64;
        for tensor in tensors {
            put_text(&mut out, &tensor.name);
            // No shape has more than three dimensions.
            out.extend(u32::try_from(tensor.shape.len()).unwrap_or(0).to_le_bytes());
            for n in &tensor.shape {
                out.extend(n.to_le_bytes());
            }
            out.extend(tensor.ggml_type.id().to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset = (offset + tensor.bytes).next_multiple_of(DEFAULT_ALIGNMENT);
        }
        out
    }

    fn metadata(&self) -> Vec<(String, MetadataEntry)> {
        let geometry = &self.geometry;
        let arch = geometry.arch.name();
        let is_qwen = geometry.arch != Arch::Llama;
        let rms_eps = if is_qwen { 1e-6 } else { 1e-5 };
        let rope_base = match geometry.arch {
            Arch::Llama if geometry.rope_freqs => 500_000.0,
            Arch::Llama => 10_000.0,
            _ => 1_000_000.0,
        };
        let mut all = vec![
            ("general.architecture".to_owned(), MetadataEntry::Text(arch.to_owned())),
            ("general.name".to_owned(), MetadataEntry::Text(self.name())),
        ];
        if let Some(label) = self.size_label() {
            all.push(("general.size_label".to_owned(), MetadataEntry::Text(label.to_owned())));
        }
        for (key, value) in [
            ("general.file_type", MetadataEntry::U32(self.file_type.id())),
            ("general.quantization_version", MetadataEntry::U32(2)),
            (SEED_KEY, MetadataEntry::U64(self.seed)),
            ("lbench.synthetic.revision", MetadataEntry::U32(REVISION)),
            // Without a vocabulary there is nothing to tokenise, and nothing here does.
            ("tokenizer.ggml.model", MetadataEntry::Text("none".to_owned())),
        ] {
            all.push((key.to_owned(), value));
        }
        let mut own = |key: &str, value| all.push((format!("{arch}.{key}"), value));
        for (key, value) in [
            ("vocab_size", geometry.vocab),
            ("context_length", geometry.context),
            ("block_count", geometry.layers),
            ("embedding_length", geometry.embd),
            ("feed_forward_length", geometry.ff),
            ("attention.head_count", geometry.heads),
            ("attention.head_count_kv", geometry.kv),
            ("attention.key_length", geometry.head_dim),
            ("attention.value_length", geometry.head_dim),
            ("rope.dimension_count", geometry.head_dim),
        ] {
            own(key, MetadataEntry::U32(value));
        }
        own("attention.layer_norm_rms_epsilon", MetadataEntry::F32(rms_eps));
        own("rope.freq_base", MetadataEntry::F32(rope_base));
        if geometry.experts > 0 {
            own("expert_count", MetadataEntry::U32(geometry.experts));
            own("expert_used_count", MetadataEntry::U32(geometry.experts_used));
            if geometry.arch == Arch::Qwen3Moe {
                own("expert_feed_forward_length", MetadataEntry::U32(geometry.ff));
            }
        }
        if let Some((key, value)) = &self.note {
            all.push((key.clone(), MetadataEntry::Text(value.clone())));
        }
        all
    }

    /// The tensors, in file order.
    pub(super) fn tensors(&self) -> Vec<Tensor> {
        let geometry = &self.geometry;
        let mut list = List { mixture: self.mixture(), tensors: Vec::new() };
        let [embd, vocab] = [geometry.embd, geometry.vocab].map(u64::from);
        list.add("token_embd.weight", &[embd, vocab], Fill::Weights);
        if geometry.rope_freqs {
            list.add("rope_freqs.weight", &[u64::from(geometry.head_dim / 2)], Fill::Ones);
        }
        for layer in 0..geometry.layers {
            self.add_block(&mut list, layer);
        }
        list.add("output_norm.weight", &[embd], Fill::Ones);
        if !geometry.tied {
            list.add("output.weight", &[embd, vocab], Fill::Weights);
        }
        list.tensors
    }

    fn add_block(&self, list: &mut List<'_>, layer: u32) {
        use Fill::{Ones, Weights};
        let geometry = &self.geometry;
        let [embd, ff, experts] = [geometry.embd, geometry.ff, geometry.experts].map(u64::from);
        let head_dim = u64::from(geometry.head_dim);
        let q = head_dim * u64::from(geometry.heads);
        let kv = head_dim * u64::from(geometry.kv);
        let mut add = |part: &str, shape: &[u64], fill| {
            list.add(&format!("blk.{layer}.{part}"), shape, fill);
        };
        add("attn_norm.weight", &[embd], Ones);
        for (part, width) in [("attn_q", q), ("attn_k", kv), ("attn_v", kv)] {
            add(&format!("{part}.weight"), &[embd, width], Weights);
            if geometry.arch == Arch::Qwen2 {
                add(&format!("{part}.bias"), &[width], Weights);
            }
        }
        if matches!(geometry.arch, Arch::Qwen3 | Arch::Qwen3Moe) {
            add("attn_q_norm.weight", &[head_dim], Ones);
            add("attn_k_norm.weight", &[head_dim], Ones);
        }
        add("attn_output.weight", &[q, embd], Weights);
        add("ffn_norm.weight", &[embd], Ones);
        if experts == 0 {
            add("ffn_gate.weight", &[embd, ff], Weights);
            add("ffn_up.weight", &[embd, ff], Weights);
            add("ffn_down.weight", &[ff, embd], Weights);
        } else {
            add("ffn_gate_inp.weight", &[embd, experts], Weights);
            add("ffn_gate_exps.weight", &[embd, ff, experts], Weights);
            add("ffn_up_exps.weight", &[embd, ff, experts], Weights);
            add("ffn_down_exps.weight", &[ff, embd, experts], Weights);
        }
    }

    fn mixture(&self) -> Mixture<'static> {
        Mixture {
            file_type: self.file_type,
            architecture: self.geometry.arch.name(),
            n_layers: self.geometry.layers,
            n_experts: self.geometry.experts,
            n_gqa: self.geometry.gqa(),
            tied: self.geometry.tied,
        }
    }
}

struct List<'a> {
    mixture: Mixture<'a>,
    tensors: Vec<Tensor>,
}

impl List<'_> {
    fn add(&mut self, name: &str, shape: &[u64], fill: Fill) {
        let mut ggml_type = self.mixture.tensor_type(name, shape);
        // The mixture chooses types that rows fit, so this only guards the arithmetic below.
        let row_bytes = ggml_type.row_bytes(shape[0]).unwrap_or_else(|| {
            ggml_type = GgmlType::F32;
            shape[0] * 4
        });
        let bytes = row_bytes * shape[1..].iter().product::<u64>();
        let (name, shape) = (name.to_owned(), shape.to_vec());
        self.tensors.push(Tensor { name, shape, ggml_type, bytes, fill });
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The number of the kind, then the value.
fn put_entry(out: &mut Vec<u8>, entry: MetadataEntry) {
    match entry {
        MetadataEntry::U32(n) => {
            out.extend(4_u32.to_le_bytes());
            out.extend(n.to_le_bytes());
        }
        MetadataEntry::F32(x) => {
            out.extend(6_u32.to_le_bytes());
            out.extend(x.to_le_bytes());
        }
        MetadataEntry::Text(text) => {
            out.extend(8_u32.to_le_bytes());
            put_text(out, &text);
        }
        MetadataEntry::U64(n) => {
            out.extend(10_u32.to_le_bytes());
            out.extend(n.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Params};

    #[test]
    fn presets_weigh_what_the_real_models_weigh() {
        for (spec, label, size, params) in [
            ("llama-3.2-3b:q6_k", "llama 3B Q6_K", "2.45 GiB", "3.21 B"),
            ("llama-3.2-1b:q4_k_m", "llama 1B Q4_K - Medium", "762.81 MiB", "1.24 B"),
            ("llama-3.1-8b:q4_k_m", "llama 8B Q4_K - Medium", "4.58 GiB", "8.03 B"),
            ("llama-135m:q4_0", "llama 135M Q4_0", "85.77 MiB", "134.52 M"),
            ("qwen2.5-0.5b:q8_0", "qwen2 0.5B Q8_0", "500.79 MiB", "494.03 M"),
            ("qwen2.5-7b:q4_k_m", "qwen2 7B Q4_K - Medium", "4.36 GiB", "7.62 B"),
            ("qwen3-0.6b:q8_0", "qwen3 0.6B Q8_0", "604.15 MiB", "596.05 M"),
            ("qwen3-8b:q4_k_m", "qwen3 8B Q4_K - Medium", "4.68 GiB", "8.19 B"),
            ("qwen3-30b-a3b:q4_k_m", "qwen3moe 30B.A3B Q4_K - Medium", "17.28 GiB", "30.53 B"),
            ("mixtral-8x7b:q4_k_m", "llama 8x7B Q4_K - Medium", "26.49 GiB", "46.70 B"),
        ] {
            let header = Spec::parse(spec).unwrap().header();
            assert_eq!(header.label(), label);
            assert_eq!(Params(header.n_params()).to_string(), params, "{spec}");
            assert_eq!(Bytes(header.tensor_bytes()).to_string(), size, "{spec}");
        }
    }

    #[test]
    fn the_header_tells_what_was_asked_for() {
        let header = Spec::parse("llama-3.2-1b:f16:seed=9").unwrap().header();
        assert_eq!(header.architecture, "llama");
        assert_eq!(header.n_layers(), 16);
        assert_eq!(header.n_vocab(), Some(128_256));
        assert_eq!(header.synthetic_seed(), Some(9));
        assert_eq!(header.hash.len(), 64);
    }
}
