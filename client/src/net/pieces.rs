//! Bytes in pieces, written by one system call: [`AsyncWriteExt::write_all_buf`](tokio::io::AsyncWriteExt) asks for
//! as many as `writev` takes.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Bytes to be written, in order; no piece is empty.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: VecDeque<Bytes>,
    remaining: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, piece: Bytes) {
        self.remaining += piece.len();
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let count = slices.len().min(self.pieces.len());
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "{count} of {} bytes", self.remaining);
        self.remaining -= count;
        while let Some(piece) = self.pieces.front_mut() {
            if count < piece.len() {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_steps() {
        let texts = ["size", "", "header", "records", "x"];
        let whole = texts.concat().into_bytes();
        for step in 1..=whole.len() {
            let mut pieces = Pieces::default();
            texts.iter().for_each(|text| pieces.push(Bytes::from_static(text.as_bytes())));
            let mut slices = [IoSlice::new(&[]); 3];
            assert_eq!(pieces.chunks_vectored(&mut slices), 3);
            assert_eq!(slices.map(|slice| slice.to_vec()).concat(), b"sizeheaderrecords");
            let mut read = Vec::new();
            while pieces.has_remaining() {
                let count = pieces.chunk().len().min(step);
                read.extend_from_slice(&pieces.chunk()[..count]);
                pieces.advance(count);
            }
            assert_eq!(read, whole);
            assert_eq!(pieces.chunk(), b"");
        }
    }
}
