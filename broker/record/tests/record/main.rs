//! Record batches against batches that stock clients and brokers wrote, and against random and hostile bytes.

mod fixtures;
mod hostile;
mod naive;
mod properties;
