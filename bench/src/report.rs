//! The table that a race prints.

/// One scenario's medians.
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) unit: &'static str,
    pub(crate) rkafka: f64,
    pub(crate) apache: f64,
}

/// Prints a Markdown table; the last column is rkafka's figure as a fraction of Apache Kafka's.
pub(crate) fn print(rows: &[Row]) {
    println!("| scenario | unit | rkafka | Apache Kafka | ratio |");
    println!("|---|---|---:|---:|---:|");
    for Row { scenario, unit, rkafka, apache } in rows {
        println!("| {scenario} | {unit} | {rkafka:.2} | {apache:.2} | {:.3} |", rkafka / apache);
    }
}
