//! What this broker must do so that its partitions are as the image says.
