//! GBK as Java decodes it.
//!
//! The WHATWG's GBK (`encoding_rs`) is a superset that also takes 0x80 as the euro sign and GB18030's four-byte
//! sequences, and it maps 101 pairs to characters that were given code points later, where Java keeps private-use
//! ones. Everybody's ordinary text is the same in both; a file that Java calls malformed must be called so here.

use std::sync::LazyLock;

const FIRST_LEAD: u8 = 0x81;
const LAST_LEAD: u8 = 0xFE;
const FIRST_TRAIL: u8 = 0x40;
const TRAILS: usize = 0xFE - FIRST_TRAIL as usize + 1;

/// Pairs that Java (17) maps otherwise than the WHATWG: first pair, its code point, how many follow one another.
const JAVA_RUNS: [(u16, u16, u16); 14] = [
    (0xA3A0, 0xE5E5, 1),
    (0xA6D9, 0xE78D, 7),
    (0xA6EC, 0xE794, 2),
    (0xA6F3, 0xE796, 1),
    (0xA892, 0x2641, 1),
    (0xA8BC, 0xE7C7, 1),
    (0xA8BF, 0xE7C8, 1),
    (0xA989, 0xE7E7, 13),
    (0xFE50, 0xE815, 1),
    (0xFE54, 0xE819, 24),
    (0xFE6D, 0xE832, 9),
    (0xFE77, 0xE83C, 8),
    (0xFE80, 0xE844, 17),
    (0xFE92, 0xE856, 15),
];

/// The character of each pair; zero where the trail byte is none.
static TABLE: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let mut table = vec![0; (LAST_LEAD - FIRST_LEAD + 1) as usize * TRAILS];
    for lead in FIRST_LEAD..=LAST_LEAD {
        for trail in (FIRST_TRAIL..=0xFE).filter(|trail| *trail != 0x7F) {
            let pair = [lead, trail];
            let (text, _) = encoding_rs::GBK.decode_without_bom_handling(&pair);
            let unit = text.encode_utf16().next().unwrap_or_default();
            table[slot(lead, trail)] = unit;
        }
    }
    for (pair, unit, count) in JAVA_RUNS {
        for step in 0..count {
            let [lead, trail] = (pair + step).to_be_bytes();
            table[slot(lead, trail)] = unit + step;
        }
    }
    table
});

fn slot(lead: u8, trail: u8) -> usize {
    usize::from(lead - FIRST_LEAD) * TRAILS + usize::from(trail - FIRST_TRAIL)
}

/// What stands at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A character and its length in bytes.
    Char(char, usize),
    /// This many bytes are no character.
    Malformed(usize),
}

/// Reads one character from non-empty bytes.
///
/// A lead byte without a trail byte is malformed alone, so that an ASCII character or line end after it survives;
/// a lead byte with 0xFF behind it is an unmappable pair. Both as Java's decoder has it.
#[must_use]
pub fn step(bytes: &[u8]) -> Step {
    let lead = bytes[0];
    if lead.is_ascii() {
        return Step::Char(char::from(lead), 1);
    }
    if !(FIRST_LEAD..=LAST_LEAD).contains(&lead) {
        return Step::Malformed(1);
    }
    match bytes.get(1) {
        Some(0xFF) => Step::Malformed(2),
        Some(trail @ FIRST_TRAIL..) if *trail != 0x7F => {
            let unit = u32::from(TABLE[slot(lead, *trail)]);
            char::from_u32(unit).map_or(Step::Malformed(2), |character| Step::Char(character, 2))
        }
        _ => Step::Malformed(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &[Result<char, usize>]) {
        let mut found = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (length, item) = match step(rest) {
                Step::Char(character, length) => (length, Ok(character)),
                Step::Malformed(length) => (length, Err(length)),
            };
            found.push(item);
            rest = &rest[length..];
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn ordinary_text() {
        check(&[0xD6, 0xD0, b'a', 0xCE, 0xC4], &[Ok('中'), Ok('a'), Ok('文')]);
        check(&[0x81, 0x40, 0xFE, 0xFE], &[Ok('丂'), Ok('\u{E4C5}')]);
    }

    #[test]
    fn java_keeps_private_use_characters() {
        check(&[0xA6, 0xD9, 0xFE, 0x50, 0xFE, 0xA0], &[Ok('\u{E78D}'), Ok('\u{E815}'), Ok('\u{E864}')]);
        check(&[0xA8, 0x92, 0xA3, 0xA0], &[Ok('\u{2641}'), Ok('\u{E5E5}')]);
    }

    #[test]
    fn what_java_calls_malformed() {
        check(&[0x80, b'x'], &[Err(1), Ok('x')]);
        check(&[0xB0, b'\n'], &[Err(1), Ok('\n')]);
        check(&[0xB0, 0xFF], &[Err(2)]);
        check(&[0xFF, 0xFF], &[Err(1), Err(1)]);
        // GB18030's four bytes: two malformed leads and the digits between them.
        check(&[0x81, 0x30, 0x81, 0x30], &[Err(1), Ok('0'), Err(1), Ok('0')]);
        check(&[0xB0, 0x7F], &[Err(1), Ok('\x7f')]);
        check(&[0xB0], &[Err(1)]);
    }

    /// Java maps every pair of a lead and a trail byte: 126 times 190 of them.
    #[test]
    fn every_pair_has_a_character() {
        let mapped = TABLE.iter().filter(|unit| **unit != 0).count();
        assert_eq!(mapped, 126 * 190);
    }
}
