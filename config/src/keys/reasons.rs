//! Why rkafka ignores a key that stock Kafka knows; shown in the reference page.

/// Names a Java class or a JVM feature.
pub(super) const JAVA: &str = "rkafka runs no Java code";
