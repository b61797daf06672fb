//! The bytes of one file's header. The input is not trusted: every count and length is held against a
//! limit and against the bytes that are left before anything is kept.

use std::collections::{BTreeMap, HashSet};
use std::io::{ErrorKind, Read};

use sha2::{Digest, Sha256};

use super::entries::{MetadataValue, TensorInfo};
use super::error::{HeaderError, describe_magic};
use super::types::GgmlType;

pub(super) const MAGIC: &[u8; 4] = b"GGUF";
/// Alignment of tensor data where `general.alignment` does not say otherwise.
pub(super) const DEFAULT_ALIGNMENT: u64 = 32;

// Real headers stay far below all of these: a vocabulary of 256,000 tokens takes some 20 MiB.
const MAX_HEADER_BYTES: u64 = 256 << 20;
const MAX_KEYS: u64 = 1 << 16;
const MAX_TENSORS: u64 = 1 << 20;
const MAX_NAME_BYTES: u64 = 1 << 10;
const MAX_DIMS: u32 = 4;
/// Longer strings are counted, not kept.
const MAX_KEPT_STRING: u64 = 64 << 10;

/// The header of one file.
#[derive(Debug)]
pub(super) struct Shard {
    pub metadata: BTreeMap<String, MetadataValue>,
    pub tensors: Vec<TensorInfo>,
}

/// Reads the header at the start of `reader`, a file of `len` bytes, and adds its bytes to `hasher`.
pub(super) fn parse(
    reader: impl Read,
    len: u64,
    hasher: &mut Sha256,
) -> Result<Shard, HeaderError> {
    let mut source = HeaderBytes { reader, position: 0, len, hasher };
    source.start()?;
    let n_tensors = source.u64()?;
    let n_keys = source.u64()?;
    limit("a tensor count", n_tensors, MAX_TENSORS)?;
    limit("a metadata count", n_keys, MAX_KEYS)?;
    let mut metadata = BTreeMap::new();
    for _ in 0..n_keys {
        let key = source.name("a key length")?;
        let value = source.value()?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(HeaderError::Corrupt(format!("the key {key:?} appears twice")));
        }
    }
    let alignment = alignment(&metadata)?;
    let mut entries = Vec::new();
    for _ in 0..n_tensors {
        entries.push(source.tensor()?);
    }
    let data_start = source.position.next_multiple_of(alignment);
    let tensors = place(entries, data_start, alignment, len)?;
    Ok(Shard { metadata, tensors })
}

/// A row of the tensor table, before its bytes are known.
struct TensorEntry {
    name: String,
    shape: Vec<u64>,
    type_id: u32,
    offset: u64,
}

fn limit(what: &'static str, value: u64, max: u64) -> Result<(), HeaderError> {
    if value > max { Err(HeaderError::Absurd { what, value }) } else { Ok(()) }
}

fn alignment(metadata: &BTreeMap<String, MetadataValue>) -> Result<u64, HeaderError> {
    match metadata.get("general.alignment") {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(MetadataValue::Unsigned(n)) if n.is_power_of_two() && *n <= 1 << 20 => Ok(*n),
        Some(_) => Err(HeaderError::Corrupt(
            "general.alignment is not a power of two that makes sense".into(),
        )),
    }
}

/// Works out where each tensor's bytes lie. They follow one another without gaps other than alignment,
/// so a file that is too short for them is a truncated one, and any other offset a corrupt one.
fn place(
    entries: Vec<TensorEntry>,
    data_start: u64,
    alignment: u64,
    len: u64,
) -> Result<Vec<TensorInfo>, HeaderError> {
    let offsets: Vec<u64> = entries.iter().map(|entry| entry.offset).collect();
    let mut seen = HashSet::new();
    let mut expected = 0_u64;
    let mut end = data_start;
    let mut tensors = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let TensorEntry { name, shape, type_id, offset } = entry;
        if !seen.insert(name.clone()) {
            return Err(HeaderError::Corrupt(format!("the tensor {name:?} appears twice")));
        }
        if offset != expected {
            return Err(HeaderError::Corrupt(format!(
                "the tensor {name:?} lies at offset {offset}, where {expected} is expected"
            )));
        }
        let too_big = || HeaderError::Corrupt(format!("the tensor {name:?} is too big"));
        let ggml_type = GgmlType::from_id(type_id);
        let bytes = match ggml_type {
            Some(ty) => bytes_of(&name, ty, &shape)?,
            // Of a type from the future only the room up to the next tensor is known.
            None => match offsets.get(index + 1) {
                Some(next) => next.checked_sub(offset).ok_or_else(too_big)?,
                None => len.saturating_sub(data_start).saturating_sub(offset),
            },
        };
        let stop = offset.checked_add(bytes).ok_or_else(too_big)?;
        end = data_start.checked_add(stop).ok_or_else(too_big)?;
        expected = stop.checked_next_multiple_of(alignment).ok_or_else(too_big)?;
        tensors.push(TensorInfo { name, shape, ggml_type, type_id, bytes });
    }
    if end > len && !tensors.is_empty() {
        return Err(HeaderError::Truncated { expected: end, actual: len });
    }
    Ok(tensors)
}

fn bytes_of(name: &str, ty: GgmlType, shape: &[u64]) -> Result<u64, HeaderError> {
    let row = shape.first().copied().unwrap_or(1);
    let row_bytes = ty.row_bytes(row).ok_or_else(|| {
        HeaderError::Corrupt(format!("rows of {row} in the tensor {name:?} do not fit {ty}"))
    })?;
    shape
        .iter()
        .skip(1)
        .try_fold(row_bytes, |bytes, &n| bytes.checked_mul(n))
        .ok_or_else(|| HeaderError::Corrupt(format!("the shape of the tensor {name:?} overflows")))
}

/// The file so far: what is read is counted and hashed.
struct HeaderBytes<'a, R> {
    reader: R,
    position: u64,
    len: u64,
    hasher: &'a mut Sha256,
}

impl<R: Read> HeaderBytes<'_, R> {
    /// Magic and version.
    fn start(&mut self) -> Result<(), HeaderError> {
        if self.len == 0 {
            return Err(HeaderError::Empty);
        }
        // Enough for the longest signature that is recognised.
        let mut start = Vec::new();
        self.reader.by_ref().take(4).read_to_end(&mut start)?;
        if start != MAGIC {
            self.reader.by_ref().take(20).read_to_end(&mut start)?;
            return Err(HeaderError::NotGguf(describe_magic(&start)));
        }
        self.hasher.update(&start);
        self.position = 4;
        match self.u32()? {
            2 | 3 => Ok(()),
            swapped if matches!(swapped.swap_bytes(), 1..=3) => Err(HeaderError::BigEndian),
            other => Err(HeaderError::Version(other)),
        }
    }

    /// Makes sure that `n` more bytes are there and sensible.
    fn need(&self, n: u64) -> Result<(), HeaderError> {
        let expected = self.position.saturating_add(n);
        if expected > self.len {
            return Err(HeaderError::TruncatedHeader { expected, actual: self.len });
        }
        limit("a header length", expected, MAX_HEADER_BYTES)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), HeaderError> {
        let n = buffer.len() as u64;
        self.need(n)?;
        self.reader.read_exact(buffer).map_err(|error| match error.kind() {
            // The file shrank since its size was taken.
            ErrorKind::UnexpectedEof => {
                HeaderError::TruncatedHeader { expected: self.position + n, actual: self.position }
            }
            _ => error.into(),
        })?;
        self.hasher.update(&*buffer);
        self.position += n;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let mut buffer = [0; N];
        self.fill(&mut buffer)?;
        Ok(buffer)
    }

    fn u32(&mut self) -> Result<u32, HeaderError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, HeaderError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn skip(&mut self, n: u64) -> Result<(), HeaderError> {
        self.need(n)?;
        let mut buffer = [0; 4096];
        let mut left = n;
        while left > 0 {
            let chunk = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            self.fill(&mut buffer[..chunk])?;
            left -= chunk as u64;
        }
        Ok(())
    }

    /// A string of `n` bytes; what is not UTF-8 in it is replaced.
    fn text(&mut self, n: u64) -> Result<String, HeaderError> {
        self.need(n)?;
        // `need` has held it against the limit on headers.
        let mut buffer = vec![0; usize::try_from(n).unwrap_or(0)];
        self.fill(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    fn name(&mut self, what: &'static str) -> Result<String, HeaderError> {
        let n = self.u64()?;
        limit(what, n, MAX_NAME_BYTES)?;
        self.text(n)
    }

    fn value(&mut self) -> Result<MetadataValue, HeaderError> {
        let kind = self.u32()?;
        Ok(match kind {
            0 => MetadataValue::Unsigned(u64::from(self.array::<1>()?[0])),
            1 => MetadataValue::Signed(i64::from(i8::from_le_bytes(self.array()?))),
            2 => MetadataValue::Unsigned(u64::from(u16::from_le_bytes(self.array()?))),
            3 => MetadataValue::Signed(i64::from(i16::from_le_bytes(self.array()?))),
            4 => MetadataValue::Unsigned(u64::from(self.u32()?)),
            5 => MetadataValue::Signed(i64::from(i32::from_le_bytes(self.array()?))),
            6 => MetadataValue::Float(f64::from(f32::from_le_bytes(self.array()?))),
            7 => MetadataValue::Bool(self.array::<1>()?[0] != 0),
            8 => self.string()?,
            9 => self.array_length()?,
            10 => MetadataValue::Unsigned(self.u64()?),
            11 => MetadataValue::Signed(i64::from_le_bytes(self.array()?)),
            12 => MetadataValue::Float(f64::from_le_bytes(self.array()?)),
            _ => {
                return Err(HeaderError::Corrupt(format!("a value of the unknown kind {kind}")));
            }
        })
    }

    fn string(&mut self) -> Result<MetadataValue, HeaderError> {
        let n = self.u64()?;
        if n <= MAX_KEPT_STRING {
            return self.text(n).map(MetadataValue::String);
        }
        limit("a string length", n, MAX_HEADER_BYTES)?;
        self.skip(n)?;
        Ok(MetadataValue::LongString { bytes: n })
    }

    /// Walks over an array and keeps its length only.
    fn array_length(&mut self) -> Result<MetadataValue, HeaderError> {
        let kind = self.u32()?;
        let len = self.u64()?;
        limit("an array length", len, MAX_HEADER_BYTES)?;
        match kind {
            0 | 1 | 7 => self.skip(len)?,
            2 | 3 => self.skip(len * 2)?,
            4..=6 => self.skip(len * 4)?,
            10..=12 => self.skip(len * 8)?,
            8 => {
                self.need(len * 8)?;
                for _ in 0..len {
                    let n = self.u64()?;
                    limit("a string length", n, MAX_HEADER_BYTES)?;
                    self.skip(n)?;
                }
            }
            9 => return Err(HeaderError::Corrupt("an array of arrays".into())),
            _ => {
                return Err(HeaderError::Corrupt(format!("an array of the unknown kind {kind}")));
            }
        }
        Ok(MetadataValue::Array { len })
    }

    fn tensor(&mut self) -> Result<TensorEntry, HeaderError> {
        let name = self.name("a tensor name length")?;
        let n_dims = self.u32()?;
        if n_dims == 0 || n_dims > MAX_DIMS {
            return Err(HeaderError::Corrupt(format!(
                "the tensor {name:?} has {n_dims} dimensions"
            )));
        }
        let mut shape = Vec::new();
        for _ in 0..n_dims {
            shape.push(self.u64()?);
        }
        if shape.contains(&0) {
            return Err(HeaderError::Corrupt(format!(
                "the tensor {name:?} has an empty dimension"
            )));
        }
        if shape.iter().try_fold(1_u64, |n, &dim| n.checked_mul(dim)).is_none() {
            return Err(HeaderError::Corrupt(format!(
                "the shape of the tensor {name:?} overflows"
            )));
        }
        let type_id = self.u32()?;
        let offset = self.u64()?;
        Ok(TensorEntry { name, shape, type_id, offset })
    }
}
