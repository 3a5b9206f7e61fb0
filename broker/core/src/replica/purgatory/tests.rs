//! Waiting requests end exactly when they are satisfied or out of time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn tokens(ids: &[u64]) -> Vec<Token> {
    ids.iter().map(|id| Token(*id)).collect()
}

#[test]
fn produces_complete_in_the_order_of_their_offsets() {
    let mut waits = ProduceWaits::default();
    waits.wait(30, Token(1));
    waits.wait(10, Token(2));
    waits.wait(20, Token(3));
    waits.wait(20, Token(4));
    assert_eq!(waits.complete(9), []);
    assert_eq!(waits.complete(20), tokens(&[2, 3, 4]));
    assert!(waits.cancel(30, Token(1)));
    assert!(!waits.cancel(30, Token(1)));
    assert!(waits.is_empty());
}

#[test]
fn lost_leadership_lets_everybody_go() {
    let mut produces = ProduceWaits::default();
    produces.wait(5, Token(1));
    produces.wait(3, Token(2));
    assert_eq!(produces.clear(), tokens(&[2, 1]));
    let mut fetches = FetchWaits::default();
    let _ = fetches.wait(Bound::HighWatermark, 1, Token(3));
    let _ = fetches.wait(Bound::LogEnd, 1, Token(4));
    assert_eq!(fetches.clear(), tokens(&[4, 3]));
    assert!(produces.is_empty() && fetches.is_empty());
}

#[test]
fn fetches_wait_for_bytes_below_their_bound() {
    let mut waits = FetchWaits::default();
    let _ = waits.wait(Bound::LogEnd, 1, Token(1));
    let _ = waits.wait(Bound::HighWatermark, 100, Token(2));
    let _ = waits.wait(Bound::HighWatermark, 101, Token(3));
    let stable = waits.wait(Bound::LastStableOffset, 1, Token(4));
    assert_eq!(waits.append(10, 60), tokens(&[1]));
    assert_eq!(waits.append(20, 40), []);
    assert_eq!(waits.advance(Bound::HighWatermark, 10), []);
    assert_eq!(waits.advance(Bound::HighWatermark, 20), tokens(&[2]));
    assert!(waits.cancel(stable));
    assert_eq!(waits.advance(Bound::LastStableOffset, 20), []);
    assert_eq!(waits.len(), 1);
    waits.check_invariants();
}

#[test]
fn a_share_is_reached_before_the_sum_can_be() {
    assert_eq!(FetchWaits::share(1, 50), 1);
    assert_eq!(FetchWaits::share(100, 3), 34);
    assert_eq!(FetchWaits::share(0, 0), 1);
}

#[derive(Debug, Clone)]
enum Event {
    Append(u64),
    Advance { bound: usize, by: i64 },
    Wait { bound: usize, bytes: u64 },
    Cancel(usize),
}

const BOUNDS: [Bound; 3] = [Bound::LogEnd, Bound::HighWatermark, Bound::LastStableOffset];

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1u64..50).prop_map(Event::Append),
        (1usize..3, 0i64..40).prop_map(|(bound, by)| Event::Advance { bound, by }),
        (0usize..3, 0u64..120).prop_map(|(bound, bytes)| Event::Wait { bound, bytes }),
        any::<usize>().prop_map(Event::Cancel),
    ]
}

/// What a wait is for, told naively: the bound, and how many bytes must be below it.
struct Naive {
    bound: usize,
    at: u64,
    handle: FetchWait,
}

proptest! {
    /// Exactly those wake who have their bytes; with few appends ahead nobody too early.
    #[test]
    fn wakes_are_exact(events in prop::collection::vec(event(), 1..120)) {
        let mut waits = FetchWaits::default();
        let mut appends: Vec<(i64, u64)> = vec![];
        let mut bounds = [0i64; 3];
        let mut waiting: BTreeMap<Token, Naive> = BTreeMap::new();
        for (nth, event) in events.into_iter().enumerate() {
            let readable = |bound: i64| appends.iter().filter(|(end, _)| *end <= bound).map(|(_, n)| n).sum::<u64>();
            let woken = match event {
                Event::Append(bytes) => {
                    bounds[0] += 7;
                    appends.push((bounds[0], bytes));
                    waits.append(bounds[0], bytes)
                }
                Event::Advance { bound, by } => {
                    bounds[bound] = (bounds[bound] + by).min(bounds[0]);
                    waits.advance(BOUNDS[bound], bounds[bound])
                }
                Event::Wait { bound, bytes } => {
                    let token = Token(nth as u64);
                    let handle = waits.wait(BOUNDS[bound], bytes, token);
                    let at = readable(bounds[bound]) + bytes.max(1);
                    waiting.insert(token, Naive { bound, at, handle });
                    Vec::new()
                }
                Event::Cancel(nth) => {
                    let token = waiting.keys().nth(nth % waiting.len().max(1)).copied();
                    if let Some(wait) = token.and_then(|token| waiting.remove(&token)) {
                        prop_assert!(waits.cancel(wait.handle));
                    }
                    Vec::new()
                }
            };
            for token in woken {
                let wait = waiting.remove(&token).expect("woken once");
                let readable: u64 =
                    appends.iter().filter(|(end, _)| *end <= bounds[wait.bound]).map(|(_, n)| n).sum();
                prop_assert!(wait.at <= readable, "{token:?} woken too early");
            }
            for wait in waiting.values() {
                let readable: u64 =
                    appends.iter().filter(|(end, _)| *end <= bounds[wait.bound]).map(|(_, n)| n).sum();
                prop_assert!(wait.at > readable, "a wake-up was lost");
            }
            prop_assert_eq!(waits.len(), waiting.len());
            waits.check_invariants();
        }
    }
}

/// Far behind, appends are counted together: memory is bounded and nobody sleeps too long.
#[test]
fn a_watermark_far_behind_costs_bounded_memory() {
    let mut waits = FetchWaits::default();
    for nth in 1..=5_000 {
        assert_eq!(waits.append(nth, 10), []);
    }
    waits.check_invariants();
    let _ = waits.wait(Bound::HighWatermark, 20_000, Token(1));
    let woken_at = (1..=5_000).find(|offset| !waits.advance(Bound::HighWatermark, *offset).is_empty());
    assert!(woken_at.is_some_and(|offset| offset <= 2_000), "{woken_at:?}");
}
