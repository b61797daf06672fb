//! What lbench says about tensor types and blocks, held against llama.cpp itself.
#![cfg(feature = "llama")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr;
use std::sync::LazyLock;

use lbench::gguf::synth::{Spec, encode, source_values};
use lbench::gguf::{FileType, GgmlType, Header, MetadataValue};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_sys_2 as sys;

/// Geometries that the rules tell apart: tied and untied, one to eight heads on a key and value head,
/// few and many layers, rows that fill blocks of 256, of 32 and none, and every architecture.
const GEOMETRIES: [&str; 18] = [
    "llama:layers=4,embd=256,ff=256,heads=4,vocab=256,tied,rope_freqs",
    "llama:layers=8,embd=256,ff=512,heads=8,kv=2,vocab=256",
    "llama:layers=17,embd=256,ff=256,heads=4,kv=2,head_dim=16,vocab=64",
    "llama:layers=30,embd=256,ff=256,heads=8,kv=1,head_dim=8,vocab=64",
    "llama:layers=2,embd=576,ff=768,heads=9,kv=3,vocab=128,tied",
    "llama:layers=3,embd=96,ff=100,heads=3,vocab=128",
    "llama:layers=3,embd=100,ff=256,heads=2,vocab=128",
    "llama:layers=80,embd=64,ff=64,heads=4,kv=2,vocab=64",
    "llama:layers=80,embd=64,ff=64,heads=4,vocab=64",
    "llama:layers=5,embd=256,ff=32,heads=8,kv=2,vocab=64,experts=8",
    "llama:layers=33,embd=64,ff=32,heads=4,vocab=64,experts=8,tied",
    "llama:layers=9,embd=256,ff=64,heads=8,kv=2,head_dim=16,vocab=64,experts=4",
    "llama:layers=8,embd=64,ff=256,heads=2,vocab=64,experts=8,experts_used=8",
    "qwen2:layers=8,embd=256,ff=256,heads=4,kv=2,vocab=256",
    "qwen2:layers=80,embd=64,ff=64,heads=2,vocab=64,tied",
    "qwen3:layers=4,embd=256,ff=256,heads=4,kv=1,head_dim=128,vocab=256",
    "qwen3:layers=16,embd=128,ff=256,heads=2,head_dim=96,vocab=64,tied",
    "qwen3moe:layers=8,embd=256,ff=32,heads=4,kv=1,vocab=64,experts=16,experts_used=4",
];

/// The engine, once for all tests, without its log.
static BACKEND: LazyLock<LlamaBackend> = LazyLock::new(|| {
    let mut backend = LlamaBackend::init().expect("a backend");
    backend.void_logs();
    backend
});

fn spec(geometry: &str, file_type: FileType) -> Spec {
    Spec::parse(&format!("{geometry}:{file_type}")).expect("a good specification")
}

fn quiet(_: u64, _: u64) {}

/// Has llama.cpp quantize a file.
#[allow(unsafe_code)]
fn quantize(from: &Path, to: &Path, file_type: FileType) {
    let c_path = |path: &Path| CString::new(path.to_str().unwrap()).unwrap();
    let (c_from, c_to) = (c_path(from), c_path(to));
    // Only this mixture insists on an importance matrix; one of ones changes nothing about its types.
    let names_and_ones: Vec<(CString, Vec<f32>)> = if file_type == FileType::Q2KS {
        let ones = |shape: &[u64]| {
            let n = shape[0] * shape.get(2).copied().unwrap_or(1);
            vec![1.0; usize::try_from(n).unwrap()]
        };
        let tensors = Header::read(from).unwrap().tensors.into_iter();
        tensors.map(|t| (CString::new(t.name).unwrap(), ones(&t.shape))).collect()
    } else {
        Vec::new()
    };
    let entry =
        |name: *const _, data: *const f32, size| sys::llama_model_imatrix_data { name, data, size };
    let mut matrix: Vec<_> = names_and_ones
        .iter()
        .map(|(name, ones)| entry(name.as_ptr(), ones.as_ptr(), ones.len()))
        .collect();
    matrix.push(entry(ptr::null(), ptr::null(), 0));
    // SAFETY: the function takes nothing and returns a plain struct.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.ftype = file_type.id();
    if !names_and_ones.is_empty() {
        params.imatrix = matrix.as_ptr();
    }
    // SAFETY: paths end in a zero byte; the matrix ends in an entry without a name; all of them outlive
    // the call.
    let status =
        unsafe { sys::llama_model_quantize(c_from.as_ptr(), c_to.as_ptr(), &raw const params) };
    assert_eq!(status, 0, "llama.cpp could not quantize {} as {file_type}", from.display());
}

fn types(header: &Header) -> BTreeMap<String, GgmlType> {
    header
        .tensors
        .iter()
        .map(|tensor| (tensor.name.clone(), tensor.ggml_type.expect("a known type")))
        .collect()
}

#[test]
fn every_tensor_has_the_type_that_llama_cpps_quantizer_gives_it() {
    LazyLock::force(&BACKEND);
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source.gguf"), folder.path().join("target.gguf"));
    let mut compared = 0;
    for geometry in GEOMETRIES {
        spec(geometry, FileType::F32).write(&source, &mut quiet).unwrap();
        for file_type in FileType::all() {
            quantize(&source, &target, file_type);
            let theirs = Header::read(&target).unwrap();
            let ours = spec(geometry, file_type).header();
            let (their_types, our_types) = (types(&theirs), types(&ours));
            for (name, ty) in &their_types {
                assert_eq!(our_types.get(name), Some(ty), "{geometry}:{file_type} {name}");
            }
            assert_eq!(their_types.len(), our_types.len());
            assert_eq!(theirs.tensor_bytes(), ours.tensor_bytes(), "{geometry}:{file_type}");
            assert_eq!(theirs.label(), ours.label());
            compared += our_types.len();
        }
    }
    assert!(compared > 50_000, "{compared}");
}

#[test]
fn every_architecture_and_file_type_loads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let first = GEOMETRIES[0];
    let of_all_types = FileType::all().map(|file_type| spec(first, file_type));
    let of_all_shapes = GEOMETRIES.iter().map(|geometry| spec(geometry, FileType::Q4KM));
    for spec in of_all_types.chain(of_all_shapes) {
        spec.write(&path, &mut quiet).unwrap();
        let header = spec.header();
        let model = LlamaModel::load_from_file(&BACKEND, &path, &LlamaModelParams::default())
            .unwrap_or_else(|error| panic!("{}: {error}", spec.name()));
        assert_eq!(model.n_params(), header.n_params(), "{}", spec.name());
        assert_eq!(model.size(), header.tensor_bytes(), "{}", spec.name());
        assert_eq!(model.n_layer(), header.n_layers());
        assert_eq!(u32::try_from(model.n_vocab()).ok(), header.n_vocab());
    }
}

#[test]
fn sizes_of_blocks_are_ggmls() {
    for ty in GgmlType::all() {
        #[allow(unsafe_code)]
        // SAFETY: the numbers are types of ggml; the functions look them up in a table.
        let (elements, bytes, name) = unsafe {
            let name = CStr::from_ptr(sys::ggml_type_name(ty.id()));
            (sys::ggml_blck_size(ty.id()), sys::ggml_type_size(ty.id()), name)
        };
        assert_eq!(name.to_str(), Ok(ty.name()));
        assert_eq!(u64::try_from(elements), Ok(ty.block_elements()), "{ty}");
        assert_eq!(bytes as u64, ty.block_bytes(), "{ty}");
    }
    let known = GgmlType::all().map(GgmlType::id).max();
    assert_eq!(known, Some(sys::GGML_TYPE_COUNT - 1), "a new type");
}

#[test]
fn file_types_are_described_as_llama_cpp_describes_them() {
    let mut header = spec(GEOMETRIES[0], FileType::F16).header();
    for id in 0..64 {
        header.metadata.insert("general.file_type".into(), MetadataValue::Unsigned(id.into()));
        #[allow(unsafe_code)]
        // SAFETY: any number is allowed; the text is static.
        let theirs = unsafe { CStr::from_ptr(sys::llama_ftype_name(id)) };
        assert!(header.label().ends_with(&format!(" {}", theirs.to_str().unwrap())), "{id}");
    }
}

/// What ggml reads from encoded blocks.
#[allow(unsafe_code)]
fn decode(ty: GgmlType, bytes: &[u8], n: usize) -> Vec<f32> {
    if ty == GgmlType::F32 {
        let numbers = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        return numbers.collect();
    }
    assert_eq!(Some(bytes.len() as u64), ty.row_bytes(n as u64));
    let mut values = vec![f32::NAN; n];
    // SAFETY: the type's table entry is static; the function reads the blocks of `n` elements, which
    // `bytes` holds as just checked, and writes `n` numbers.
    unsafe {
        let valid = sys::ggml_validate_row_data(ty.id(), bytes.as_ptr().cast(), bytes.len());
        assert!(valid, "{ty}");
        let to_float = (*sys::ggml_get_type_traits(ty.id())).to_float.expect("a decoder");
        to_float(bytes.as_ptr().cast(), values.as_mut_ptr(), i64::try_from(n).unwrap());
    }
    values
}

#[test]
fn ggml_reads_what_the_encoders_write() {
    // The largest root mean square of the error, relative to that of the values.
    let limits = [
        (GgmlType::F32, 0.0),
        (GgmlType::F16, 0.0003),
        (GgmlType::Bf16, 0.002),
        (GgmlType::Q8_0, 0.006),
        (GgmlType::Q6K, 0.025),
        (GgmlType::Q5K, 0.04),
        (GgmlType::Q5_1, 0.04),
        (GgmlType::Q5_0, 0.05),
        (GgmlType::Q4K, 0.08),
        (GgmlType::Q4_1, 0.08),
        (GgmlType::Q4_0, 0.1),
        (GgmlType::Iq4Nl, 0.09),
        (GgmlType::Iq4Xs, 0.09),
        (GgmlType::Q3K, 0.2),
        (GgmlType::Q2K, 0.36),
    ];
    let source = source_values(1, 256 * 1024);
    let count = f64::from(256 * 1024);
    for (ty, limit) in limits {
        let values = decode(ty, &encode(ty, &source).expect("an encoder"), source.len());
        assert!(values.iter().all(|x| x.is_finite()), "{ty}");
        let sum = |term: &dyn Fn(f64, f64) -> f64| {
            let pairs = values.iter().zip(&source);
            pairs.map(|(&x, &y)| term(x.into(), y.into())).sum::<f64>() / count
        };
        let (mean, square) = (sum(&|x, _| x), sum(&|x, _| x * x));
        let error = (sum(&|x, y| (x - y) * (x - y)) / sum(&|_, y| y * y)).sqrt();
        println!("{ty:>7}: mean {mean:+.6}, deviation {:.5}, error {error:.5}", square.sqrt());
        assert!(mean.abs() < 0.0005, "{ty}: mean {mean}");
        assert!((0.017..0.023).contains(&square.sqrt()), "{ty}: {}", square.sqrt());
        assert!(error <= limit, "{ty}: {error} is more than {limit}");
    }
}
