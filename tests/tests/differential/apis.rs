//! ApiVersions, and what a broker does not serve at all.

use rkafka_tests::wire::Answer;
use rkafka_wire::messages::ApiVersionsRequest;

use super::check;
use super::requests::text;
use super::session::Session;

fn request(name: &str, version: &str) -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(text(name))
        .with_client_software_version(text(version))
}

#[test]
fn api_versions() {
    check("api_versions", |session| {
        for version in 0..=2 {
            note_versions(session, version, &ApiVersionsRequest::default());
        }
        for version in 3..=4 {
            note_versions(session, version, &request("apache-kafka-java", "4.3.1"));
        }
        for version in 3..=4 {
            for name in ["a", "a.b", "a-b-1", "", "-a", "a-", "a b", "ä", "a_b"] {
                let named = session.arrange(version, &request(name, "1"));
                session.note(
                    &format!("named {name:?}, version {version}"),
                    (named.error_code, named.api_keys.len() > 1),
                );
                let of = session.arrange(version, &request("a", name));
                session.note(
                    &format!("of version {name:?}, version {version}"),
                    (of.error_code, of.api_keys.len() > 1),
                );
            }
        }
    });
}

/// One line for each key, and one for each feature.
fn note_versions(session: &mut Session, version: i16, request: &ApiVersionsRequest) {
    let mut answer = session.arrange(version, request);
    for api in std::mem::take(&mut answer.api_keys) {
        let served = format!("key {}: {} to {}", api.api_key, api.min_version, api.max_version);
        session.note(&format!("key {}, version {version}", api.api_key), served);
    }
    session.note(&format!("the rest, version {version}"), answer);
}

/// KIP-511: an unknown version is answered in version 0 with what would be known.
#[test]
fn api_versions_of_the_future() {
    check("api_versions_of_the_future", |session| {
        for (version, body) in [(6, &b""[..]), (99, b"\x02a\x02b\x00"), (i16::MAX, b"\xff\xff\xff\xff\xff")] {
            let answer = session.connect().ask_raw(18, version, true, body);
            session.note_answer(&format!("version {version}"), &body, shown(answer));
        }
        let negative = session.connect().ask_raw(18, -1, false, b"");
        session.note_answer("version -1", &"", shown(negative));
    });
}

/// The rest of a frame as text, without the correlation id.
fn shown(answer: Answer<bytes::Bytes>) -> Answer<String> {
    match answer {
        Answer::Decoded(frame) => Answer::Decoded(frame[4..].escape_ascii().to_string()),
        Answer::Undecodable(reason) => Answer::Undecodable(reason),
        Answer::Closed => Answer::Closed,
        Answer::Silence => Answer::Silence,
    }
}

/// Requests that cannot be served close the connection without an answer.
#[test]
fn unserved_requests() {
    check("unserved_requests", |session| {
        let cases: [(&str, i16, i16, bool, &[u8]); 8] = [
            ("a key that does not exist", 999, 0, false, b""),
            ("a negative key", -1, 0, false, b""),
            ("a key of the ZooKeeper era", 4, 0, false, b""),
            ("Produce of version 2", 0, 2, false, b"\x00\x01\x00\x00\x00\x0a\x00\x00\x00\x00"),
            ("Metadata of the future", 3, 99, true, b""),
            ("Fetch of version 3", 1, 3, false, b""),
            ("a body that ends early", 3, 5, false, b"\x00\x00\x00\x05"),
            ("Vote, which is for controllers", 52, 0, true, b"\x00\x01\x00"),
        ];
        for (label, key, version, flexible, body) in cases {
            let answer = session.connect().ask_raw(key, version, flexible, body);
            session.note_answer(label, &body, shown(answer));
        }
        // What follows a whole body is not looked at.
        let answer = session.connect().ask_raw(3, 5, false, b"\x00\x00\x00\x00\x00too much");
        session.note("a body with too much is answered", matches!(answer, Answer::Decoded(_)));
        let answer = session.arrange(0, &ApiVersionsRequest::default());
        session.note("a request after all that", answer.error_code);
    });
}
