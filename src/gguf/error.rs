//! Faults of a model file: what can be wrong with a model file, in words for people.

use crate::units::Bytes;

/// Why a file cannot be used as a model. Each message is one line without the path, which the caller
/// puts in front.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// There is nothing at the path.
    #[error("no such file")]
    Missing,
    /// The path leads to a folder.
    #[error("is a directory; name the .gguf file inside it")]
    Directory,
    /// The path leads to a device, a pipe or a socket.
    #[error("is not a regular file")]
    NotRegular,
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// There are no bytes in it.
    #[error("is empty (0 bytes); was the download cut off?")]
    Empty,
    /// It starts with something else.
    #[error("is not a GGUF file: {0}")]
    NotGguf(String),
    /// The bytes of every number are the other way round.
    #[error("is a big-endian GGUF file; only little-endian ones can be used here")]
    BigEndian,
    /// A version from before or after the ones that can be read.
    #[error("has GGUF version {0}; versions 2 and 3 can be read")]
    Version(u32),
    /// The file ends inside the header.
    #[error("is truncated: its header needs at least {expected} bytes, the file has {actual}")]
    TruncatedHeader {
        /// Bytes that the header needs at least, as far as it could be read.
        expected: u64,
        /// Bytes of the file.
        actual: u64,
    },
    /// The file ends before its last tensor does.
    #[error(
        "is truncated: expected {expected} bytes ({}), has {actual} ({})",
        Bytes(*.expected),
        Bytes(*.actual)
    )]
    Truncated {
        /// Bytes that the tensor table asks for.
        expected: u64,
        /// Bytes of the file.
        actual: u64,
    },
    /// A count or length that no real file has.
    #[error("has a corrupt header: {what} of {value}")]
    Absurd {
        /// What is counted or measured.
        what: &'static str,
        /// The value read.
        value: u64,
    },
    /// The header contradicts itself.
    #[error("has a corrupt header: {0}")]
    Corrupt(String),
    /// It is something else, in words that say what to give instead.
    #[error("is no model but {0}")]
    NoModel(String),
    /// There are no weights in it.
    #[error("holds no tensors, perhaps only a vocabulary; a model is needed")]
    NoTensors,
    /// A later part of a split model was named.
    #[error("is part {part} of {count} of a split model; name the first part{}", hint(.first.as_deref()))]
    NotFirstPart {
        /// Number of the part, from 1.
        part: u64,
        /// Number of parts.
        count: u64,
        /// File name of the first part, where it can be worked out.
        first: Option<String>,
    },
    /// The first part of a split model whose name does not lead to the others.
    #[error(
        "is part 1 of {count} of a split model, but its name does not end in \
         -00001-of-{count:05}.gguf, so the other parts cannot be found"
    )]
    SplitName {
        /// Number of parts.
        count: u64,
    },
    /// A part of a split model is not there.
    #[error("is split into {count} parts, and part {name} is missing beside it")]
    PartMissing {
        /// File name of the part.
        name: String,
        /// Number of parts.
        count: u64,
    },
    /// A later part of a split model cannot be used.
    #[error("is split, and part {name} {source}")]
    Part {
        /// File name of the part.
        name: String,
        /// What is wrong with it.
        source: Box<HeaderError>,
    },
}

fn hint(first: Option<&str>) -> String {
    first.map(|name| format!(", {name}")).unwrap_or_default()
}

/// What a file that is no GGUF file looks like, from its first bytes.
pub(super) fn describe_magic(start: &[u8]) -> String {
    const KNOWN: [(&[u8], &str); 12] = [
        (b"lmgg", "an old GGML file; convert the model again"),
        (b"tjgg", "an old GGML (ggjt) file; convert the model again"),
        (b"fmgg", "an old GGML (ggmf) file; convert the model again"),
        (b"algg", "a GGML adapter, not a model"),
        (b"PK\x03\x04", "a zip archive, perhaps a PyTorch checkpoint; convert it to GGUF"),
        (b"<!DOC", "an HTML page; the download saved a web page instead of the model"),
        (b"<!doc", "an HTML page; the download saved a web page instead of the model"),
        (b"<html", "an HTML page; the download saved a web page instead of the model"),
        (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with git lfs pull"),
        (b"\x1f\x8b", "a gzip archive; unpack it first"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
        (b"{", "JSON text"),
    ];
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| start.starts_with(magic)) {
        return format!("it looks like {what}");
    }
    // A safetensors file starts with the length of the JSON that follows.
    if start.len() > 8 && start[8] == b'{' && start[5..8] == [0; 3] {
        return "it looks like a safetensors file; convert it to GGUF".into();
    }
    let first = &start[..start.len().min(4)];
    format!("it starts with \"{}\" instead of \"GGUF\"", first.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_recognised() {
        for (start, word) in [
            (&b"lmgg\x01\0\0\0"[..], "old GGML"),
            (b"<!DOCTYPE html>", "HTML"),
            (b"\x40\x12\0\0\0\0\0\0{\"__meta", "safetensors"),
            (b"PK\x03\x04zip", "PyTorch"),
            (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
            (b"ab\n\x1b", "\"ab\\n\\x1b\""),
            (b"", "\"\""),
        ] {
            let text = describe_magic(start);
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn messages_say_what_to_do() {
        let text = HeaderError::NotFirstPart { part: 2, count: 3, first: Some("a.gguf".into()) };
        assert_eq!(
            text.to_string(),
            "is part 2 of 3 of a split model; name the first part, a.gguf"
        );
        let text = HeaderError::Truncated { expected: 3 << 20, actual: 1 << 20 }.to_string();
        assert_eq!(text, "is truncated: expected 3145728 bytes (3.00 MiB), has 1048576 (1.00 MiB)");
    }
}
