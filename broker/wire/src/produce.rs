//! Produce requests, written without touching records: each batch stays in the memory it was built in, between the
//! pieces of the request that are written here. kafka-protocol would copy every record into the frame.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, ProduceRequest};
use kafka_protocol::protocol::StrBytes;

use crate::WireError;
use crate::client::put_header;
use crate::frame::SIZE_PREFIX_BYTES;
use crate::varint::put_varint;

/// The first version with compact lengths and tagged fields (KIP-482).
const FIRST_FLEXIBLE: i16 = 9;
/// The first version that names topics by their ids (KIP-516).
const FIRST_WITH_TOPIC_IDS: i16 = 13;
/// Room for what is not records; it grows if need be.
const ROOM: usize = 256;

/// Encodes a request, size prefix and header included, as pieces to be written one after the other. Together they
/// are the frame that [`crate::client::encode_request`] makes of it.
///
/// # Errors
/// [`WireError::Unencodable`] for a version that is not known, a text that is too long, a request beyond 2 GiB.
pub fn encode_produce_request(
    version: i16,
    correlation_id: i32,
    client_id: Option<&StrBytes>,
    body: &ProduceRequest,
) -> Result<Vec<Bytes>, WireError> {
    let key = ApiKey::Produce;
    let unencodable = |reason: String| WireError::Unencodable { key, version, reason };
    let known = key.valid_versions();
    if !(known.min..=known.max).contains(&version) {
        return Err(unencodable(format!("versions {} to {} are known", known.min, known.max)));
    }
    let mut writer = Writer { version, between: BytesMut::with_capacity(ROOM), records: Vec::new() };
    writer.between.put_i32(0);
    put_header(&mut writer.between, key, version, correlation_id, client_id).map_err(unencodable)?;
    writer.body(body).map_err(unencodable)?;
    writer.finish().map_err(unencodable)
}

/// What is written between records, and where the records go.
struct Writer {
    version: i16,
    between: BytesMut,
    /// Records, and how much of `between` comes before them.
    records: Vec<(usize, Bytes)>,
}

impl Writer {
    fn is_flexible(&self) -> bool {
        self.version >= FIRST_FLEXIBLE
    }

    fn body(&mut self, body: &ProduceRequest) -> Result<(), String> {
        self.text(body.transactional_id.as_ref().map(|id| id.0.as_str()))?;
        self.between.put_i16(body.acks);
        self.between.put_i32(body.timeout_ms);
        self.length(body.topic_data.len())?;
        for topic in &body.topic_data {
            self.topic(topic)?;
        }
        self.end();
        Ok(())
    }

    fn topic(&mut self, topic: &TopicProduceData) -> Result<(), String> {
        if self.version >= FIRST_WITH_TOPIC_IDS {
            self.between.put_slice(topic.topic_id.as_bytes());
        } else {
            self.text(Some(topic.name.as_str()))?;
        }
        self.length(topic.partition_data.len())?;
        for partition in &topic.partition_data {
            self.partition(partition)?;
        }
        self.end();
        Ok(())
    }

    fn partition(&mut self, partition: &PartitionProduceData) -> Result<(), String> {
        self.between.put_i32(partition.index);
        match &partition.records {
            Some(records) => {
                self.length(records.len())?;
                self.records.push((self.between.len(), records.clone()));
            }
            None if self.is_flexible() => self.between.put_u8(0),
            None => self.between.put_i32(-1),
        }
        self.end();
        Ok(())
    }

    /// The length of an array or of bytes.
    fn length(&mut self, length: usize) -> Result<(), String> {
        let length = i32::try_from(length).map_err(|_| format!("a length of {length}"))?;
        if self.is_flexible() {
            put_varint(&mut self.between, length as u32 + 1);
        } else {
            self.between.put_i32(length);
        }
        Ok(())
    }

    fn text(&mut self, text: Option<&str>) -> Result<(), String> {
        match text {
            Some(text) if self.is_flexible() => self.length(text.len())?,
            Some(text) => {
                let length =
                    i16::try_from(text.len()).map_err(|_| format!("a text of {} bytes", text.len()))?;
                self.between.put_i16(length);
            }
            None if self.is_flexible() => self.between.put_u8(0),
            None => self.between.put_i16(-1),
        }
        self.between.put_slice(text.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// The end of a structure: no tagged fields.
    fn end(&mut self) {
        if self.is_flexible() {
            self.between.put_u8(0);
        }
    }

    /// The pieces, with the size of them all in front.
    fn finish(mut self) -> Result<Vec<Bytes>, String> {
        let size = self.between.len() + self.records.iter().map(|(_, records)| records.len()).sum::<usize>();
        let size = i32::try_from(size - SIZE_PREFIX_BYTES).map_err(|_| format!("{size} bytes"))?;
        self.between[..SIZE_PREFIX_BYTES].copy_from_slice(&size.to_be_bytes());
        let mut between = self.between.freeze();
        let mut pieces = Vec::with_capacity(2 * self.records.len() + 1);
        let mut written = 0;
        for (at, records) in self.records {
            pieces.push(between.split_to(at - written));
            pieces.push(records);
            written = at;
        }
        pieces.push(between);
        pieces.retain(|piece| !piece.is_empty());
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{TopicName, TransactionalId};
    use uuid::Uuid;

    use super::*;
    use crate::client::encode_request;

    fn request(version: i16) -> ProduceRequest {
        let partition = |index, records: Option<&'static [u8]>| {
            PartitionProduceData::default().with_index(index).with_records(records.map(Bytes::from_static))
        };
        let topic = |name: &'static str, partitions| {
            let topic = TopicProduceData::default().with_partition_data(partitions);
            if version >= FIRST_WITH_TOPIC_IDS {
                topic.with_topic_id(Uuid::from_u128(7))
            } else {
                topic.with_name(TopicName(StrBytes::from_static_str(name)))
            }
        };
        ProduceRequest::default().with_acks(-1).with_timeout_ms(1500).with_topic_data(vec![
            topic("orders", vec![partition(0, Some(&[7; 300])), partition(1, None), partition(2, Some(b""))]),
            topic("", vec![]),
            topic("more", vec![partition(5, Some(b"records"))]),
        ])
    }

    #[test]
    fn the_same_frame_as_kafka_protocols() {
        let client_id = StrBytes::from_static_str("me");
        let known = ApiKey::Produce.valid_versions();
        for version in known.min..=known.max {
            let transactional = TransactionalId(StrBytes::from_static_str("tx"));
            let with_id = request(version).with_transactional_id(Some(transactional));
            for (body, client_id) in [(request(version), Some(&client_id)), (with_id, None)] {
                let whole = encode_request(version, 9, client_id, &body).unwrap();
                let pieces = encode_produce_request(version, 9, client_id, &body).unwrap();
                assert_eq!(pieces.concat(), whole, "version {version}");
                let records = body.topic_data[0].partition_data[0].records.as_ref().unwrap();
                let is_shared = |piece: &Bytes| std::ptr::eq(piece.as_ptr(), records.as_ptr());
                assert!(pieces.iter().any(is_shared), "records are not copied");
            }
        }
        assert!(encode_produce_request(known.max + 1, 9, None, &request(known.max)).is_err());
    }
}
