//! What the records of a performance test hold.

use std::path::Path;

use crate::common::failure::Failure;

/// Values, one after the other.
#[derive(Debug)]
pub(super) enum Payloads {
    /// Capital letters, the same ones in every record as in the stock tool until Kafka 2.8.
    Random(Vec<u8>),
    /// Lines of a file, chosen at random.
    Lines(Vec<Vec<u8>>),
    /// 0, 1, 2 … in decimal.
    Monotonic { next: u64, text: String },
}

impl Payloads {
    /// `size` random letters.
    pub(super) fn random(size: usize) -> Payloads {
        let mut random = fastrand::Rng::with_seed(0);
        Payloads::Random((0..size).map(|_| random.u8(b'A'..=b'Z')).collect())
    }

    /// The parts of a file that `delimiter` separates, as Java's `Scanner` finds them.
    pub(super) fn of_file(file: &Path, delimiter: &str) -> Result<Payloads, Failure> {
        let name = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::message(format!("cannot read {name}: {error}")))?;
        let delimiter = if delimiter == "\\n" { "\n" } else { delimiter };
        let mut lines: Vec<Vec<u8>> = match delimiter {
            "" => vec![text.clone().into_bytes()],
            delimiter => text.split(delimiter).map(|line| line.as_bytes().to_vec()).collect(),
        };
        lines.pop_if(|last| last.is_empty());
        if lines.is_empty() {
            return Err(Failure::message(format!(
                "File does not exist or empty file provided: {name}; it needs at least one record"
            )));
        }
        Ok(Payloads::Lines(lines))
    }

    /// Growing numbers.
    pub(super) fn monotonic() -> Payloads {
        Payloads::Monotonic { next: 0, text: String::new() }
    }

    /// The next value.
    pub(super) fn next(&mut self) -> &[u8] {
        match self {
            Payloads::Random(bytes) => bytes,
            Payloads::Lines(lines) => &lines[fastrand::usize(..lines.len())],
            Payloads::Monotonic { next, text } => {
                *text = next.to_string();
                *next += 1;
                text.as_bytes()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let mut random = Payloads::random(100);
        assert!(random.next().iter().all(u8::is_ascii_uppercase));
        assert_eq!(random.next().len(), 100);
        let mut numbers = Payloads::monotonic();
        assert_eq!((numbers.next().to_vec(), numbers.next().to_vec()), (b"0".to_vec(), b"1".to_vec()));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lines");
        std::fs::write(&file, "a;b;").unwrap();
        let Payloads::Lines(lines) = Payloads::of_file(&file, ";").unwrap() else { panic!("lines") };
        assert_eq!(lines, [b"a".to_vec(), b"b".to_vec()]);
        std::fs::write(&file, "").unwrap();
        assert!(Payloads::of_file(&file, "\\n").is_err());
    }
}
