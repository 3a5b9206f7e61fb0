//! `useFlumeEventFormat`: an event with its headers as the value of a record, in Avro's binary form of
//! `AvroFlumeEvent { headers: map<string>, body: bytes }`, without its schema.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::event::{Event, Headers, Text};

/// The event as Avro bytes.
#[must_use]
pub fn encode(event: &Event) -> Bytes {
    let mut buffer = BytesMut::with_capacity(event.body.len() + 16);
    if !event.headers.is_empty() {
        put_long(&mut buffer, event.headers.len());
        for (name, value) in event.headers.iter() {
            put_bytes(&mut buffer, name.as_bytes());
            put_bytes(&mut buffer, value.as_bytes());
        }
    }
    buffer.put_u8(0);
    put_bytes(&mut buffer, &event.body);
    buffer.freeze()
}

fn put_long(buffer: &mut BytesMut, number: usize) {
    // Zigzag of a number that is not negative.
    let mut rest = (number as u64) << 1;
    while rest >= 0x80 {
        buffer.put_u8((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    buffer.put_u8(rest as u8);
}

fn put_bytes(buffer: &mut BytesMut, bytes: &[u8]) {
    put_long(buffer, bytes.len());
    buffer.put_slice(bytes);
}

/// The event of Avro bytes; `None` if they are no `AvroFlumeEvent`.
#[must_use]
pub fn decode(mut value: Bytes) -> Option<Event> {
    let mut headers = Headers::default();
    loop {
        let count = take_long(&mut value)?;
        if count == 0 {
            break;
        }
        if count < 0 {
            // Then the block's length in bytes follows, for who wants to skip it.
            take_long(&mut value)?;
        }
        for _ in 0..count.unsigned_abs() {
            let name = take_text(&mut value)?;
            headers.set(name, take_text(&mut value)?);
        }
    }
    let body = take_bytes(&mut value)?;
    value.is_empty().then(|| Event { headers, ..Event::new(body) })
}

fn take_long(value: &mut Bytes) -> Option<i64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = value.try_get_u8().ok()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((number >> 1) as i64 ^ -((number & 1) as i64));
        }
    }
    None
}

fn take_bytes(value: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(take_long(value)?).ok()?;
    (length <= value.len()).then(|| value.split_to(length))
}

fn take_text(value: &mut Bytes) -> Option<Text> {
    let bytes = take_bytes(value)?;
    std::str::from_utf8(&bytes).ok().map(Text::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Apache Avro writes it: one block of a map, its end, then the body.
    #[test]
    fn as_avro_writes_it() {
        let event = Event { headers: Headers::from_iter([("k", "v")]), ..Event::new("body") };
        assert_eq!(&encode(&event)[..], b"\x02\x02k\x02v\x00\x08body");
        assert_eq!(&encode(&Event::new(vec![b'x'; 70]))[..4], b"\x00\x8c\x01x");
        // A block with its length in bytes, as other writers make it.
        let sized = decode(Bytes::from_static(b"\x01\x08\x02k\x02v\x00\x08body")).unwrap();
        assert_eq!((sized.headers, &sized.body[..]), (event.headers, &b"body"[..]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            headers in prop::collection::btree_map(".{0,5}", ".{0,70}", 0..4),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let event = Event { headers: headers.into_iter().collect(), ..Event::new(body) };
            let found = decode(encode(&event)).unwrap();
            prop_assert_eq!((found.headers, found.body), (event.headers, event.body));
        }

        #[test]
        fn no_bytes_stop_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(Bytes::from(bytes));
        }
    }
}
