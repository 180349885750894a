use std::time::Instant;

use berth_model::Protocol;
use berth_model::config::{Bounds, Rules};
use stateright::{Checker, Model};

fn main() {
    let arg: Vec<u8> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let bounds = Bounds { workspaces: arg[0] as usize, wishes: arg[1], faults: arg[2], epochs: arg[3] };
    let began = Instant::now();
    let checker = Protocol { bounds, rules: Rules::default() }.checker().threads(2).timeout(std::time::Duration::from_secs(100)).spawn_bfs().join();
    println!("{bounds:?} states {} unique {} depth {} done {} in {:?}", checker.state_count(), checker.unique_state_count(), checker.max_depth(), checker.is_done(), began.elapsed());
    for (name, path) in checker.discoveries() { println!("{name}"); if name.starts_with('I') { println!("{path}"); println!("{:#?}", path.last_state()); } }
}
