//! Nothing of the corpus is taken for a request, by whoever answers, in whatever pieces it comes.

mod corpus;

use berth_framing::{Inbound, Refusal, Rules, Step, Target};

/// The steps through what comes in pieces of that size, until nothing more is taken.
fn steps(bytes: &[u8], piece: usize, target: Target) -> Vec<Step> {
    let mut inbound = Inbound::new(Rules { head_bytes: 32 * 1024, body_bytes: u64::MAX, target });
    let (mut arrived, mut steps) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        arrived.extend_from_slice(piece);
        loop {
            let step = inbound.step(&arrived);
            let taken = match step {
                Step::Skip(length) | Step::Body(length) => length,
                Step::Head(head) => head.length,
                Step::More => break,
                Step::Refuse(_) | Step::End => {
                    steps.push(step);
                    return steps;
                }
            };
            arrived.drain(..taken);
            steps.push(step);
        }
    }
    steps
}

#[test]
fn nothing_malformed_is_a_request_in_whatever_pieces_it_comes() {
    let all = corpus::malformed();
    assert!(all.len() >= 80, "{}", all.len());
    for target in [Target::Here, Target::Behind] {
        for request in &all {
            let bytes = format!("{request}GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
            for piece in [1, 7, bytes.len()] {
                let steps = steps(bytes.as_bytes(), piece, target);
                let refused = matches!(steps.last(), Some(Step::Refuse(Refusal::Malformed(_))));
                assert!(refused && steps.len() == 1, "{target:?} {piece} {request:?}: {steps:?}");
            }
        }
    }
}

#[test]
fn what_is_right_is_cut_the_same_in_whatever_pieces_it_comes() {
    let right = corpus::get("X: y\r\n").repeat(3);
    for piece in [1, 7, right.len()] {
        let steps = steps(right.as_bytes(), piece, Target::Here);
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert!(steps.iter().all(|step| matches!(step, Step::Head(head) if head.length * 3 == right.len())));
    }
}
