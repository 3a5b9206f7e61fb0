//! Times and durations as Kafka's tools take them on their command lines.

use chrono::{DateTime, NaiveDateTime};

/// A time as Kafka's tools take it: `2026-01-31T23:59:59.999`, UTC unless `Z`, `+0800` or `+08:00` follows.
pub(crate) fn timestamp_ms(text: &str) -> Result<i64, String> {
    let exception = "java.text.ParseException";
    let Some((_, time)) = text.split_once('T') else {
        let problem = "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format";
        return Err(format!("{exception}: {problem}"));
    };
    let unparseable = || format!("{exception}: Unparseable date: \"{text}\"");
    if time.contains(['+', '-', 'Z']) {
        let normal = text.replace('Z', "+0000");
        let parsed = DateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M:%S%.f%z");
        return parsed.map(|time| time.timestamp_millis()).map_err(|_| unparseable());
    }
    let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    parsed.map(|time| time.and_utc().timestamp_millis()).map_err(|_| unparseable())
}

/// A duration of ISO 8601, days to seconds: `P1DT2H3M4.5S`; `-` in front of it or of a number turns it round.
pub(crate) fn duration_ms(text: &str) -> Result<i64, String> {
    parse_duration(text).ok_or_else(|| "Text cannot be parsed to a Duration".to_owned())
}

fn parse_duration(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (sign, rest) = match upper.strip_prefix(['-', '+']) {
        Some(rest) => (if upper.starts_with('-') { -1.0 } else { 1.0 }, rest),
        None => (1.0, upper.as_str()),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    let mut seconds = 0.0;
    let mut parts = 0;
    for (mut text, units) in
        [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])]
    {
        for (unit, worth) in units {
            if let Some((number, behind)) = text.split_once(*unit) {
                let number: f64 = number.parse().ok()?;
                if *unit != 'S' && number.fract() != 0.0 {
                    return None;
                }
                seconds += number * worth;
                parts += 1;
                text = behind;
            }
        }
        if !text.is_empty() {
            return None;
        }
    }
    // Milliseconds of any duration that fits Kafka's timestamps are exact in 53 bits.
    (parts > 0).then_some((sign * seconds * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(timestamp_ms("1970-01-01T00:00:01.500"), Ok(1500));
        assert_eq!(timestamp_ms("1970-01-01T00:00:01"), Ok(1000));
        assert_eq!(timestamp_ms("1970-01-01T08:00:00.000+0800"), Ok(0));
        assert_eq!(timestamp_ms("1970-01-01T08:00:00.000+08:00"), Ok(0));
        assert_eq!(timestamp_ms("1970-01-01T00:00:00.001Z"), Ok(1));
        assert_eq!(
            timestamp_ms("1970-01-01").unwrap_err(),
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"
        );
        assert_eq!(
            timestamp_ms("1970-01-01Tnoon").unwrap_err(),
            "java.text.ParseException: Unparseable date: \"1970-01-01Tnoon\""
        );
    }

    #[test]
    fn durations() {
        let check = |text: &str, ms: i64| assert_eq!(duration_ms(text), Ok(ms), "{text}");
        check("PT1H", 3_600_000);
        check("P1D", 86_400_000);
        check("P1DT2H3M4.5S", 93_784_500);
        check("pt0s", 0);
        check("-PT5M", -300_000);
        check("PT-5M", -300_000);
        for wrong in ["", "P", "PT", "1H", "P1H", "PT1.5H", "PT1S1M", "foo"] {
            assert_eq!(duration_ms(wrong).unwrap_err(), "Text cannot be parsed to a Duration", "{wrong}");
        }
    }
}
