//! A file as a stream of text bytes: compressed ones are read through, and the character set is found if asked.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

use crate::text::Charset;

/// How much is looked at to find the character set.
const SAMPLE: u64 = 256 * 1024;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// It is not.
    None,
    /// gzip, several members too.
    Gzip,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

impl Compression {
    /// Recognises a file by how it begins: nothing that is text in any character set begins so.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(file: &File) -> io::Result<Compression> {
        let mut head = [0; 10];
        let mut length = 0;
        while length < head.len() {
            match file.read_at(&mut head[length..], length as u64)? {
                0 => break,
                read => length += read,
            }
        }
        Ok(match head.get(..length).unwrap_or_default() {
            [0x1f, 0x8b, 8, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            _ => Compression::None,
        })
    }
}

/// The bytes of a file's text from `offset` on. In a compressed file all before it is read and dropped.
///
/// # Errors
/// The file cannot be read.
pub fn open(file: &File, compression: Compression, offset: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut file = file.try_clone()?;
    let start = if compression == Compression::None { offset } else { 0 };
    file.seek(SeekFrom::Start(start))?;
    let mut text: Box<dyn Read + Send> = match compression {
        Compression::None => return Ok(Box::new(file)),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(file))),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(file)?),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(BufReader::new(file))),
        Compression::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(BufReader::new(file))),
    };
    let dropped = io::copy(&mut (&mut text).take(offset), &mut io::sink())?;
    if dropped < offset {
        let text = format!("its text has {dropped} bytes, but {offset} have been read before");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    }
    Ok(text)
}

/// Finds the character set from a file's beginning: its byte order mark, else UTF-8 if it is that, else a guess by
/// the frequencies of characters.
///
/// # Errors
/// The file cannot be read.
pub fn detect(file: &File, compression: Compression) -> io::Result<Charset> {
    let mut sample = Vec::new();
    let whole = open(file, compression, 0)?.take(SAMPLE).read_to_end(&mut sample)? < SAMPLE as usize;
    match sample.as_slice() {
        [0xff, 0xfe, ..] => return Ok(Charset::Utf16 { big_endian: false }),
        [0xfe, 0xff, ..] => return Ok(Charset::Utf16 { big_endian: true }),
        _ => {}
    }
    let valid = match std::str::from_utf8(&sample) {
        Ok(_) => true,
        // The sample may end inside a character.
        Err(error) => !whole && error.error_len().is_none(),
    };
    if valid {
        return Ok(Charset::Utf8);
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(&sample, whole);
    let guess = detector.guess(None, chardetng::Utf8Detection::Deny);
    Ok(if guess == encoding_rs::GBK { Charset::Other(encoding_rs::GB18030) } else { Charset::Other(guess) })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Compression) {
        let file = file(bytes);
        assert_eq!(Compression::of(&file).unwrap(), expected);
        for offset in [0, 6] {
            let mut text = String::new();
            open(&file, expected, offset).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "first\nsecond\n"[offset as usize..]);
        }
    }

    #[test]
    fn compressed_files_are_read_through_and_resumed() {
        let text = b"first\nsecond\n";
        check(text, Compression::None);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        check(&gzip.finish().unwrap(), Compression::Gzip);
        check(&zstd::encode_all(&text[..], 1).unwrap(), Compression::Zstd);
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(text).unwrap();
        check(&bzip2.finish().unwrap(), Compression::Bzip2);
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(text).unwrap();
        check(&xz.finish().unwrap(), Compression::Xz);
    }

    #[test]
    fn a_compressed_file_that_became_shorter_is_no_continuation() {
        let file = file(&zstd::encode_all(&b"short"[..], 1).unwrap());
        let error = open(&file, Compression::Zstd, 99).err().unwrap();
        assert_eq!(error.to_string(), "its text has 5 bytes, but 99 have been read before");
    }

    #[test]
    fn character_sets_are_found() {
        let (gbk, ..) =
            encoding_rs::GBK.encode("飞机失事，所有乘客都下落不明。今天的天气很好，我们去公园玩吧。");
        assert_eq!(detect(&file(&gbk), Compression::None).unwrap(), Charset::Other(encoding_rs::GB18030));
        assert_eq!(detect(&file("中文".as_bytes()), Compression::None).unwrap(), Charset::Utf8);
        assert_eq!(detect(&file(b"plain"), Compression::None).unwrap(), Charset::Utf8);
        let utf16 = Charset::Utf16 { big_endian: false };
        assert_eq!(detect(&file(b"\xff\xfea\0"), Compression::None).unwrap(), utf16);
    }
}
