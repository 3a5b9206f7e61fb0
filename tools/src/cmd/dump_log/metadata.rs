//! Entries of rkafka's metadata log, `__rkafka_metadata-0`: one entry is the value of one record.
//!
//! ```text
//! u8 format (1) | u64 term | u8 kind: 0 blank, 1 metadata batch, 2 membership | the batch or the membership
//! ```
//! The broker writes them in `broker/src/quorum/codec.rs`; the batches inside are rkafka_core's.

use rkafka_core::image::MetadataBatch;

const FORMAT: u8 = 1;
const BLANK: u8 = 0;
const BATCH: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// What an entry says, on one line.
pub(super) fn describe(value: &[u8]) -> String {
    let Some((&format, rest)) = value.split_first() else { return "an empty entry".to_owned() };
    if format != FORMAT {
        return format!("an entry of format {format}, written by a newer version");
    }
    let Some((term, rest)) = rest.split_first_chunk::<8>() else { return cut_off() };
    let term = u64::from_be_bytes(*term);
    let what = match rest.split_first() {
        None => return cut_off(),
        Some((&BLANK, _)) => "blank".to_owned(),
        Some((&BATCH, bytes)) => match MetadataBatch::decode(bytes) {
            Ok(batch) => {
                let records: Vec<String> = batch.records.iter().map(|record| format!("{record:?}")).collect();
                format!("after sequence {}: {}", batch.previous_sequence, records.join("; "))
            }
            Err(error) => error.to_string(),
        },
        Some((&MEMBERSHIP, bytes)) => format!("membership of {} bytes", bytes.len()),
        Some((kind, _)) => format!("kind {kind}, written by a newer version"),
    };
    format!("term {term}, {what}")
}

fn cut_off() -> String {
    "an entry that is cut off".to_owned()
}

#[cfg(test)]
mod tests {
    use rkafka_core::image::MetadataRecord;

    use super::*;

    #[test]
    fn entries() {
        let batch = MetadataBatch {
            previous_sequence: 4,
            records: vec![MetadataRecord::ClusterId { id: "abc".to_owned() }],
        };
        let entry = |kind: u8, rest: &[u8]| [&[FORMAT][..], &7_u64.to_be_bytes(), &[kind], rest].concat();
        assert_eq!(
            describe(&entry(BATCH, &batch.encode())),
            "term 7, after sequence 4: ClusterId { id: \"abc\" }"
        );
        assert_eq!(describe(&entry(BLANK, &[])), "term 7, blank");
        assert_eq!(describe(&entry(MEMBERSHIP, &[0; 5])), "term 7, membership of 5 bytes");
        assert_eq!(describe(&[2]), "an entry of format 2, written by a newer version");
        assert_eq!(describe(&[1, 0]), "an entry that is cut off");
    }
}
