//! A second reader of batches, as plain as the format's description: fields in order, everything copied,
//! panics on what it cannot read. What the library says must be what this says.

/// All fields of a header in their order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    pub(crate) batch_length: i32,
    pub(crate) partition_leader_epoch: i32,
    pub(crate) magic: i8,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

/// One record, its timestamp and offset still relative.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk::<N>().unwrap();
        self.0 = rest;
        *taken
    }

    pub(crate) fn header(&mut self) -> Header {
        Header {
            base_offset: i64::from_be_bytes(self.take()),
            batch_length: i32::from_be_bytes(self.take()),
            partition_leader_epoch: i32::from_be_bytes(self.take()),
            magic: i8::from_be_bytes(self.take()),
            crc: u32::from_be_bytes(self.take()),
            attributes: i16::from_be_bytes(self.take()),
            last_offset_delta: i32::from_be_bytes(self.take()),
            base_timestamp: i64::from_be_bytes(self.take()),
            max_timestamp: i64::from_be_bytes(self.take()),
            producer_id: i64::from_be_bytes(self.take()),
            producer_epoch: i16::from_be_bytes(self.take()),
            base_sequence: i32::from_be_bytes(self.take()),
            record_count: i32::from_be_bytes(self.take()),
        }
    }

    pub(crate) fn records(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        while !self.0.is_empty() {
            let length = self.varint() as usize;
            let end = self.0.len() - length;
            assert_eq!(self.take(), [0_u8], "attributes of a record");
            records.push(Record {
                timestamp_delta: self.varint(),
                offset_delta: self.varint(),
                key: self.nullable(),
                value: self.nullable(),
                headers: (0..self.varint()).map(|_| (self.nullable().unwrap(), self.nullable())).collect(),
            });
            assert_eq!(self.0.len(), end, "length of a record");
        }
        records
    }

    fn nullable(&mut self) -> Option<Vec<u8>> {
        let length = self.varint();
        (length >= 0).then(|| (0..length).map(|_| self.take::<1>()[0]).collect())
    }

    fn varint(&mut self) -> i64 {
        let mut value: u128 = 0;
        for index in 0.. {
            let [byte] = self.take();
            value |= u128::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                break;
            }
        }
        let magnitude = (value / 2) as i128;
        (if value & 1 == 0 { magnitude } else { -magnitude - 1 }) as i64
    }
}
