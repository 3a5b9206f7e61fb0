//! The four codecs of record batches. Output of decompression is bounded by the caller and grows in steps: no
//! length that the input claims is believed before it is checked.
//!
//! What decoders need besides the output is bounded by their formats: 64 KiB for gzip, 24 MiB for lz4 with
//! its largest blocks (192 KiB with those that Kafka writes), and for zstd the window of the frame, at most
//! 128 MiB of address space of which only as much is touched as there is output.

use std::io::{Read, Write};

use thiserror::Error;

use crate::limits::{DECOMPRESS_STEP, SNAPPY_BLOCK_SIZE, SNAPPY_EXPANSION_MAX};

/// How the records of a batch are compressed: the low three bits of its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in the framing of Java's `SnappyOutputStream`.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard frames (KIP-110).
    Zstd,
}

impl Codec {
    /// Every codec, by id.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec of an id in the attributes, 0 to 4.
    #[inline]
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// The id in the attributes.
    #[inline]
    #[must_use]
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The name in configurations: `none`, `gzip`, `snappy`, `lz4`, `zstd`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of a configuration name. `uncompressed` (a topic's value) is [`Codec::None`]; `producer` is
    /// no codec.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "uncompressed" => Some(Self::None),
            name => Self::ALL.into_iter().find(|codec| codec.name() == name),
        }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec and how hard it tries (KIP-390).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Compression {
    /// The codec.
    pub codec: Codec,
    /// Gzip 1 to 9 (default 6), zstd -131072 to 22 (default 3); values beyond are cut to that. Snappy has no
    /// levels, and lz4 is always written at its fast level.
    pub level: Option<i32>,
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        Self { codec, level: None }
    }
}

/// Why records cannot be compressed or decompressed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompressionError {
    /// The output would be larger than the caller allows.
    #[error("{codec} data decompresses to more than the {max_output} bytes allowed")]
    TooLarge {
        /// The codec.
        codec: Codec,
        /// The caller's limit in bytes.
        max_output: usize,
    },
    /// The input is not what the codec writes.
    #[error("malformed {codec} data: {reason}")]
    Malformed {
        /// The codec.
        codec: Codec,
        /// What the decoder said.
        reason: String,
    },
    /// The encoder failed: memory, or a level it refuses.
    #[error("{codec} compression failed: {reason}")]
    Encoder {
        /// The codec.
        codec: Codec,
        /// What the encoder said.
        reason: String,
    },
}

/// Appends `input`, compressed, to `out`.
///
/// # Errors
/// [`CompressionError::Encoder`]; `out` may then hold a part.
pub fn compress(compression: Compression, input: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let result = match compression.codec {
        Codec::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        Codec::Gzip => compress_gzip(compression.level, input, out),
        Codec::Snappy => compress_snappy(input, out),
        Codec::Lz4 => compress_lz4(input, out),
        Codec::Zstd => compress_zstd(compression.level, input, out),
    };
    result.map_err(|error| CompressionError::Encoder { codec: compression.codec, reason: error.to_string() })
}

/// The content of `input`, at most `max_output` bytes.
///
/// # Errors
/// [`CompressionError::TooLarge`] or [`CompressionError::Malformed`].
pub fn decompress(codec: Codec, input: &[u8], max_output: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    decompress_into(codec, input, max_output, &mut out)?;
    Ok(out)
}

/// [`decompress`] into a buffer that is used again: `out` is cleared first and holds at most `max_output`
/// bytes.
///
/// # Errors
/// [`CompressionError::TooLarge`] or [`CompressionError::Malformed`]; `out` may then hold a part.
pub fn decompress_into(
    codec: Codec,
    input: &[u8],
    max_output: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    out.clear();
    match codec {
        Codec::None if input.len() > max_output => Err(CompressionError::TooLarge { codec, max_output }),
        Codec::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        Codec::Snappy => {
            let mut blocks = SnappyBlocks::new(input, max_output);
            while blocks.append_next(out)? {}
            Ok(())
        }
        Codec::Gzip | Codec::Lz4 | Codec::Zstd => {
            read_bounded(codec, reader(codec, input, max_output)?, max_output, out)
        }
    }
}

/// The content of `input` as a stream, which keeps no more in memory than the codec needs for a block. Snappy
/// gives at most `max_output` bytes; for the others the caller counts. After a read of nothing it must not be
/// read again. Its errors are for [`read_error`].
pub(crate) fn reader<'a>(
    codec: Codec,
    input: &'a [u8],
    max_output: usize,
) -> Result<Box<dyn Read + 'a>, CompressionError> {
    Ok(match codec {
        Codec::None => Box::new(input),
        Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Codec::Snappy => Box::new(SnappyReader::new(input, max_output)),
        Codec::Lz4 => Box::new(Lz4Reader::new(input)),
        Codec::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(input);
            Box::new(decoder.map_err(|error| malformed(codec, &error))?)
        }
    })
}

/// What a failed read of [`reader`] means.
pub(crate) fn read_error(codec: Codec, error: std::io::Error) -> CompressionError {
    error.downcast::<CompressionError>().unwrap_or_else(|error| malformed(codec, &error))
}

fn malformed(codec: Codec, reason: &dyn std::fmt::Display) -> CompressionError {
    CompressionError::Malformed { codec, reason: reason.to_string() }
}

/// Makes room in `out` for at least `needed` bytes more, as long as it stays within `max_len`: in steps, each
/// about as large as what has really been produced before. Returns the room there is.
fn make_room(out: &mut Vec<u8>, needed: usize, max_len: usize) -> usize {
    let limit = max_len - out.len();
    if out.capacity() - out.len() < needed {
        out.reserve_exact(out.len().max(DECOMPRESS_STEP).max(needed).min(limit));
    }
    limit.min(out.capacity() - out.len())
}

/// Reads all of `reader`, within the room that [`make_room`] makes.
fn read_bounded(
    codec: Codec,
    mut reader: impl Read,
    max_output: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    loop {
        // One byte beyond the limit is asked for, to tell a full output from one that is too large.
        let step = make_room(out, 1, max_output.saturating_add(1));
        let read =
            reader.by_ref().take(step as u64).read_to_end(out).map_err(|error| read_error(codec, error))?;
        if out.len() > max_output {
            return Err(CompressionError::TooLarge { codec, max_output });
        }
        if read < step {
            return Ok(());
        }
    }
}

fn compress_gzip(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let level = level
        .map_or(flate2::Compression::default(), |level| flate2::Compression::new(level.clamp(1, 9) as u32));
    let mut encoder = flate2::write::GzEncoder::new(out, level);
    encoder.write_all(input)?;
    encoder.finish().map(drop)
}

/// Independent blocks of 64 KiB without checksums: what Java's writer produces, and all its reader accepts.
fn compress_lz4(input: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let info = lz4_flex::frame::FrameInfo::new()
        .block_mode(lz4_flex::frame::BlockMode::Independent)
        .block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, out);
    encoder.write_all(input)?;
    encoder.finish().map(drop).map_err(std::io::Error::from)
}

/// The decoder takes a frame without its end mark for whole. Java's reader does not, so a leader must refuse
/// it: else consumers would meet it.
struct Lz4Reader<'a>(lz4_flex::frame::FrameDecoder<EndNoticed<'a>>);

impl<'a> Lz4Reader<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self(lz4_flex::frame::FrameDecoder::new(EndNoticed { input, ran_out: false }))
    }
}

impl Read for Lz4Reader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buf)?;
        if read == 0 && !buf.is_empty() && self.0.get_ref().ran_out {
            return Err(std::io::Error::other(malformed(Codec::Lz4, &"no end mark")));
        }
        Ok(read)
    }
}

/// Reads a slice and notices when more is asked for than is there.
struct EndNoticed<'a> {
    input: &'a [u8],
    ran_out: bool,
}

impl Read for EndNoticed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.ran_out |= self.input.is_empty() && !buf.is_empty();
        self.input.read(buf)
    }
}

fn compress_zstd(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let levels = zstd::compression_level_range();
    let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL).clamp(*levels.start(), *levels.end());
    let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
    encoder.set_pledged_src_size(Some(input.len() as u64))?;
    encoder.write_all(input)?;
    encoder.finish().map(drop)
}

/// Start of a stream of Java's `SnappyOutputStream`: magic, then version 1 and compatible version 1.
const SNAPPY_STREAM_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// The part of it that a reader checks; versions follow.
const SNAPPY_STREAM_MAGIC: &[u8] = b"\x82SNAPPY\0";

fn compress_snappy(input: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(SNAPPY_BLOCK_SIZE)];
    out.extend_from_slice(&SNAPPY_STREAM_HEADER);
    for chunk in input.chunks(SNAPPY_BLOCK_SIZE) {
        let block_len = encoder.compress(chunk, &mut block).map_err(std::io::Error::from)?;
        out.extend_from_slice(&(block_len as u32).to_be_bytes());
        out.extend_from_slice(&block[..block_len]);
    }
    Ok(())
}

/// The blocks of a batch, in both forms that producers send: Java's stream of blocks, and one bare block
/// (librdkafka and others).
struct SnappyBlocks<'a> {
    rest: &'a [u8],
    is_stream: bool,
    max_output: usize,
}

impl<'a> SnappyBlocks<'a> {
    fn new(input: &'a [u8], max_output: usize) -> Self {
        Self { rest: input, is_stream: input.starts_with(SNAPPY_STREAM_MAGIC), max_output }
    }

    /// Appends the content of the next block; `false` if there was none left.
    fn append_next(&mut self, out: &mut Vec<u8>) -> Result<bool, CompressionError> {
        let Some(block) = self.next_block()? else { return Ok(false) };
        decompress_snappy_block(block, self.max_output, out)?;
        Ok(true)
    }

    fn next_block(&mut self) -> Result<Option<&'a [u8]>, CompressionError> {
        if !self.is_stream {
            // An empty one is no block, but to the decoder.
            self.is_stream = true;
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        while self.rest.starts_with(SNAPPY_STREAM_MAGIC) {
            // Streams may be joined end to end, as Java's reader accepts.
            let cut = || malformed(Codec::Snappy, &"cut header");
            self.rest = self.rest.get(SNAPPY_STREAM_HEADER.len()..).ok_or_else(cut)?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let cut = || malformed(Codec::Snappy, &"cut block");
        let (block_len, after) = self.rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (block, after) =
            after.split_at_checked(u32::from_be_bytes(*block_len) as usize).ok_or_else(cut)?;
        self.rest = after;
        Ok(Some(block))
    }
}

/// [`SnappyBlocks`] as a stream: one block is in memory at a time.
struct SnappyReader<'a> {
    blocks: SnappyBlocks<'a>,
    block: Vec<u8>,
    at: usize,
}

impl<'a> SnappyReader<'a> {
    fn new(input: &'a [u8], max_output: usize) -> Self {
        Self { blocks: SnappyBlocks::new(input, max_output), block: Vec::new(), at: 0 }
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.block.len() {
            self.block.clear();
            self.at = 0;
            if !self.blocks.append_next(&mut self.block).map_err(std::io::Error::other)? {
                return Ok(0);
            }
        }
        let read = (&self.block[self.at..]).read(buf)?;
        self.at += read;
        Ok(read)
    }
}

/// Appends the content of one block. The length it claims is checked against the limit and against what a
/// block of its size can hold at all, before any room is made for it.
fn decompress_snappy_block(
    block: &[u8],
    max_output: usize,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let codec = Codec::Snappy;
    let claimed = snap::raw::decompress_len(block).map_err(|error| malformed(codec, &error))?;
    if claimed / SNAPPY_EXPANSION_MAX > block.len() {
        return Err(malformed(codec, &format_args!("{claimed} bytes claimed by a block of {}", block.len())));
    }
    if claimed > max_output - out.len() {
        return Err(CompressionError::TooLarge { codec, max_output });
    }
    let start = out.len();
    make_room(out, claimed, max_output);
    out.resize(start + claimed, 0);
    let written = snap::raw::Decoder::new()
        .decompress(block, &mut out[start..])
        .map_err(|error| malformed(codec, &error))?;
    debug_assert_eq!(written, claimed, "a block yields what it claims or fails");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(codec: Codec, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        compress(codec.into(), input, &mut out).unwrap();
        out
    }

    /// Text that compresses, longer than any block of any codec.
    fn text() -> Vec<u8> {
        (0..40_000_u32).flat_map(|line| format!("line {}\n", line % 977).into_bytes()).collect()
    }

    #[test]
    fn round_trips_of_all_sizes_and_levels() {
        let text = text();
        for codec in Codec::ALL {
            for len in [0, 1, 100, 32 * 1024, 64 * 1024, 64 * 1024 + 1, 128 * 1024, text.len()] {
                let input = &text[..len];
                let output = decompress(codec, &compressed(codec, input), len);
                assert_eq!(output.as_deref(), Ok(input), "{codec} {len}");
            }
            for level in [i32::MIN, -1, 0, 1, 9, 100] {
                let mut out = Vec::new();
                compress(Compression { codec, level: Some(level) }, &text[..1000], &mut out).unwrap();
                assert_eq!(
                    decompress(codec, &out, 1000).as_deref(),
                    Ok(&text[..1000]),
                    "{codec} level {level}"
                );
            }
        }
    }

    #[test]
    fn levels_make_a_difference() {
        for (codec, low, high) in [(Codec::Gzip, 1, 9), (Codec::Zstd, 1, 19)] {
            let size = |level| {
                let mut out = Vec::new();
                compress(Compression { codec, level: Some(level) }, &text(), &mut out).unwrap();
                out.len()
            };
            assert!(size(high) < size(low), "{codec}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let text = text();
        for codec in Codec::ALL {
            let input = compressed(codec, &text);
            assert_eq!(decompress(codec, &input, text.len()).map(|out| out.len()), Ok(text.len()), "{codec}");
            for max_output in [0, 1, DECOMPRESS_STEP, text.len() - 1] {
                let expected = Err(CompressionError::TooLarge { codec, max_output });
                assert_eq!(decompress(codec, &input, max_output), expected, "{codec}");
            }
        }
    }

    #[test]
    fn names_and_ids() {
        for (id, codec) in Codec::ALL.into_iter().enumerate() {
            assert_eq!(Codec::from_id(id as u8), Some(codec));
            assert_eq!(usize::from(codec.id()), id);
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
        assert_eq!(Codec::from_id(5), None);
        assert_eq!(Codec::from_name("uncompressed"), Some(Codec::None));
        assert_eq!(Codec::from_name("producer"), None);
        assert_eq!(Codec::from_name("GZIP"), None);
    }

    #[test]
    fn lz4_frames_start_as_those_of_java() {
        // Magic, version 1 with independent blocks and no checksums, blocks of 64 KiB.
        assert_eq!(compressed(Codec::Lz4, b"abc")[..6], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40]);
    }

    #[test]
    fn snappy_is_written_in_blocks_of_java_and_read_in_every_form() {
        let text = text();
        let stream = compressed(Codec::Snappy, &text);
        assert!(stream.starts_with(&SNAPPY_STREAM_HEADER));
        let mut blocks = 0;
        let mut rest = &stream[SNAPPY_STREAM_HEADER.len()..];
        while let Some((len, after)) = rest.split_first_chunk::<4>() {
            let (block, after) = after.split_at(u32::from_be_bytes(*len) as usize);
            assert!(snap::raw::decompress_len(block).unwrap() <= SNAPPY_BLOCK_SIZE);
            (rest, blocks) = (after, blocks + 1);
        }
        assert_eq!(blocks, text.len().div_ceil(SNAPPY_BLOCK_SIZE));

        let bare = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        assert_eq!(
            decompress(Codec::Snappy, &bare, text.len()).as_deref(),
            Ok(text.as_slice()),
            "bare block"
        );
        let joined = [stream.as_slice(), &stream].concat();
        let twice = [text.as_slice(), &text].concat();
        assert_eq!(decompress(Codec::Snappy, &joined, twice.len()), Ok(twice), "joined streams");
    }

    fn check_malformed(codec: Codec, input: &[u8]) {
        let result = decompress(codec, input, 1 << 20);
        assert!(matches!(result, Err(CompressionError::Malformed { .. })), "{codec}: {result:?}");
    }

    #[test]
    fn damage_is_an_error() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let whole = compressed(codec, &text()[..1000]);
            check_malformed(codec, b"\xff\xff\xff\xff\xff\xff\xff\xff");
            for len in 1..whole.len() {
                // A snappy stream may end after any block, so only the count of records shows that one is
                // gone.
                if codec != Codec::Snappy || len != SNAPPY_STREAM_HEADER.len() {
                    check_malformed(codec, &whole[..len]);
                }
            }
        }
        check_malformed(Codec::Snappy, &SNAPPY_STREAM_HEADER[..10]);
        check_malformed(Codec::Snappy, &[SNAPPY_STREAM_HEADER.as_slice(), &[0xff; 4]].concat());
    }

    #[test]
    fn a_claimed_length_is_not_believed() {
        // A bare snappy block that claims 2^32 - 1 bytes; then one whose claim is within the limit, but not
        // possible.
        check_malformed(Codec::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'a']);
        check_malformed(Codec::Snappy, &[0x80, 0x80, 0x20, 0, b'a']);
    }
}
