//! One state for all that differ only in numbers that are compared and never looked at.
//!
//! Sequences are compared within their epoch, resource versions for equality within their workspace. Both would grow for
//! ever; here they are counted anew after every step, in their order, so that the number of states is finite.

use crate::agent::Phase;
use crate::network::{Answer, Info};
use crate::state::{Epoch, Object, Sequence, State, Version};

impl State {
    /// A resource version that nothing has.
    pub fn fresh_version(&mut self, workspace: usize) -> Version {
        let mut highest = 0;
        self.each_version(workspace, &mut |version| highest = highest.max(*version));
        highest + 1
    }

    /// Drops what nobody will ever read, and counts anew.
    pub fn tidy(&mut self) {
        let processes = &self.processes;
        self.responses.retain(|response| {
            processes.iter().any(|process| {
                process.awaiting.is_some()
                    && (process.epoch, process.sequence) == (response.epoch, response.sequence)
            })
        });
        let heard = self.heard.0;
        self.requests.retain(|request| {
            request.epoch >= heard || processes.iter().any(|process| process.epoch == request.epoch)
        });
        for epoch in 1..=self.lease {
            let ranks = Ranks::of(|visit| self.each_sequence(epoch, visit));
            self.each_sequence(epoch, &mut |sequence| *sequence = ranks.rank(*sequence));
        }
        for workspace in 0..self.workspaces.len() {
            let ranks = Ranks::of(|visit| self.each_version(workspace, visit));
            self.each_version(workspace, &mut |version| *version = ranks.rank(*version));
        }
        self.requests.sort_unstable_by_key(|request| (request.epoch, request.sequence));
        self.responses.sort_by_key(|response| (response.epoch, response.sequence));
    }

    fn each_sequence(&mut self, epoch: Epoch, visit: &mut dyn FnMut(&mut Sequence)) {
        let mut at = |found: Epoch, sequence: &mut Sequence| {
            if found == epoch {
                visit(sequence);
            }
        };
        at(self.heard.0, &mut self.heard.1);
        for workspace in &mut self.workspaces {
            for row in workspace.read.iter_mut().chain([&mut workspace.row]) {
                if let Some((epoch, sequence)) = &mut row.reported {
                    at(*epoch, sequence);
                }
            }
        }
        for request in self.requests.iter_mut().chain(&mut self.planned) {
            at(request.epoch, &mut request.sequence);
        }
        for response in &mut self.responses {
            at(response.epoch, &mut response.sequence);
        }
        for process in &mut self.processes {
            at(process.epoch, &mut process.sequence);
        }
    }

    fn each_version(&mut self, workspace: usize, visit: &mut dyn FnMut(&mut Version)) {
        let place = &mut self.workspaces[workspace];
        for row in place.read.iter_mut().chain([&mut place.row]) {
            row.deployment_resource_version.iter_mut().for_each(&mut *visit);
        }
        in_object(place.live.as_mut().map(|live| &mut live.object), visit);
        for process in &mut self.processes {
            let mind = &mut process.minds[workspace];
            in_object(mind.seen.as_mut(), visit);
            in_info(&mut mind.acknowledged, visit);
            if let Some(Phase::Looked { found: Some(version) }) =
                mind.entry.as_mut().map(|entry| &mut entry.phase)
            {
                visit(version);
            }
            if let Some(sent) = &mut process.awaiting {
                in_info(&mut sent[workspace], visit);
            }
        }
        for request in self.requests.iter_mut().chain(&mut self.planned) {
            in_info(&mut request.infos[workspace], visit);
        }
        for response in &mut self.responses {
            if let Answer::Directives(directives) = &mut response.answer
                && let Some(directive) = &mut directives[workspace]
            {
                directive.deployment_resource_version.iter_mut().for_each(&mut *visit);
            }
        }
    }
}

fn in_info(info: &mut Option<Info>, visit: &mut dyn FnMut(&mut Version)) {
    in_object(info.as_mut().and_then(|info| info.object.as_mut()), visit);
}

fn in_object(object: Option<&mut Object>, visit: &mut dyn FnMut(&mut Version)) {
    if let Some(object) = object {
        visit(&mut object.version);
    }
}

/// Which numbers below 64 are in use, as bits. Zero means "none yet" and stays what it is.
struct Ranks(u64);

impl Ranks {
    fn of(each: impl FnOnce(&mut dyn FnMut(&mut u8))) -> Self {
        let mut used = 1_u64;
        each(&mut |number| used |= 1 << *number);
        Self(used)
    }

    fn rank(&self, number: u8) -> u8 {
        let below = self.0 & ((1 << number) - 1);
        u8::try_from(below.count_ones()).unwrap_or(u8::MAX)
    }
}
