//! The least that a broker on this kernel can cost: a process that does only the socket reads, checksums and
//! writes of a produce, or only the `sendfile`s of a fetch.
//!
//! It runs as a process of its own (`rkafka-bench bare …`), so that its CPU time is counted as a broker's is.

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::Pid;

use crate::measure::cpu;

/// Bytes read from a socket at a time, as rkafka does it.
const READ_BYTES: usize = 64 << 10;

/// Serves one connection that sends frames: reads, checks, appends to `file`, answers each with 60 bytes.
pub(crate) fn sink(file: &Path, frame_bytes: usize) -> Result<()> {
    let mut stream = accept()?;
    let file = File::create(file)?;
    let (mut buffer, mut have, mut position) = (vec![0; frame_bytes + READ_BYTES], 0, 0);
    loop {
        let read = stream.read(&mut buffer[have..])?;
        if read == 0 {
            return Ok(());
        }
        have += read;
        let mut answers = 0;
        while have - answers * frame_bytes >= frame_bytes {
            let frame = &buffer[answers * frame_bytes..][..frame_bytes];
            std::hint::black_box(crc32c::crc32c(frame));
            file.write_all_at(frame, position)?;
            position += frame_bytes as u64;
            answers += 1;
        }
        if answers > 0 {
            let answer = [0; 60];
            let answers_now: Vec<IoSlice<'_>> = (0..answers).map(|_| IoSlice::new(&answer)).collect();
            let _ = stream.write_vectored(&answers_now)?;
            buffer.copy_within(answers * frame_bytes..have, 0);
            have -= answers * frame_bytes;
        }
    }
}

/// Megabytes a second at which `files` go through one loopback connection into the file `into`, which is removed:
/// the least that copying a replica takes.
pub(crate) fn copy_rate(files: &[PathBuf], into: &Path) -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    let (mut accepted, _) = listener.accept()?;
    let begin = Instant::now();
    let copied = std::thread::scope(|scope| -> Result<u64> {
        let receiver = scope.spawn(move || std::io::copy(&mut accepted, &mut File::create(into)?));
        for file in files {
            let _ = std::io::copy(&mut File::open(file)?, &mut stream)?;
        }
        drop(stream);
        Ok(receiver.join().map_err(|_| anyhow!("the receiver panicked"))??)
    })?;
    let time = begin.elapsed();
    std::fs::remove_file(into)?;
    Ok(copied as f64 / 1e6 / time.as_secs_f64())
}

/// Serves one connection that asks for pieces of `file` (8 bytes of position, 8 of length) with `sendfile`.
pub(crate) fn source(file: &Path) -> Result<()> {
    let mut stream = accept()?;
    let file = File::open(file)?;
    let mut asked = [0; 16];
    while stream.read_exact(&mut asked).is_ok() {
        let (position, length) = asked.split_at(8);
        let mut position = u64::from_be_bytes(position.try_into()?);
        let end = position + u64::from_be_bytes(length.try_into()?);
        while position < end {
            let left = usize::try_from(end - position)?;
            ensure!(rustix::fs::sendfile(&stream, &file, Some(&mut position), left)? > 0, "the file ended");
        }
    }
    Ok(())
}

fn accept() -> Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// CPU-seconds per GB of a bare sink that takes `bytes` in frames of `frame_bytes`, `in_flight` at a time.
pub(crate) fn sink_cost(file: &Path, bytes: u64, frame_bytes: usize, in_flight: u64) -> Result<f64> {
    let mut child = Bare::start(&["sink", &file.display().to_string(), &frame_bytes.to_string()])?;
    let frame = vec![7; frame_bytes];
    let frames = bytes / frame_bytes as u64;
    let (mut sent, mut answered) = (0, 0);
    while answered < frames {
        while sent < frames && sent - answered < in_flight {
            child.stream.write_all(&frame)?;
            sent += 1;
        }
        child.stream.read_exact(&mut [0; 60])?;
        answered += 1;
    }
    Ok(child.cpu()?.as_secs_f64() / (bytes as f64 / 1e9))
}

/// CPU-seconds per GB of a bare source that sends all of `file` in pieces of `piece_bytes`.
pub(crate) fn source_cost(file: &Path, piece_bytes: u64) -> Result<f64> {
    let mut child = Bare::start(&["source", &file.display().to_string()])?;
    let size = file.metadata()?.len();
    let mut buffer = vec![0; usize::try_from(piece_bytes)?];
    let mut position = 0;
    while position < size {
        let length = piece_bytes.min(size - position);
        child.stream.write_all(&position.to_be_bytes())?;
        child.stream.write_all(&length.to_be_bytes())?;
        child.stream.read_exact(&mut buffer[..usize::try_from(length)?])?;
        position += length;
    }
    Ok(child.cpu()?.as_secs_f64() / (size as f64 / 1e9))
}

/// A bare process and the connection to it.
struct Bare {
    child: Child,
    stream: TcpStream,
}

impl Bare {
    fn start(args: &[&str]) -> Result<Self> {
        let mut child =
            Command::new(std::env::current_exe()?).arg("bare").args(args).stdout(Stdio::piped()).spawn()?;
        let mut line = [0; 64];
        let read = child.stdout.as_mut().context("a pipe")?.read(&mut line)?;
        let address = std::str::from_utf8(&line[..read])?.trim();
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { child, stream })
    }

    fn cpu(&self) -> Result<Duration> {
        cpu(Pid::from_child(&self.child))
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
