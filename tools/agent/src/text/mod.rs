//! Text in the character sets Java knows, and lines out of it.
//!
//! | module | what it is |
//! |---|---|
//! | [`charset`] | names as Java takes them, decoding with Flume's three policies for malformed bytes |
//! | [`java_gbk`] | GBK as Java decodes it, which is not the WHATWG's GBK |
//! | [`lines`] | lines with their byte positions out of any reader, in bounded memory |
//! | [`stream`] | lines of bytes out of pipes and connections |

pub mod charset;
pub mod java_gbk;
pub mod lines;
pub mod stream;

pub use charset::{Charset, DecodeErrorPolicy, Malformed};
pub use lines::{Line, LineError, Lines};
pub use stream::{StreamLine, StreamLines};
