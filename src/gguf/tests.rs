//! Reading, tried on files that are whole, cut, split, lying and random.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::parse::parse;
use super::synth::Spec;
use super::{GgmlType, Header, MetadataValue};

/// A header in the making.
struct Draft(Vec<u8>);

impl Draft {
    fn new(tensors: u64, keys: u64) -> Self {
        Self([&b"GGUF"[..], &3_u32.to_le_bytes()].concat()).u64(tensors).u64(keys)
    }

    fn u32(mut self, n: u32) -> Self {
        self.0.extend(n.to_le_bytes());
        self
    }

    fn u64(mut self, n: u64) -> Self {
        self.0.extend(n.to_le_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let mut next = self.u64(text.len() as u64);
        next.0.extend(text.as_bytes());
        next
    }

    /// `general.architecture`, so that nothing else is missing.
    fn arch(self, name: &str) -> Self {
        self.text("general.architecture").u32(8).text(name)
    }

    fn number(self, key: &str, n: u32) -> Self {
        self.text(key).u32(4).u32(n)
    }

    fn tensor(self, name: &str, shape: &[u64], ty: u32, offset: u64) -> Self {
        let dims = u32::try_from(shape.len()).unwrap();
        let start = self.text(name).u32(dims);
        shape.iter().fold(start, |draft, &n| draft.u64(n)).u32(ty).u64(offset)
    }

    fn with_data(mut self, bytes: usize) -> Self {
        let start = self.0.len().next_multiple_of(32);
        self.0.resize(start + bytes, 0);
        self
    }
}

/// What reading a file of these bytes gives.
fn read(bytes: &[u8]) -> Result<Header, String> {
    let mut hasher = Sha256::new();
    let len = bytes.len() as u64;
    parse(bytes, len, &mut hasher)
        .and_then(|part| Header::assemble(part.metadata, part.tensors, len, hasher))
        .map_err(|error| error.to_string())
}

/// A whole, small model.
fn small() -> &'static (Header, Vec<u8>) {
    static MODEL: LazyLock<(Header, Vec<u8>)> = LazyLock::new(|| {
        let spec = "llama:layers=1,embd=32,ff=32,heads=1,vocab=16,tied:q8_0";
        let spec = Spec::parse(spec).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(spec.file_name());
        spec.write(&path, &mut |_, _| ()).unwrap();
        (Header::read(&path).unwrap(), fs::read(path).unwrap())
    });
    &MODEL
}

#[test]
fn a_header_gives_its_facts() {
    let draft = Draft::new(2, 6).arch("llama").number("llama.vocab_size", 99);
    let draft = draft.text("tokenizer.ggml.tokens").u32(9).u32(8).u64(2).text("a").text("bc");
    let draft = draft.text("long").u32(8).text(&"x".repeat(70_000));
    let draft = draft.text("signed").u32(5).u32(u32::MAX).text("real").u32(6).u32(0x3f80_0000);
    let draft = draft.tensor("blk.0.a.weight", &[32, 2], 8, 0).tensor("blk.6.b", &[3], 0, 96);
    let header = read(&draft.with_data(96 + 12).0).unwrap();
    assert_eq!(header.architecture, "llama");
    assert_eq!(header.metadata["tokenizer.ggml.tokens"], MetadataValue::Array { len: 2 });
    assert_eq!(header.metadata["long"], MetadataValue::LongString { bytes: 70_000 });
    assert_eq!(header.metadata["signed"], MetadataValue::Signed(-1));
    assert_eq!(header.metadata["real"], MetadataValue::Float(1.0));
    assert_eq!(header.tensors[0].ggml_type, Some(GgmlType::Q8_0));
    assert_eq!((header.n_params(), header.tensor_bytes()), (67, 2 * 34 + 12));
    // Without a block count, the tensors tell.
    assert_eq!((header.n_layers(), header.n_vocab()), (7, Some(99)));
    assert_eq!(header.synthetic_seed(), None);
}

#[test]
fn a_type_from_the_future_does_not_hide_the_rest() {
    let draft = Draft::new(2, 1).arch("llama");
    let draft = draft.tensor("a", &[5, 5], 777, 0).tensor("b", &[3], 0, 64).with_data(64 + 12);
    let header = read(&draft.0).unwrap();
    assert_eq!((header.tensors[0].ggml_type, header.tensors[0].type_id), (None, 777));
    assert_eq!(header.tensors[0].bytes, 64);
}

#[test]
fn lies_are_refused_before_anything_is_allocated() {
    let arch = |tensors, keys| Draft::new(tensors, keys).arch("llama");
    let one = |shape: &[u64], ty, offset| arch(1, 1).tensor("t", shape, ty, offset).with_data(64);
    for (draft, words) in [
        (Draft::new(u64::MAX, 0), "tensor count of 18446744073709551615"),
        (Draft::new(0, u64::MAX), "metadata count"),
        (Draft::new(1, 1).u64(u64::MAX), "key length"),
        (Draft::new(1, 1).text("k").u32(8).u64(u64::MAX), "string length"),
        (Draft::new(1, 1).text("k").u32(9).u32(10).u64(u64::MAX), "array length"),
        (Draft::new(1, 1).text("k").u32(9).u32(8).u64(1 << 20), "is truncated: its header"),
        (Draft::new(1, 1).text("k").u32(9).u32(9).u64(1), "an array of arrays"),
        (Draft::new(1, 1).text("k").u32(9).u32(99).u64(1), "unknown kind 99"),
        (Draft::new(1, 1).text("k").u32(99), "unknown kind 99"),
        (arch(1, 2).arch("llama").with_data(64), "appears twice"),
        (arch(1, 2).number("general.alignment", 24).with_data(64), "power of two"),
        (arch(1, 2).number("general.alignment", 0).with_data(64), "power of two"),
        (one(&[], 0, 0), "has 0 dimensions"),
        (one(&[1, 1, 1, 1, 1], 0, 0), "has 5 dimensions"),
        (one(&[4, 0], 0, 0), "empty dimension"),
        (one(&[1 << 40, 1 << 40], 0, 0), "overflows"),
        (one(&[1 << 60], 0, 0), "is truncated: expected"),
        (one(&[1 << 63], 0, 0), "do not fit f32"),
        (one(&[33], 8, 0), "rows of 33"),
        (one(&[4], 0, 32), "lies at offset 32, where 0 is expected"),
        (one(&[4], 0, u64::MAX), "lies at offset"),
        (arch(2, 1).tensor("t", &[4], 0, 0).tensor("t", &[4], 0, 32).with_data(64), "twice"),
        (arch(0, 1), "holds no tensors"),
        (Draft::new(1, 0).tensor("t", &[4], 0, 0).with_data(64), "no general.architecture"),
        (Draft::new(1, 1).arch("a\x1b[2J").tensor("t", &[4], 0, 0).with_data(64), "not a name"),
    ] {
        let error = read(&draft.0).expect_err(words);
        assert!(error.contains(words) && !error.contains('\n'), "{words}: {error}");
    }
}

/// What a file is for is said before anything else of it is looked at.
#[test]
fn what_runs_beside_a_model_is_named() {
    let of_type = |arch, word| {
        let draft = Draft::new(1, 2).arch(arch).text("general.type").u32(8).text(word);
        draft.tensor("t", &[4], 0, 0).with_data(16)
    };
    let of =
        |arch, tensor: &str| Draft::new(1, 1).arch(arch).tensor(tensor, &[4], 0, 0).with_data(16);
    let imatrix = Draft::new(1, 1).text("general.type").u32(8).text("imatrix");
    for (draft, words) in [
        (of_type("llama", "adapter"), "is no model but an adapter (LoRA)"),
        (of_type("clip", "mmproj"), "is no model but a projector"),
        (of_type("llama", "vocab"), "is no model but a vocabulary"),
        (imatrix.tensor("a.in_sum2", &[4], 0, 0).with_data(16), "is no model but an importance"),
        (of("clip", "v.blk.0.ln1.weight"), "is no model but a projector"),
        (of("controlvector", "direction.1"), "is no model but a control vector"),
        (of("eagle3", "fc.weight"), "is no model but a draft head"),
        (of("llama", "blk.0.attn_q.weight.lora_a"), "is no model but an adapter"),
    ] {
        let error = read(&draft.0).expect_err(words);
        assert!(error.contains(words) && error.contains(": give "), "{words}: {error}");
    }
    assert!(read(&of_type("llama", "model").0).is_ok());
    assert!(read(&of_type("llama", "merge").0).is_ok(), "nobody knows what that is");
    assert!(read(&of("llama", "direction.1").0).is_err());
    let whole = Draft::new(2, 1).arch("llama").tensor("token_embd.weight", &[4, 2], 0, 0);
    let whole = whole.tensor("v.blk.0.ln1.weight", &[4], 0, 32).with_data(48);
    assert!(read(&whole.0).is_ok(), "a model with eyes of its own");
}

#[test]
fn numbers_that_no_model_has_are_refused() {
    let with = |key: &str, n: u32| {
        let draft = Draft::new(1, 2).arch("llama").number(key, n);
        draft.tensor("t", &[4], 0, 0).with_data(16)
    };
    let wide = Draft::new(1, 2).arch("llama").text("llama.context_length").u32(10).u64(1 << 40);
    let negative =
        Draft::new(1, 2).arch("llama").text("llama.block_count").u32(5).u32(0_u32.wrapping_sub(7));
    let block = Draft::new(1, 1).arch("llama").tensor("blk.4294967295.a", &[4], 0, 0).with_data(16);
    let part = Draft::new(1, 3).arch("llama").number("split.no", u32::MAX);
    let part = part.number("split.count", u32::MAX).tensor("t", &[4], 0, 0).with_data(16);
    for (draft, words) in [
        (
            with("llama.block_count", u32::MAX),
            "llama.block_count is 4294967295, and can be 65535 at most",
        ),
        (with("llama.attention.head_count", u32::MAX), "llama.attention.head_count is 4294967295"),
        (with("llama.embedding_length", u32::MAX), "llama.embedding_length is 4294967295"),
        (with("llama.expert_count", u32::MAX), "llama.expert_count is 4294967295"),
        (with("llama.nextn_predict_layers", u32::MAX), "llama.nextn_predict_layers is"),
        (with("llama.vocab_size", u32::MAX), "llama.vocab_size is 4294967295"),
        (wide.tensor("t", &[4], 0, 0).with_data(16), "llama.context_length is 1099511627776"),
        (negative.tensor("t", &[4], 0, 0).with_data(16), "llama.block_count is -7"),
        (block, "a tensor is of block 4294967294"),
    ] {
        let error = read(&draft.0).expect_err(words);
        assert!(error.starts_with("has a corrupt header: ") && error.contains(words), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    fs::write(&path, part.0).unwrap();
    let error = Header::read(&path).unwrap_err().to_string();
    assert_eq!(error, "has a corrupt header: it is part 4294967295 of 4294967295, counted from 0");
    assert!(read(&with("llama.context_length", u32::MAX).0).is_ok());
    assert!(read(&with("gemma.block_count", u32::MAX).0).is_ok(), "of another architecture");
}

#[test]
fn what_is_no_model_is_named() {
    let version = |n: u32| [&b"GGUF"[..], &n.to_le_bytes(), &[0; 64]].concat();
    for (bytes, words) in [
        (vec![], "is empty"),
        (b"GG".to_vec(), "is not a GGUF file: it starts with \"GG\""),
        (b"GGUF".to_vec(), "is truncated"),
        (b"<!DOCTYPE html><html>".to_vec(), "HTML page"),
        (b"lmgg\x01\0\0\0".to_vec(), "old GGML"),
        (version(1), "has GGUF version 1"),
        (version(4), "has GGUF version 4"),
        (version(3_u32.swap_bytes()), "big-endian"),
    ] {
        let error = read(&bytes).expect_err(words);
        assert!(error.contains(words), "{words}: {error}");
    }
    let error = |path: &Path| Header::read(path).unwrap_err().to_string();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(error(&folder.path().join("none.gguf")), "no such file");
    assert!(error(folder.path()).starts_with("is a directory"));
    assert_eq!(error(Path::new("/dev/null")), "is not a regular file");
}

/// Cuts a model into files of one tensor each, and the metadata in all of them but the first alone
/// having what a model needs.
fn split(folder: &Path, n_parts: u32) -> Vec<PathBuf> {
    let parts = 0..n_parts;
    let write = |part: u32| {
        let draft = match part {
            0 => Draft::new(1, 5).arch("llama").number("llama.block_count", 2),
            _ => Draft::new(1, 3),
        };
        let draft = draft.number("split.no", part).number("split.count", n_parts);
        let draft = draft.number("split.tensors.count", n_parts);
        let draft = draft.tensor(&format!("t{part}"), &[8], 0, 0).with_data(32);
        let path = folder.join(format!("m-{:05}-of-{n_parts:05}.gguf", part + 1));
        fs::write(&path, draft.0).unwrap();
        path
    };
    parts.map(write).collect()
}

#[test]
fn parts_of_a_split_model_are_put_together() {
    let folder = tempfile::tempdir().unwrap();
    let parts = split(folder.path(), 3);
    let error = |path: &Path| Header::read(path).unwrap_err().to_string();

    let header = Header::read(&parts[0]).unwrap();
    let names: Vec<_> = header.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["t0", "t1", "t2"]);
    let sizes = parts.iter().map(|path| fs::metadata(path).unwrap().len());
    assert_eq!(header.file_size, sizes.sum::<u64>());
    assert_eq!(header.n_layers(), 2);

    let first = "name the first part, m-00001-of-00003.gguf";
    assert_eq!(error(&parts[1]), format!("is part 2 of 3 of a split model; {first}"));
    let renamed = folder.path().join("renamed.gguf");
    fs::copy(&parts[0], &renamed).unwrap();
    assert!(error(&renamed).contains("-00001-of-00003.gguf"));

    let last = fs::read(&parts[2]).unwrap();
    fs::write(&parts[2], &last[..last.len() - 1]).unwrap();
    assert!(error(&parts[0]).starts_with("is split, and part m-00003-of-00003.gguf is truncated"));
    fs::copy(&parts[1], &parts[2]).unwrap();
    assert!(error(&parts[0]).contains("two parts hold the tensor \"t1\""));
    fs::remove_file(&parts[2]).unwrap();
    let missing = "is split into 3 parts, and part m-00003-of-00003.gguf is missing beside it";
    assert_eq!(error(&parts[0]), missing);
}

#[test]
fn a_file_cut_anywhere_is_called_truncated() {
    let (header, bytes) = small();
    assert_eq!(read(bytes).as_ref(), Ok(header));
    for len in 4..bytes.len() {
        let error = read(&bytes[..len]).expect_err("cut");
        assert!(error.starts_with("is truncated: "), "{len}: {error}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(tail in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&tail);
        let _ = read(&[&b"GGUF\x03\0\0\0"[..], &tail].concat());
        let counted = Draft::new(2, 2).0;
        let _ = read(&[&counted[..], &tail].concat());
    }

    #[test]
    fn no_damage_is_a_panic(damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..8)) {
        let mut bytes = small().1.clone();
        // The header is less than 2 KiB, so most of it lands there.
        let reach = bytes.len().min(2048);
        for (at, value) in damage {
            bytes[usize::from(at) % reach] = value;
        }
        if let Ok(header) = read(&bytes) {
            let _ = (header.label(), header.n_layers(), header.n_vocab(), header.n_params());
        }
    }
}

#[test]
fn files_that_broke_it_once_are_survived() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/header");
    for file in std::fs::read_dir(folder).unwrap() {
        if let Ok(header) = Header::read(&file.unwrap().path()) {
            let _ = (header.label(), header.n_params(), header.tensor_bytes(), header.n_layers());
        }
    }
}
